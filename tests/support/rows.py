"""Every row of a module's tables, and what of it must be the same from run to run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from runtime.model.keys import get_sort_key_version, remove_sort_key_version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from runtime.settings import ModuleTables

__all__ = ["Aggregate", "Row", "Rows", "Table", "assert_same_end", "plain"]

Row = dict[str, Any]
Table = dict[tuple[str, str], Row]
Aggregate = tuple[str, str]

#: What differs from run to run, and may.
_FLEETING = {"createdAt", "updatedAt", "publishId", "lifeId", "call", "parkedAt", "at"}
#: Seconds since 1970: whether there is one must not differ, which one may.
_CLOCKS = {"ttl", "appliedTtl"}


@dataclass
class Rows:
    """Every row of a module's tables, by key, in plain Python."""

    command: Table
    data: Table = field(default_factory=dict)
    history: Table = field(default_factory=dict)
    sync: Table = field(default_factory=dict)

    @classmethod
    def read(cls, client: Any, tables: ModuleTables) -> Rows:
        """Read them with a boto3 client of DynamoDB."""

        def scan(table: str) -> Table:
            pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            rows = (plain(item) for page in pages for item in page["Items"])
            return {(row["pk"], row["sk"]): row for row in rows}

        names = (tables.command, tables.data, tables.history)
        return cls(*map(scan, names), scan(tables.sync) if tables.has_sync_table else {})

    def only(self, sort_keys: Collection[str]) -> Rows:
        """Those of the aggregates with these sort keys."""

        def kept(table: Table, base: Callable[[str], str]) -> Table:
            return {key: row for key, row in table.items() if base(key[1]) in sort_keys}

        return Rows(
            kept(self.command, remove_sort_key_version),
            kept(self.data, str),
            kept(self.history, remove_sort_key_version),
            kept(self.sync, lambda sk: sk.partition("#")[2]),
        )

    @classmethod
    def of_partition(cls, client: Any, tables: ModuleTables, pk: str, known_as: str) -> Rows:
        """Those of one partition, as if its key were ``known_as``: to compare it with another one."""

        def query(table: str) -> Table:
            pages = client.get_paginator("query").paginate(
                TableName=table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}},
            )
            rows = (_renamed(plain(item), pk, known_as) for page in pages for item in page["Items"])
            return {(row["pk"], row["sk"]): row for row in rows}

        names = (tables.command, tables.data, tables.history)
        return cls(*map(query, names), query(tables.sync) if tables.has_sync_table else {})

    def versions(self) -> dict[Aggregate, dict[int, Row]]:
        """The commands of each aggregate by version; records of publish ids are none."""
        found: dict[Aggregate, dict[int, Row]] = defaultdict(dict)
        for (pk, sk), row in self.command.items():
            if (version := get_sort_key_version(sk)) > 0:
                found[pk, remove_sort_key_version(sk)][version] = row
        return found


def plain(item: Any) -> Row:
    decode = TypeDeserializer().deserialize
    return {name: decode(value) for name, value in item.items()}


def _renamed(value: Any, pk: str, known_as: str) -> Any:
    if isinstance(value, dict):
        return {name: _renamed(part, pk, known_as) for name, part in value.items()}
    return value.replace(pk, known_as) if isinstance(value, str) else value


def assert_same_end(rows: Rows, undisturbed: Rows) -> None:
    """I6: two runs of the same commands ended alike, but for times and random ids."""
    for table in ("command", "data", "history", "sync"):
        ours: Table = getattr(rows, table)
        theirs: Table = getattr(undisturbed, table)
        for key in sorted({*ours, *theirs}):
            found, expected = (_lasting(side.get(key)) for side in (ours, theirs))
            assert found == expected, f"I6 {table} {key}: {found}, and undisturbed {expected}"


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _lasting(part) for name, part in value.items() if name not in _FLEETING}
        return kept | dict.fromkeys(_CLOCKS & set(kept), "a time")
    return [_lasting(part) for part in value] if isinstance(value, list) else value
