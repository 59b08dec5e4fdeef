"""What comes after an item has expired while its commands are kept: another life, behind the one before."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    BadRequestError,
    CommandModule,
    CqrsApp,
    VersionConflictError,
    heal,
    module_routes,
    reconcile,
    redrive,
)
from runtime.contract import Action
from runtime.model.status import FINISHED, HANDLERS_FAILED, HANDLERS_STARTED
from runtime.pipeline.apply import apply
from runtime.testing import MemoryApp
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600


@pytest.fixture(params=["workflow", "inline"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab(mode=request.param, handlers=[One()])
    yield lab
    lab.clock.stop()


def expired(lab: Lab, *, sync: bool = False) -> None:
    """An item that had three versions, and whose time is over; its commands are still there."""
    for version in range(3):
        values = {"ttl": int(lab.clock.seconds()) + HOUR} if version == 2 else {}
        lab.publish(version, values=values, sync=sync)
        lab.settle()
    lab.clock.advance(hours=2)
    lab.store.expire()
    assert lab.row("data") is None
    assert lab.row("command", "A1@3") is not None


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("version", [-1, 0, 3])
def test_what_comes_after_it_has_expired_is_another_life(lab: Lab, version: int, *, sync: bool) -> None:
    expired(lab)
    kept = lab.row("history", "A1@1"), lab.row("history", "A1@2")
    lab.clock.advance(minutes=5)
    anew = lab.publish(version, sync=sync, values={"name": "after 2", "attributes": {"title": "t2"}})
    assert anew is not None, "the same content as before is new where there is nothing"
    lab.settle()
    data = lab.row("data")
    assert (data["version"], data["name"], "ttl" in data) == (4, "after 2", False)
    assert data["createdAt"] == data["updatedAt"]
    assert data["lifeId"] == lab.row("command", "A1@4")["publishId"]
    assert (lab.row("history", "A1@1"), lab.row("history", "A1@2"), lab.row("history", "A1@3")) == (
        *kept,
        None,
    )
    handler: Any = lab.module.handler("One").handler
    assert handler.versions() == [1, 2, 3, 4]
    lab.publish(4)
    lab.settle()
    history, me = lab.module.history, lab.user()
    assert [state.version for state in history.page(KEY, invoke_context=me).items] == [4]
    assert [state.version for state in history.list_versions(KEY, invoke_context=me)] == [4]
    assert [state.version for state in history.list_versions(KEY, limit=1, invoke_context=me)] == [4]
    every = history.list_versions(KEY, every_life=True, invoke_context=me)
    assert [state.version for state in every] == [1, 2, 4]
    assert lab.row("data")["version"] == 5


def test_what_has_expired_is_not_there_to_be_changed(lab: Lab) -> None:
    expired(lab)
    for version in (3, -1):
        change = {"pk": KEY.pk, "sk": "A1", "version": version, "name": "m"}
        with pytest.raises(BadRequestError, match="item not found"):
            lab.module.commands.publish_partial_update_async(change, invoke_context=lab.user())
    seen: list[Any] = []
    lab.module.commands.publish_with_retry(
        KEY, lambda latest: seen.append(latest) or lab.command(), invoke_context=lab.user()
    )
    assert seen == [None]


@pytest.mark.parametrize("version", [-1, 0])
def test_late_records_of_the_life_before_change_nothing(lab: Lab, version: int) -> None:
    for number in range(3):
        lab.publish(number, values={"ttl": int(lab.clock.seconds()) + HOUR})
    records = list(lab.records)
    lab.settle()
    lab.clock.advance(hours=2)
    lab.store.expire()
    lab.publish(version, values={"name": "anew"})
    lab.deliver(records)
    lab.settle()
    lab.deliver(records)
    lab.settle()
    assert (lab.row("data")["version"], lab.row("data")["name"]) == (4, "anew")
    assert lab.row("history", "A1@3") is None


@pytest.mark.parametrize("late", [[1], [2], [3], [2, 3], [1, 2, 3], [3, 1, 2]])
def test_late_records_do_not_bring_back_what_has_expired(lab: Lab, late: list[int]) -> None:
    for number in range(3):
        lab.publish(number, values={"ttl": int(lab.clock.seconds()) + HOUR})
    records = dict(enumerate(lab.records, 1))
    lab.settle()
    lab.clock.advance(hours=2)
    lab.store.expire()
    lab.deliver([records[version] for version in late])
    lab.run()
    assert lab.row("data") is None
    assert lab.row("history", "A1@3") is None
    assert attempt(lab, 0) == "version 4"


@pytest.mark.parametrize("late", [[1], [2], [1, 2], [1, 2, 3]])
def test_late_records_bring_back_nothing_that_no_handler_has_seen(lab: Lab, late: list[int]) -> None:
    """Applied and not finished is applied all the same."""
    handler: Any = lab.module.handler("One").handler
    for number in range(3):
        lab.publish(number, values={"ttl": int(lab.clock.seconds()) + HOUR})
    records = dict(enumerate(lab.records, 1))
    apply(lab.context, KEY, 3)
    assert [lab.status(version) for version in (1, 2, 3)] == [HANDLERS_STARTED] * 3
    lab.clock.advance(hours=2)
    lab.store.expire()
    lab.deliver([records[version] for version in late])
    lab.run()
    assert lab.row("data") is None
    lab.publish(0, values={"name": "anew"})
    lab.settle()
    assert (lab.row("data")["version"], handler.seen[-1]) == (4, ("A1", 4, "anew"))
    lab.clock.advance(minutes=20)
    heal(lab.module)
    assert [lab.status(version) for version in (1, 2, 3, 4)] == [FINISHED] * 4
    assert heal(lab.module).looked_at == 0


def test_what_a_handler_gave_up_in_a_life_that_is_over_is_finished_by_a_sweep(lab: Lab) -> None:
    handler: Any = lab.module.handler("One").handler
    handler.fails_at = {2, 3}
    expired(lab)
    handler.fails_at = set()
    lab.publish(0)
    lab.settle()
    sweep = partial(reconcile, lab.module, older_than=timedelta(0), invoke_context=lab.admin())
    found = sweep(dry_run=True).found
    assert [(command.version, command.problem) for command in found] == [(2, "ended"), (3, "ended")]
    assert sweep().finished == 2
    assert sweep().found == ()
    assert [lab.status(version) for version in (2, 3, 4)] == [FINISHED] * 3
    assert handler.versions() == [1, 4]


@pytest.mark.parametrize("lives", [2, 3])
def test_late_tasks_of_the_life_before_show_nothing_and_hide_nothing(lab: Lab, lives: int) -> None:
    """With 3 of them, the life after it has expired as well."""
    expired(lab)
    late = {"module": "todo", "pk": KEY.pk, "sk": "A1", "version": 3, "handler": "One"}
    late["publishId"] = lab.row("command", "A1@3")["publishId"]
    for _ in range(1, lives):
        lab.publish(0, values={"ttl": int(lab.clock.seconds()) + HOUR})
        lab.settle()
        if lives > 2:
            lab.clock.advance(hours=2)
            lab.store.expire()
    handler: Any = lab.module.handler("One").handler
    before, shown = lab.cursor("One"), handler.versions()
    context = {"Execution": {"Id": "arn:late"}, "State": {"RetryCount": 0}, "StateMachine": {}}
    for extra in ({}, {"error": "E", "cause": "c"}):
        action = Action.PARK if extra else Action.HANDLE
        answer = lab.work({"action": action, "input": late | extra, "context": context})
        assert answer["outcome"] == "done"
        assert (lab.cursor("One"), handler.versions(), lab.alarms()) == (before, shown, [])


def test_a_repair_leaves_the_life_before_alone(lab: Lab) -> None:
    """The handler gave up in it; of the next one it has seen nothing yet."""
    handler: Any = lab.module.handler("One").handler
    handler.fails_at = {2, 3}
    expired(lab)
    assert lab.status(3) == HANDLERS_FAILED
    assert lab.cursor("One")["parkedVersion"] == 2
    lab.publish(0, values={"name": "anew"})
    apply(lab.context, KEY, 4)
    handler.fails_at = set()
    for dry_run in (True, False):
        repaired = redrive(lab.module, KEY, "One", dry_run=dry_run, invoke_context=lab.user())
        assert (repaired.done, repaired.parked_version) == ((), None)
    lab.settle()
    assert handler.seen == [("A1", 1, "after 0"), ("A1", 4, "anew")]
    assert (lab.cursor("One")["version"], lab.status(4)) == (4, FINISHED)


def test_a_repair_of_what_has_expired_ends_with_its_life(lab: Lab) -> None:
    """The next one is published and not applied yet: it is not shown before it is."""
    handler: Any = lab.module.handler("One").handler
    handler.fails_at = {2, 3}
    expired(lab)
    lab.publish(0, values={"name": "anew"})
    handler.fails_at = set()
    for dry_run in (True, False):
        repaired = redrive(lab.module, KEY, "One", dry_run=dry_run, invoke_context=lab.user())
        assert repaired.done == (2, 3)
    lab.settle()
    assert handler.versions() == [1, 2, 3, 4]
    assert [lab.status(version) for version in (2, 3, 4)] == [FINISHED] * 3


def test_an_item_that_was_not_applied_when_it_was_read_has_not_expired(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data row is read, then version 1 is applied, then its command is read: no snapshot."""
    lab.publish(0)
    batch_get, done = lab.store.batch_get, []

    def torn(places: Any, **options: Any) -> Any:
        rows = batch_get(places, **options)
        data = lab.context.data_place(KEY)
        if not done and data in places:
            done.append(1)
            lab.settle()
            rows = {place: row for place, row in batch_get(places, **options).items() if place != data}
        return rows

    monkeypatch.setattr(lab.store, "batch_get", torn)
    lab.publish(1)
    monkeypatch.undo()
    lab.settle()
    assert lab.row("data")["version"] == 2
    assert lab.row("data")["lifeId"] == lab.row("command", "A1@1")["publishId"]


def test_only_one_begins_the_next_life(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever version they give, they want the same one: the one after the last command."""
    expired(lab)
    published, others = [], [0, -1, 3, 0]
    write = lab.store.write

    def race(*writes: Any) -> Any:
        if others:
            published.append(attempt(lab, others.pop()))
        return write(*writes)

    monkeypatch.setattr(lab.store, "write", race)
    published.append(attempt(lab, 0))
    monkeypatch.undo()
    assert sorted(published) == ["conflict"] * 4 + ["version 4"]
    lab.settle()
    assert lab.row("data")["version"] == 4


def attempt(lab: Lab, version: int, *, sync: bool = False) -> str:
    try:
        return f"version {lab.publish(version, sync=sync).version}"
    except VersionConflictError:
        return "conflict"


@pytest.mark.parametrize("sync", [True, False])
def test_what_was_made_anew_cannot_be_made_once_more(lab: Lab, *, sync: bool) -> None:
    expired(lab)
    assert lab.publish(0, sync=sync, publish_id="id-1").version == 4
    assert attempt(lab, 0) == "conflict"  # asynchronously: it is not even applied
    assert lab.publish(0, sync=sync, publish_id="id-1").version == 4
    lab.settle()
    assert attempt(lab, 0) == "conflict"


@pytest.mark.parametrize("version", [-1, 0])
@pytest.mark.parametrize("length", [1, 3, 7, 8, 9, 45])
def test_each_life_begins_behind_the_one_before(version: int, length: int) -> None:
    """However long it was: the commands of none are written over, and none is lost."""
    lab, last = Lab(mode="inline"), 0
    try:
        for life in range(1, 4):
            for number in range(length):
                values = {"name": f"life {life}", "ttl": int(lab.clock.seconds()) + HOUR + number}
                made = lab.publish(last if number else version, values=values)
                last += 1
                assert made.version == last
            lab.settle()
            assert lab.row("data")["version"] == last
            lab.clock.advance(hours=2)
            lab.store.expire()
        commands = [lab.row("command", f"A1@{number}") for number in range(1, last + 1)]
        assert [row["name"] for row in commands] == [f"life {1 + n // length}" for n in range(last)]
        assert lab.publish(last).version == last + 1
    finally:
        lab.clock.stop()


def test_the_version_of_a_life_before_the_last_one_is_a_conflict(lab: Lab) -> None:
    expired(lab)
    for number in (4, 5):
        lab.publish(0 if number == 4 else 4, values={"ttl": int(lab.clock.seconds()) + HOUR})
        lab.settle()
    second = lab.row("command", "A1@4")
    assert attempt(lab, 3) == "conflict"
    lab.clock.advance(hours=2)
    lab.store.expire()
    assert lab.row("data") is None
    assert attempt(lab, 3) == "conflict"  # and not in place of version 4, of the second life
    assert lab.row("command", "A1@4") == second
    assert attempt(lab, 0) == "version 6"


def test_a_softly_deleted_item_has_not_expired(lab: Lab) -> None:
    lab.publish(0)
    lab.publish(1, values={"isDeleted": True})
    lab.settle()
    assert attempt(lab, 0) == "conflict"


def test_without_data_rows_nothing_expires() -> None:
    lab = Lab(handlers=[One()], keeps_data=False)
    try:
        lab.publish(0, values={"ttl": int(lab.clock.seconds()) + HOUR})
        lab.settle()
        lab.clock.advance(hours=2)
        lab.store.expire()
        assert attempt(lab, 0) == "conflict"
    finally:
        lab.clock.stop()


def test_over_http_what_is_not_found_can_be_made() -> None:
    doc = CommandModule("doc")
    routes = module_routes(doc, prefix="/docs", type="DOC", ttl=True)
    with MemoryApp(CqrsApp(modules=[doc], routes=routes)) as memory:
        client = memory.client(tenant="acme", user="ann")
        body = {"version": 0, "name": "n", "attributes": {}}
        client.put("/docs/A1", body | {"ttl": int(memory.clock.seconds()) + 2 * HOUR})
        client.put(
            "/docs/A1", body | {"version": 1, "name": "m", "ttl": int(memory.clock.seconds()) + 2 * HOUR}
        )
        memory.deliver()
        memory.clock.advance(hours=3)
        memory.expire()
        assert client.get("/docs/A1").status == 404
        made = client.put("/docs/A1", {"name": "n", "attributes": {}}, headers={"If-None-Match": "*"})
        assert (made.status, made.json()["version"]) == (202, 3)
        assert client.get("/docs/A1").json()["version"] == 3  # one's own, before it is applied
        memory.deliver()
        assert client.get("/docs/A1").json()["version"] == 3
        assert client.put("/docs/A1", body).status == 409


# An item whose time is over, and which DynamoDB has not deleted yet


def overdue(lab: Lab) -> None:
    """An item at version 2 that should be gone."""
    for version in range(2):
        lab.publish(version, values={"ttl": int(lab.clock.seconds()) + HOUR})
        lab.settle()
    lab.clock.advance(hours=2)


def test_an_overdue_item_is_there_for_reads_and_writes_alike(lab: Lab) -> None:
    overdue(lab)
    assert lab.module.repository.get_item(KEY, invoke_context=lab.user()).version == 2
    assert attempt(lab, 0) == "conflict"
    lab.publish(2)
    lab.settle()
    lab.store.expire()
    data = lab.row("data")
    assert (data["version"], data["lifeId"]) == (3, lab.row("command", "A1@1")["publishId"])


@pytest.mark.parametrize("sync", [True, False])
def test_an_overdue_item_that_goes_meanwhile_takes_nothing_along(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, *, sync: bool
) -> None:
    """It is deleted after the next version was published, and before that is applied; or just before."""
    overdue(lab)
    if sync:
        write, done = lab.store.write, []

        def late(*writes: Any) -> Any:
            if not done:
                done.append(lab.store.expire())
            return write(*writes)

        monkeypatch.setattr(lab.store, "write", late)
        assert attempt(lab, 2, sync=True) == "conflict"
        monkeypatch.undo()
        assert attempt(lab, 0, sync=True) == "version 3"
    else:
        lab.publish(2)
        lab.store.expire()
        assert lab.row("data") is None
        assert attempt(lab, 0) == "conflict"
    lab.settle()
    assert (lab.row("data")["version"], lab.row("data")["name"]) == (3, f"after {0 if sync else 2}")
    handler: Any = lab.module.handler("One").handler
    assert handler.versions() == [1, 2, 3]


def test_what_no_handler_has_seen_of_two_lives_that_are_over_is_finished(lab: Lab) -> None:
    """Neither of them has a data row any more, and the cursors are those of the second."""
    lab.publish(0, values={"ttl": int(lab.clock.seconds()) + HOUR})
    apply(lab.context, KEY, 1)
    lab.clock.advance(hours=2)
    lab.store.expire()
    lab.publish(0, values={"ttl": int(lab.clock.seconds()) + HOUR})
    lab.records = lab.records[1:]
    lab.settle()
    lab.clock.advance(hours=2)
    lab.store.expire()
    assert [lab.status(version) for version in (1, 2)] == [HANDLERS_STARTED, FINISHED]
    assert heal(lab.module).healed == 1
    assert lab.status(1) == FINISHED
    assert heal(lab.module).looked_at == 0
    handler: Any = lab.module.handler("One").handler
    assert handler.versions() == [2]
