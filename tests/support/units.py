"""DynamoDB's units of what a service in memory reads and writes, by the rules that AWS bills by.

Source: "DynamoDB read and write operations", developer guide. A read is a unit for each started 4 KB that
stand there, one where nothing does, and half of that where it is not consistent. A write is a unit for each
started KB of the larger of the row before and the row after, twice that in a transaction; an entry that comes
into an index or leaves it is a write of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.contract import OPEN_COLUMN
from runtime.store.item_size import item_size
from runtime.store.port import Check
from runtime.store.values import Place
from tests.support.wire import STORE

if TYPE_CHECKING:
    from runtime.store.port import Write
    from runtime.store.values import Row
    from tests.support.service import Service
    from tests.support.wire import Call

__all__ = ["Units"]

_READ = 4096
_WRITE = 1024


class Units:
    """Counts from now on.

    Args:
        service: A service on the store in memory.

    Attributes:
        read: Read units.
        written: Write units.
    """

    def __init__(self, service: Service) -> None:
        self._store = service.quiet
        self._rows: list[Row | None] = []
        self.read = 0.0
        self.written = 0
        service.steps.before = self._before
        service.steps.after = self._after

    def _before(self, call: Call) -> None:
        self._rows = [self._store.get(_place(write)) for write in call.writes]

    def _after(self, call: Call) -> None:
        if call.service != STORE:
            return
        if call.writes:
            self.written += self._of_writes(call.writes)
        else:
            self.read += self._of_read(call)

    def _of_writes(self, writes: tuple[Write, ...]) -> int:
        twice = 2 if len(writes) > 1 or isinstance(writes[0], Check) else 1
        units = 0
        for write, before in zip(writes, self._rows, strict=True):
            after = self._store.get(_place(write))
            units += twice * max(_started(before, _WRITE), _started(after, _WRITE))
            units += int(_entry(before) != _entry(after))
        return units

    def _of_read(self, call: Call) -> float:
        arguments = call.parameters["arguments"]
        options = {name: value for name, value in call.parameters.items() if name != "arguments"}
        match call.operation:
            case "get":
                units = _started(self._store.get(*arguments), _READ)
                return units if options.get("consistent", True) else units / 2
            case "batch_get":
                half = options.get("eventually_consistent", frozenset())
                return sum(
                    _started(self._store.get(place), _READ) / (2 if place.table in half else 1)
                    for place in dict.fromkeys(arguments[0])
                )
            case "query":
                page = self._store.query(*arguments, **options)
                size = sum(item_size(row) for row in page.rows)
                units = max(1, -(-size // _READ))
                is_consistent = options.get("consistent", True) and options.get("index") is None
                return units if is_consistent else units / 2
        message = f"no rule for {call.operation}"
        raise NotImplementedError(message)


def _started(row: Row | None, block: int) -> int:
    return max(1, -(-item_size(row) // block)) if row else 1


def _entry(row: Row | None) -> Any:
    return row.get(OPEN_COLUMN) if row else None


def _place(write: Any) -> Place:
    row = getattr(write, "row", None)
    return Place(write.table, row["pk"], row["sk"]) if row is not None else write.place
