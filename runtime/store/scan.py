"""Going over a whole table: page by page, resumable, in segments side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import check_natural_key, remove_sort_key_version
from runtime.store.dynamodb import wire_key

if TYPE_CHECKING:
    from runtime.store.codec import Item
    from runtime.store.dynamodb import DynamoDb

__all__ = ["Scan", "ScannedPage"]

_MAX_SEGMENTS: Final = 1_000_000  # DynamoDB's own
_MAX_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """One page of a scan.

    Attributes:
        rows: Rows that passed the filter.
        scanned: Rows that were looked at.
        resume_token: Goes on after this page; None after the last one.
    """

    rows: list[Item]
    scanned: int
    resume_token: str | None


@dataclass(frozen=True, slots=True)
class Scan:
    """Which page of a table to read. Made by `checked`."""

    segment: int
    total_segments: int
    start: Item | None
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

    def read(self, dynamodb: DynamoDb, table: str, **request: Any) -> ScannedPage:  # noqa: ANN401
        """The page: one call. ``request`` may have a filter and a projection, with both key columns."""
        rows, scanned, last = dynamodb.scan(
            table, self.segment, self.total_segments, self.start, limit=self.limit, **request
        )
        token = json.dumps([last["pk"]["S"], last["sk"]["S"]]) if last else None
        return ScannedPage(rows, scanned, token)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _start(token: str | None) -> Item | None:
    if token is None:
        return None
    message = "must be the resume_token of an earlier page"
    try:
        pk, sk = json.loads(token)
        check_natural_key(pk, remove_sort_key_version(sk))
    except (TypeError, ValueError, AttributeError, RecursionError, InvalidInputError) as error:
        raise InvalidInputError([FieldProblem("resume_from", message)]) from error
    return wire_key(pk, sk)
