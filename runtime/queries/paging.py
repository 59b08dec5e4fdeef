"""One page of a partition: what a caller may ask for, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import MAX_ROW_SK_BYTES
from runtime.store.sort_key import SortKeyCondition

if TYPE_CHECKING:
    from runtime.store.port import Store
    from runtime.store.values import Row

__all__ = ["Order", "PageRequest", "PartitionPage"]

Order = Literal["asc", "desc"]
"""Ascending or descending by sort key."""

_MAX_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class PartitionPage:
    """Rows of a partition, and the sort key to go on after; None on the last page."""

    rows: list[Row]
    last_sk: str | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which rows of a partition a caller wants. Made by `checked`."""

    pk: str
    condition: SortKeyCondition
    start_from_sk: str | None
    limit: int
    order: Order

    @classmethod
    def checked(
        cls,
        pk: str,
        sk: SortKeyCondition | None,
        start_from_sk: str | None,
        limit: int,
        order: Order,
        *,
        limit_name: str = "limit",
    ) -> PageRequest:
        """The request, when it can be answered.

        Raises:
            InvalidInputError: An argument is out of range; the message names each one.
        """
        condition = SortKeyCondition.any() if sk is None else sk
        problems = [*_sk_problems(condition), *_start_problems(start_from_sk)]
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MAX_LIMIT:
            problems.append(FieldProblem(limit_name, f"must be 1 to {_MAX_LIMIT}, got {limit!r}"))
        if order not in ("asc", "desc"):
            problems.append(FieldProblem("order", f"must be asc or desc, got {order!r}"))
        if not problems and start_from_sk is not None and not condition.matches(start_from_sk):
            message = "must be the last_sk of a page with the same condition on sk"
            problems.append(FieldProblem("start_from_sk", message))
        if problems:
            raise InvalidInputError(problems)
        return cls(pk, condition, start_from_sk, limit, order)

    def read(self, store: Store, table: str, *, consistent: bool) -> PartitionPage:
        """The page: one call."""
        page = store.query(
            table,
            self.condition.key_condition(self.pk),
            start=None if self.start_from_sk is None else {"pk": self.pk, "sk": self.start_from_sk},
            limit=self.limit,
            descending=self.order == "desc",
            consistent=consistent,
        )
        return PartitionPage(page.rows, page.next["sk"] if page.next else None)

    def after(self, last_sk: str) -> PageRequest:
        """The request for the next page."""
        return replace(self, start_from_sk=last_sk)

    def covers(self, sk: str, last_sk: str | None) -> bool:
        """Whether ``sk`` has its place on the page that ends with ``last_sk``."""
        low, high = self.start_from_sk, last_sk
        if self.order == "desc":
            return (low is None or sk < low) and (high is None or sk >= high)
        return (low is None or sk > low) and (high is None or sk <= high)


def _sk_problems(condition: SortKeyCondition) -> list[FieldProblem]:
    if not isinstance(condition, SortKeyCondition):
        return [FieldProblem("sk", f"must be a SortKeyCondition, got {type(condition).__name__}")]
    if not condition.is_known:
        return [FieldProblem("sk", "must be made by a factory of SortKeyCondition, such as begins_with")]
    problems = [FieldProblem("sk", message) for v in condition.values if (message := _sk_problem(v))]
    if not problems and condition.kind == "between" and condition.values[0] > condition.values[1]:
        problems.append(FieldProblem("sk", "must be between a lower and a higher key, got them swapped"))
    return problems


def _start_problems(start_from_sk: str | None) -> list[FieldProblem]:
    message = None if start_from_sk is None else _sk_problem(start_from_sk)
    return [FieldProblem("start_from_sk", message)] if message else []


def _sk_problem(value: object) -> str | None:
    """Why ``value`` cannot be a sort key in DynamoDB, or None when it can."""
    if not isinstance(value, str):
        return f"must be text, got {type(value).__name__}"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "must be valid Unicode text, got a lone surrogate"
    return None if 1 <= size <= MAX_ROW_SK_BYTES else f"must have 1 to {MAX_ROW_SK_BYTES} bytes, got {size}"
