"""Our rows beside the golden ones: the same story, told to our services.

What the other framework reads has to be there under its name, in its type and with its
value.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from runtime import get_command_source
from runtime.store.attributes import reference_of
from tests.golden.rows import PK, Golden, objects, rows, user

if TYPE_CHECKING:
    from tests.support.service import Service

TABLES = ("todo-command", "todo-data", "todo-history", "session")
#: Columns of ours, by table.
MORE = {
    "todo-command": {"publishId", "lifeId", "appliedTtl"},
    "todo-data": {"lifeId"},
    "todo-history": {"lifeId"},
    "session": {"itemPk", "itemSk", "publishId"},
}
#: Columns whose values are of their own time and place.
FLEETING = {"createdAt", "updatedAt", "ttl"}
ROWS = [(table, key) for table in TABLES for key in rows(table)]


@pytest.fixture
def ours(empty: Service) -> Golden:
    """Tables with what our services made of the story behind the golden rows."""
    golden = Golden(empty)
    nested = {"deep": {"flag": True, "none": None}}
    first = {"title": "t", "n": 1, "price": 12.5, "tags": ["x", "y"], "nested": nested}
    publish(golden, "publish_async", "A1", 0, name="first", attributes=first)
    publish(golden, "publish_async", "A1", 1, name="second", attributes={"title": "t2", "n": 2})
    partial = "publish_partial_update_async"
    publish(golden, partial, "A1", 2, name="third", attributes={"extra": "e"})
    publish(golden, partial, "A1", 3, is_deleted=True)
    publish(golden, "publish_sync", "B1", 0, name="sync one", seq=7, attributes={"s": "1"})
    publish(golden, "publish_sync", "B1", 1, name="sync two", attributes={"s": "2"})
    publish(golden, "publish_async", "C1", 0, carried=False, name="pending")
    for kind, days in (("command", 1), ("data", 2), ("history", 3)):
        golden.module.ttl.set_ttl_configuration(kind, days, "mbc")
    publish(golden, "publish_async", "E1", 0, name="ttl")
    publish(golden, "publish_async", "E1", 1, name="ttl two")
    publish(golden, "publish_async", "F1", 0, name="large", attributes={"blob": "z" * 30_000})
    return golden


def publish(
    golden: Golden, method: str, sk: str, version: int, *, carried: bool = True, **fields: Any
) -> None:
    command = {"pk": PK, "sk": sk, "version": version, **fields}
    if "partial" not in method:
        command |= {"code": sk, "type": "TODO"}
    source = get_command_source("todo", "TodoController", "create")
    getattr(golden.module.commands, method)(command, invoke_context=user(), source=source)
    if carried and "async" in method:
        golden.carry(sk, version + 1)


def stored(golden: Golden, table: str) -> dict[tuple[str, str], Any]:
    items = golden.service.client.scan(TableName=golden.prefix + table)["Items"]
    return {(item["pk"]["S"], item["sk"]["S"]): item for item in items}


def shape(value: Any) -> Any:
    """The types of a value in the wire format, through and through."""
    ((kind, content),) = value.items()
    if kind == "M":
        return {name: shape(inner) for name, inner in content.items()}
    return [shape(inner) for inner in content] if kind == "L" else kind


@pytest.mark.parametrize("table", TABLES)
def test_there_are_the_same_rows(ours: Golden, table: str) -> None:
    # What is new has a note of ours beside its session.
    mine = {key for key in stored(ours, table) if not key[1].startswith("#new#")}
    assert mine == set(rows(table))


def test_every_row_has_the_same_columns_types_and_values(ours: Golden) -> None:
    tables = {table: stored(ours, table) for table in TABLES}
    for table, key in ROWS:
        compare(table, tables[table][key], rows(table)[key])


def compare(table: str, row: Any, golden: Any) -> None:
    place = f"{table} {golden['sk']['S']}"
    # A NULL says what an absent column says: their reader takes both for undefined or null.
    expected = {name: value for name, value in golden.items() if "NULL" not in value}
    more = MORE.get(table, set())
    if table == "todo-command" and "status" not in row:
        more = more - {"appliedTtl"} | {"open"}  # until it is finished
    assert set(row) - set(expected) == more, place
    assert set(expected) <= set(row), place
    for name, value in expected.items():
        assert shape(row[name]) == shape(value), f"{place} {name}"
        if name not in FLEETING and "s3://" not in str(value) and name != "csk":
            assert row[name] == value, f"{place} {name}"


def test_a_command_key_is_a_command_key(ours: Golden) -> None:
    """``csk`` is versioned on the asynchronous path, for both; ours on the synchronous one too."""
    for table in ("todo-data", "todo-history"):
        for key, row in stored(ours, table).items():
            golden = rows(table)[key]["csk"]["S"]
            assert row["csk"]["S"] == (golden if "@" in golden else f"{golden}@{row['version']['N']}")
            assert (row["cpk"]["S"], row["csk"]["S"]) in stored(ours, "todo-command")


def test_times_are_what_javascript_reads(ours: Golden) -> None:
    """The one format that every JavaScript engine has to read, with an offset."""
    for table in TABLES[:3]:
        for row in stored(ours, table).values():
            for name in ("createdAt", "updatedAt"):
                text = row[name]["S"]
                moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
                assert text == moment.isoformat(timespec="milliseconds")


def test_an_object_of_ours_is_what_theirs_is(ours: Golden) -> None:
    """They take the key from the reference, the bucket from their settings, and parse JSON."""
    expected = list(objects().values())
    for table, sk in (("command", "F1@1"), ("data", "F1")):
        reference = reference_of(ours.service.raw(table, sk, PK))
        assert reference is not None
        bucket, _, key = reference.removeprefix("s3://").partition("/")
        assert bucket == ours.service.resources.settings.bucket_name
        body = ours.service.resources.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        assert json.loads(body) == expected[0] == expected[1]
