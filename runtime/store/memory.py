"""The store in memory, for tests: the same answers as DynamoDB, the same refusals, and no network.

`runtime.testing.StoreContract` runs on both. What DynamoDB leaves open is decided here, so that
a test sees the same each time: a scan goes by a hash of the partition key, and what shares a sort
key in an index is in the order of the table's keys.
"""

from __future__ import annotations

import operator
import threading
import time
import zlib
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

from runtime.contract import (
    AGGREGATES_COLUMN,
    AGGREGATES_INDEX,
    FEED_COLUMN,
    FEED_INDEX,
    FEED_PROJECTED,
    FEED_SORT_KEY,
    OPEN_COLUMN,
    OPEN_INDEX,
    OPEN_SORT_KEY,
    PARTITION_KEY,
)
from runtime.errors import StoreRefusedError
from runtime.store.codec import decoded_value, encoded_value, folded
from runtime.store.conditions import InvalidConditionError, columns_of, predicate
from runtime.store.item_size import MAX_ITEM_BYTES, column_size, text_size
from runtime.store.port import Check, ConditionFailedError, Delete, Page, Put, ScannedPage, Set
from runtime.store.sort_keys import partition_in
from runtime.store.values import Place, Sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Write
    from runtime.store.sort_keys import SortKeys
    from runtime.store.values import Row, Value

__all__ = ["Change", "MemoryStore"]

_MAX_PK_BYTES: Final = 2048
_MAX_SK_BYTES: Final = 1024
_MAX_WRITES: Final = 100
_MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
_MAX_PAGE_BYTES: Final = 1024 * 1024
_MAX_LEVELS: Final = 32
_MAX_DIGITS: Final = 38
_FEW_DIGITS: Final = 10**_MAX_DIGITS
_EXACT: Final = Context(prec=600)
_SMALLEST: Final = Decimal("1E-130")
_LARGEST: Final = Decimal("9.9999999999999999999999999999999999999E+125")
_HASHES: Final = 2**32
_KEY: Final = ("pk", "sk")
#: Those that tables of a deployment may have.
_INDEXES: Final = MappingProxyType(
    {
        OPEN_INDEX: (OPEN_COLUMN, OPEN_SORT_KEY),
        FEED_INDEX: (FEED_COLUMN, FEED_SORT_KEY, *FEED_PROJECTED),
        AGGREGATES_INDEX: (AGGREGATES_COLUMN, PARTITION_KEY),
    }
)


class Change(NamedTuple):
    """A write that changed a row, as a stream would report it. A tuple, as each write makes one.

    Attributes:
        place: Where the row is.
        old: The row before; None if it was not there.
        new: The row after; None if it is deleted.
    """

    place: Place
    old: Row | None
    new: Row | None


class MemoryStore:
    """Tables in memory as a `Store`.

    Args:
        indexes: Global secondary indexes of every table: the columns that are an index's
            partition key and sort key, by its name, and further ones that it holds. A row is in an
            index where it has text in both keys; of a row, an index holds its keys, and those.
            Default: those that tables of a deployment may have.
        tables: Names of the tables that exist. Default: each one does.
        clock: Seconds since 1970, for `expire`. Default: the time of day.
        lends_rows: Whether a query gives the rows as they stand here, to somebody who changes none of them.
            Default: it gives copies.
    """

    def __init__(
        self,
        indexes: Mapping[str, tuple[str, ...]] = _INDEXES,
        *,
        tables: Iterable[str] | None = None,
        clock: Callable[[], float] = time.time,
        lends_rows: bool = False,
    ) -> None:
        self._indexes = dict(indexes)
        self._known = None if tables is None else frozenset(tables)
        self._clock = clock
        self._lends_rows = lends_rows
        self._tables: dict[str, _Table] = {}
        self._listeners: list[Callable[[Change], None]] = []
        self._lock = threading.RLock()

    def get(self, place: Place, *, consistent: bool = True) -> Row | None:  # noqa: ARG002 - always is
        """See `Store.get`."""
        _check_key(place)
        with self._lock:
            found = self._table(place.table).get(place)
        return dict(found.row) if found else None

    def batch_get(
        self,
        places: Iterable[Place],
        *,
        eventually_consistent: frozenset[str] = frozenset(),  # noqa: ARG002 - none is
    ) -> dict[Place, Row]:
        """See `Store.batch_get`."""
        rows = {place: self.get(place) for place in dict.fromkeys(places)}
        return {place: row for place, row in rows.items() if row is not None}

    def query(
        self,
        table: str,
        key: ConditionBase,
        *,
        index: str | None = None,
        start: Row | None = None,
        limit: int | None = None,
        descending: bool = False,
        consistent: bool = True,  # noqa: ARG002 - always is
        columns: Sequence[str] | None = None,
        only: ConditionBase | None = None,
    ) -> Page:
        """See `Store.query`."""
        names, projected = (_KEY, ()) if index is None else self._index(index)
        pk, wanted = _partition(key, names)
        _check_page(start, limit, columns)
        passes = None if only is None else _predicate(only)
        if index is not None and (unknown := set(columns or ()) - {*_KEY, *names, *projected}):
            _refuse(f"the index {index} does not hold {sorted(unknown)}")
        if only is not None and (keys := columns_of(only) & set(names)):
            _refuse(f"a filter cannot be on {sorted(keys)}, the key of what is queried")
        order = _KEY if index is None else (names[1], *_KEY)
        if start is not None and (set(start) != {*order, names[0]} or start[names[0]] != pk):
            _refuse("the starting key is none of this query")
        with self._lock:
            found = self._table(table)
            rows = found.partition(pk) if index is None else found.index(names, projected, pk)
            looked_at, is_last = _cut(rows.wanted(wanted, start, limit, descending=descending), limit)
        last = None if is_last else {name: looked_at[-1].row[name] for name in {*order, names[0]}}
        if self._lends_rows and columns is None and passes is None:
            return Page([stored.row for stored in looked_at], last)
        return Page(_shown(looked_at, columns, passes), last)

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
        """See `Store.scan`."""
        if not 0 <= segment < total_segments:
            _refuse(f"there is no segment {segment} of {total_segments}")
        _check_page(start, limit, columns)
        passes = None if only is None else _predicate(only)
        if start is not None and set(start) != set(_KEY):
            _refuse("the starting key is none of this table")
        with self._lock:
            rows = self._table(table).segment(segment, total_segments, start)
        looked_at, is_last = _cut(rows[:limit], limit)
        last = None if is_last else {name: looked_at[-1].row[name] for name in _KEY}
        return ScannedPage(_shown(looked_at, columns, passes), len(looked_at), last)

    def write(self, *writes: Write) -> None:
        """See `Store.write`."""
        if writes:
            self._commit(writes)

    def update(self, write: Set) -> Row:
        """See `Store.update`."""
        (after,) = self._commit([write])
        return dict(cast("_Stored", after).row)  # a Set always leaves a row

    def approximate_rows(self, table: str) -> int | None:
        """See `Store.approximate_rows`."""
        with self._lock:
            return self._table(table).count

    def on_change(self, listener: Callable[[Change], None]) -> None:
        """Call ``listener`` with each change, in the order of the commits, before the write returns."""
        with self._lock:
            self._listeners.append(listener)

    def expire(self, now: float | None = None) -> int:
        """Delete the rows whose ``ttl`` is over, as DynamoDB does some time later.

        Args:
            now: Seconds since 1970. Default: what the clock says.

        Returns:
            How many rows were deleted.
        """
        moment = self._clock() if now is None else now
        with self._lock:
            over = [
                Place(name, stored.row["pk"], stored.row["sk"])
                for name, table in self._tables.items()
                for stored in table.rows()
                if _is_over(stored.row.get("ttl"), moment)
            ]
            for place in over:
                self._replace(self._tables[place.table], place, None)
        return len(over)

    def rows(self, table: str) -> list[Row]:
        """Every row of a table, in the order of its keys; for a test to look at."""
        with self._lock:
            found = [dict(stored.row) for stored in self._table(table).rows()]
        return sorted(found, key=lambda row: (row["pk"], row["sk"]))

    @property
    def tables(self) -> list[str]:
        """Names of the tables: those that were given, or those that were used."""
        with self._lock:
            return sorted(self._tables if self._known is None else self._known)

    def _commit(self, writes: Sequence[Write]) -> list[_Stored | None]:
        prepared = _prepared(writes)
        with self._lock:
            failed: dict[str, Row | None] = {}
            for one in prepared:
                one.table = self._table(one.place.table)
                stored = one.before = one.table.get(one.place)
                if one.holds is not None and not one.holds(_NO_ROW if stored is None else stored.row):
                    failed[one.write.label] = None if stored is None else stored.row.copy()
            if failed:
                raise ConditionFailedError(failed)
            after = [one.after() for one in prepared]
            if len(after) > 1 and sum(map(_size_of, filter(None, after))) > _MAX_TRANSACTION_BYTES:
                _refuse("the transaction is larger than 4 MB")
            for number, one in enumerate(prepared):
                if not isinstance(one.write, Check):
                    self._replace(one.table, one.place, after[number])
        return after

    def _replace(self, table: _Table, place: Place, after: _Stored | None) -> None:
        before = table.replace(place, after)
        if not self._listeners:
            return
        old, new = before.row if before else None, after.row if after else None
        if old == new:
            return  # a stream does not report it either
        for listener in self._listeners:
            listener(Change(place, old.copy() if old else None, new.copy() if new else None))

    def _table(self, name: str) -> _Table:
        if self._known is not None and name not in self._known:
            _refuse(f"ResourceNotFoundException: there is no table {name!r}")
        table = self._tables.get(name)
        return self._tables.setdefault(name, _Table()) if table is None else table

    def _index(self, index: str) -> tuple[tuple[str, str], tuple[str, ...]]:
        """The key of an index, and what else it holds of a row."""
        if index not in self._indexes:
            _refuse(f"there is no index {index!r}")
        pk, sk, *projected = self._indexes[index]
        return (pk, sk), tuple(projected)


class _Stored(NamedTuple):
    """A row as it stands in a table. It is never changed, but replaced."""

    row: Row
    size: int

    @classmethod
    def of(cls, row: Row) -> _Stored:
        kept, size = _kept(row)
        if size > MAX_ITEM_BYTES:
            _refuse(f"the row has {size} bytes, and {MAX_ITEM_BYTES} are allowed")
        return cls(kept, size)


@dataclass(slots=True)
class _Partition:
    """Rows of one partition key, in the order of their sort keys.

    Python orders text by code points, which is the order of its UTF-8 bytes.
    """

    sort_keys: list[str] = field(default_factory=list)
    rows: dict[str, _Stored] = field(default_factory=dict)

    def __iter__(self) -> Iterator[_Stored]:
        return (self.rows[sk] for sk in self.sort_keys)

    def wanted(
        self, sort_keys: SortKeys, start: Row | None, limit: int | None, *, descending: bool
    ) -> list[_Stored]:
        """The rows with these sort keys, from a starting key on, in the order of a query."""
        keys, rows = self.sort_keys, self.rows
        after = None if start is None else start["sk"]
        window = sort_keys.window(keys, keys, after, limit, descending=descending)
        return [rows[keys[number]] for number in window]

    def replace(self, sk: str, after: _Stored | None) -> _Stored | None:
        before = self.rows.pop(sk, None)
        if before is None and after is not None:
            if self.sort_keys and self.sort_keys[-1] < sk:  # what has a time or a version in it
                self.sort_keys.append(sk)
            else:
                insort(self.sort_keys, sk)
        elif before is not None and after is None:
            del self.sort_keys[bisect_left(self.sort_keys, sk)]
        if after is not None:
            self.rows[sk] = after
        return before


class _IndexPartition:
    """What an index has of one of its partition keys, in order: several rows may have one sort key.

    Args:
        order: The columns that it goes by.
        rows: The rows.
    """

    def __init__(self, order: tuple[str, ...], rows: Iterable[_Stored]) -> None:
        self._order = order
        self._rows = sorted(rows, key=lambda stored: _position(stored.row, order))

    def wanted(
        self, sort_keys: SortKeys, start: Row | None, limit: int | None, *, descending: bool
    ) -> list[_Stored]:
        """See `_Partition.wanted`."""
        places = [_position(stored.row, self._order) for stored in self._rows]
        after = None if start is None else _position(start, self._order)
        keys = [sk for sk, *_ in places]
        window = sort_keys.window(keys, places, after, limit, descending=descending)
        return [self._rows[number] for number in window]


_size_of: Final = operator.attrgetter("size")
_NOTHING: Final = _Partition()
_NO_ROW: Final[Row] = {}


class _Table:
    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = {}
        self._order: list[tuple[int, str]] = []  # hash and partition key, as a scan goes

    @property
    def count(self) -> int:
        return sum(len(partition.rows) for partition in self._partitions.values())

    def get(self, place: Place) -> _Stored | None:
        partition = self._partitions.get(place.pk)
        return partition.rows.get(place.sk) if partition else None

    def rows(self) -> Iterator[_Stored]:
        return (stored for partition in self._partitions.values() for stored in partition)

    def partition(self, pk: str) -> _Partition:
        return self._partitions.get(pk, _NOTHING)

    def index(self, names: tuple[str, str], projected: tuple[str, ...], pk: str) -> _IndexPartition:
        found = (
            stored
            for stored in self.rows()
            if stored.row.get(names[0]) == pk and isinstance(stored.row.get(names[1]), str)
        )
        held = {*_KEY, *names, *projected}
        shown = (_Stored({n: v for n, v in s.row.items() if n in held}, s.size) for s in found)
        return _IndexPartition((names[1], *_KEY), shown)

    def segment(self, segment: int, total_segments: int, start: Row | None) -> list[_Stored]:
        first, last = (_HASHES * part // total_segments for part in (segment, segment + 1))
        low = bisect_left(self._order, (first, ""))
        high = bisect_left(self._order, (last, ""))
        rows: list[_Stored] = []
        if start is not None:
            at = (_hash(start["pk"]), start["pk"])
            low = max(low, bisect_right(self._order, at))
            if partition := self._partitions.get(start["pk"]):
                rows += [stored for stored in partition if stored.row["sk"] > start["sk"]]
        for _, pk in self._order[low:high]:
            rows += self._partitions[pk]
        return rows

    def replace(self, place: Place, after: _Stored | None) -> _Stored | None:
        partition = self._partitions.get(place.pk)
        if partition is None:
            if after is None:
                return None
            partition = self._partitions[place.pk] = _Partition()
            insort(self._order, (_hash(place.pk), place.pk))
        before = partition.replace(place.sk, after)
        if not partition.rows:
            del self._partitions[place.pk]
            del self._order[bisect_left(self._order, (_hash(place.pk), place.pk))]
        return before


class _Prepared:
    """A write that DynamoDB would take, unless the row that it makes is too large."""

    __slots__ = ("_whole", "before", "holds", "place", "table", "write")

    table: _Table  # it and what stands there are known when it is its turn
    before: _Stored | None

    def __init__(self, write: Write) -> None:
        self.write = write
        self.holds = None if write.condition is None else _predicate(write.condition)
        self._whole: _Stored | None = None
        if isinstance(write, Put):
            row = write.row
            self.place = Place(write.table, row.get("pk", ""), row.get("sk", ""))
            _check_key(self.place)
            self._whole = _Stored.of(row)
            return
        self.place = write.place
        if isinstance(write, Set):
            _check_set(write)
        _check_key(self.place)

    def after(self) -> _Stored | None:
        """What stands there after the write."""
        if self._whole is not None:
            return self._whole
        before = self.before
        match self.write:
            case Set():
                row: Row = {"pk": self.place.pk, "sk": self.place.sk} | (before.row if before else {})
                row.update(self.write.columns)
                for name, value in self.write.defaults.items():
                    row.setdefault(name, value)
                for name, add in self.write.add.items():
                    row[name] = _sum(name, row.get(name, add.first), add.amount)
                for name in self.write.remove:
                    row.pop(name, None)
                return _Stored.of(row)
            case Delete():
                return None
            case _:
                return before


def _check_page(start: Row | None, limit: int | None, columns: Sequence[str] | None) -> None:
    if limit is not None and limit < 1:
        _refuse(f"a page has at least 1 row, got the limit {limit}")
    if columns is not None and (not columns or len(set(columns)) < len(columns)):
        _refuse("the columns to return must be named, and each one once")
    if start is not None and not all(isinstance(value, str) for value in start.values()):
        _refuse("the starting key must be text")


def _cut(rows: list[_Stored], limit: int | None) -> tuple[list[_Stored], bool]:
    """What fits into a page of the first rows, at most ``limit``, and whether they are the last ones.

    As in DynamoDB, a page that its limit ends is not known to be the last one.
    """
    if sum(map(_size_of, rows)) > _MAX_PAGE_BYTES:
        size = 0
        for number, stored in enumerate(rows):
            size += stored.size
            if number and size > _MAX_PAGE_BYTES:
                return rows[:number], False
    return rows, len(rows) != limit


def _shown(
    rows: Iterable[_Stored], columns: Sequence[str] | None, passes: Callable[[Row], bool] | None
) -> list[Row]:
    """What is returned of the rows that were looked at."""
    if passes is not None:
        rows = [stored for stored in rows if passes(stored.row)]
    if columns is None:
        return [stored.row.copy() for stored in rows]
    return [{name: value for name, value in s.row.items() if name in columns} for s in rows]


def _prepared(writes: Sequence[Write]) -> list[_Prepared]:
    if len(writes) > _MAX_WRITES:
        _refuse(f"a transaction has at most {_MAX_WRITES} writes, got {len(writes)}")
    prepared = [_Prepared(write) for write in writes]
    if len(prepared) > 1 and len({one.place for one in prepared}) < len(prepared):
        _refuse("a transaction has at most one write on a row")
    return prepared


def _check_set(write: Set) -> None:
    names = [*write.columns, *write.defaults, *write.add, *write.remove]
    if not names:
        _refuse("the update has nothing to set or to remove")
    if len(set(names)) < len(names):
        _refuse("the update names a column twice")
    if keys := set(names) & set(_KEY):
        _refuse(f"an update cannot change {sorted(keys)}, the key of the row")


def _sum(name: str, before: Value, amount: int | Decimal) -> Decimal:
    """What a column has after an amount was added to it."""
    if isinstance(before, bool) or not isinstance(before, int | Decimal):
        _refuse(f"the column {name!r} has no number in it that something could be added to")
    return _EXACT.add(before, amount)


def _check_key(place: Place) -> None:
    _, pk, sk = place
    are_plain = type(pk) is str and type(sk) is str and pk.isascii() and sk.isascii()
    if are_plain and 0 < len(pk) <= _MAX_PK_BYTES and 0 < len(sk) <= _MAX_SK_BYTES:
        return  # most keys
    _check_part("pk", place.pk, _MAX_PK_BYTES)
    _check_part("sk", place.sk, _MAX_SK_BYTES)


def _check_part(name: str, value: str, most: int) -> None:
    if not isinstance(value, str) or not value:
        _refuse(f"{name} must be text that is not empty, got {value!r}")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        _refuse(f"{name} is no Unicode text")
    if size > most:
        _refuse(f"{name} has {size} bytes, and {most} are allowed")


def _partition(key: ConditionBase, names: tuple[str, str]) -> tuple[str, SortKeys]:
    """The partition key that a query is about, and which of its sort keys it wants."""
    try:
        pk, wanted = partition_in(key, names)
    except InvalidConditionError as error:
        _refuse(str(error))
    _check_part("pk", pk, _MAX_PK_BYTES)
    return pk, wanted


def _predicate(condition: ConditionBase) -> Callable[[Row], bool]:
    try:
        return predicate(condition)
    except InvalidConditionError as error:
        _refuse(str(error))


def _position(row: Row, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(row[name] for name in names)


def _hash(pk: str) -> int:
    return zlib.crc32(pk.encode())


def _is_over(ttl: Any, moment: float) -> bool:  # noqa: ANN401 - any column
    return isinstance(ttl, int | Decimal) and not isinstance(ttl, bool) and ttl < moment


def _kept(row: Row) -> tuple[Row, int]:
    """A row as DynamoDB gives it back, which shares nothing that anybody changes; and its `item_size`."""
    kept, size, texts = row.copy(), 0, [*row]
    for name, value in row.items():
        if type(value) is str:  # most columns are what they were, and are looked at together
            texts.append(value)
        else:
            kept[name] = again = _kept_value(value)
            size += column_size(again)
    return kept, size + text_size(_kept_text("".join(texts)))


def _kept_value(value: Value) -> Value:
    if type(value) is int and abs(value) < _FEW_DIGITS:
        return value
    if isinstance(value, Sealed):
        if _is_plain_set(value.wire):
            return value
        wire = value.wire
    else:
        wire = encoded_value(value)
    has_levels = "M" in wire or "L" in wire
    if has_levels and folded(wire, _LEVELS) > _MAX_LEVELS:
        _refuse(f"a value is nested more than {_MAX_LEVELS} levels deep")
    return decoded_value(folded(wire, _KEPT))


def _is_plain_set(wire: Mapping[str, Any]) -> bool:
    """Whether a value is a set of text that is given back as it is: every row of events has one."""
    texts = wire.get("SS")
    if not texts or _has_twins(texts):
        return False
    return all(type(text) is str and text.isascii() for text in texts)


def _has_twins(members: Sequence[Any]) -> bool:
    return len(members) > 1 and len(set(members)) < len(members)


def _kept_number(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        _refuse("a value is neither text, a number, a flag, None nor sealed")
    if not number.is_finite() or (number and not _SMALLEST <= abs(number) <= _LARGEST):
        _refuse("a number is not in the range of 1E-130 to 9.9E+125")
    plain = number.normalize(_EXACT)
    if len(plain.as_tuple().digits) > _MAX_DIGITS:
        _refuse(f"a number has more than {_MAX_DIGITS} digits")
    return format(plain, "f") if plain else "0"


def _kept_text(text: str) -> str:
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        _refuse("a text is no Unicode text")
    return text


def _kept_set(members: list[Any]) -> list[Any]:
    if not members or _has_twins(members):
        _refuse("a set has at least one member, and each one once")
    return members


def _refuse(reason: str) -> NoReturn:
    service = "The store in memory"
    raise StoreRefusedError(service, reason)


def _one(_: Any) -> int:  # noqa: ANN401 - any content
    return 1


_LEVELS: Final[Mapping[str, Callable[[Any], int]]] = {
    **dict.fromkeys(("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"), _one),
    "M": lambda levels: 1 + max(levels.values(), default=0),
    "L": lambda levels: 1 + max(levels, default=0),
}
_KEPT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "S": lambda text: {"S": _kept_text(text)},
    "N": lambda text: {"N": _kept_number(text)},
    "B": lambda content: {"B": bytes(content)},
    "BOOL": lambda flag: {"BOOL": flag},
    "NULL": lambda _: {"NULL": True},
    "M": lambda parts: {"M": parts},
    "L": lambda parts: {"L": parts},
    "SS": lambda texts: {"SS": _kept_set([_kept_text(text) for text in texts])},
    "NS": lambda numbers: {"NS": _kept_set([_kept_number(number) for number in numbers])},
    "BS": lambda members: {"BS": _kept_set([bytes(member) for member in members])},
}
