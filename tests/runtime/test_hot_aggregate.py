"""Many executions for one aggregate at once: how many of their transactions cancel each other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from runtime.store.memory import MemoryStore
from runtime.store.port import ConditionFailedError
from tests.support.checker import check_invariants
from tests.support.service import TABLES, Service
from tests.support.virtual_time import VirtualTime

if TYPE_CHECKING:
    from runtime.pipeline.apply import Applied

#: Seconds that a call takes at least and at most.
_READ: Final = (0.002, 0.006)
_WRITE: Final = (0.006, 0.012)
#: What a transaction may cancel of all that are tried.
_CANCELLED: Final = 0.05
_ROUNDS: Final = 10


class Table:
    """A store whose calls take time, and whose transactions cancel each other, as DynamoDB's do.

    Attributes:
        tried: Transactions that were sent, those among them that were sent again.
        cancelled: Those of them that were cancelled.
    """

    def __init__(self, store: MemoryStore, time: VirtualTime, luck: random.Random) -> None:
        self._store, self._time, self._luck = store, time, luck
        self._is_busy = False
        self.tried = self.cancelled = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._time.sleep(self._luck.uniform(*_READ))
            return method(*arguments, **options)

        return call

    def write(self, *writes: Any) -> None:
        for attempt in range(10):
            self.tried += 1
            if not self._is_busy:
                self._write(writes)
                return
            self.cancelled += 1  # TransactionConflict: the store sends it again
            self._time.sleep(self._luck.uniform(0, 0.05 * 2**attempt))
        pytest.fail("the transaction never got through")

    def _write(self, writes: Any) -> None:
        self._is_busy = True
        try:
            self._time.sleep(self._luck.uniform(*_WRITE))
            self._store.write(*writes)
        except ConditionFailedError:
            self.cancelled += 1
            raise
        finally:
            self._is_busy = False


def applied(
    versions: int, spread: float, seed: int, monkeypatch: pytest.MonkeyPatch, *, lost: int | None = None
) -> tuple[Table, float]:
    """Apply by an execution a version, begun within ``spread`` seconds; the table, and when all was done."""
    time, luck = VirtualTime(), random.Random(seed)  # noqa: S311 - to be repeated
    monkeypatch.setattr("runtime.backoff.time.sleep", time.sleep)
    monkeypatch.setattr("runtime.backoff._luck", luck)
    store = MemoryStore(tables={f"local-hot-{name}" for name in TABLES})
    service = Service(store, "hot")
    for version in range(versions):
        service.publish("A1", version)
    table = Table(store, time, luck)
    service.resources.__dict__["store"] = table

    def execution(version: int, begins: float) -> Applied:
        time.sleep(begins)
        return service.apply(version, first=version)

    begun = [(version, luck.uniform(0, spread)) for version in range(1, versions + 1) if version != lost]
    luck.shuffle(begun)
    done = time.run([lambda each=each: execution(*each) for each in begun])  # type: ignore[misc]
    assert sorted(command["sk"] for result in done for command in result.commands) == sorted(
        f"A1@{version}" for version in range(1, versions + 1)
    )
    service.resources.__dict__["store"] = store
    check_invariants(service)
    return table, time.now


@pytest.mark.parametrize("spread", [0.03, 0.1, 0.3])
@pytest.mark.parametrize(
    ("versions", "lost"), [(2, None), (2, 1), (8, None), (8, 1), (8, 4), (20, None), (20, 7)]
)
def test_executions_of_single_versions_hardly_cancel_each_other(
    versions: int, spread: float, lost: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one execution never comes: whoever is behind it takes its version over."""
    found = [applied(versions, spread, seed, monkeypatch, lost=lost) for seed in range(_ROUNDS)]
    cancelled, tried = sum(table.cancelled for table, _ in found), sum(table.tried for table, _ in found)
    assert tried >= _ROUNDS * versions
    assert cancelled <= _CANCELLED * tried, (cancelled, tried)


def test_nobody_waits_long_for_an_execution_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(applied(2, 0.0, seed, monkeypatch, lost=1)[1] for seed in range(_ROUNDS)) < 0.3
    assert max(applied(8, 0.0, seed, monkeypatch, lost=1)[1] for seed in range(_ROUNDS)) < 1.0
