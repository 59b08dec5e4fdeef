"""The store, as the rest of the runtime speaks to it: rows, conditions, and all-or-nothing writes.

There are two: `runtime.store.dynamodb` and `runtime.store.memory`. What holds for one holds for
the other; `runtime.testing.StoreContract` is the proof. Conditions are boto3's own
(`boto3.dynamodb.conditions`): `Attr` for a column of a row, `Key` for a query.

Every method is one network call in DynamoDB unless its docstring says otherwise, so the cost of
whatever is built on it can be read off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.values import Place, Row, Value

__all__ = [
    "Check",
    "ConditionFailedError",
    "Delete",
    "Page",
    "Put",
    "ScannedPage",
    "Set",
    "Store",
    "Write",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write a whole row, in place of whatever stands there.

    Attributes:
        table: Physical name of the table.
        row: The row; ``pk`` and ``sk`` say where it goes.
        condition: What must hold of the row that stands there; None for no condition.
        label: What the write is called where its condition fails.
    """

    table: str
    row: Row
    condition: ConditionBase | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Set some columns of a row, and take some away; the others stay. Makes the row where there is none.

    Attributes:
        place: Where the row is.
        columns: New values by the columns' names.
        remove: Names of columns to take away.
        condition: See `Put`. A row that must exist has to be asked for: ``Attr("pk").exists()``.
        label: See `Put`.
    """

    place: Place
    columns: Mapping[str, Value] = field(default_factory=dict)
    remove: Sequence[str] = ()
    condition: ConditionBase | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete a row. One that is not there is no error.

    Attributes:
        place: Where the row is.
        condition: See `Put`.
        label: See `Put`.
    """

    place: Place
    condition: ConditionBase | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Write nothing, but let the other writes of the transaction fail unless a condition holds.

    Attributes:
        place: Where the row is.
        condition: What must hold of it.
        label: See `Put`.
    """

    place: Place
    condition: ConditionBase
    label: str = ""


Write: TypeAlias = Put | Set | Delete | Check


class ConditionFailedError(Exception):
    """A condition did not hold, and nothing was written. It never leaves a public call.

    Attributes:
        rows: The row that stands there, or None without one, by the label of each write whose
            condition failed.
    """

    def __init__(self, rows: Mapping[str, Row | None]) -> None:
        super().__init__(f"the condition of {', '.join(map(repr, rows))} does not hold")
        self.rows = dict(rows)


class Page(NamedTuple):
    """Rows of a query. A tuple: one is made for each call, at half the time of a frozen dataclass.

    Attributes:
        rows: The rows, in the order of the sort key.
        next: Key to go on after; None on the last page.
    """

    rows: list[Row]
    next: Row | None


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """Rows of a scan.

    Attributes:
        rows: Rows that passed the filter.
        scanned: How many rows were looked at.
        next: Key to go on after; None on the last page.
    """

    rows: list[Row]
    scanned: int
    next: Row | None


class Store(Protocol):
    """Tables of rows, each with the key ``pk`` and ``sk``.

    Every method raises `StoreUnavailableError` where the store is busy or out of reach and
    nothing was written, `StoreRefusedError` where it will not do what is asked, and, if it
    writes, `OutcomeUnknownError` where no answer came: the write may have been done.

    Threads may share a store. Rows that it returns are the caller's to change.
    """

    def get(self, place: Place, *, consistent: bool = True) -> Row | None:
        """The row at a place, or None. Strongly consistent unless said otherwise."""
        ...

    def batch_get(
        self, places: Iterable[Place], *, eventually_consistent: frozenset[str] = frozenset()
    ) -> dict[Place, Row]:
        """The rows that exist among ``places``, strongly consistent; not a snapshot.

        One call for each 100 places, and one more for each answer that leaves keys unread.

        Args:
            places: Where to look; a place that is named twice is read once.
            eventually_consistent: Tables to read at half the price.
        """
        ...

    def query(
        self,
        table: str,
        key: ConditionBase,
        *,
        index: str | None = None,
        start: Row | None = None,
        limit: int | None = None,
        descending: bool = False,
        consistent: bool = True,
        columns: Sequence[str] | None = None,
        only: ConditionBase | None = None,
    ) -> Page:
        """One page of a partition.

        Args:
            table: Physical name of the table.
            key: Which rows: ``Key("pk").eq(…)``, and perhaps a condition on the sort key.
            index: A global secondary index to read instead, which is never consistent.
            start: `Page.next` of the page before.
            limit: Most rows to read. Default: as many as fit into 1 MB.
            descending: From the last sort key to the first.
            consistent: Strongly consistent, at twice the price.
            columns: Columns to return. Default: all of them.
            only: Filter on the rows that are read; they cost, whether or not they pass.
        """
        ...

    def scan(
        self,
        table: str,
        *,
        segment: int = 0,
        total_segments: int = 1,
        start: Row | None = None,
        limit: int,
        columns: Sequence[str] | None = None,
        only: ConditionBase | None = None,
    ) -> ScannedPage:
        """One page of a segment of a table, strongly consistent.

        All rows of a partition are in the same segment. For the arguments see `query`;
        ``limit`` counts the rows that are looked at.
        """
        ...

    def write(self, *writes: Write) -> None:
        """Write all or nothing: at most 100 writes, of different rows.

        One write alone is no transaction, which halves its price. A transaction that only
        contention stands in the way of is tried again, for some seconds.

        Raises:
            ConditionFailedError: At least one condition does not hold.
        """
        ...

    def update(self, write: Set) -> Row:
        """Do one `Set` and return the row after it.

        Raises:
            ConditionFailedError: The condition does not hold.
        """
        ...

    def approximate_rows(self, table: str) -> int | None:
        """About how many rows a table has; in DynamoDB up to six hours old. None if it is not known."""
        ...
