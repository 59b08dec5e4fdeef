"""Numbers for commands: a slot of ``CommandService.publish_numbered``.

The counter is read with the command's own decision read, and is written, with the record of the number, in
the command's own transaction. So a number is used up exactly where its command is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.errors import ForbiddenError
from runtime.features.sequences.counter import COUNTER_LABEL, ISSUE_LABEL, Stamp
from runtime.model.keys import get_tenant_code
from runtime.store.codec import isoformat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from runtime.features.sequences.counter import Counter
    from runtime.features.sequences.items import SequenceItem
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.store.once import Once
    from runtime.store.port import Write
    from runtime.store.values import Place, Row

__all__ = ["SequenceSlot", "outcome_of"]


def outcome_of(item: SequenceItem, counter: Counter) -> Row:
    """Columns of a number in the record of a key."""
    return {
        "no": item.no,
        "formattedNo": item.formatted_no,
        "issuedAt": isoformat(item.issued_at),
        "bucket": item.bucket,
        "counterSk": counter.sk,
    }


@dataclass(frozen=True, slots=True)
class SequenceSlot:
    """A series as commands take numbers from it. Made by `SequenceModule.slot`.

    Attributes:
        counter_of: The counter for a caller, and the moment that its numbers are of.
    """

    counter_of: Callable[[InvokeContext], tuple[Counter, datetime]]

    def numbering(self, invoke_context: InvokeContext, publish_id: str | None) -> _Numbering:
        """One call's view of the series."""
        counter, moment = self.counter_of(invoke_context)
        once = None if publish_id is None else counter.key(publish_id, "publish_id")
        return _Numbering(counter, moment, Stamp.of(invoke_context), once)


@dataclass(frozen=True, slots=True)
class _Numbering:
    counter: Counter
    moment: datetime
    stamp: Stamp
    record: Once | None

    @property
    def places(self) -> Sequence[Place]:
        return (self.counter.place,)

    def next(self, rows: Mapping[Place, Row]) -> _Numbered:
        row = rows.get(self.counter.place)
        return _Numbered(self, row, self.counter.item(self.counter.after(row), self.moment))


@dataclass(frozen=True, slots=True)
class _Numbered:
    of: _Numbering
    row: Row | None
    number: SequenceItem

    @property
    def outcome(self) -> dict[str, Any]:
        return outcome_of(self.number, self.of.counter)

    def writes(self, command: DetailKey) -> Sequence[Write]:
        counter, stamp = self.of.counter, self.of.stamp
        if get_tenant_code(command.pk) != counter.tenant:
            msg = "the number is another tenant's than the command; give the slot its tenant_code"
            raise ForbiddenError(msg)
        count = counter.move(self.row, self.number.no, stamp)
        if not counter.series.keeps_issues:
            return [count]
        return [count, counter.record(self.number, stamp, command)]

    def check_again(self, failed: Mapping[str, Row | None]) -> None:
        if ISSUE_LABEL in failed and COUNTER_LABEL not in failed:
            raise self.of.counter.taken(self.number.no)
