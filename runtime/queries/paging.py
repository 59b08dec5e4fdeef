"""One page of a partition: what a caller may ask for, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from runtime.errors import FieldProblem, InvalidInputError
from runtime.identity.access import check_tenant
from runtime.model.keys import DetailKey, check_natural_key
from runtime.store.dynamodb import wire_key
from runtime.store.sort_key import SortKeyCondition

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext
    from runtime.settings import Settings
    from runtime.store.codec import Item
    from runtime.store.dynamodb import DynamoDb

__all__ = ["Order", "Page", "PageRequest", "checked_key", "checked_pk"]

Order = Literal["asc", "desc"]
"""Ascending or descending by sort key."""

_MAX_LIMIT: Final = 1000
_MAX_SK_BYTES: Final = 1024


def checked_key(
    key: tuple[str, str], context: InvokeContext | None, settings: Settings, *, write: bool = False
) -> DetailKey:
    """Key of an aggregate that the caller may read, or write.

    Raises:
        InvalidInputError: It is not two texts, or cannot be the key of an aggregate.
        ForbiddenError: It belongs to another tenant.
    """
    if not (isinstance(key, tuple | list) and len(key) == len(DetailKey._fields)):
        message = f"must be a pair (pk, sk), got {type(key).__name__}"
        raise InvalidInputError([FieldProblem("key", message)])
    pk, sk = key
    _check_text("sk", sk)
    checked_pk(pk, context, settings, write=write)
    check_natural_key(pk, sk)
    return DetailKey(pk, sk)


def checked_pk(pk: str, context: InvokeContext | None, settings: Settings, *, write: bool = False) -> str:
    """Partition key that the caller may read, or write.

    Raises:
        InvalidInputError: It is not text, empty or too long.
        ForbiddenError: It belongs to another tenant.
    """
    _check_text("pk", pk)
    check_tenant(pk, context, settings, write=write)
    check_natural_key(pk, "any")
    return pk


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a partition, and the sort key to go on after; None on the last page."""

    rows: list[Item]
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

    def read(self, dynamodb: DynamoDb, table: str, *, consistent: bool) -> Page:
        """The page: one call."""
        request: dict[str, Any] = {
            **self.condition.key_condition(self.pk),
            "Limit": self.limit,
            "ScanIndexForward": self.order == "asc",
            "ConsistentRead": consistent,
        }
        if self.start_from_sk is not None:
            request["ExclusiveStartKey"] = wire_key(self.pk, self.start_from_sk)
        rows, last = dynamodb.query(table, **request)
        return Page(rows, last["sk"]["S"] if last else None)

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
    if not problems and "BETWEEN" in condition.expression and condition.values[0] > condition.values[1]:
        problems.append(FieldProblem("sk", "must be between a lower and a higher key, got them swapped"))
    return problems


def _start_problems(start_from_sk: str | None) -> list[FieldProblem]:
    message = None if start_from_sk is None else _sk_problem(start_from_sk)
    return [FieldProblem("start_from_sk", message)] if message else []


def _sk_problem(value: object) -> str | None:
    """What stands against ``value`` as a sort key: DynamoDB's own rules."""
    if not isinstance(value, str):
        return f"must be text, got {type(value).__name__}"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "must be valid Unicode text, got a lone surrogate"
    return None if 1 <= size <= _MAX_SK_BYTES else f"must have 1 to {_MAX_SK_BYTES} bytes, got {size}"


def _check_text(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidInputError([FieldProblem(field, f"must be text, got {type(value).__name__}")])
