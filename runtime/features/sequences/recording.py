"""Changing what is recorded of numbers: making one void, and setting a counter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from runtime.errors import FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.features.sequences.counter import COUNTER_LABEL, ISSUE_LABEL, ISSUED, SET, VOID, seq_of
from runtime.features.sequences.issuing import attempts, contention
from runtime.features.sequences.items import SequenceCounter
from runtime.store.port import ConditionFailedError, Set

if TYPE_CHECKING:
    from runtime.features.sequences.counter import Counter, Stamp
    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["make_void", "set_counter"]


def make_void(store: Store, counter: Counter, no: int, reason: str, stamp: Stamp) -> None:
    """Record that nothing has a number. One call for one that something has.

    Raises:
        InvalidInputError: It is void already, for another reason.
        ItemNotFoundError: It was not given yet.
    """
    said = {"reason": reason, **stamp.columns("voided")}
    of_issued = Set(
        place=counter.issue_place(no),
        columns={"status": VOID, **said},
        condition=Attr("status").eq(ISSUED),
        label=ISSUE_LABEL,
    )
    for _ in attempts():
        try:
            store.write(of_issued)
        except ConditionFailedError as failure:
            row = failure.rows[ISSUE_LABEL]
        else:
            return
        if row is not None:
            _check_void(row, reason)
            return
        _check_given(store, counter, no)
        try:
            store.write(counter.put_issue(no, VOID, said, stamp))
        except ConditionFailedError:
            continue  # it has a record by now
        return
    raise contention()


def _check_void(row: Row, reason: str) -> None:
    if row.get("status") != VOID or row.get("reason") != reason:
        message = f"is void already, or was never given: {row.get('reason')!s:.200}"
        raise InvalidInputError([FieldProblem("no", message)])


def _check_given(store: Store, counter: Counter, no: int) -> None:
    last = seq_of(store.get(counter.place))
    if last is None or not counter.series.first <= no <= last:
        msg = f"the series {counter.series.type_code!r} has not given the number {no} in {counter.bucket}"
        raise ItemNotFoundError(msg)


def set_counter(store: Store, counter: Counter, no: int, stamp: Stamp) -> SequenceCounter:
    """Let a counter have given numbers up to ``no``. Two calls.

    Raises:
        InvalidInputError: It has given a higher one, or the series ends before.
    """
    series = counter.series
    for _ in attempts():
        row = store.get(counter.place)
        seq = seq_of(row)
        before = series.first - 1 if seq is None else seq
        if not before <= no <= series.maximum:
            message = f"must be {before}, the last number that was given, to {series.maximum}, got {no}"
            raise InvalidInputError([FieldProblem("no", message)])
        if row is not None and no == seq:
            return SequenceCounter(series.type_code, counter.codes, counter.bucket, no, row.get("updatedAt"))
        writes: list[Any] = [counter.move(row, no, stamp)]
        if series.keeps_issues and no > before:
            said = {"last": no, "reason": f"set from {before} to {no} by {stamp.by}"}
            writes.append(counter.put_issue(before + 1, SET, said, stamp))
        try:
            store.write(*writes)
        except ConditionFailedError as failure:
            if COUNTER_LABEL not in failure.rows:
                raise counter.taken(before + 1) from failure
            continue
        return SequenceCounter(series.type_code, counter.codes, counter.bucket, no, stamp.at)
    raise contention()
