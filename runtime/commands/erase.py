"""Erasing an aggregate for good: the right to be forgotten.

Everything is written so that a call which was interrupted is simply made again: the stores
of the handlers first, while the last command is still there to tell them; the commands
next, so that a late delivery finds nothing to apply; the data row and the large attributes
last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import BadRequestError, ItemNotFoundError, VersionConflictError
from runtime.model.keys import (
    VER_SEPARATOR,
    add_sort_key_version,
    get_sort_key_version,
    remove_sort_key_version,
)
from runtime.model.rows import version_of
from runtime.model.status import HANDLERS_STARTED
from runtime.pipeline.cursor import CursorStore
from runtime.queries.paging import checked_key
from runtime.store.attributes import object_prefix
from runtime.store.dynamodb import TransactionFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client

    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["Erased", "erase"]

_MAX_WRITES: Final = 100


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took away.

    Attributes:
        handlers: Handlers whose `DataSyncHandler.down` was called.
        rows: Rows of the module's tables.
        objects: Large attributes in the bucket.
    """

    handlers: tuple[str, ...]
    rows: int
    objects: int


def erase(
    module: CommandModule[Any], key: tuple[str, str], *, invoke_context: InvokeContext | None = None
) -> Erased:
    """Delete an aggregate for good, with its history and whatever its handlers made of it.

    First each handler's `DataSyncHandler.down` gets the last command, then the commands,
    the history, the cursors, the data row and the large attributes are deleted. Sessions
    and publish ids expire by themselves, within a day. Interrupted, it is called again.
    Nothing must be published to the aggregate meanwhile.

    It needs to query and delete in every table of the module, which no function of the
    stack may; `CqrsTable.grants.erase` gives it to a person or function of its own.

    Args:
        module: Module of the aggregate.
        key: ``(pk, sk)``; the sort key without a version.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Raises:
        ItemNotFoundError: There is nothing left of such an aggregate.
        BadRequestError: A version is still on its way through the pipeline. Nothing was done.
        VersionConflictError: It was published to meanwhile. Erase it again.
        InvalidInputError: The key cannot be one.
        ForbiddenError: The key belongs to another tenant.
        Exception: Whatever a handler raises. No row was deleted.
    """
    return _Erasure(module, checked_key(key, invoke_context, module.resources.settings, write=True)).run()


class _Erasure:
    def __init__(self, module: CommandModule[Any], key: DetailKey) -> None:
        self._module = module
        self._dynamodb = module.resources.dynamodb
        self._tables = module.tables
        self._key = key

    def run(self) -> Erased:
        commands = self._versions(self._tables.command)
        data = self._dynamodb.get(self._tables.data, *self._key, consistent=True)
        history = self._versions(self._tables.history)
        cursors = self._cursors()
        objects = self._objects()
        rows = [*commands, *history, *cursors, *([data] if data else [])]
        if not rows and not objects:
            msg = "there is nothing to erase: no such aggregate"
            raise ItemNotFoundError(msg)
        self._check_settled(commands, version_of(data))
        told = self._take_down(commands, data)
        # The last command goes last: while it is there, an erasure that is resumed tells
        # the handlers again.
        self._delete(self._tables.command, commands)
        self._delete(self._tables.history, history)
        self._delete(self._tables.sync, cursors)
        if data:
            self._delete_data(data)
        self._delete_objects(objects)
        return Erased(told, len(rows), len(objects))

    def _check_settled(self, commands: Sequence[Item], applied: int) -> None:
        """Refuse while the pipeline may still write: it would bring back what is erased."""
        for command in commands:
            status = command.get("status", {}).get("S")
            pending = self._module.disable_default_handler or version_of(command) > applied
            if status == HANDLERS_STARTED or (status is None and pending):
                msg = (
                    f"version {version_of(command)} is still on its way through the pipeline; "
                    "erase the aggregate when it is finished"
                )
                raise BadRequestError(msg)

    def _take_down(self, commands: Sequence[Item], data: Item | None) -> tuple[str, ...]:
        if not self._module.handlers:
            return ()
        last: Item | None = None
        if commands:
            pk, sk = commands[-1]["pk"]["S"], commands[-1]["sk"]["S"]
            last = self._dynamodb.get(self._tables.command, pk, sk, consistent=True)
        elif data:
            # The commands have expired, or are erased already: the data row says the same.
            last = data | {"sk": {"S": add_sort_key_version(self._key.sk, version_of(data))}}
        if last is None:
            return ()  # resumed after the commands were deleted: every handler was told
        command = self._module.rows.command(last)
        for reference in self._module.handlers:
            reference.handler.down(command)
        return tuple(reference.name for reference in self._module.handlers)

    def _versions(self, table: str) -> list[Item]:
        """Keys, versions and statuses of the aggregate's rows in a table, in order."""
        rows: list[Item] = []
        start: Item | None = None
        while True:
            page, start = self._dynamodb.query(
                table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ProjectionExpression="pk, sk, #version, #status",
                ExpressionAttributeNames={"#version": "version", "#status": "status"},
                ExpressionAttributeValues={
                    ":pk": {"S": self._key.pk},
                    ":sk": {"S": self._key.sk + VER_SEPARATOR},
                },
                ConsistentRead=True,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            # `A@` also begins the keys of an aggregate `A@x`: keep those of this one.
            rows += [row for row in page if remove_sort_key_version(row["sk"]["S"]) == self._key.sk]
            if start is None:
                return sorted(rows, key=lambda row: get_sort_key_version(row["sk"]["S"]))

    def _cursors(self) -> list[Item]:
        if not self._module.handlers:
            return []
        store = CursorStore(self._dynamodb, self._tables.sync)
        reads = [store.read(self._key, reference.name) for reference in self._module.handlers]
        return list(self._dynamodb.batch_get(reads).values())

    def _delete(self, table: str, rows: Sequence[Item]) -> None:
        for start in range(0, len(rows), _MAX_WRITES):
            chunk = rows[start : start + _MAX_WRITES]
            self._dynamodb.transact(
                [{"Delete": {"TableName": table, "Key": {"pk": r["pk"], "sk": r["sk"]}}} for r in chunk]
            )

    def _delete_data(self, data: Item) -> None:
        delete: dict[str, Any] = {
            "TableName": self._tables.data,
            "Key": {"pk": data["pk"], "sk": data["sk"]},
        }
        if "version" in data:
            delete |= {
                "ConditionExpression": "attribute_not_exists(pk) OR #version = :read",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":read": data["version"]},
            }
        try:
            self._dynamodb.transact([{"Delete": delete}])
        except TransactionFailedError as failure:
            if "ConditionalCheckFailed" not in failure.codes:
                raise
            raise VersionConflictError(*self._key, version_of(data)) from failure

    @property
    def _bucket(self) -> str | None:
        return self._module.resources.settings.bucket_name

    def _s3(self) -> S3Client:
        client: S3Client = self._module.resources.client("s3")
        return client

    def _objects(self) -> list[str]:
        if self._bucket is None:
            return []
        prefix = object_prefix(self._tables.command, *self._key)
        pages = self._s3().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def _delete_objects(self, keys: Sequence[str]) -> None:
        if self._bucket is None or not keys:
            return
        client = self._s3()
        for key in keys:
            client.delete_object(Bucket=self._bucket, Key=key)
