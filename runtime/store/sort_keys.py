"""Which sort keys a query wants, found in a list of them that is in order.

DynamoDB decides that itself; the store in memory has it from here. It goes by where the keys stand, and
looks at none of the rows: a partition may have many, and a page few of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final, TypeVar

from boto3.dynamodb.conditions import AttributeBase, ConditionBase, Key

from runtime.store.conditions import InvalidConditionError, predicate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SortKeys", "partition_in"]

_NOTHING: Final = "nothing"
PlaceT = TypeVar("PlaceT", str, tuple[str, ...])

# Python orders text by code points, which is the order of its UTF-8 bytes.
_RANGES: Final[Mapping[str, Callable[..., tuple[int, int]]]] = {
    _NOTHING: lambda _keys: (0, 0),
    "=": lambda keys, sk: (bisect_left(keys, sk), bisect_right(keys, sk)),
    "<": lambda keys, sk: (0, bisect_left(keys, sk)),
    "<=": lambda keys, sk: (0, bisect_right(keys, sk)),
    ">": lambda keys, sk: (bisect_right(keys, sk), len(keys)),
    ">=": lambda keys, sk: (bisect_left(keys, sk), len(keys)),
    "BETWEEN": lambda keys, low, high: (bisect_left(keys, low), bisect_right(keys, high)),
    "begins_with": lambda keys, prefix: (
        bisect_left(keys, prefix),
        bisect_right(keys, prefix, key=lambda sk: sk[: len(prefix)]),
    ),
}


class SortKeys:
    """Those that fulfil a condition; without one, all.

    Args:
        operator: Of the condition; None without one.
        values: What it compares with.
    """

    __slots__ = ("_operator", "_values")

    def __init__(self, operator: str | None = None, values: Sequence[str] = ()) -> None:
        self._operator = operator
        self._values = values

    def window(
        self,
        keys: Sequence[str],
        places: Sequence[PlaceT],
        start: PlaceT | None,
        limit: int | None,
        *,
        descending: bool,
    ) -> range:
        """The indexes of those that are wanted, in the order of the query.

        Args:
            keys: Sort keys, in order.
            places: What tells apart rows that share a sort key, in the same order.
            start: The place behind which to begin; None from the beginning.
            limit: The most to return; None for all.
            descending: Whether to go from the last one to the first.
        """
        low, high = 0, len(keys)
        if self._operator is not None:
            low, high = _RANGES[self._operator](keys, *self._values)
        if descending:
            if start is not None:
                high = min(high, bisect_left(places, start))
            if limit is not None:
                low = max(low, high - limit)
            return range(high - 1, low - 1, -1)
        if start is not None:
            low = max(low, bisect_right(places, start))
        return range(low, high if limit is None else min(high, low + limit))


_ALL: Final = SortKeys()
_NONE: Final = SortKeys(_NOTHING)


def partition_in(key: ConditionBase, names: tuple[str, str]) -> tuple[Any, SortKeys]:
    """The partition key that a query is about, and which of its sort keys it wants.

    Args:
        key: The condition of the query.
        names: Columns that are the partition key and the sort key.

    Raises:
        InvalidConditionError: No query can have such a condition.
    """
    expression = key.get_expression()
    parts = expression["values"] if expression["operator"] == "AND" else (key,)
    pk: Any = None
    wanted = _ALL
    for part in parts:
        inner = part.get_expression()
        operator, values = inner["operator"], inner["values"]
        subject = values[0]
        if not isinstance(subject, Key):
            msg = "the condition of a query is on Key(...), joined with & at most once"
            raise InvalidConditionError(msg)
        if subject.name == names[0] and operator == "=" and pk is None:
            pk = values[1]
        elif subject.name == names[1] and operator in _RANGES and wanted is _ALL:
            wanted = _sort_keys(part, operator, values[1:], names[1])
        else:
            msg = f"a query cannot ask for {subject.name} {operator}"
            raise InvalidConditionError(msg)
    return pk, wanted


def _sort_keys(condition: ConditionBase, operator: str, values: Sequence[Any], name: str) -> SortKeys:
    low, high = values[0], values[-1]
    if isinstance(low, str) and isinstance(high, str) and "" < low <= high:
        return SortKeys(operator, values)
    if "" in values:
        msg = f"{name} is never empty"
        raise InvalidConditionError(msg)
    for value in values:
        if isinstance(value, AttributeBase | ConditionBase):
            msg = f"{name} is compared with values, and with no other column"
            raise InvalidConditionError(msg)
    predicate(condition)  # it knows what makes no sense
    return _NONE  # a number is neither less than a text nor greater
