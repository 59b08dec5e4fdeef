"""Every golden row, read by each of our services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from runtime import SortKeyCondition
from runtime.model.keys import get_sort_key_version, remove_sort_key_version
from runtime.queries.sessions import Session
from tests.golden.rows import FINISHED, PK, SESSION, agrees, rows, user

if TYPE_CHECKING:
    from tests.golden.rows import Golden

COMMANDS, DATA, HISTORY = rows("todo-command"), rows("todo-data"), rows("todo-history")
WRITTEN = datetime(2026, 11, 21, 7, 15, 33, tzinfo=UTC)


@pytest.mark.parametrize("key", COMMANDS)
def test_a_command(golden: Golden, key: tuple[str, str]) -> None:
    assert agrees(golden, golden.module.commands.get_item(key), COMMANDS[key])


@pytest.mark.parametrize("key", DATA)
def test_a_data_row(golden: Golden, key: tuple[str, str]) -> None:
    for found in (
        golden.module.data.get_item(key),
        golden.module.data.get_item(key, consistent=True),
        golden.module.repository.get_item(key, invoke_context=user()),
        golden.module.repository.get_item(key, invoke_context=user("u2")),
    ):
        assert agrees(golden, found, DATA[key])


@pytest.mark.parametrize("key", HISTORY)
def test_a_history_row(golden: Golden, key: tuple[str, str]) -> None:
    pk, sk = key
    base, version = remove_sort_key_version(sk), get_sort_key_version(sk)
    for found in (
        golden.module.history.get_item(key),
        golden.module.history.get_item((pk, base), version),
        golden.module.history.as_of((pk, base), version=version),
    ):
        assert agrees(golden, found, HISTORY[key])


@pytest.mark.parametrize(("sk", "versions"), [("A1", [1, 2, 3]), ("B1", [1]), ("C1", []), ("F1", [])])
def test_all_versions_of_an_aggregate(golden: Golden, sk: str, versions: list[int]) -> None:
    found = golden.module.history.list_versions((PK, sk))
    assert [row.version for row in found] == versions
    assert all(agrees(golden, row, HISTORY[PK, row.sk]) for row in found)


def test_the_state_as_of_a_time(golden: Golden) -> None:
    """Their times are in seconds, so all versions of an aggregate may be from the same one."""
    now = golden.module.history.as_of((PK, "A1"), at=WRITTEN)
    assert agrees(golden, now, DATA[PK, "A1"])
    assert golden.module.history.as_of((PK, "A1"), at=WRITTEN - timedelta(seconds=1)) is None


@pytest.mark.parametrize(("sk", "version"), [("A1", 4), ("B1", 2), ("C1", 1), ("E1", 2), ("F1", 1)])
def test_the_latest_command(golden: Golden, sk: str, version: int) -> None:
    expected = COMMANDS[PK, f"{sk}@{version}"]
    assert agrees(golden, golden.module.commands.get_latest_item((PK, sk)), expected)
    assert agrees(golden, golden.module.commands.get_item((PK, sk)), expected)
    assert golden.module.commands.get_next_command((PK, f"{sk}@{version}")) is None


def test_the_next_command(golden: Golden) -> None:
    found = golden.module.commands.get_next_command((PK, "A1@2"))
    assert agrees(golden, found, COMMANDS[PK, "A1@3"])


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages(golden: Golden, limit: int, order: Any) -> None:
    seen: list[Any] = []
    start: str | None = None
    for _ in range(10):
        page = golden.module.data.list_items_by_pk(PK, limit=limit, order=order, start_from_sk=start)
        seen += page.items
        if (start := page.last_sk) is None:
            break
    assert [item.sk for item in seen] == sorted((sk for _, sk in DATA), reverse=order == "desc")
    assert all(agrees(golden, item, DATA[PK, item.sk]) for item in seen)


def test_a_list_by_sort_key(golden: Golden) -> None:
    page = golden.module.data.list_items_by_pk(PK, sk=SortKeyCondition.between("B", "F"))
    assert [item.sk for item in page.items] == ["B1", "E1"]


def test_every_row(golden: Golden) -> None:
    found = list(golden.module.data.iterate_items_by_pk(PK, page_size=2))
    assert all(agrees(golden, item, DATA[PK, item.sk]) for item in found)
    assert len(found) == len(DATA)


def test_what_is_in_them(golden: Golden) -> None:
    """The things that are not as in our own rows, spelled out."""
    command = golden.module.commands.get_item((PK, "A1@1"))
    assert command is not None
    assert (command.ttl, command.status, command.sync_mode) == (None, FINISHED, None)
    assert (command.created_at, command.source) == (WRITTEN, "[todo]:TodoController.create")
    assert command.attributes is not None
    assert command.attributes["nested"] == {"deep": {"flag": True, "none": None}}
    assert command.attributes["price"] == Decimal("12.5")
    data = {sk: golden.module.data.get_item((PK, sk)) for sk in ("A1", "B1", "E1", "F1")}
    assert [item.csk for item in data.values() if item] == ["A1@4", "B1", "E1@2", "F1@1"]
    assert [item.is_deleted for item in data.values() if item] == [True, None, None, None]
    assert [item.ttl for item in data.values() if item] == [None, None, 1795418133, 1795418133]
    assert data["F1"] is not None
    assert data["F1"].attributes == {"blob": "z" * 30_000}


def test_their_session_says_whose_write_it_is(golden: Golden) -> None:
    golden.put("session", SESSION | {"version": {"N": "1"}, "ttl": {"N": "9999999999"}})
    session = golden.module.sessions.get("u1", (PK, "C1"))
    assert session == Session(f"{PK}#C1", 1, ((PK, "C1"),))  # type: ignore[arg-type]
