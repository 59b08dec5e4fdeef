"""Golden aggregates, updated by each of our publish calls and carried through our pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import REMOVE, BadRequestError, DataSyncHandler, InvalidVersionError, VersionConflictError
from runtime.entry.stream import StreamProcessor
from runtime.model.keys import DetailKey, get_sort_key_version
from runtime.pipeline.apply import apply
from runtime.pipeline.drain import drain
from tests.golden.rows import FINISHED, KINDS, PARTIAL, PK, WHOLE, Golden, agrees, assert_same, rows, user
from tests.support.rows import plain
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel
    from tests.support.service import Service

LATEST = {"A1": 4, "B1": 2, "E1": 2, "F1": 1}
COMMANDS, DATA = rows("todo-command"), rows("todo-data")


@pytest.mark.parametrize("latest", [False, True], ids=["explicit", "latest"])
@pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
@pytest.mark.parametrize(("sk", "version"), LATEST.items())
def test_an_update_goes_through(golden: Golden, sk: str, version: int, method: str, *, latest: bool) -> None:
    before = DATA[PK, sk]
    command = golden.publish(method, sk, -1 if latest else version, name="ours", attributes={"ours": 1})
    assert (command.version, command.sk, command.created_by) == (version + 1, f"{sk}@{version + 1}", "u2")
    golden.carry(sk, version + 1)

    data = golden.module.data.get_item((PK, sk))
    assert data is not None
    assert (data.name, data.version, data.csk) == ("ours", version + 1, f"{sk}@{version + 1}")
    kept = golden.content(before) or {} if "partial" in method else {}
    assert data.attributes == kept | {"ours": 1}
    # Who made the aggregate, when and where from stays, to the letter.
    row = golden.raw("data", sk)
    for column in ("createdAt", "createdBy", "createdIp"):
        assert row[column] == before[column]
    assert (data.updated_by, data.request_id) == ("u2", "req-2")
    # What was replaced is in the history as it was.
    assert_same(golden.raw("history", f"{sk}@{version}"), before, but={"sk", "ttl"})
    assert (golden.raw("command", f"{sk}@{version + 1}"))["status"]["S"] == FINISHED
    golden.check_invariants()


def test_version_0_of_an_asynchronous_partial_update_is_the_latest(golden: Golden) -> None:
    command = golden.publish("publish_partial_update_async", "A1", 0, name="ours")
    assert (command.version, command.is_deleted) == (5, True)
    golden.carry("A1", 5)
    golden.check_invariants()


@pytest.mark.parametrize("method", WHOLE)
@pytest.mark.parametrize("sk", LATEST)
def test_creating_over_them_conflicts(golden: Golden, sk: str, method: str) -> None:
    before = golden.service.everything()
    with pytest.raises(VersionConflictError):
        golden.publish(method, sk, 0)
    assert golden.service.everything() == before


@pytest.mark.parametrize("method", WHOLE)
def test_a_new_aggregate_beside_them(golden: Golden, method: str) -> None:
    golden.publish(method, "Z1", 0)
    golden.carry("Z1", 1)
    golden.check_invariants()


@pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
def test_a_version_that_is_not_the_latest_is_refused(golden: Golden, method: str) -> None:
    before = golden.service.everything()
    with pytest.raises(VersionConflictError):
        golden.publish(method, "A1", 3, name="late")
    with pytest.raises((InvalidVersionError, BadRequestError)):
        golden.publish(method, "A1", 9, name="early")
    assert golden.service.everything() == before


@pytest.mark.parametrize("method", WHOLE)
@pytest.mark.parametrize(("sk", "version"), LATEST.items())
def test_publishing_what_they_say_changes_nothing(golden: Golden, sk: str, version: int, method: str) -> None:
    """With a NULL ttl, with a ttl, deleted, and with the attributes in the bucket."""
    row = plain(COMMANDS[PK, f"{sk}@{version}"])
    state = {name: row[name] for name in ("code", "name", "type", "isDeleted", "seq") if name in row}
    content = golden.content(COMMANDS[PK, f"{sk}@{version}"])
    before = golden.service.everything()
    assert golden.publish(method, sk, version, **state, attributes=content) is None
    assert golden.service.everything() == before


def test_their_nulls_are_like_absent_columns(golden: Golden) -> None:
    """A field that their caller sets to null is stored as a NULL, not only the ttl."""
    nulls = {name: {"NULL": True} for name in ("seq", "isDeleted", "attributes")}
    golden.put("todo-command", COMMANDS[PK, "C1@1"] | nulls)
    command = golden.module.commands.get_item((PK, "C1@1"))
    assert command is not None
    assert (command.seq, command.is_deleted, command.attributes) == (None, None, None)
    assert golden.publish("publish_async", "C1", 1, name="pending") is None
    golden.carry("C1", 1)
    assert not set(nulls) & set(golden.raw("data", "C1"))


@pytest.mark.parametrize("method", PARTIAL)
def test_a_partial_update_keeps_what_it_does_not_name(golden: Golden, method: str) -> None:
    golden.publish("publish_sync", "A1", 4, attributes=plain(COMMANDS[PK, "A1@1"])["attributes"])
    change = {"nested": {"deep": {"flag": False, "more": [1]}}, "price": None, "tags": REMOVE}
    golden.publish(method, "A1", 5, attributes=change)
    golden.carry("A1", 6)
    data = golden.module.data.get_item((PK, "A1"))
    assert data is not None
    assert data.attributes == {
        "n": 1,
        "nested": {"deep": {"flag": False, "none": None, "more": [1]}},
        "price": None,
        "title": "t",
    }
    golden.check_invariants()


def test_a_deleted_aggregate_comes_back(golden: Golden) -> None:
    golden.publish("publish_partial_update_sync", "A1", 4, isDeleted=False)
    data = golden.module.data.get_item((PK, "A1"))
    assert data is not None
    assert data.is_deleted is False
    golden.check_invariants()


def test_nothing_of_their_commands_life_is_carried_over(golden: Golden) -> None:
    """Status, source, mode, task token and retention are about the command that had them."""
    row = COMMANDS[PK, "B1@2"] | {"taskToken": {"S": "token"}, "ttl": {"N": "1"}}
    golden.put("todo-command", row)
    golden.publish("publish_partial_update_async", "B1", 2, name="ours")
    ours = golden.raw("command", "B1@3")
    assert not {"status", "source", "syncMode", "taskToken", "ttl", "seq"} & set(ours)


def test_a_duplicate(golden: Golden) -> None:
    command = golden.module.commands.duplicate((PK, "F1"), invoke_context=user())
    assert command is not None
    assert (command.version, command.source) == (2, "duplicated")
    golden.carry("F1", 2)
    data = golden.module.data.get_item((PK, "F1"))
    assert data is not None
    assert data.attributes == {"blob": "z" * 30_000}


def test_their_commands_from_the_stream(golden: Golden) -> None:
    """Our stream function rings for their pending command, and leaves the synchronous ones out."""
    started: list[tuple[DetailKey, int]] = []
    golden.module.resources.workflow.start = (  # type: ignore[method-assign]
        lambda _module, _table, key, command, **_: started.append((key, get_sort_key_version(command["sk"])))
    )
    table = golden.service.tables.command
    records = [
        {
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": f"arn:aws:dynamodb:eu-west-1:000000000000:table/{table}/stream/1",
            "dynamodb": {"NewImage": event_image(COMMANDS[PK, sk]), "SequenceNumber": "1"},
        }
        for sk in ("B1@1", "C1@1")
    ]
    StreamProcessor({table: golden.module}).process(records)
    assert started == [(DetailKey(PK, "C1"), 1)]


class Recorder(DataSyncHandler):
    def __init__(self) -> None:
        self.seen: list[CommandModel[Any]] = []

    def up(self, command: CommandModel[Any]) -> None:
        self.seen.append(command)


def test_a_handler_sees_their_commands(make_service: Callable[..., Service]) -> None:
    recorder = Recorder()
    service = make_service(handlers=[recorder])
    golden = Golden(service)
    for kind in KINDS:
        for row in rows(f"todo-{kind}").values():
            golden.put(f"todo-{kind}", row)
    context = service.context
    key = DetailKey(PK, "C1")
    apply(context, key, 1)
    drain(context, context.handlers[0], key, 1, owner="execution of C1")
    golden.publish("publish_async", "A1", 4)
    apply(context, DetailKey(PK, "A1"), 5)
    drain(context, context.handlers[0], DetailKey(PK, "A1"), 5, owner="execution of A1")
    assert [command.sk for command in recorder.seen] == ["C1@1", "A1@5"]
    expected = COMMANDS[PK, "C1@1"] | {"status": {"S": "sync_data:STARTED"}}
    assert agrees(golden, recorder.seen[0], expected)
