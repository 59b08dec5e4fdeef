"""Their rows of retention settings, and what they do to rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.golden.rows import PK, rows

if TYPE_CHECKING:
    from tests.golden.rows import Golden
    from tests.support.service import Service

DAY = 86_400
DAYS = {"command": 1, "data": 2, "history": 3}


def days_left(row: dict[str, dict[str, str]] | None) -> int | None:
    ttl = (row or {}).get("ttl", {}).get("N")
    return round((int(ttl) - time.time()) / DAY) if ttl else None


@pytest.mark.parametrize(("kind", "days"), DAYS.items())
def test_they_are_what_our_service_reads(golden: Golden, kind: str, days: int) -> None:
    assert golden.module.ttl.get_ttl_configuration(kind, "mbc") == days
    assert golden.module.ttl.get_ttl_configuration(kind, "another") is None


def test_ours_are_written_like_theirs(empty: Service) -> None:
    for kind, days in DAYS.items():
        empty.module.ttl.set_ttl_configuration(kind, days, "mbc")
    prefix = empty.tables.command.removesuffix("todo-command")
    items = empty.client.scan(TableName=f"{prefix}master-data")["Items"]
    ours = {
        (item["pk"]["S"], item["sk"]["S"].replace(prefix, "local-t-")): item["attributes"] for item in items
    }
    assert ours == {key: row["attributes"] for key, row in rows("master-data").items()}


@pytest.mark.parametrize("method", ["publish_async", "publish_sync"])
@pytest.mark.parametrize(("sk", "version"), [("A1", 4), ("E1", 2)])
def test_each_kind_of_row_has_its_own(golden: Golden, sk: str, version: int, method: str) -> None:
    golden.publish(method, sk, version)
    if method == "publish_async":
        assert "ttl" not in golden.raw("command", f"{sk}@{version + 1}")
    golden.carry(sk, version + 1)
    assert days_left(golden.raw("command", f"{sk}@{version + 1}")) == 1
    assert days_left(golden.raw("data", sk)) == 2
    assert days_left(golden.raw("history", f"{sk}@{version}")) == 3


def test_their_pending_command_gets_its_own_when_it_is_finished(golden: Golden) -> None:
    golden.carry("C1", 1)
    assert days_left(golden.raw("command", "C1@1")) == 1
    assert days_left(golden.raw("data", "C1")) == 2


def test_the_ttl_of_their_pending_command_is_meant_for_the_data_row(golden: Golden) -> None:
    """They write it at publish, from the setting of that time or the caller's own wish."""
    row = rows("todo-command")[PK, "C1@1"] | {"ttl": {"N": "4000000000"}}
    golden.put("todo-command", row)
    golden.carry("C1", 1)
    assert golden.raw("data", "C1")["ttl"] == {"N": "4000000000"}
    assert days_left(golden.raw("command", "C1@1")) == 1


def test_update_ttl_gives_their_finished_command_its_own(golden: Golden) -> None:
    previous = golden.module.commands.update_ttl((PK, "A1@4"))
    assert previous is not None
    assert previous.sk == "A1@3"
    assert days_left(golden.raw("command", "A1@3")) == 1


def test_the_ttl_of_their_data_row_is_not_the_history_rows(golden: Golden) -> None:
    for _, sk in rows("master-data"):
        key = {"pk": {"S": "MASTER#mbc"}, "sk": {"S": sk.replace("local-t-", golden.prefix)}}
        golden.service.client.delete_item(TableName=f"{golden.prefix}master-data", Key=key)
    golden.publish("publish_async", "E1", 2)
    golden.carry("E1", 3)
    for kind, sk in (("history", "E1@2"), ("data", "E1"), ("command", "E1@3")):
        assert "ttl" not in golden.raw(kind, sk)
