"""Which sort keys of a partition a list is about."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SortKeyCondition"]

# Python compares text by code points, DynamoDB by UTF-8 bytes: that is the same order.
_TESTS: Final[Mapping[tuple[str, int], Callable[..., bool]]] = {
    ("", 0): lambda _sk: True,
    ("sk = :a", 1): operator.eq,
    ("begins_with(sk, :a)", 1): str.startswith,
    ("sk BETWEEN :a AND :b", 2): lambda sk, low, high: low <= sk <= high,
    ("sk < :a", 1): operator.lt,
    ("sk <= :a", 1): operator.le,
    ("sk > :a", 1): operator.gt,
    ("sk >= :a", 1): operator.ge,
}


@dataclass(frozen=True, slots=True)
class SortKeyCondition:
    """A condition on the sort key. Made by one of its factories.

    Example:
        >>> SortKeyCondition.begins_with("2026-")
        SortKeyCondition(expression='begins_with(sk, :a)', values=('2026-',))
    """

    expression: str
    values: tuple[str, ...]

    @classmethod
    def any(cls) -> SortKeyCondition:
        """Every sort key."""
        return cls("", ())

    @classmethod
    def eq(cls, sk: str) -> SortKeyCondition:
        """Exactly this one."""
        return cls("sk = :a", (sk,))

    @classmethod
    def begins_with(cls, prefix: str) -> SortKeyCondition:
        """Those that begin with ``prefix``."""
        return cls("begins_with(sk, :a)", (prefix,))

    @classmethod
    def between(cls, low: str, high: str) -> SortKeyCondition:
        """Those from ``low`` to ``high``, both included."""
        return cls("sk BETWEEN :a AND :b", (low, high))

    @classmethod
    def lt(cls, sk: str) -> SortKeyCondition:
        """Those before ``sk``."""
        return cls("sk < :a", (sk,))

    @classmethod
    def le(cls, sk: str) -> SortKeyCondition:
        """Those up to ``sk``."""
        return cls("sk <= :a", (sk,))

    @classmethod
    def gt(cls, sk: str) -> SortKeyCondition:
        """Those after ``sk``."""
        return cls("sk > :a", (sk,))

    @classmethod
    def ge(cls, sk: str) -> SortKeyCondition:
        """Those from ``sk`` on."""
        return cls("sk >= :a", (sk,))

    def matches(self, sk: str) -> bool:
        """Whether a query with this condition would find ``sk``."""
        return _TESTS[self.expression, len(self.values)](sk, *self.values)

    @property
    def is_known(self) -> bool:
        """Whether one of the factories could have made it."""
        return (self.expression, len(self.values)) in _TESTS

    def key_condition(self, pk: str) -> dict[str, Any]:
        """Parameters of a Query on partition ``pk``."""
        expression = "pk = :pk" + (f" AND {self.expression}" if self.expression else "")
        names = zip((":a", ":b"), self.values, strict=False)
        return {
            "KeyConditionExpression": expression,
            "ExpressionAttributeValues": {":pk": {"S": pk}, **{name: {"S": v} for name, v in names}},
        }
