"""Golden aggregates, updated by each of our publish calls and carried through our pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import BadRequestError, DataSyncHandler, InvalidVersionError, VersionConflictError
from runtime.commands.partial_update import REMOVE
from runtime.keys import DetailKey
from runtime.pipeline.apply import apply
from runtime.pipeline.run_handler import run_handler
from runtime.pipeline.stream import StreamProcessor
from tests.golden.rows import FINISHED, KINDS, PK, Golden, agrees, rows, user
from tests.support.service import plain
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel
    from tests.support.service import Service

WHOLE = ("publish_async", "publish_sync")
PARTIAL = ("publish_partial_update_async", "publish_partial_update_sync")
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
        lambda _module, _tables, key, version: started.append((key, version))
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


class TestCrashedSynchronousCommand:
    """Their synchronous publish writes one row after the other, and may die in between."""

    @pytest.fixture
    def crashed(self, golden: Golden) -> Golden:
        """A create that got as far as the command row."""
        row = COMMANDS[PK, "B1@1"] | {
            "sk": {"S": "D1@1"},
            "id": {"S": f"{PK}#D1"},
            "code": {"S": "D1"},
            "status": {"S": "publish_sync:STARTED"},
        }
        golden.put("todo-command", row)
        return golden

    @pytest.fixture
    def crashed_update(self, crashed: Golden) -> Golden:
        """An update of D1 that got as far as the command row."""
        data = DATA[PK, "B1"] | {"sk": {"S": "D1"}, "id": {"S": f"{PK}#D1"}, "code": {"S": "D1"}}
        first = crashed.raw("command", "D1@1")
        row = data | {name: first[name] for name in ("name", "seq", "attributes", "version")}
        crashed.put("todo-data", row | {"csk": {"S": "D1"}})
        crashed.put("todo-command", first | {"status": {"S": FINISHED}})
        crashed.put(
            "todo-command", first | {"sk": {"S": "D1@2"}, "version": {"N": "2"}, "name": {"S": "two"}}
        )
        return crashed

    @pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
    @pytest.mark.parametrize("version", [1, -1])
    def test_the_next_publish_heals_it(self, crashed: Golden, method: str, version: int) -> None:
        command = crashed.publish(method, "D1", version, name="next")
        assert command.version == 2
        crashed.carry("D1", 2)
        assert agrees(crashed, crashed.module.history.get_item((PK, "D1"), 1), self.applied(crashed, "D1@1"))
        assert crashed.raw("command", "D1@1")["status"]["S"] == FINISHED
        crashed.check_invariants()

    def test_apply_heals_it(self, crashed: Golden) -> None:
        done = apply(crashed.module, DetailKey(PK, "D1"), 1)
        assert done.version == 1
        assert crashed.raw("command", "D1@1")["status"]["S"] == FINISHED
        assert agrees(crashed, crashed.module.data.get_item((PK, "D1")), self.applied(crashed, "D1@1"))
        crashed.check_invariants()

    def test_publishing_its_data_heals_it(self, crashed: Golden) -> None:
        command = crashed.module.commands.get_item((PK, "D1@1"))
        assert command is not None
        crashed.module.data.publish(command)
        crashed.check_invariants()

    def test_creating_it_again_conflicts(self, crashed: Golden) -> None:
        for method in WHOLE:
            with pytest.raises(VersionConflictError):
                crashed.publish(method, "D1", 0)

    @pytest.mark.parametrize("with_history", [False, True])
    @pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
    def test_an_update_that_crashed_is_healed(
        self, crashed_update: Golden, method: str, *, with_history: bool
    ) -> None:
        golden, before = crashed_update, crashed_update.raw("data", "D1")
        if with_history:
            golden.put("todo-history", before | {"sk": {"S": "D1@1"}})
        assert golden.publish(method, "D1", 2, name="three").version == 3
        golden.carry("D1", 3)
        assert_same(golden.raw("history", "D1@1"), before, but={"sk", "ttl"})
        golden.check_invariants()

    @pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
    def test_a_crash_before_the_status_is_no_obstacle(self, crashed: Golden, method: str) -> None:
        """The data row is there, and the command still says that it was only started."""
        started = crashed.raw("command", "D1@1")
        apply(crashed.module, DetailKey(PK, "D1"), 1)
        crashed.put("todo-command", started)
        assert crashed.publish(method, "D1", 1, name="next").version == 2
        crashed.carry("D1", 2)
        crashed.check_invariants()

    def applied(self, golden: Golden, sk: str) -> Any:
        """What a command's data or history row has to say, in the wire format."""
        row = dict(golden.raw("command", sk))
        for column in ("status", "source", "syncMode"):
            row.pop(column, None)
        base, _, version = sk.partition("@")
        history = golden.raw("history", sk)
        retention = (history or golden.raw("data", base))["ttl"]
        return row | {
            "ttl": retention,
            "sk": {"S": sk if history else base},
            "cpk": row["pk"],
            "csk": {"S": sk},
            "version": {"N": version},
        }


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
    key = DetailKey(PK, "C1")
    apply(golden.module, key, 1)
    run_handler(golden.module, golden.module.handlers[0], key, 1)
    golden.publish("publish_async", "A1", 4)
    apply(golden.module, DetailKey(PK, "A1"), 5)
    run_handler(golden.module, golden.module.handlers[0], DetailKey(PK, "A1"), 5)
    assert [command.sk for command in recorder.seen] == ["C1@1", "A1@5"]
    expected = COMMANDS[PK, "C1@1"] | {"status": {"S": "sync_data:STARTED"}}
    assert agrees(golden, recorder.seen[0], expected)


def assert_same(found: Any, expected: Any, *, but: set[str]) -> None:
    assert {n: v for n, v in found.items() if n not in but} == {
        n: v for n, v in expected.items() if n not in but
    }
