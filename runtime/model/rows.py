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
from runtime.model.status import FINISHED, is_applied

__all__ = [
    "APPLIED_TTL",
    "DATA_TTL",
    "LEFT_BEHIND",
    "LIFE",
    "PUBLISH_ID",
    "SCHEMA_COLUMN",
    "data_row",
    "has_expired",
    "history_row",
    "is_deleted",
    "is_first_of_life",
    "is_left_behind",
    "is_of_life",
    "is_pending",
    "is_same_command",
    "is_same_life",
    "key_of",
    "life_of",
    "moment_in",
    "ttl_of",
    "version_of",
    "was_applied",
]

SCHEMA_COLUMN: Final = "schemaVersion"
"""Column that says which schema the attributes have; see `runtime.model.schema`."""

DATA_TTL: Final = "dataTtl"
"""Column of a command with the time to live that its data row is to have."""

APPLIED_TTL: Final = "appliedTtl"
"""Column of a command that was applied: the time to live that the data row got with it, 0 for none.

Unlike the status, which a service may set to one of its own, nothing else writes it.
"""

LEFT_BEHIND: Final = "isLeftBehind"
"""Column of a command that was not applied, and is not to be: another life of its aggregate has begun."""

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


def is_of_life(command: _Row, data: _Row | None) -> bool:
    """Whether a command may be of the life that a data row is in.

    Where one of them does not tell, the reference system or an earlier release wrote it. Such a
    command is of an earlier life if it was applied before the data row was first made.
    """
    own, its = life_of(command), life_of(data)
    if own is not None and its is not None:
        return own == its
    if data is None or own is its or not was_applied(command):
        return True
    try:
        return moment_in(command, "createdAt") >= moment_in(data, "createdAt")
    except CorruptRowError:
        return True


def is_first_of_life(command: _Row) -> bool:
    """Whether a life of its aggregate begins with a command, as far as the row tells."""
    return PUBLISH_ID in command and command[PUBLISH_ID] == command.get(LIFE)


def was_applied(command: _Row) -> bool:
    """Whether the data row was written with a command, or by it before."""
    if APPLIED_TTL in command:
        return True
    # Earlier releases and the reference system only tell by the status.
    status = command.get("status")
    return status == FINISHED or (PUBLISH_ID in command and is_applied(status))


def has_expired(command: _Row, seconds: float) -> bool:
    """Whether the time of the data row that a command left is over for sure.

    Args:
        command: A command that was applied.
        seconds: The time, in seconds since 1970.
    """
    return bool(0 < command.get(APPLIED_TTL, 0) <= seconds)


def is_pending(command: _Row) -> bool:
    """Whether a command is still to be applied."""
    return not is_left_behind(command) and not was_applied(command)


def is_left_behind(command: _Row) -> bool:
    """Whether it was said of a command that it never will be applied."""
    return LEFT_BEHIND in command


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
    if APPLIED_TTL in command:
        # Made anew, it is kept as long as it was to be.
        own, ttl = command[APPLIED_TTL], None
    else:
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
