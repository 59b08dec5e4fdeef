"""Their pending command, shown to the one who wrote it until our pipeline has applied it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.golden.rows import FINISHED, PK, SESSION, Golden, agrees, rows, user
from tests.support.service import eventually_expired

if TYPE_CHECKING:
    from runtime import DataModel

KEY = (PK, "C1")


@pytest.fixture(autouse=True)
def session(golden: Golden) -> None:
    """Their session row of C1, as if written just now."""
    live(golden, 60)


def live(golden: Golden, seconds: int) -> None:
    row = rows("session")[SESSION["pk"]["S"], SESSION["sk"]["S"]]
    golden.put("session", row | {"ttl": {"N": str(int(time.time()) + seconds)}})


def shown(golden: Golden, user_id: str = "u1") -> DataModel[Any] | None:
    found: DataModel[Any] | None = golden.module.repository.get_item(KEY, invoke_context=user(user_id))
    return found


def listed(golden: Golden, user_id: str = "u1", **options: Any) -> list[str]:
    page = golden.module.repository.list_items_by_pk(PK, invoke_context=user(user_id), **options)
    return [item.sk for item in page.items]


def test_its_writer_sees_it(golden: Golden) -> None:
    found = shown(golden)
    assert found is not None
    assert (found.name, found.version, found.sk, found.csk) == ("pending", 1, "C1", "C1@1")
    assert listed(golden) == ["C1", "A1", "B1", "E1", "F1"]


def test_nobody_else_does(golden: Golden) -> None:
    assert shown(golden, "u2") is None
    assert listed(golden, "u2") == ["A1", "B1", "E1", "F1"]
    assert golden.module.data.get_item(KEY, consistent=True) is None


def test_nor_does_its_writer_when_the_session_is_over(golden: Golden) -> None:
    golden.put(
        "session",
        SESSION | {"version": {"N": "1"}, "ttl": {"N": str(eventually_expired())}},
    )
    assert shown(golden) is None
    assert listed(golden) == ["A1", "B1", "E1", "F1"]


def test_it_is_applied_as_it_was_shown(golden: Golden) -> None:
    pending = shown(golden)
    golden.carry("C1", 1)
    applied = golden.module.data.get_item(KEY, consistent=True)
    assert pending is not None
    assert applied is not None
    assert applied.ttl is not None  # retention begins when it is applied
    assert applied == pending.model_copy(update={"ttl": applied.ttl})
    assert golden.raw("command", "C1@1")["status"]["S"] == FINISHED
    golden.check_invariants()


def test_once_applied_everybody_sees_it(golden: Golden) -> None:
    golden.carry("C1", 1)
    row = dict(rows("todo-command")[PK, "C1@1"])
    for column in ("source", "ttl"):
        row.pop(column)
    ttl = golden.raw("data", "C1")["ttl"]
    expected = row | {"sk": {"S": "C1"}, "cpk": {"S": PK}, "csk": {"S": "C1@1"}, "ttl": ttl}
    for user_id in ("u1", "u2"):
        assert agrees(golden, shown(golden, user_id), expected)
        assert listed(golden, user_id) == ["A1", "B1", "C1", "E1", "F1"]


def test_their_sessions_that_the_data_has_overtaken_change_nothing(golden: Golden) -> None:
    for row in rows("session").values():
        golden.put("session", row | {"ttl": {"N": "9999999999"}})
    for sk in ("A1", "E1", "F1"):
        found = golden.module.repository.get_item((PK, sk), invoke_context=user())
        assert agrees(golden, found, rows("todo-data")[PK, sk])
    assert listed(golden) == ["C1", "A1", "B1", "E1", "F1"]


@pytest.mark.parametrize("method", ["publish_async", "publish_partial_update_async"])
def test_our_update_of_it_takes_the_session_over(golden: Golden, method: str) -> None:
    golden.publish(method, "C1", 1, name="ours")
    mine = golden.module.repository.get_item(KEY, invoke_context=user("u2"))
    theirs = shown(golden)
    assert mine is not None
    assert theirs is not None
    assert (mine.name, theirs.name) == ("ours", "pending")
    golden.carry("C1", 2)
    golden.check_invariants()


@pytest.mark.parametrize("method", ["publish_sync", "publish_partial_update_sync"])
def test_a_synchronous_update_applies_it_first(golden: Golden, method: str) -> None:
    golden.publish(method, "C1", -1, name="ours")
    found = shown(golden)
    assert found is not None
    assert (found.name, found.version, found.created_by, found.updated_by) == ("ours", 2, "u1", "u2")
    golden.check_invariants()
