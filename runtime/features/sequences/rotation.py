"""When a series begins anew: the fiscal year of a date, and the bucket that its numbers are counted in.

What is counted in and what is printed come from one function, `fiscal_year`: two buckets can never
print the same fiscal year.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from datetime import date

__all__ = ["APRIL", "RotateBy", "Rotation", "fiscal_year"]

APRIL: Final = (4, 1)
"""The start of a fiscal year, as (month, day), unless it is said otherwise."""


class RotateBy(StrEnum):
    """When the numbers of a series begin anew."""

    NONE = "none"
    YEARLY = "yearly"
    FISCAL_YEARLY = "fiscal_yearly"
    MONTHLY = "monthly"
    DAILY = "daily"


_SHAPES: Final = {
    RotateBy.NONE: ("none", "none"),
    RotateBy.YEARLY: (r"[0-9]{4}", "2026"),
    RotateBy.FISCAL_YEARLY: (r"FY[0-9]{4}", "FY2026"),
    RotateBy.MONTHLY: (r"[0-9]{4}(0[1-9]|1[0-2])", "202611"),
    RotateBy.DAILY: (r"[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", "20261121"),
}


def fiscal_year(day: date, start: tuple[int, int]) -> int:
    """The fiscal year that a day is in: the calendar year that it began in.

    >>> from datetime import date
    >>> fiscal_year(date(2026, 4, 5), (4, 6)), fiscal_year(date(2026, 4, 6), (4, 6))
    (2025, 2026)

    Args:
        day: The day.
        start: Month and day on which fiscal years begin; of 29 February, in other years, the day after.
    """
    return day.year if (day.month, day.day) >= start else day.year - 1


@dataclass(frozen=True, slots=True)
class Rotation:
    """Which counter a day's numbers come from.

    Attributes:
        by: When numbers begin anew.
        fiscal_start: Month and day on which fiscal years begin.
        has_mbc_buckets: Whether buckets of fiscal years are named as those of calendar years are, as in MBC
            CQRS Serverless.
    """

    by: RotateBy
    fiscal_start: tuple[int, int] = APRIL
    has_mbc_buckets: bool = False

    def bucket(self, day: date) -> str:
        """Last part of the counter's key: ``2026``, ``FY2026``, ``202611``, ``20261121`` or ``none``."""
        match self.by:
            case RotateBy.YEARLY:
                return f"{day.year:04}"
            case RotateBy.FISCAL_YEARLY:
                prefix = "" if self.has_mbc_buckets else "FY"
                return f"{prefix}{fiscal_year(day, self.fiscal_start):04}"
            case RotateBy.MONTHLY:
                return f"{day.year:04}{day.month:02}"
            case RotateBy.DAILY:
                return f"{day.year:04}{day.month:02}{day.day:02}"
            case _:
                return "none"

    def check(self, bucket: str) -> None:
        """Refuse what cannot be a bucket of the series.

        Raises:
            InvalidInputError: It is none; the message shows one.
        """
        is_of_years = self.by is RotateBy.FISCAL_YEARLY and self.has_mbc_buckets
        shape, example = _SHAPES[RotateBy.YEARLY if is_of_years else self.by]
        if not isinstance(bucket, str) or not re.fullmatch(shape, bucket):
            message = f"must be like {example!r} in a series that rotates by {self.by}, got {bucket!r:.60}"
            raise InvalidInputError([FieldProblem("bucket", message)])
