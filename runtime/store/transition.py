"""Moving a row from one state to another, and only from the states that lead there.

The state is a column, such as the ``status`` of a task. Whoever loses a race, or comes too late,
gets the row as it stands, and nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime.store.port import ConditionFailedError, Set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Add, Store
    from runtime.store.values import Place, Row, Value

__all__ = ["STATUS", "Moved", "move", "transition"]

STATUS: Final = "status"
"""The column of the state, unless another one is named."""

_LABEL: Final = "transition"


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a row that was to be moved.

    Attributes:
        is_done: Whether it has moved.
        row: The row after it; or the row that stood in the way, None where there is none.
    """

    is_done: bool
    row: Row | None


def transition(
    place: Place,
    to: str,
    *,
    only_from: Iterable[str],
    column: str = STATUS,
    set: Mapping[str, Value] | None = None,  # noqa: A002 - as in `Set`
    add: Mapping[str, Add] | None = None,
    remove: Sequence[str] = (),
    only_if: ConditionBase | None = None,
    label: str = _LABEL,
) -> Set:
    """The write that moves a row, for a transaction. Its arguments are those of `move`, and its label."""
    states = [*only_from]
    condition: ConditionBase = Attr(column).is_in(states) if states else Attr("pk").exists()
    return Set(
        place=place,
        columns={column: to, **(set or {})},
        add=add or {},
        remove=remove,
        condition=condition if only_if is None else condition & only_if,
        label=label,
    )


def move(
    store: Store,
    place: Place,
    to: str,
    *,
    only_from: Iterable[str],
    column: str = STATUS,
    set: Mapping[str, Value] | None = None,  # noqa: A002 - as in `Set`
    add: Mapping[str, Add] | None = None,
    remove: Sequence[str] = (),
    only_if: ConditionBase | None = None,
    told_by: str | None = None,
) -> Moved:
    """Move a row that exists to a state. One call.

    Args:
        store: Where it is.
        place: Its place.
        to: The state.
        only_from: The states that lead there, 100 at most. Empty: whatever the state is, as long as
            there is a row.
        column: Column of the state.
        set: Further columns, with their new values.
        add: What is added to columns with numbers.
        remove: Columns to take away.
        only_if: What else has to hold of the row.
        told_by: One of the columns in ``set``, whose value is this very call's: an id of its own, such
            as that of a claim. A row that has it already was moved by an earlier attempt of the call,
            whose answer got lost, and counts as moved.

    Returns:
        The row after it; or, where it was refused, the one that stands there.
    """
    write = transition(
        place, to, only_from=only_from, column=column, set=set, add=add, remove=remove, only_if=only_if
    )
    try:
        return Moved(is_done=True, row=store.update(write))
    except ConditionFailedError as failure:
        row = failure.rows[_LABEL]
        is_mine = row is not None and told_by is not None and _says(row, write, column, told_by)
        return Moved(is_done=is_mine, row=row)


def _says(row: Row, write: Set, *columns: str) -> bool:
    """Whether a row has what a write sets these columns to."""
    return all(name in row and row[name] == write.columns[name] for name in columns)
