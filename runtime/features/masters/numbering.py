"""The numbers of rows: each code table counts its own, in the transactions that write its rows.

The counter of a table is the row ``MASTER#{tenant}`` / ``SEQ#{setting code}`` of the masters' data
table. It is read in the batch that reads what rows build on, and written in their transaction, on the
condition that nobody has counted since: so two writers never give one number twice, and a number
is used up only with its row. Where there is no counter yet, the greatest number of the table's rows is
looked up, once in its life.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr, Key

from runtime.features.masters.keys import MASTER, data_prefix, master_pk, setting_sk
from runtime.features.masters.schemas import RowSchema
from runtime.model.keys import KEY_SEPARATOR
from runtime.model.rows import is_deleted
from runtime.store.codec import opened, row_of
from runtime.store.port import Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.port import Write
    from runtime.store.values import Row

__all__ = ["RowNumbers", "Table"]

_COUNTER: Final = "SEQ"


@dataclass(frozen=True, slots=True)
class Table:
    """A code table: the rows of one setting code in a tenant."""

    tenant_code: str
    setting_code: str


@dataclass(slots=True)
class _Counter:
    """What is known of a counter.

    Attributes:
        stored: What its row says; None without one.
        last: The last number that was given, whether it is written yet or not.
        given: The numbers that were given, by the rows' keys.
        chosen: The greatest number that somebody has chosen while there was no counter.
        first: What ``last`` was before any number was given.
    """

    stored: int | None
    last: int | None
    first: int | None = None
    given: dict[DetailKey, int] = field(default_factory=dict)
    chosen: int = 0


class RowNumbers:
    """The counters and schemas of some code tables, as a `Tally` of the rows that are written.

    Args:
        context: The masters' module.
        tables: The code tables.
        counts: Whether rows may get numbers.
        checks: Whether rows are held to their schemas.
    """

    def __init__(
        self, context: ModuleContext, tables: Iterable[Table], *, counts: bool = True, checks: bool = True
    ) -> None:
        self._context = context
        self._tables = tuple(dict.fromkeys(tables))
        self._counts, self._checks = counts, checks
        self._counters: dict[Table, _Counter] = {}
        self._schemas: dict[Table, RowSchema | None] = {}

    @property
    def places(self) -> Sequence[Place]:
        """The rows of the counters, and those of the schemas."""
        found = [self._counter_place(table) for table in self._tables] if self._counts else []
        return found + ([self._schema_place(table) for table in self._tables] if self._checks else [])

    def begin(self, rows: Mapping[Place, Row]) -> None:
        """Go by the rows that are there."""
        for table in self._tables:
            counter = rows.get(self._counter_place(table))
            number = opened(counter.get("seq")) if counter else None
            stored = number if isinstance(number, int) and not isinstance(number, bool) else None
            self._counters[table] = _Counter(stored, stored, stored)
            self._schemas[table] = self._schema_in(rows.get(self._schema_place(table)))

    def schema(self, table: Table) -> RowSchema | None:
        """The schema of a table's rows; None without one."""
        return self._schemas[table]

    def next(self, table: Table, key: DetailKey) -> int:
        """The next number of a table, for the row with this key."""
        counter = self._counters[table]
        if counter.last is None:
            counter.last = counter.first = max(self._greatest(table), counter.chosen)
        counter.last = counter.given[key] = counter.last + 1
        return counter.last

    def take(self, table: Table, key: DetailKey, number: int) -> None:
        """Let the counter go on behind a number that somebody has chosen for a row.

        Without a counter none is made: the number is found where the first one is looked up.
        """
        counter = self._counters[table]
        if counter.last is None:
            counter.chosen = max(counter.chosen, number)  # its row is not there yet
        elif number > counter.last:
            counter.last = counter.given[key] = number

    def dropped(self, key: DetailKey) -> None:
        """The row with this key is not written: its number is for the next one."""
        for counter in self._counters.values():
            if counter.given.pop(key, None) is not None and counter.first is not None:
                counter.last = max([counter.first, *counter.given.values()])

    def writes(self, keys: Sequence[DetailKey]) -> Sequence[Write]:
        """The counters of the rows with these keys that got numbers."""
        found: list[Write] = []
        for table, counter in self._counters.items():
            last = _last_of(counter, keys)
            if last is None:
                continue
            place = self._counter_place(table)
            row = {
                "pk": place.pk,
                "sk": place.sk,
                "tenantCode": table.tenant_code,
                "type": MASTER,
                "seq": last,
            }
            stored = counter.stored
            same = Attr("pk").not_exists() if stored is None else Attr("seq").eq(stored)
            found.append(Put(table=place.table, row=row_of(row), condition=same))
        return found

    def written(self, keys: Sequence[DetailKey]) -> None:
        """The counters of the rows with these keys are written."""
        for counter in self._counters.values():
            last = _last_of(counter, keys)
            if last is not None:
                counter.stored = last

    def _greatest(self, table: Table) -> int:
        """The greatest number of a table's rows; 0 without any. A call for each MB of them."""
        key = Key("pk").eq(master_pk(table.tenant_code)) & Key("sk").begins_with(
            data_prefix(table.setting_code)
        )
        greatest, start = 0, None
        while True:
            page = self._context.store.query(
                self._context.tables.data, key, start=start, columns=["pk", "sk", "seq"]
            )
            numbers: list[Any] = [opened(row.get("seq")) for row in page.rows]
            greatest = max(
                [greatest, *(int(number) for number in numbers if isinstance(number, int | Decimal))]
            )
            start = page.next
            if start is None:
                return greatest

    def _schema_in(self, row: Row | None) -> RowSchema | None:
        if row is None or is_deleted(row):
            return None
        return RowSchema.stored(self._context.rows.any_attributes(row))

    def _counter_place(self, table: Table) -> Place:
        sk = f"{_COUNTER}{KEY_SEPARATOR}{table.setting_code}"
        return Place(self._context.tables.data, master_pk(table.tenant_code), sk)

    def _schema_place(self, table: Table) -> Place:
        return Place(self._context.tables.data, master_pk(table.tenant_code), setting_sk(table.setting_code))


def _last_of(counter: _Counter, keys: Sequence[DetailKey]) -> int | None:
    """The greatest number that rows with these keys got; None where it needs no writing."""
    last = max((counter.given[key] for key in keys if key in counter.given), default=None)
    return None if last is None or (counter.stored is not None and last <= counter.stored) else last
