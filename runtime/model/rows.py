"""How a command row becomes a data row, and a data row a history row.

Columns are taken over as they are: what was published is stored bit for bit, whatever types
it has, and nothing is parsed on the way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from runtime.errors import CorruptRowError
from runtime.model.keys import (
    VERSION_LATEST,
    DetailKey,
    add_sort_key_version,
    get_sort_key_version,
    remove_sort_key_version,
)

__all__ = [
    "DATA_TTL",
    "LIFE",
    "PUBLISH_ID",
    "SCHEMA_COLUMN",
    "data_row",
    "history_row",
    "is_deleted",
    "is_same_command",
    "is_same_life",
    "key_of",
    "life_of",
    "moment_in",
    "ttl_of",
    "version_of",
]

SCHEMA_COLUMN: Final = "schemaVersion"
"""Column that says which schema the attributes have; see `runtime.model.schema`."""

DATA_TTL: Final = "dataTtl"
"""Column of a command with the time to live that its data row is to have."""

PUBLISH_ID: Final = "publishId"
"""Column that tells a publish from every other, so that a retry recognises its own row."""

LIFE: Final = "lifeId"
"""Column that tells the lives of an aggregate apart: the publish id of the life's first version.

An aggregate may be erased, or expire, and be created again under the same key. Rows of the
reference system have no such column, and nor do those of the versions that are built on them.
"""

_REPLACED: Final = (
    "pk",
    "id",
    "code",
    "name",
    "tenantCode",
    "type",
    "seq",
    "attributes",
    SCHEMA_COLUMN,
    "isDeleted",
    "requestId",
    "updatedAt",
    "updatedBy",
    "updatedIp",
)
_KEPT_FROM_FIRST: Final = ("createdAt", "createdBy", "createdIp")

_Row = dict[str, Any]


def version_of(row: _Row | None) -> int:
    """Version of a row; 0 when there is no row, or it has none.

    Raises:
        CorruptRowError: The row has a version that is no number.
    """
    if not row or "version" not in row:
        return 0
    version = row["version"]
    if isinstance(version, bool) or not isinstance(version, int):
        msg = f"the row {row['pk']} {row['sk']} has a version that is no whole number; repair it"
        raise CorruptRowError(msg)
    return version


def life_of(*rows: _Row | None) -> str | None:
    """The life that rows belong to: that of the first one that tells; None where none does."""
    for row in rows:
        life = row.get(LIFE) if row else None
        if isinstance(life, str):
            return life
    return None


def is_same_life(row: _Row, other: _Row | None) -> bool:
    """Whether two rows of one key may be of the same life; a row that does not tell is of any."""
    own, its = life_of(row), life_of(other)
    return own is None or its is None or own == its


def key_of(row: _Row) -> DetailKey:
    """Key of the aggregate that a command, data or history row is about."""
    return DetailKey(row["pk"], remove_sort_key_version(row["sk"]))


def is_same_command(row: _Row | None, other: _Row) -> bool:
    """Whether a row is the very command that ``other`` is, and not a later life's of the same version."""
    return row is not None and row.get(PUBLISH_ID) == other.get(PUBLISH_ID)


def ttl_of(row: _Row) -> Any:  # noqa: ANN401 - a column
    """The column with the time from which on the item of a command or data row may be deleted for good."""
    is_data = get_sort_key_version(row["sk"]) == VERSION_LATEST
    # What a finished command has in `ttl` is about the command; see docs/adr/0002.
    return row.get("ttl" if is_data else DATA_TTL)


def is_deleted(row: _Row) -> bool:
    """Whether a row is that of a softly deleted aggregate."""
    return row.get("isDeleted") is True


def moment_in(row: _Row, column: str) -> datetime:
    """The time in a column, whatever offset it is written with; long ago where there is none.

    Raises:
        CorruptRowError: The column has something else in it.
    """
    text = row.get(column)
    if text is None:
        return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        msg = f"the row {row['pk']} {row['sk']} has {column} that is no time; repair it"
        raise CorruptRowError(msg) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def data_row(command: _Row, existing: _Row | None, ttl: int | None = None) -> _Row:
    """The data row after ``command``, to be kept until ``ttl`` unless the command says otherwise.

    The command replaces every field it is about, so a field that it lacks goes away. Who
    created the aggregate and when stays, and so do columns that are not the command's.
    """
    row = dict(existing or {})
    for name in _REPLACED:
        row.pop(name, None)
        if command.get(name) is not None:
            row[name] = command[name]
    for name in _KEPT_FROM_FIRST:
        if name not in row and name in command:
            row[name] = command[name]
    sk = command["sk"]
    row["sk"] = remove_sort_key_version(sk)
    # The key is what versions are ordered and found by; a column that disagrees must not win.
    row["version"] = get_sort_key_version(sk)
    row.pop("ttl", None)
    # A command's own `ttl` is about the command once it is finished; see docs/adr/0002.
    own = command.get(DATA_TTL) or command.get("ttl")
    if own and not isinstance(own, str):
        row["ttl"] = own
    elif ttl is not None:
        row["ttl"] = ttl
    row["cpk"] = command["pk"]
    row["csk"] = command["sk"]
    if (life := life_of(command)) is not None:
        row[LIFE] = life
    return row


def history_row(data: _Row, ttl: int | None = None) -> _Row:
    """The history row that keeps ``data``, until ``ttl``, before it is replaced."""
    row = {**data, "sk": add_sort_key_version(data["sk"], version_of(data))}
    row.pop("ttl", None)  # that of the data row
    return row if ttl is None else row | {"ttl": ttl}
