"""What operators see of handlers that are behind or gone, and what the schedule asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime import CommandModule, StoreRefusedError, metrics
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from runtime.model.status import FINISHED, HANDLERS_FAILED
from runtime.store.answer_size import MAX_ANSWER
from runtime.store.port import Put, Set
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[One(), Two()])
    yield lab
    lab.clock.stop()


def operate(lab: Lab, operation: str, **arguments: Any) -> dict[str, Any]:
    return Operator(Scope({"todo": lab.module}, lab.resources)).run({"operation": operation, **arguments})


def test_nobody_is_behind(lab: Lab) -> None:
    lab.publish(0)
    lab.settle()
    assert operate(lab, "behind", module="todo") == {"behind": [], "scanned": 2, "resumeToken": None}


def test_who_is_behind_where(lab: Lab) -> None:
    for version in range(3):
        lab.publish(version)
    lab.settle()
    lab.store.write(Set(place=lab.context.cursor_place(KEY, "Two"), columns={"version": 1}))
    (found,) = operate(lab, "behind", module="todo")["behind"]
    assert found == {
        **KEY._asdict(),
        "handler": "Two",
        "version": 1,
        "latestVersion": 3,
        "parkedVersion": None,
        "isGone": False,
    }


def test_a_parked_cursor_of_a_handler_that_is_gone_is_dropped(lab: Lab) -> None:
    two: Any = lab.module.handler("Two").handler
    two.fails_at = {1}
    lab.publish(0)
    lab.settle()
    assert lab.status(1) == HANDLERS_FAILED
    refused = operate(lab, "drop", module="todo", **KEY._asdict(), handler="Two")
    assert "use redrive or skip" in refused["error"]["message"]
    lab.module = CommandModule(
        "todo", data_sync_handlers=[lab.module.handler("One").handler], resources=lab.resources
    )
    (gone,) = operate(lab, "behind", module="todo")["behind"]
    assert (gone["handler"], gone["isGone"], gone["parkedVersion"]) == ("Two", True, 1)
    dry = operate(lab, "drop", module="todo", **KEY._asdict(), handler="Two", dryRun=True)
    assert dry["error"] == "RuntimeError: the store is down"
    assert lab.status(1) == HANDLERS_FAILED
    done = operate(lab, "drop", module="todo", **KEY._asdict(), handler="Two")
    assert done["parkedVersion"] == 1
    assert lab.cursor("Two") == {}
    assert lab.status(1) == FINISHED
    assert lab.notified()[-1] == ("A1@1", FINISHED)
    again = operate(lab, "drop", module="todo", **KEY._asdict(), handler="Two")
    assert again["error"]["type"] == "ItemNotFoundError"


def test_the_schedule_heals_every_module(lab: Lab) -> None:
    lab.publish(0)
    lab.records.clear()
    lab.clock.advance(minutes=11)
    (todo,) = operate(lab, "heal")["modules"]
    assert todo == {"name": "todo", "lookedAt": 1, "healed": 1, "failed": []}
    assert lab.status(1) == FINISHED


def test_a_module_that_cannot_be_looked_at_does_not_stop_the_others(lab: Lab) -> None:
    other = Lab(handlers=[One()])
    lab.clock.start()

    other.store.query = refuse_all  # type: ignore[assignment, method-assign]
    lab.publish(0)
    lab.records.clear()
    lab.clock.advance(minutes=11)
    scope = Scope({"other": other.module, "todo": lab.module}, lab.resources)
    first, second = Operator(scope).run({"operation": "heal"})["modules"]
    assert first == {"name": "other", "error": "StoreRefusedError"}
    assert second["healed"] == 1


def heals(capsys: pytest.CaptureFixture[str]) -> list[float]:
    """What the heartbeat's metric has got since the last time."""
    metrics.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    return [value for line in lines if line["module"] == "all" for value in line.get("Heals", [])]


def test_the_heartbeat_is_missed_where_something_cannot_be_healed(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heals(capsys)
    operate(lab, "heal")
    assert heals(capsys) == [1]  # also where nothing was to do
    lab.publish(0)
    lab.records.clear()
    lab.clock.advance(minutes=11)
    write = lab.store.write

    def refuse(*writes: Any) -> None:
        if any(isinstance(one, Put) and one.table == lab.context.tables.data for one in writes):
            service, kind = "DynamoDB", "ValidationException"
            raise StoreRefusedError(service, kind)
        write(*writes)

    monkeypatch.setattr(lab.store, "write", refuse)
    (todo,) = operate(lab, "heal")["modules"]
    assert [failure["error"] for failure in todo["failed"]] == ["StoreRefusedError"]
    assert heals(capsys) == [0]  # a look that fails is one, and not none
    monkeypatch.undo()
    assert operate(lab, "heal")["modules"][0]["healed"] == 1
    assert heals(capsys) == [1]
    monkeypatch.setattr(lab.store, "query", refuse_all)
    assert operate(lab, "heal")["modules"] == [{"name": "todo", "error": "StoreRefusedError"}]
    assert heals(capsys) == [0]


def test_a_look_that_breaks_off_is_one_that_failed(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heals(capsys)

    def break_off(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(lab.store, "query", break_off)
    with pytest.raises(RuntimeError):
        operate(lab, "heal")
    assert heals(capsys) == [0]


def test_other_counts_of_nothing_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    heals(capsys)
    metrics.count(metrics.COMMANDS_APPLIED, "todo", 0)
    metrics.flush()
    assert capsys.readouterr().out == ""


def refuse_all(*_: Any, **__: Any) -> None:
    service, kind = "DynamoDB", "AccessDeniedException"
    raise StoreRefusedError(service, kind)


def test_a_page_ends_by_bytes_whatever_keys_and_errors_say(lab: Lab) -> None:
    """600 cursors whose texts are written with six bytes a character, and more."""
    for number in range(600):
        sk = f"One#{number:03}{chr(1) * 500}"
        row = {"pk": KEY.pk, "sk": sk, "version": 1, "parkedVersion": 2, "parkedError": "\0" * 2000}
        lab.store.write(Put(table=lab.context.tables.sync, row=row))
    for operation in ("parked", "behind"):
        found: list[str] = []
        pages, token = 0, None
        while True:
            answer = operate(lab, operation, module="todo", limit=1000, resumeToken=token)
            assert len(json.dumps(answer)) < MAX_ANSWER
            found += [entry["sk"] for entry in answer[operation]]
            pages, token = pages + 1, answer["resumeToken"]
            if token is None:
                break
        if operation == "parked":
            assert (len(set(found)), len(found)) == (600, 600)
            assert pages > 1


def test_of_very_many_versions_the_last_ones_are_shown(lab: Lab) -> None:
    lab.publish(0)
    lab.settle()
    row = lab.row("command", "A1@1")
    for version in range(2, 4000):
        more = {"sk": f"A1@{version}", "version": version, "source": "\0" * 200}
        lab.store.write(Put(table=lab.context.tables.command, row=row | more))
    answer = operate(lab, "show", module="todo", **KEY._asdict())
    assert len(json.dumps(answer)) < MAX_ANSWER
    assert answer["versions"][-1]["version"] == 3999
    assert len(answer["versions"]) + answer["earlier"] == 3999


def test_versions_of_earlier_lives_are_marked(lab: Lab) -> None:
    def shown() -> list[tuple[int, bool, bool]]:
        versions = operate(lab, "show", module="todo", **KEY._asdict())["versions"]
        return [(one["version"], one["applied"], one.get("earlierLife", False)) for one in versions]

    for version in range(2):
        lab.publish(version, values={"ttl": int(lab.clock.seconds()) + 60})
        lab.settle()
    lab.clock.advance(minutes=2)
    lab.store.expire()
    assert shown() == [(1, True, False), (2, True, False)]
    lab.publish(0)
    assert shown() == [(1, True, True), (2, True, True), (3, False, False)]
    lab.settle()
    assert shown() == [(1, True, True), (2, True, True), (3, True, False)]
