"""Counters as rows: where they are, and the writes that count.

A counter's row is to the letter that of MBC CQRS Serverless, so that both count on one row. Records of
issued numbers, and of idempotency keys, are in partitions of their own beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.errors import CorruptRowError, SequenceExhaustedError
from runtime.features.sequences.items import SequenceCounter, SequenceItem
from runtime.identity.user import user_id_of
from runtime.model.keys import generate_id
from runtime.store.codec import isoformat
from runtime.store.once import A_DAY, Once, digest_of
from runtime.store.port import Add, Put, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from datetime import datetime

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.features.sequences.series import Series
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.store.values import Row

__all__ = [
    "COUNTER_LABEL",
    "ISSUED",
    "ISSUE_LABEL",
    "KEY_LABEL",
    "SET",
    "VOID",
    "Counter",
    "Stamp",
    "counted",
    "counters_pk",
    "seq_of",
]

COUNTER_LABEL: Final = "sequence counter"
ISSUE_LABEL: Final = "sequence issue"
KEY_LABEL: Final = "sequence key"

ISSUED: Final = "ISSUED"
"""Status of the record of a number that something has."""
VOID: Final = "VOID"
"""Status of one that nothing has any more, or never had."""
SET: Final = "SET"
"""Status of one that a counter has skipped, as it was set, and of those after it up to ``last``."""

_SEQ: Final = "seq"
_NUMBER: Final = re.compile(r"[0-9]{16}")


def counters_pk(tenant: str) -> str:
    """Partition of a tenant's counters."""
    return f"SEQ#{tenant}"


def seq_of(row: Row | None) -> int | None:
    """The last number that a counter has given; None where it has given none.

    Raises:
        CorruptRowError: The row has something else there.
    """
    if row is None or _SEQ not in row:
        return None
    seq = row[_SEQ]
    if isinstance(seq, bool) or not isinstance(seq, int) or seq < 0:
        msg = f"the counter {row['pk']} {row['sk']} has a seq that is no whole number from 0; repair it"
        raise CorruptRowError(msg)
    return seq


def counted(row: Row) -> SequenceCounter:
    """A counter's row as callers see it.

    Raises:
        CorruptRowError: Its key is none of a counter, or its number is none.
    """
    type_code, *codes = row["sk"].split("#")
    if not codes:
        msg = f"the row {row['pk']} {row['sk']} is no counter; delete it"
        raise CorruptRowError(msg)
    bucket = codes.pop()
    return SequenceCounter(type_code, tuple(codes), bucket, seq_of(row) or 0, row.get("updatedAt"))


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who counts, and when, as columns.

    Attributes:
        at: When.
        by: Who; ``system`` where nobody in particular does, as in MBC CQRS Serverless.
        ip: From where.
        request_id: In which request.
    """

    at: str
    by: str
    ip: str
    request_id: str | None

    @classmethod
    def of(cls, context: InvokeContext | None) -> Stamp:
        """The stamp of a request; of None: of the service itself."""
        user = user_id_of(context) if context else None
        ip = context.source_ip if context else None
        return cls(
            isoformat(clock.now()), user or "system", ip or "unknown", context.request_id if context else None
        )

    def columns(self, verb: str) -> dict[str, str]:
        """Columns such as ``createdAt``, ``createdBy`` and ``createdIp``."""
        return {f"{verb}At": self.at, f"{verb}By": self.by, f"{verb}Ip": self.ip}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One counter of a series.

    Attributes:
        series: The series.
        table: The table of sequences.
        tenant: The tenant.
        codes: The codes.
        bucket: The part of the key that changes when numbers begin anew.
    """

    series: Series
    table: str
    tenant: str
    codes: tuple[str, ...]
    bucket: str

    @property
    def sk(self) -> str:
        """Its sort key. No part has a ``#`` in it, so two counters never have one key."""
        return "#".join([self.series.type_code, *self.codes, self.bucket])

    @property
    def place(self) -> Place:
        """Where its row is."""
        return Place(self.table, counters_pk(self.tenant), self.sk)

    @property
    def issues_pk(self) -> str:
        """Partition of the records of its tenant's numbers."""
        return f"SEQ_ISSUE#{self.tenant}"

    def issue_place(self, no: int) -> Place:
        """Where the record of a number is."""
        return Place(self.table, self.issues_pk, f"{self.sk}#{no:016}")

    def issued_no(self, sk: str) -> int | None:
        """The number that a record is of; None where it is another counter's."""
        prefix, _, number = sk.rpartition("#")
        return int(number) if prefix == self.sk and _NUMBER.fullmatch(number) else None

    def key(self, identifier: str, name: str) -> Once:
        """The record of an idempotency key or publish id. It is the same in every bucket."""
        sk = "#".join([self.series.type_code, *self.codes, digest_of(identifier, name)])
        place = Place(self.table, f"SEQ_KEY#{self.tenant}", sk)
        return Once(place=place, label=KEY_LABEL, seconds=None if self.series.keeps_issues else A_DAY)

    def item(self, no: int, moment: datetime, *, prefix: str = "", postfix: str = "") -> SequenceItem:
        """A number of the counter."""
        printed = f"{prefix}{self.series.printed(no, moment, self.codes)}{postfix}"
        return SequenceItem(generate_id(*self.place[1:]), no, printed, moment, self.bucket)

    def after(self, row: Row | None, count: int = 1) -> int:
        """The last of the numbers that are next.

        Raises:
            SequenceExhaustedError: There are not as many.
        """
        seq = seq_of(row)
        last = (self.series.first - 1 if seq is None else seq) + count
        if last > self.series.maximum:
            raise self.exhausted()
        return last

    def exhausted(self) -> SequenceExhaustedError:
        """The error of a counter that has no number left."""
        return SequenceExhaustedError(self.series.type_code, self.series.maximum)

    def taken(self, no: int) -> CorruptRowError:
        """The error where a number that is next has a record: its counter was set back by hand."""
        msg = f"the counter {self.place.pk} {self.sk} gives {no} next, which is recorded as given; repair it"
        return CorruptRowError(msg)

    def count(self, count: int, stamp: Stamp) -> Set:
        """The one write that takes numbers, whatever the counter has. It fails where it is exhausted."""
        room: ConditionBase = Attr(_SEQ).gte(0) & Attr(_SEQ).lte(self.series.maximum - count)
        if self.series.first + count - 1 <= self.series.maximum:
            room = Attr(_SEQ).not_exists() | room
        return self._set(stamp, room, add={_SEQ: Add(count, self.series.first - 1)})

    def move(self, row: Row | None, no: int, stamp: Stamp) -> Set:
        """The write that lets the counter have given numbers up to ``no``, if it still is as in ``row``."""
        seq = seq_of(row)
        unchanged = Attr(_SEQ).not_exists() if seq is None else Attr(_SEQ).eq(seq)
        return self._set(stamp, unchanged, seq=no)

    def record(self, item: SequenceItem, stamp: Stamp, command: DetailKey | None = None) -> Put:
        """The write of the record of a number."""
        whose = {"id": generate_id(*command), "commandSk": command.sk} if command else {}
        return self.put_issue(item.no, ISSUED, {"formattedNo": item.formatted_no, **whose}, stamp)

    def put_issue(self, no: int, status: str, columns: dict[str, Any], stamp: Stamp) -> Put:
        """The write of a record, where there is none yet."""
        place = self.issue_place(no)
        row = {
            "pk": place.pk,
            "sk": place.sk,
            "tenantCode": self.tenant,
            "type": self.series.type_code,
            "status": status,
            **columns,
            **stamp.columns("created"),
        }
        return Put(table=self.table, row=row, condition=Attr("pk").not_exists(), label=ISSUE_LABEL)

    def _set(
        self,
        stamp: Stamp,
        condition: ConditionBase,
        *,
        seq: int | None = None,
        add: dict[str, Add] | None = None,
    ) -> Set:
        columns: dict[str, Any] = {
            "code": self.sk,
            "name": str(self.series.rotate_by),
            "tenantCode": self.tenant,
            "type": self.series.type_code,
            **stamp.columns("updated"),
        }
        if seq is not None:
            columns[_SEQ] = seq
        if stamp.request_id is not None:
            columns["requestId"] = stamp.request_id
        return Set(
            place=self.place,
            columns=columns,
            defaults=stamp.columns("created"),
            add=add or {},
            condition=condition,
            label=COUNTER_LABEL,
        )
