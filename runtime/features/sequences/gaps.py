"""The numbers of a counter that nothing has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Key

from runtime.features.sequences.counter import ISSUED, SET
from runtime.features.sequences.items import Gap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.features.sequences.counter import Counter
    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["gaps_in"]


def gaps_in(store: Store, counter: Counter, last: int) -> list[Gap]:
    """The gaps of a counter, in their order; those of one reason that follow on each other are one.

    Args:
        store: Where it is.
        counter: The counter.
        last: The last number that it has given.
    """
    found: list[Gap] = []
    expected = counter.series.first
    skipped = Gap(0, 0)
    for no, row in _records(store, counter, last):
        _add_unrecorded(found, expected, no - 1, skipped)
        if row.get("status") != ISSUED:
            _add(found, Gap(no, no, row.get("reason")))
        if row.get("status") == SET:
            skipped = Gap(no, int(row["last"]), row.get("reason"))
        expected = no + 1
    _add_unrecorded(found, expected, last, skipped)
    return found


def _add_unrecorded(found: list[Gap], first: int, last: int, skipped: Gap) -> None:
    """Numbers without a record: those that the counter has skipped there, and those that nothing tells of."""
    of_those = min(last, skipped.last)
    if first <= of_those:
        _add(found, Gap(first, of_those, skipped.reason))
        first = of_those + 1
    if first <= last:
        _add(found, Gap(first, last))


def _add(found: list[Gap], gap: Gap) -> None:
    before = found[-1] if found else None
    if before and before.last + 1 == gap.first and before.reason == gap.reason:
        found[-1] = Gap(before.first, gap.last, gap.reason)
    else:
        found.append(gap)


def _records(store: Store, counter: Counter, last: int) -> Iterator[tuple[int, Row]]:
    between = Key("sk").between(counter.issue_place(0).sk, counter.issue_place(last).sk)
    key = Key("pk").eq(counter.issues_pk) & between
    start: Row | None = None
    while True:
        page = store.query(counter.table, key, start=start, columns=("pk", "sk", "status", "last", "reason"))
        for row in page.rows:
            no = counter.issued_no(row["sk"])
            if no is not None:
                yield no, row
        start = page.next
        if start is None:
            return
