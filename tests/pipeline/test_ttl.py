"""A time to live deletes for good: it has a minimum, a switch for each route, and a life ends with it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    InvalidInputError,
    module_routes,
)
from runtime.testing import MemoryApp
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOUR = 3600


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[One()])
    yield lab
    lab.clock.stop()


def refused(lab: Lab, publish: Callable[[int], Any], ttl: int) -> bool:
    before = lab.left()
    try:
        publish(ttl)
    except InvalidInputError as error:
        fields = [problem.field for problem in error.problems]
    else:
        return False
    assert (fields, lab.left()) == (["ttl"], before)
    return True


def ways(lab: Lab) -> dict[str, Callable[[int], Any]]:
    commands, me = lab.module.commands, lab.user()
    change = {"pk": KEY.pk, "sk": "A1", "version": 1, "name": "n"}
    return {
        "async": lambda ttl: lab.publish(1, values={"ttl": ttl}),
        "sync": lambda ttl: lab.publish(1, sync=True, values={"ttl": ttl}),
        "partial": lambda ttl: commands.publish_partial_update_async(
            {**change, "ttl": ttl}, invoke_context=me
        ),
        "partial sync": lambda ttl: commands.publish_partial_update_sync(
            {**change, "ttl": ttl}, invoke_context=me
        ),
        "with retry": lambda ttl: commands.publish_with_retry(
            KEY, lambda _: lab.command() | {"ttl": ttl}, invoke_context=me
        ),
    }


@pytest.mark.parametrize("way", ["async", "sync", "partial", "partial sync", "with retry"])
def test_a_module_has_a_minimum_whoever_gives_a_time_to_live(lab: Lab, way: str) -> None:
    lab.module = CommandModule(
        "todo", data_sync_handlers=[One()], min_ttl=timedelta(hours=1), resources=lab.resources
    )
    lab.publish(0)
    lab.settle()
    publish, now = ways(lab)[way], int(lab.clock.seconds())
    for ttl in (-1, 0, 1, now, now + HOUR - 1):
        assert refused(lab, publish, ttl), ttl
    assert not refused(lab, publish, now + HOUR)


@given(ttl=st.integers(-(2**63), 2**63), least=st.integers(0, 10**7))
@settings(max_examples=60, deadline=None)
def test_what_is_accepted_lies_ahead(ttl: int, least: int) -> None:
    lab = Lab()
    try:
        lab.module = CommandModule("todo", min_ttl=timedelta(seconds=least), resources=lab.resources)
        is_refused = refused(lab, lambda value: lab.publish(0, sync=True, values={"ttl": value}), ttl)
        assert is_refused is (ttl < lab.clock.seconds() + least)
        if not is_refused:
            assert lab.row("data")["ttl"] == ttl
    finally:
        lab.clock.stop()


def test_a_repetition_is_answered_however_late_it_comes(lab: Lab) -> None:
    lab.module = CommandModule(
        "todo", data_sync_handlers=[One()], min_ttl=timedelta(hours=1), resources=lab.resources
    )
    values = {"ttl": int(lab.clock.seconds()) + HOUR}
    first = lab.publish(0, values=values, publish_id="id-1")
    lab.clock.advance(minutes=50)
    assert lab.publish(0, values=values, publish_id="id-1").request_id == first.request_id


def test_a_minimum_is_not_negative() -> None:
    with pytest.raises(ConfigurationError, match="min_ttl must not be negative"):
        CommandModule("todo", min_ttl=timedelta(seconds=-1))


# Routes


def app(**options: Any) -> CqrsApp:
    doc = CommandModule("doc")
    return CqrsApp(modules=[doc], routes=module_routes(doc, prefix="/docs", type="DOC", **options))


def taking(memory: MemoryApp) -> list[str]:
    """The routes that take a time to live."""
    client = memory.client(tenant="acme", user="ann")
    body = {"version": -1, "attributes": {}, "ttl": int(memory.clock.seconds()) + 2 * HOUR}
    sent = {
        "publish": client.post("/docs", {"sk": "A1", "name": "one", **body}),
        "replace": client.put("/docs/A2", {"name": "two", **body}),
    }
    (bulk,) = client.post("/docs/bulk", [{"sk": "A3", "name": "three", **body}]).json()["items"]
    problems = {name: answer.json() for name, answer in sent.items()} | {"bulk": bulk.get("problem")}
    found = {name: answer.status for name, answer in sent.items()} | {"bulk": bulk["status"]}
    for name, status in found.items():
        if status == 400:
            assert [error["field"] for error in problems[name]["errors"]] == ["ttl"]
    assert set(found.values()) <= {202, 400}
    return [name for name, status in found.items() if status == 202]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"ttl": False}, []),
        ({"ttl": True}, ["publish", "replace", "bulk"]),
        ({"ttl": ["replace"]}, ["replace"]),
        ({"ttl": {"publish", "bulk"}}, ["publish", "bulk"]),
    ],
)
def test_a_route_takes_one_where_it_is_told_to(options: Any, expected: list[str]) -> None:
    with MemoryApp(app(**options)) as memory:
        assert taking(memory) == expected


@pytest.mark.parametrize("ttl", ["publish", ["patch"], ["all"]])
def test_only_routes_that_could_take_one_can_be_named(ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match="ttl must be a flag, or names among publish, replace, bulk"):
        app(ttl=ttl)


def test_a_route_that_takes_one_keeps_to_the_minimum() -> None:
    with MemoryApp(app(ttl=True)) as memory:
        client = memory.client(tenant="acme", user="ann")
        now = int(memory.clock.seconds())
        for ttl in (0, 1, now, now + HOUR - 1):
            answer = client.put("/docs/A1", {"version": 0, "name": "n", "attributes": {}, "ttl": ttl})
            assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "ttl")
        assert memory.rows("doc", "command") == []
