"""The life of one aggregate: its commands, its state, its handlers and its executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.entry.operator.cursors import cursor_fields
from runtime.entry.operator.executions import Executions
from runtime.errors import ItemNotFoundError
from runtime.model.keys import VER_SEPARATOR, get_sort_key_version, remove_sort_key_version
from runtime.model.rows import version_of
from runtime.pipeline.cursor import CursorStore
from runtime.queries.paging import checked_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["show"]

#: Each one is a call, of which Step Functions allows a few a second.
_MOST_EXECUTIONS: Final = 20
_COMMAND_COLUMNS: Final = ("status", "createdAt", "createdBy", "requestId", "source", "syncMode")


def show(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Tell what is stored about an aggregate, without its attributes.

    A query of the commands, one of the history, two reads, and one call for each of the
    last 20 versions to find its execution.
    """
    module = arguments.module(scope.modules)
    key = checked_key(arguments.key(), None, module.resources.settings)
    dynamodb, tables = module.resources.dynamodb, module.tables
    commands = _versions(module, tables.command, key)
    history = {version_in_key(row) for row in _versions(module, tables.history, key)}
    data = dynamodb.get(tables.data, *key, consistent=True)
    store = CursorStore(dynamodb, tables.sync)
    reads = {reference.name: store.read(key, reference.name) for reference in module.handlers}
    cursors = dynamodb.batch_get(reads.values())
    if not commands and data is None and not cursors:
        msg = "there is no such aggregate"
        raise ItemNotFoundError(msg)
    seen = {name: cursor_fields(cursors.get(read)) for name, read in reads.items()}
    applied = version_of(data)
    if module.disable_default_handler:
        applied = min((cursor["version"] or 0 for cursor in seen.values()), default=0)
    versions = [version_in_key(row) for row in commands]
    return {
        **key._asdict(),
        "data": _columns(data, ("updatedAt", "updatedBy"), version=version_of(data)) if data else None,
        "versions": [
            _columns(row, _COMMAND_COLUMNS, version=version, history=version in history)
            | {"applied": version <= applied}
            for row, version in zip(commands, versions, strict=True)
        ],
        "cursors": [{"handler": name, **cursor} for name, cursor in seen.items()],
        "executions": _executions(module, key, versions[-_MOST_EXECUTIONS:]),
    }


def version_in_key(row: Item) -> int:
    """Version in the sort key of a command or history row."""
    return get_sort_key_version(row["sk"]["S"])


def _versions(module: CommandModule[Any], table: str, key: DetailKey) -> list[Item]:
    """The aggregate's rows in a table of versions, in order, without their attributes."""
    names = {f"#{name}": name for name in ("pk", "sk", *_COMMAND_COLUMNS)}
    rows: list[Item] = []
    start: Item | None = None
    while True:
        page, start = module.resources.dynamodb.query(
            table,
            KeyConditionExpression="#pk = :pk AND begins_with(#sk, :sk)",
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={":pk": {"S": key.pk}, ":sk": {"S": key.sk + VER_SEPARATOR}},
            ConsistentRead=True,
            **({"ExclusiveStartKey": start} if start else {}),
        )
        # `A@` also begins the keys of an aggregate `A@x`: keep those of this one.
        rows += [row for row in page if remove_sort_key_version(row["sk"]["S"]) == key.sk]
        if start is None:
            return sorted(rows, key=version_in_key)


def _columns(row: Item, names: Iterable[str], **own: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return own | {name: row.get(name, {}).get("S") for name in names}


def _executions(module: CommandModule[Any], key: DetailKey, versions: list[int]) -> list[dict[str, Any]]:
    executions = Executions.of(module.resources)
    if executions is None:
        return []
    found = []
    for version in versions:
        execution = executions.of_version(module, key, version)
        if execution is not None:
            found.append({"version": version, **execution})
    return found
