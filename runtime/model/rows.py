"""How a command row becomes a data row, and a data row a history row.

Rows are kept in the wire format: what was published is stored bit for bit, whatever
types it has, and nothing is parsed on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.errors import CorruptRowError
from runtime.model.keys import add_sort_key_version, get_sort_key_version, remove_sort_key_version

if TYPE_CHECKING:
    from runtime.store.codec import Item

__all__ = ["DATA_TTL", "SCHEMA_COLUMN", "data_row", "history_row", "version_of"]

SCHEMA_COLUMN: Final = "schemaVersion"
"""Column that says which schema the attributes have; see `runtime.model.schema`."""

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
DATA_TTL: Final = "dataTtl"
"""Column of a command with the time to live that its data row is to have."""

_KEPT_FROM_FIRST: Final = ("createdAt", "createdBy", "createdIp")


def version_of(item: Item | None) -> int:
    """Version of a row; 0 when there is no row, or it has none.

    Raises:
        CorruptRowError: The row has a version that is no number.
    """
    if not item or "version" not in item:
        return 0
    version = item["version"].get("N")
    if version is None:
        msg = f"the row {item['pk']['S']} {item['sk']['S']} has a version that is no number; repair it"
        raise CorruptRowError(msg)
    return int(version)


def data_row(command: Item, existing: Item | None, ttl: int | None = None) -> Item:
    """The data row after ``command``, to be kept until ``ttl`` unless the command says otherwise.

    The command replaces every field it is about, so a field that it lacks goes away. Who
    created the aggregate and when stays, and so do columns that are not the command's.
    """
    row = dict(existing or {})
    for name in _REPLACED:
        row.pop(name, None)
        if name in command and "NULL" not in command[name]:
            row[name] = command[name]
    for name in _KEPT_FROM_FIRST:
        if name not in row and name in command:
            row[name] = command[name]
    sk = command["sk"]["S"]
    row["sk"] = {"S": remove_sort_key_version(sk)}
    # The key is what versions are ordered and found by; a column that disagrees must not win.
    row["version"] = {"N": str(get_sort_key_version(sk))}
    row.pop("ttl", None)
    # A command's own `ttl` is about the command once it is finished; see docs/adr/0002.
    own = command.get(DATA_TTL) or command.get("ttl")
    if own and "N" in own:
        row["ttl"] = own
    elif ttl is not None:
        row["ttl"] = {"N": str(ttl)}
    row["cpk"] = command["pk"]
    row["csk"] = command["sk"]
    return row


def history_row(data: Item, ttl: int | None = None) -> Item:
    """The history row that keeps ``data``, until ``ttl``, before it is replaced."""
    row = {**data, "sk": {"S": add_sort_key_version(data["sk"]["S"], version_of(data))}}
    row.pop("ttl", None)  # that of the data row
    return row if ttl is None else row | {"ttl": {"N": str(ttl)}}
