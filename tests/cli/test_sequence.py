"""`cqrs sequence`, from the command line to the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime import CqrsApp, SequenceModule, Series, Settings
from runtime.entry.operator.scope import Scope
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.cli.direct import Direct

if TYPE_CHECKING:
    from runtime import Resources


@pytest.fixture
def resources() -> Resources:
    settings = Settings(node_env="local", app_name="shop", function="operator")
    return MemoryResources(settings, MemoryStore(), Clock())


@pytest.fixture
def sequences() -> SequenceModule:
    return SequenceModule(
        [Series("log", issue_log=True), Series("branch", codes=2), Series("yearly", rotate_by="yearly")]
    )


@pytest.fixture
def cqrs(
    sequences: SequenceModule,
    resources: Resources,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Direct:
    app = CqrsApp(modules=[], features=[sequences], resources=resources)
    return Direct(lambda: Scope(app.modules, resources, app.event_modules, app.features), monkeypatch, capsys)


def test_it_lists_and_shows_counters(cqrs: Direct, sequences: SequenceModule) -> None:
    assert cqrs("sequence", "show", "acme", "log").lines == ["It has given no number yet."]
    sequences.generate_sequence_item("log", tenant_code="acme")
    sequences.generate_sequence_item("branch", tenant_code="acme", codes=["A", "B"])
    listed = cqrs("sequence", "list", "acme")
    assert listed.code == 0
    assert [line.split()[:-1] for line in listed.lines if line.startswith(("branch", "log"))] == [
        ["branch", "A", "B", "none", "1"],
        ["log", "-", "none", "1"],
    ]
    first = cqrs("sequence", "list", "acme", "--limit", "1")
    assert first.lines[-1] == "… and more"
    assert "there are more: --after 'branch#A#B#none'" in first.err
    rest = cqrs("sequence", "list", "acme", "--after", "branch#A#B#none", "--json").json
    assert [one["type"] for one in rest["counters"]] == ["log"]
    assert [one["type"] for one in cqrs("sequence", "list", "acme", "log", "--json").json["counters"]] == [
        "log"
    ]
    shown = cqrs("sequence", "show", "acme", "branch", "none", "--code", "A", "--code", "B", "--json")
    assert shown.json["counter"]["no"] == 1
    assert cqrs("sequence", "list", "globex", "--json").json == {"counters": [], "lastSk": None}


def test_gaps_without_a_reason_need_attention(
    cqrs: Direct, sequences: SequenceModule, resources: Resources
) -> None:
    assert cqrs("sequence", "gaps", "acme", "log").lines == ["It has no gaps."]
    other = SequenceModule([Series("log")])
    other.use(resources)
    other.generate_sequence_range("log", 2, tenant_code="acme")
    found = cqrs("sequence", "gaps", "acme", "log", "none")
    assert (found.code, found.lines[-1]) == (1, "1 2 -")
    for no in (1, 2):
        sequences.void("log", no, reason="lost", tenant_code="acme")
    found = cqrs("sequence", "gaps", "acme", "log", "--json")
    assert (found.code, found.json["gaps"]) == (0, [{"first": 1, "last": 2, "reason": "lost"}])


def test_it_sets_a_counter_and_never_back(cqrs: Direct, sequences: SequenceModule) -> None:
    assert (
        cqrs("sequence", "set", "acme", "yearly", "2027", "--no", "40", "--json").json["counter"]["no"] == 40
    )
    refused = cqrs("sequence", "set", "acme", "yearly", "2027", "--no", "39")
    assert refused.code not in {0, 1}
    assert "must be 40, the last number that was given" in refused.err
    counter = sequences.show_sequence("yearly", bucket="2027", tenant_code="acme")
    assert counter is not None
    assert counter.no == 40
    for words in (("set", "acme", "yearly"), ("set", "acme", "yearly", "--no", "x"), ("show", "acme")):
        assert cqrs("sequence", *words).code == 2
