"""Taking numbers that no command has: one, many at once, or one for a key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from runtime.backoff import back_off
from runtime.errors import ContentionError
from runtime.features.sequences.counter import COUNTER_LABEL, KEY_LABEL, Stamp, seq_of
from runtime.features.sequences.items import SequenceItem
from runtime.features.sequences.slot import outcome_of
from runtime.identity.user import user_id_of
from runtime.store.port import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.features.sequences.counter import Counter
    from runtime.identity.context import InvokeContext
    from runtime.store.once import Once
    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["Issue", "attempts", "contention", "count"]

_ATTEMPTS: Final = 20
_FIRST_WAIT: Final = 0.02  # seconds
_LONGEST_WAIT: Final = 0.5


def attempts() -> Iterator[int]:
    """Tries of what others may have been faster at, with waits between."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            back_off(attempt - 1, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
        yield attempt


def contention() -> ContentionError:
    """The error where all attempts met somebody else."""
    msg = "others took numbers of the same counter for as long as this call tried; try again"
    return ContentionError(msg)


def count(store: Store, counter: Counter, number: int, caller: InvokeContext | None) -> int:
    """Take numbers, whatever the counter has. One call.

    Returns:
        The last of them.

    Raises:
        SequenceExhaustedError: There are not as many.
    """
    try:
        row = store.update(counter.count(number, Stamp.of(caller)))
    except ConditionFailedError as failure:
        counter.after(failure.rows[COUNTER_LABEL], number)
        raise counter.exhausted() from None
    last = seq_of(row)
    assert last is not None  # noqa: S101 - it was just counted
    return last


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One number, as it is asked for.

    Attributes:
        counter: The counter.
        moment: The moment that bucket and print are of.
        caller: Who asks.
        key: The idempotency key; None without one.
        said: What tells the call from others with the same key.
        prefix: Printed before the number.
        postfix: Printed after it.
    """

    counter: Counter
    moment: datetime
    caller: InvokeContext | None
    key: str | None
    said: Sequence[Any]
    prefix: str
    postfix: str

    def issue(self, store: Store) -> SequenceItem:
        """Take it."""
        once = None if self.key is None else self.counter.key(self.key, "idempotency_key")
        if once is None and not self.counter.series.keeps_issues:
            return self._item(count(store, self.counter, 1, self.caller))
        own, stamp = self._fingerprint(), Stamp.of(self.caller)
        for _ in attempts():
            rows = store.batch_get([self.counter.place, *([once.place] if once else [])])
            earlier = self._earlier(once, rows, own)
            if earlier is not None:
                return earlier
            row = rows.get(self.counter.place)
            item = self._item(self.counter.after(row))
            writes: list[Any] = [self.counter.move(row, item.no, stamp)]
            if once:
                writes.append(once.write(own, outcome_of(item, self.counter)))
            if self.counter.series.keeps_issues:
                writes.append(self.counter.record(item, stamp))
            try:
                store.write(*writes)
            except ConditionFailedError as failure:
                if not {COUNTER_LABEL, KEY_LABEL}.intersection(failure.rows):
                    raise self.counter.taken(item.no) from failure
                continue  # others were there; perhaps the very same call, whose number the next read finds
            return item
        raise contention()

    def _item(self, no: int) -> SequenceItem:
        return self.counter.item(no, self.moment, prefix=self.prefix, postfix=self.postfix)

    def _earlier(self, once: Once | None, rows: dict[Any, Row], own: str) -> SequenceItem | None:
        """The number of an earlier call with the key; None without one."""
        done = once.done(rows.get(once.place)) if once else None
        if done is None:
            return None
        done.check_same_call(own)
        row, counter = done.row, self.counter
        at = datetime.fromisoformat(row["issuedAt"]).astimezone(counter.series.zone)
        return SequenceItem(
            f"{counter.place.pk}#{row['counterSk']}", row["no"], row["formattedNo"], at, row["bucket"]
        )

    def _fingerprint(self) -> str:
        user = user_id_of(self.caller) if self.caller else None
        text = json.dumps(["sequence", user, *self.said], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]
