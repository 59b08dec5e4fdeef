"""What modules of events measure: a tenant, a key or a user is in none of it."""

from __future__ import annotations

import pytest

from runtime import (
    Aggregate,
    CqrsApp,
    DynamoProvider,
    Event,
    EventMeta,
    EventModule,
    VersionError,
    create_aggregate,
    create_domain,
    metrics,
)
from runtime.testing import MemoryApp
from tests.runtime.test_metrics import OF_EVENTS, TENANTS, emitted


class Written(Event, type="written"):
    text: str


def measured(tenant: str, capsys: pytest.CaptureFixture[str]) -> set[tuple[str, str, str]]:
    """Every metric, with each of its dimensions, of one tenant's appends, conflict, and parked handler."""
    post: Aggregate[Written, dict[str, str]] = create_aggregate(
        stream="posts",
        events=[Written],
        create=dict,
        fold=lambda event, _state, _meta: {"text": event.text},
    )
    domain = create_domain(DynamoProvider("blog"), post)
    model = domain.create_handler("posts-model", [post])

    @model.handle(post, Written)
    def show(_aggregate_id: str, event: Written, meta: EventMeta) -> None:
        if event.text == "broken":
            raise RuntimeError(meta.tenant)

    posts = domain[post]
    with MemoryApp(CqrsApp(modules=[EventModule("blog", domain, handlers=[model])])) as memory:
        with memory.acting_as(f"user-{tenant}", tenant=tenant):
            new = posts.get_aggregate(f"p-{tenant}")
            posts.append(new, Written(text="secret"))
            with pytest.raises(VersionError):
                posts.append(new, Written(text="late"))
            posts.append(posts.get_aggregate(f"broken-{tenant}"), Written(text="broken"))
        memory.deliver()
        metrics.flush()
    lines = [line for line in emitted(capsys) if "_aws" in line]
    found = {
        (metric["Name"], name, str(line[name]))
        for line in lines
        for series in line["_aws"]["CloudWatchMetrics"]
        for metric in series["Metrics"]
        for names in series["Dimensions"]
        for name in names
    }
    assert tenant not in str(lines)
    assert "secret" not in str(lines)
    return found


def test_no_tenant_key_or_user_becomes_a_dimension(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.flush()  # what others have counted in this process
    capsys.readouterr()
    series = [measured(tenant, capsys) for tenant in TENANTS]
    assert series[0] == series[1] == series[2]
    assert {metric for metric, _, _ in series[0]} >= OF_EVENTS
    assert {value for metric, name, value in series[0] if name == "module" and metric in OF_EVENTS} == {
        "blog"
    }
