"""Going over a whole table: page by page, resumable, in segments side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["ResumablePage", "Scan"]

_MAX_SEGMENTS: Final = 1_000_000  # DynamoDB's own, as are the sizes of keys
_MAX_PK_BYTES: Final = 2048
_MAX_SK_BYTES: Final = 1024
_MAX_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class ResumablePage:
    """One page of a scan.

    Attributes:
        rows: Rows that passed the filter.
        scanned: How many rows were looked at.
        resume_token: Goes on after this page; None after the last one.
    """

    rows: list[Row]
    scanned: int
    resume_token: str | None


@dataclass(frozen=True, slots=True)
class Scan:
    """Which page of a table to read. Made by `checked`."""

    segment: int
    total_segments: int
    start: Row | None
    limit: int

    @classmethod
    def checked(
        cls, *, segment: int = 0, total_segments: int = 1, resume_from: str | None = None, limit: int = 100
    ) -> Scan:
        """The page, when there can be one.

        Args:
            segment: Which part of the table, 0 to ``total_segments`` - 1.
            total_segments: Into how many parts the table is divided.
            resume_from: ``resume_token`` of the page before, of the same segment.
            limit: Most rows to look at, 1 to 1000.

        Raises:
            InvalidInputError: An argument is out of range; the message names each one.
        """
        problems = []
        if not _is_number(total_segments) or not 1 <= total_segments <= _MAX_SEGMENTS:
            message = f"must be 1 to {_MAX_SEGMENTS}, got {total_segments!r}"
            problems.append(FieldProblem("total_segments", message))
        elif not _is_number(segment) or not 0 <= segment < total_segments:
            message = f"must be 0 to {total_segments - 1}, got {segment!r}"
            problems.append(FieldProblem("segment", message))
        if not _is_number(limit) or not 1 <= limit <= _MAX_LIMIT:
            problems.append(FieldProblem("limit", f"must be 1 to {_MAX_LIMIT}, got {limit!r}"))
        if problems:
            raise InvalidInputError(problems)
        return cls(segment, total_segments, _start(resume_from), limit)

    def read(
        self,
        store: Store,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        only: ConditionBase | None = None,
    ) -> ResumablePage:
        """The page: one call.

        Args:
            store: Where the table is.
            table: Physical name of the table.
            columns: Columns to return. Default: all of them.
            only: Filter on the rows that are looked at.
        """
        page = store.scan(
            table,
            segment=self.segment,
            total_segments=self.total_segments,
            start=self.start,
            limit=self.limit,
            columns=columns,
            only=only,
        )
        return ResumablePage(page.rows, page.scanned, self.token_after(page.next) if page.next else None)

    @staticmethod
    def token_after(row: Row) -> str:
        """The ``resume_token`` that goes on after a row."""
        return json.dumps([row["pk"], row["sk"]])


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _start(token: str | None) -> Row | None:
    if token is None:
        return None
    try:
        pk, sk = json.loads(token)
        sizes = len(pk.encode()), len(sk.encode())
    # What is no JSON, no pair, or has parts that are no text that could be stored.
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _refused_token() from error
    # Not the limits for new keys: the row may be older than those, or of another kind.
    if not (1 <= sizes[0] <= _MAX_PK_BYTES and 1 <= sizes[1] <= _MAX_SK_BYTES):
        raise _refused_token()
    return {"pk": pk, "sk": sk}


def _refused_token() -> InvalidInputError:
    return InvalidInputError([FieldProblem("resume_from", "must be the resume_token of an earlier page")])
