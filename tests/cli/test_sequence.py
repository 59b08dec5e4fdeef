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


def test_gaps_without_a_reason_need_attention(cqrs: Direct, resources: Resources) -> None:
    assert cqrs("sequence", "gaps", "acme", "log").lines == ["It has no gaps."]
    other = SequenceModule([Series("log")])
    other.use(resources)
    other.generate_sequence_range("log", 2, tenant_code="acme")
    found = cqrs("sequence", "gaps", "acme", "log", "none")
    assert (found.code, found.lines[-1]) == (1, "1 2 -")
    for no in ("1", "2"):
        said = cqrs("sequence", "void", "acme", "log", "--no", no, "--reason", "lost")
        assert (said.code, said.lines[-1]) == (0, f"{no} {no} lost")
    found = cqrs("sequence", "gaps", "acme", "log", "--json")
    assert (found.code, found.json["gaps"]) == (0, [{"first": 1, "last": 2, "reason": "lost"}])


def test_gaps_come_page_by_page(cqrs: Direct, sequences: SequenceModule) -> None:
    for no in range(1, 6):
        sequences.generate_sequence_item("log", tenant_code="acme")
        if no % 2:
            cqrs("sequence", "void", "acme", "log", "none", "--no", str(no), "--reason", f"r{no}")
    first = cqrs("sequence", "gaps", "acme", "log", "--limit", "2")
    assert first.lines[-4:] == ["1 1 r1", "3 3 r3", "", "… and more"]
    assert "there are more: --after 3" in first.err
    rest = cqrs("sequence", "gaps", "acme", "log", "--limit", "2", "--after", "3", "--json")
    assert rest.json == {"gaps": [{"first": 5, "last": 5, "reason": "r5"}], "hasMore": False}


def test_a_number_is_void_for_one_reason(cqrs: Direct, sequences: SequenceModule) -> None:
    words = ("sequence", "void", "acme", "log", "--no", "1", "--reason")
    refused = cqrs(*words, "lost")
    assert refused.code not in {0, 1}
    assert "has not given the number 1" in refused.err
    sequences.generate_sequence_item("log", tenant_code="acme")
    assert [cqrs(*words, "lost").code for _twice in range(2)] == [0, 0]
    refused = cqrs(*words, "misprint")
    assert refused.code not in {0, 1}
    assert "is void already, or was never given: lost" in refused.err
    refused = cqrs(
        "sequence", "void", "acme", "branch", "--no", "1", "--code", "A", "--code", "B", "--reason", "x"
    )
    assert "keeps no record of its numbers" in refused.err
    for words_without in (words[:-1], ("sequence", "void", "acme", "log", "--reason", "lost")):
        assert cqrs(*words_without).code == 2


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
