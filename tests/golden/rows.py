"""The golden rows, and a module that works on them."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import InvokeContext
from runtime.entry.worker import Worker
from tests.support.checker import check_invariants
from tests.support.rows import plain
from tests.support.service import client_of, put_rows

if TYPE_CHECKING:
    from tests.support.service import Service

__all__ = [
    "FINISHED",
    "KINDS",
    "PARTIAL",
    "PK",
    "SESSION",
    "WHOLE",
    "Golden",
    "agrees",
    "assert_same",
    "objects",
    "rows",
    "user",
]

PK = "TODO#mbc"
FINISHED = "finish:FINISHED"
KINDS = ("command", "data", "history")
WHOLE = ("publish_async", "publish_sync")
PARTIAL = ("publish_partial_update_async", "publish_partial_update_sync")
SESSION = {"pk": {"S": "u1#mbc"}, "sk": {"S": f"todo#{PK}#C1"}}
_PREFIX = "local-t-"
_BUCKET = "s3://t-attributes"


@cache
def _text() -> str:
    return (Path(__file__).parent / "mbc-rows.json").read_text()


def rows(table: str) -> dict[tuple[str, str], Any]:
    """The golden rows of ``todo-command``, ``session`` …, in the wire format, by key."""
    return {(row["pk"]["S"], row["sk"]["S"]): row for row in json.loads(_text())[_PREFIX + table]}


def objects() -> dict[str, Any]:
    """The golden objects, by key."""
    found: dict[str, Any] = json.loads(_text())[_BUCKET]
    return found


def user(user_id: str = "u1", request_id: str = "r") -> InvokeContext:
    return InvokeContext(
        claims={"sub": user_id, "custom:tenant": "mbc"}, source_ip="1.1.1.1", request_id=request_id
    )


class Golden:
    """A module whose tables hold the golden rows, under names of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.module = service.module
        self.prefix = service.tables.command.removesuffix("todo-command")

    def load(self) -> None:
        """Put every golden row and object in its place."""
        content = json.loads(_text())
        bucket, s3 = self.service.resources.settings.bucket_name, client_of(self.service.where, "s3")
        for key, value in content.pop(_BUCKET).items():
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(value).encode())
        # The rows of the retention settings have the names of the tables in their keys.
        own = [
            (
                self.prefix + table.removeprefix(_PREFIX),
                row | {"sk": {"S": row["sk"]["S"].replace(f"TTL#{_PREFIX}", f"TTL#{self.prefix}")}},
            )
            for table, found in content.items()
            for row in found
        ]
        put_rows(self.service.client, own)

    def put(self, table: str, row: Any) -> None:
        self.service.client.put_item(TableName=self.prefix + table, Item=row)

    def delete(self, table: str, sk: str) -> None:
        key = {"pk": {"S": PK}, "sk": {"S": sk}}
        self.service.client.delete_item(TableName=self.prefix + table, Key=key)

    def raw(self, kind: str, sk: str) -> Any:
        """A row in the wire format."""
        return self.service.item(kind, sk, PK)

    def publish(self, method: str, sk: str, version: int, **fields: Any) -> Any:
        """Publish as another user than the one who wrote the golden rows."""
        command = {"pk": PK, "sk": sk, "version": version, **fields}
        if "partial" not in method:
            command = {"code": sk, "name": "ours", "type": "TODO"} | command
        return getattr(self.module.commands, method)(command, invoke_context=user("u2", "req-2"))

    def carry(self, sk: str, version: int) -> None:
        """Let the pipeline apply a version: what the workflow asks of the worker."""
        Worker({"todo": self.module}).run(
            {"action": "apply", "input": {"module": "todo", "pk": PK, "sk": sk, "version": version}}
        )

    def check_invariants(self) -> None:
        """The invariants, on everything that is there.

        F1 is left out: there, command and data refer to an object each, with the same content.
        """
        self.carry("C1", 1)
        for kind in KINDS:
            for _, sk in list(self.service.everything()[kind]):
                if sk.startswith("F1"):
                    self.delete(f"todo-{kind}", sk)
        # The reference system leaves the version out of `csk`.
        check_invariants(self.service, but=frozenset({"csk"}))

    def content(self, row: Any) -> Any:
        """Attributes of a golden row, wherever they are kept."""
        if "S" in row.get("attributes", {}):
            return objects()[row["attributes"]["S"].removeprefix(f"{_BUCKET}/")]
        return plain(row).get("attributes")


def agrees(golden: Golden, model: Any, row: Any) -> bool:
    """Whether a model says what a golden row says, in every column."""
    expected = plain(row) | {"attributes": golden.content(row)}
    found = model.model_dump(by_alias=True)
    assert set(expected) <= set(found), "a column got lost"
    for name, value in found.items():
        column = expected.get(name)
        if name in {"createdAt", "updatedAt"}:
            column = datetime.fromisoformat(column)
            assert value.utcoffset() == column.utcoffset()
        assert value == column, f"{name} is {value!r}, not {column!r}"
    return True


def assert_same(found: Any, expected: Any, *, but: set[str]) -> None:
    """Two rows in the wire format are the same, but for some columns."""
    assert {n: v for n, v in found.items() if n not in but} == {
        n: v for n, v in expected.items() if n not in but
    }
