"""Which sort keys of a partition a list is about."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from boto3.dynamodb.conditions import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from boto3.dynamodb.conditions import ConditionBase

__all__ = ["SortKeyCondition"]


class _Kind(NamedTuple):
    """A kind of condition: how many values it has, how a text is tested, what DynamoDB is asked."""

    values: int
    test: Callable[..., bool]
    condition: Callable[..., ConditionBase]


# Python compares text by code points, DynamoDB by UTF-8 bytes: that is the same order.
_KINDS: Final[Mapping[str, _Kind]] = {
    "eq": _Kind(1, operator.eq, Key.eq),
    "begins_with": _Kind(1, str.startswith, Key.begins_with),
    "between": _Kind(2, lambda sk, low, high: low <= sk <= high, Key.between),
    "lt": _Kind(1, operator.lt, Key.lt),
    "le": _Kind(1, operator.le, Key.lte),
    "gt": _Kind(1, operator.gt, Key.gt),
    "ge": _Kind(1, operator.ge, Key.gte),
}
_ANY: Final = "any"


@dataclass(frozen=True, slots=True)
class SortKeyCondition:
    """A condition on the sort key. Made by one of its factories.

    Example:
        >>> SortKeyCondition.begins_with("2026-")
        SortKeyCondition(kind='begins_with', values=('2026-',))
    """

    kind: str
    values: tuple[str, ...]

    @classmethod
    def any(cls) -> SortKeyCondition:
        """Every sort key."""
        return cls(_ANY, ())

    @classmethod
    def eq(cls, sk: str) -> SortKeyCondition:
        """Exactly this one."""
        return cls("eq", (sk,))

    @classmethod
    def begins_with(cls, prefix: str) -> SortKeyCondition:
        """Those that begin with ``prefix``."""
        return cls("begins_with", (prefix,))

    @classmethod
    def between(cls, low: str, high: str) -> SortKeyCondition:
        """Those from ``low`` to ``high``, both included."""
        return cls("between", (low, high))

    @classmethod
    def lt(cls, sk: str) -> SortKeyCondition:
        """Those before ``sk``."""
        return cls("lt", (sk,))

    @classmethod
    def le(cls, sk: str) -> SortKeyCondition:
        """Those up to ``sk``."""
        return cls("le", (sk,))

    @classmethod
    def gt(cls, sk: str) -> SortKeyCondition:
        """Those after ``sk``."""
        return cls("gt", (sk,))

    @classmethod
    def ge(cls, sk: str) -> SortKeyCondition:
        """Those from ``sk`` on."""
        return cls("ge", (sk,))

    def matches(self, sk: str) -> bool:
        """Whether a query with this condition would find ``sk``."""
        return self.kind == _ANY or _KINDS[self.kind].test(sk, *self.values)

    @property
    def is_known(self) -> bool:
        """Whether one of the factories could have made it."""
        if self.kind == _ANY:
            return not self.values
        return self.kind in _KINDS and len(self.values) == _KINDS[self.kind].values

    def key_condition(self, pk: str) -> ConditionBase:
        """The condition of a query on partition ``pk``."""
        partition: ConditionBase = Key("pk").eq(pk)
        if self.kind == _ANY:
            return partition
        values: tuple[Any, ...] = self.values
        return partition & _KINDS[self.kind].condition(Key("sk"), *values)
