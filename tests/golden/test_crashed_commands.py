"""Their synchronous publish writes one row after the other, and may die in between."""

from __future__ import annotations

from typing import Any

import pytest

from runtime import VersionConflictError
from runtime.model.keys import DetailKey
from runtime.pipeline.apply import apply
from tests.golden.rows import FINISHED, PARTIAL, PK, WHOLE, Golden, agrees, assert_same, rows

COMMANDS, DATA = rows("todo-command"), rows("todo-data")


@pytest.fixture
def crashed(golden: Golden) -> Golden:
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
def crashed_update(crashed: Golden) -> Golden:
    """An update of D1 that got as far as the command row."""
    data = DATA[PK, "B1"] | {"sk": {"S": "D1"}, "id": {"S": f"{PK}#D1"}, "code": {"S": "D1"}}
    first = crashed.raw("command", "D1@1")
    row = data | {name: first[name] for name in ("name", "seq", "attributes", "version")}
    crashed.put("todo-data", row | {"csk": {"S": "D1"}})
    crashed.put("todo-command", first | {"status": {"S": FINISHED}})
    crashed.put("todo-command", first | {"sk": {"S": "D1@2"}, "version": {"N": "2"}, "name": {"S": "two"}})
    return crashed


@pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
@pytest.mark.parametrize("version", [1, -1])
def test_the_next_publish_heals_it(crashed: Golden, method: str, version: int) -> None:
    command = crashed.publish(method, "D1", version, name="next")
    assert command.version == 2
    crashed.carry("D1", 2)
    assert agrees(crashed, crashed.module.history.get_item((PK, "D1"), 1), applied(crashed, "D1@1"))
    assert crashed.raw("command", "D1@1")["status"]["S"] == FINISHED
    crashed.check_invariants()


def test_apply_heals_it(crashed: Golden) -> None:
    done = apply(crashed.service.context, DetailKey(PK, "D1"), 1)
    assert done.version == 1
    assert crashed.raw("command", "D1@1")["status"]["S"] == FINISHED
    assert agrees(crashed, crashed.module.data.get_item((PK, "D1")), applied(crashed, "D1@1"))
    crashed.check_invariants()


def test_publishing_its_data_heals_it(crashed: Golden) -> None:
    command = crashed.module.commands.get_item((PK, "D1@1"))
    assert command is not None
    crashed.module.data.publish(command)
    crashed.check_invariants()


def test_creating_it_again_conflicts(crashed: Golden) -> None:
    for method in WHOLE:
        with pytest.raises(VersionConflictError):
            crashed.publish(method, "D1", 0)


@pytest.mark.parametrize("with_history", [False, True])
@pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
def test_an_update_that_crashed_is_healed(crashed_update: Golden, method: str, *, with_history: bool) -> None:
    golden, before = crashed_update, crashed_update.raw("data", "D1")
    if with_history:
        golden.put("todo-history", before | {"sk": {"S": "D1@1"}})
    assert golden.publish(method, "D1", 2, name="three").version == 3
    golden.carry("D1", 3)
    assert_same(golden.raw("history", "D1@1"), before, but={"sk", "ttl"})
    golden.check_invariants()


@pytest.mark.parametrize("method", [*WHOLE, *PARTIAL])
def test_a_crash_before_the_status_is_no_obstacle(crashed: Golden, method: str) -> None:
    """The data row is there, and the command still says that it was only started."""
    started = crashed.raw("command", "D1@1")
    apply(crashed.service.context, DetailKey(PK, "D1"), 1)
    crashed.put("todo-command", started)
    assert crashed.publish(method, "D1", 1, name="next").version == 2
    crashed.carry("D1", 2)
    crashed.check_invariants()


def applied(golden: Golden, sk: str) -> Any:
    """What a command's data or history row has to say, in the wire format."""
    row = dict(golden.raw("command", sk))
    for column in ("status", "source", "syncMode", "appliedTtl"):
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
