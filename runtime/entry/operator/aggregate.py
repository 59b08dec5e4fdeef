"""The life of one aggregate: its commands, its state, its handlers and its executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.clients.executions import Executions
from runtime.entry.operator.cursors import cursor_fields
from runtime.entry.operator.sizes import fitting
from runtime.errors import CorruptRowError, InvalidInputError, ItemNotFoundError
from runtime.identity.checked_key import checked_key
from runtime.model.keys import get_sort_key_version
from runtime.model.rows import LIFE, PUBLISH_ID, is_same_life, version_of, was_applied
from runtime.pipeline.versions import version_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Place, Row

__all__ = ["show"]

#: Each one is a call, of which Step Functions allows a few a second.
_MOST_EXECUTIONS: Final = 20
_COMMAND_COLUMNS: Final = ("status", "createdAt", "createdBy", "requestId", "source", "syncMode")
_DATA_COLUMNS: Final = ("updatedAt", "updatedBy")


def show(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Tell what is stored about an aggregate; its attributes only where ``raw`` asks for them.

    A query of the commands, one of the history, two reads, and one call for each of the
    last 20 versions to find its execution. A row that makes no sense is shown as far as it does.
    Of versions that are too many for one answer, the last ones are shown, and ``earlier`` says how
    many are not. Those of an earlier life of the aggregate have ``earlierLife``. With ``raw``, the
    attributes of the data row are in DynamoDB's own JSON, as they are stored, and beside them what the
    module's model has to say of them.
    """
    context = arguments.module(scope.modules).context
    key = checked_key(arguments.key(), None, context.settings)
    tables = context.tables
    commands = version_rows(context, tables.command, key, columns=(*_COMMAND_COLUMNS, PUBLISH_ID, LIFE))
    history = {
        get_sort_key_version(row["sk"]) for row in version_rows(context, tables.history, key, columns=())
    }
    data = context.store.get(context.data_place(key))
    cursors = _cursors(context, key)
    if not commands and data is None and not any(cursors.values()):
        msg = "there is no such aggregate"
        raise ItemNotFoundError(msg)
    seen = {name: cursor_fields(row) for name, row in cursors.items()}
    data_version = _data_version(data)
    applied = data_version or 0
    if not context.keeps_data:
        applied = min((cursor["version"] or 0 for cursor in seen.values()), default=0)
    versions = {get_sort_key_version(row["sk"]): row for row in commands}
    present = data or (commands[-1] if commands else None)
    entries = [
        _columns(row, _COMMAND_COLUMNS, version=version, history=version in history)
        | _of_life(row, present, applied=version <= applied or (data is None and was_applied(row)))
        for version, row in versions.items()
    ]
    shown = fitting(reversed(entries))[::-1]
    raw = _raw(context, data) if data and arguments.flag("raw") else {}
    return {
        **key._asdict(),
        "data": _columns(data, _DATA_COLUMNS, version=data_version) | raw if data else None,
        "versions": shown,
        **({"earlier": len(entries) - len(shown)} if len(shown) < len(entries) else {}),
        "cursors": [{"handler": name, **cursor} for name, cursor in seen.items()],
        "executions": _executions(scope, context, key, versions),
    }


def _cursors(context: ModuleContext, key: DetailKey) -> dict[str, Row | None]:
    """The cursor row of each handler, or None. Old keys may be too long to have one."""
    places: dict[str, Place | None] = {}
    for name in context.handler_names:
        try:
            places[name] = context.cursor_place(key, name)
        except InvalidInputError:
            places[name] = None
    rows = context.store.batch_get(place for place in places.values() if place)
    return {name: rows.get(place) if place else None for name, place in places.items()}


def _of_life(row: Row, present: Row | None, *, applied: bool) -> dict[str, Any]:
    """Whether a command was applied, and whether in an earlier life than the present one."""
    if is_same_life(row, present):
        return {"applied": applied}
    return {"applied": was_applied(row), "earlierLife": True}


def _raw(context: ModuleContext, data: Row) -> dict[str, Any]:
    """The attributes of a data row as they are stored, and why the model does not accept them."""
    unreadable = context.rows.readable([data]).unreadable
    return {
        "attributes": context.rows.stored_attributes(data),
        "problems": [
            {"field": problem.field, "message": problem.message}
            for row in unreadable or ()
            for problem in row.problems
        ],
    }


def _data_version(data: Row | None) -> int | None:
    """Version of the data row; None where it has none that makes sense."""
    try:
        return version_of(data)
    except CorruptRowError:
        return None


def _columns(row: Row, names: Iterable[str], **own: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    found = {name: row.get(name) for name in names}
    return own | {name: value if isinstance(value, str) else None for name, value in found.items()}


def _executions(
    scope: Scope, context: ModuleContext, key: DetailKey, versions: Mapping[int, Row]
) -> list[dict[str, Any]]:
    executions = Executions.of(scope.resources)
    if executions is None:
        return []
    found = []
    for version, row in list(versions.items())[-_MOST_EXECUTIONS:]:
        publish_id = row.get(PUBLISH_ID)
        execution = executions.of_version(context.name, context.tables.command, key, version, publish_id)
        if execution is not None:
            found.append({"version": version, **execution})
    return found
