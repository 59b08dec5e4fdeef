"""An aggregate that is erased, or expires, and is created again: what is remembered belongs to one life."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import InvalidVersionError, erase, reconcile
from runtime.contract import Action
from runtime.model.status import FINISHED
from runtime.pipeline.transactions import COMMAND
from runtime.store.codec import encoded
from runtime.store.port import Delete, Put
from runtime.store.values import Place
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import CommandModel


@pytest.fixture(params=["workflow", "inline"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab(mode=request.param, handlers=[One(), Two()])
    yield lab
    lab.clock.stop()


def one(lab: Lab) -> One:
    return lab.module.handler("One").handler  # type: ignore[return-value]


def first_life(lab: Lab, versions: int = 3) -> list[dict[str, object]]:
    """Publish some versions and process them; their stream records."""
    for version in range(versions):
        lab.publish(version)
    records = list(lab.records)
    lab.settle()
    assert lab.row("data")["version"] == versions
    return records


def test_an_erased_aggregate_is_not_brought_back_by_its_old_records(lab: Lab) -> None:
    records = first_life(lab)
    erase(lab.module, KEY, invoke_context=lab.user())
    lab.deliver(records)
    lab.run()
    assert {table: rows for table, rows in lab.left().items() if "session" not in table} == {}
    assert one(lab).versions() == [1, 2, 3]


def test_old_records_change_nothing_in_the_next_life(lab: Lab) -> None:
    records = first_life(lab)
    erase(lab.module, KEY, invoke_context=lab.user())
    lab.publish(0, values={"name": "anew", "attributes": {"title": "anew"}})
    lab.deliver(records)  # before its own record
    lab.run()
    lab.settle()
    lab.deliver(records)  # and after it
    lab.run()
    data = lab.row("data")
    assert (data["version"], data["name"]) == (1, "anew")
    assert lab.row("history", "A1@1") is None
    assert one(lab).seen == [
        ("A1", 1, "after 0"),
        ("A1", 2, "after 1"),
        ("A1", 3, "after 2"),
        ("A1", 1, "anew"),
    ]
    assert lab.status(1) == FINISHED


def test_the_next_life_is_processed_like_the_first(lab: Lab) -> None:
    first_life(lab)
    erase(lab.module, KEY, invoke_context=lab.user())
    first_life(lab)
    assert one(lab).versions() == [1, 2, 3, 1, 2, 3]
    assert [lab.status(version) for version in (1, 2, 3)] == [FINISHED] * 3


def test_a_life_that_expired_is_followed_by_another(lab: Lab) -> None:
    for kind in ("command", "data", "history"):
        lab.keep_for(kind, 1)
    first_life(lab)
    lab.clock.advance(days=2)
    lab.store.expire()
    assert lab.row("data") is None
    assert lab.row("command", "A1@3") is None
    first_life(lab)
    assert one(lab).versions() == [1, 2, 3, 1, 2, 3]
    assert [lab.status(version) for version in (1, 2, 3)] == [FINISHED] * 3


def test_commands_that_outlive_their_data_row_are_not_in_the_way_of_the_next_life(lab: Lab) -> None:
    lab.keep_for("data", 1)
    lab.keep_for("command", 30)
    first_life(lab)
    lab.clock.advance(days=2)
    lab.store.expire()
    lab.publish(0)  # version 1 is still there, and stays as it is
    lab.settle()
    data = lab.row("data")
    assert (data["version"], data["lifeId"]) == (4, lab.row("command", "A1@4")["publishId"])
    assert lab.row("command", "A1@1")["lifeId"] == lab.row("command", "A1@1")["publishId"]
    assert one(lab).versions() == [1, 2, 3, 4]


def test_orphans_of_an_earlier_life_make_way(lab: Lab) -> None:
    first_life(lab)
    # The data row has expired, and of the commands only the first: retention takes them one by one.
    orphans = {version: lab.row("command", f"A1@{version}") for version in (2, 3)}
    erase(lab.module, KEY, invoke_context=lab.user())
    for row in orphans.values():
        lab.store.write(_put(lab, row))
    first_life(lab)
    assert one(lab).versions() == [1, 2, 3, 1, 2, 3]
    assert lab.row("data")["name"] == "after 2"
    assert {row["lifeId"] for row in (lab.row("data"), lab.row("command", "A1@3"))} == {
        lab.row("command", "A1@1")["publishId"]
    }


def orphaned(lab: Lab) -> None:
    """The commands 2 and 3 of an earlier life, and nothing else."""
    first_life(lab)
    orphans = {version: lab.row("command", f"A1@{version}") for version in (2, 3)}
    erase(lab.module, KEY, invoke_context=lab.user())
    for row in orphans.values():
        lab.store.write(_put(lab, row))


@pytest.mark.parametrize("version", [2, 3])
def test_nothing_is_built_on_an_orphan(lab: Lab, version: int) -> None:
    """It would never be applied: the data row is of another life."""
    orphaned(lab)
    first_life(lab, 1)
    with pytest.raises(InvalidVersionError):
        lab.publish(version)
    lab.publish(-1)
    lab.settle()
    assert lab.row("data")["version"] == 2


def test_nothing_is_built_on_an_orphan_while_the_life_is_applied(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is applied between the reads of the data row and of the commands: they are no snapshot."""
    orphaned(lab)
    lab.publish(0)
    batch_get, done = lab.store.batch_get, []

    def torn(places: Any, **options: Any) -> Any:
        if not done:
            done.append(1)
            lab.settle()
        return batch_get(places, **options)

    monkeypatch.setattr(lab.store, "batch_get", torn)
    assert lab.publish(-1, values={"name": "second"}).version == 2
    monkeypatch.undo()
    lab.settle()
    assert lab.row("data")["version"] == 2


def test_an_orphan_that_began_a_life_is_none_of_this_one(lab: Lab) -> None:
    """Life 2 began behind version 1, and only its command is left when life 3 begins at 1."""
    lab.publish(0, values={"ttl": int(lab.clock.seconds()) + 60})
    lab.settle()
    lab.clock.advance(minutes=2)
    lab.store.expire()
    lab.publish(0)
    lab.settle()
    orphan = lab.row("command", "A1@2")
    assert orphan["lifeId"] == orphan["publishId"]
    erase(lab.module, KEY, invoke_context=lab.user())
    lab.store.write(_put(lab, orphan))
    lab.publish(0)
    assert lab.publish(-1, values={"name": "second"}).version == 2  # before version 1 is applied
    lab.settle()
    assert lab.publish(-1, values={"name": "third"}).version == 3  # and after
    lab.settle()
    assert lab.row("data")["version"] == 3


def test_late_tasks_leave_nothing_behind_and_hide_nothing(lab: Lab) -> None:
    first_life(lab, 1)
    (execution,) = lab.resources.executions
    erase(lab.module, KEY, invoke_context=lab.user())
    context = {"Execution": {"Id": "arn:late"}, "State": {"RetryCount": 0}, "StateMachine": {}}
    late = execution.input | {"handler": "One"}
    for again in (False, True):
        if again:
            lab.publish(0)
        lab.work({"action": Action.HANDLE, "input": late, "context": context})
        lab.work({"action": Action.PARK, "input": late | {"error": "E", "cause": "c"}, "context": context})
        lab.work({"action": Action.FAIL, "input": execution.input | {"error": "E"}, "context": context})
        assert lab.cursor("One") == {}
        assert lab.alarms() == []
    lab.settle()
    assert one(lab).versions() == [1, 1]
    assert lab.status(1) == FINISHED


def test_a_publish_id_belongs_to_one_life(lab: Lab) -> None:
    lab.publish(0, publish_id="id-1")
    lab.settle()
    erase(lab.module, KEY, invoke_context=lab.user())
    again = lab.publish(0, publish_id="id-1")
    assert again.version == 1
    lab.settle()
    assert lab.row("data")["version"] == 1


def test_a_publish_id_is_forgotten_with_an_expired_life(lab: Lab) -> None:
    lab.keep_for("command", 1)
    lab.keep_for("data", 1)
    lab.publish(0, publish_id="id-1")
    lab.settle()
    for table, sk in (("command", "A1@1"), ("data", "A1")):
        lab.store.write(_delete(lab, table, sk))
    again = lab.publish(0, publish_id="id-1")
    assert again.version == 1


def test_a_publish_that_changed_nothing_is_forgotten_with_its_life(lab: Lab) -> None:
    def rename() -> CommandModel[Any] | None:
        return lab.module.commands.publish_change(
            KEY, lambda state: state.replace(name="first"), publish_id="id-1", invoke_context=lab.user()
        )

    lab.publish(0, values={"name": "first"})
    lab.settle()
    assert rename() is None
    for table, sk in (("command", "A1@1"), ("data", "A1")):
        lab.store.write(_delete(lab, table, sk))
    lab.publish(0, values={"name": "next"})
    for _ in range(2):
        renamed = rename()
        assert renamed is not None
        assert (renamed.version, renamed.name) == (2, "first")


def test_the_session_of_an_earlier_life_shows_nothing_of_the_next(lab: Lab) -> None:
    lab.publish(0, invoke_context=lab.user("bob"))
    lab.settle()
    rows = [row for row in lab.store.rows("local-lab-session") if row["pk"].startswith("bob")]
    erase(lab.module, KEY, invoke_context=lab.user())
    assert [row for row in lab.store.rows("local-lab-session") if row["pk"].startswith("bob")] == []
    for row in rows:
        lab.store.write(_put(lab, row, table="local-lab-session"))
    lab.publish(0, invoke_context=lab.user("ann"))
    found = lab.module.repository.get_item(KEY, invoke_context=lab.user("bob"))
    assert found is None  # it is pending, and not of bob's making


def test_reconcile_leaves_orphans_alone(lab: Lab) -> None:
    first_life(lab)
    orphan = lab.row("command", "A1@3")
    erase(lab.module, KEY, invoke_context=lab.user())
    first_life(lab, 1)
    lab.store.write(_put(lab, orphan))
    page = reconcile(lab.module, older_than=timedelta(0), invoke_context=lab.admin())
    assert page.found == ()
    assert lab.row("data")["version"] == 1


def test_an_old_image_that_names_no_publish_is_not_trusted() -> None:
    """Rows of the reference system have no publish id: the one in the table is applied."""
    lab = Lab(mode="inline")
    try:
        lab.publish(0, values={"name": "old"})
        (record,) = lab.records
        row = {n: v for n, v in lab.row("command", "A1@1").items() if n not in {"lifeId", "publishId"}}
        record["dynamodb"]["NewImage"] = encoded(row)
        lab.store.write(_put(lab, row))
        lab.records.clear()
        lab.deliver([record])
        assert lab.row("data")["name"] == "old"
        erase(lab.module, KEY, invoke_context=lab.user())
        lab.store.write(_put(lab, row | {"name": "new"}))
        assert lab.deliver([record]) == []
        assert lab.row("data")["name"] == "new"
        lab.deliver()
        assert (lab.row("data")["name"], lab.status(1)) == ("new", FINISHED)
    finally:
        lab.clock.stop()


def test_a_command_that_took_anothers_place_is_processed_though_its_answer_got_lost(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams tell of new rows only, and the SDK repeats a call whose answer it did not get."""
    for version in range(2):
        lab.publish(version, values={"ttl": int(lab.clock.seconds()) + 3600})
        lab.settle()
    lab.clock.advance(hours=2)
    lab.store.expire()
    lab.store.write(_delete(lab, "command", "A1@1"), _delete(lab, "command", "A1@2"))
    lab.publish(0, values={"name": "anew"})
    lab.settle()
    orphan = lab.row("command", "A1@1") | {"sk": "A1@2", "publishId": "other", "lifeId": "other"}
    lab.store.write(_put(lab, orphan))
    lab.records.clear()
    write = lab.store.write

    def repeated(*writes: Any) -> None:
        write(*writes)
        if any(isinstance(one, Put) and one.label == COMMAND for one in writes):
            write(*writes)

    monkeypatch.setattr(lab.store, "write", repeated)
    assert lab.publish(1, values={"name": "in its place"}).version == 2
    monkeypatch.undo()
    lab.settle()
    assert (lab.row("data")["version"], lab.row("data")["name"]) == (2, "in its place")
    assert lab.status(2) == FINISHED


def _put(lab: Lab, row: dict[str, object], table: str | None = None) -> Put:
    return Put(table=table or lab.context.tables.command, row=row)


def _delete(lab: Lab, table: str, sk: str) -> Delete:
    return Delete(place=Place(getattr(lab.context.tables, table), KEY.pk, sk))
