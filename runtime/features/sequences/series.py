"""A series of numbers: how they are counted, and how they are printed."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from runtime import clock
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.features.sequences.format import DEFAULT_FORMAT, Calendar, Format, FormatError
from runtime.features.sequences.rotation import APRIL, RotateBy, Rotation
from runtime.model.keys import join_key

__all__ = ["MAX_NUMBER", "Series", "check_code", "check_number", "zone_of"]

_MAX_CODES: Final = 5
_MAX_CODE: Final = 64
#: A key of DynamoDB has 1024: what is derived from it has to fit, see `Counter`.
_MAX_KEY_BYTES: Final = 900
MAX_NUMBER: Final = 2**53 - 1
"""The largest number: clients and services in JavaScript read whole numbers exactly up to here."""
_YEARS: Final = (1901, 9997)
_LEAP_YEAR: Final = 2024
_NO_CODE: Final = re.compile("[#@]")


class Series:
    """A series of numbers. Making one touches neither the network nor the environment.

    Example:
        >>> invoices = Series(
        ...     "invoice",
        ...     format="INV-%%fiscal_year_start%%-%%no#:0>6%%",
        ...     rotate_by=RotateBy.FISCAL_YEARLY,
        ...     fiscal_start=(7, 1),
        ...     timezone="Asia/Tokyo",
        ...     gapless=True,
        ... )

    Args:
        type_code: Name of the series, part of its counters' keys: 1 to 64 characters without ``#``, ``@`` and
            control characters.
        format: How numbers are printed, see the guide. It has the number in it once, and nothing beside that
            would make two numbers look alike.
        rotate_by: When numbers begin anew. Default: never.
        timezone: Where it is decided which day it is, by its IANA name. Default: UTC.
        fiscal_start: Month and day on which fiscal years begin. Default: 1 April.
        register_date: A day in the first fiscal year, for ``%%fiscal_year%%``. Default: 1953 is the first.
        first: The number that a counter begins with, from 1. One that has counted goes on where it is.
        maximum: The last number, up to 2^53 - 1, which is the largest that JSON has exactly. Default: that.
        gapless: Whether numbers are given to commands alone, in their transaction, so that none is lost.
        issue_log: Whether each number is recorded, for `SequenceModule.gaps` and `SequenceModule.void`.
            Always so where it is gapless.
        codes: How many codes tell its counters apart, such as a branch or a department: 0 to 5.
        roles: Roles of which a caller needs one to take numbers, and to see them, over HTTP. Default: the
            series is not offered there.
        mbc_fiscal_bucket: Whether fiscal years are counted in the rows that MBC CQRS Serverless counts them
            in. Only where they begin on 1 April: what begins otherwise prints numbers twice there.

    Raises:
        ConfigurationError: An argument cannot work.
    """

    def __init__(  # noqa: C901 - one argument after the other
        self,
        type_code: str,
        *,
        format: str = DEFAULT_FORMAT,  # noqa: A002 - as the reference calls it
        rotate_by: RotateBy | str = RotateBy.NONE,
        timezone: str = "UTC",
        fiscal_start: tuple[int, int] = APRIL,
        register_date: date | None = None,
        first: int = 1,
        maximum: int | None = None,
        gapless: bool = False,
        issue_log: bool = False,
        codes: int = 0,
        roles: Sequence[str] = (),
        mbc_fiscal_bucket: bool = False,
    ) -> None:
        problems: list[str] = []
        try:
            check_code("type_code", type_code)
        except InvalidInputError as error:
            problems.append(str(error))
        if not _is_number(codes, 0, _MAX_CODES):
            problems.append(f"codes must be 0 to {_MAX_CODES}, got {codes!r}")
            codes = 0
        problems += _range_problems(first, maximum)
        if not _is_day_of_year(fiscal_start):
            problems.append(f"fiscal_start must be (month, day) of a day, got {fiscal_start!r}")
        # A moment is another day elsewhere.
        if isinstance(register_date, datetime) or not isinstance(register_date, date | None):
            problems.append(f"register_date must be a date, got {register_date!r}")
        if not _is_list(roles) or not all(isinstance(role, str) and role for role in roles):
            problems.append(f"roles must be a list of names, got {roles!r}")
        try:
            self.rotate_by = RotateBy(rotate_by)
        except ValueError:
            problems.append(f"rotate_by must be one of {', '.join(RotateBy)}, got {rotate_by!r}")
            self.rotate_by = RotateBy.NONE
        zone = zone_of(timezone)
        if zone is None:
            problems.append(f"timezone must be an IANA name such as 'Asia/Tokyo', got {timezone!r}")
        self.zone: tzinfo = zone or UTC
        is_fiscal_in_april = self.rotate_by is RotateBy.FISCAL_YEARLY and fiscal_start == APRIL
        if mbc_fiscal_bucket and not is_fiscal_in_april:
            problems.append(
                "mbc_fiscal_bucket is for a series that rotates by fiscal years from 1 April: in those of "
                "MBC CQRS Serverless every other start prints numbers twice; leave it out"
            )
        try:
            self.format = Format(format, codes)
        except FormatError as error:
            problems.append(f"format {error}, got {format!r:.200}")
        if problems:
            msg = f"series {type_code!r:.80}: {'; '.join(problems)}"
            raise ConfigurationError(msg)
        self.type_code = type_code
        self.timezone = timezone
        self.fiscal_start = fiscal_start
        self.register_date = register_date
        self.first = first
        self.maximum = MAX_NUMBER if maximum is None else maximum
        self.gapless = gapless
        self.issue_log = issue_log
        self.codes = codes
        self.roles = tuple(roles)
        self.mbc_fiscal_bucket = mbc_fiscal_bucket
        self.rotation = Rotation(self.rotate_by, fiscal_start, mbc_fiscal_bucket)
        self._calendar = Calendar(fiscal_start, register_date)

    def __repr__(self) -> str:
        """The series by its name."""
        return f"Series({self.type_code!r})"

    @property
    def keeps_issues(self) -> bool:
        """Whether each number is recorded."""
        return self.gapless or self.issue_log

    def check_codes(self, codes: Sequence[str]) -> tuple[str, ...]:
        """The codes of a counter.

        Raises:
            InvalidInputError: They are not as many as the series has, or one cannot be part of a key.
        """
        if not _is_list(codes) or len(codes) != self.codes:
            message = (
                f"must be a list of {self.codes} codes for the series {self.type_code!r}, got {codes!r:.99}"
            )
            raise InvalidInputError([FieldProblem("codes", message)])
        for number, code in enumerate(codes):
            check_code(f"codes.{number}", code)
        if len("#".join([self.type_code, *codes]).encode()) > _MAX_KEY_BYTES:
            message = f"must have at most {_MAX_KEY_BYTES} bytes together with the name of the series"
            raise InvalidInputError([FieldProblem("codes", message)])
        return tuple(codes)

    def moment(self, date: datetime | None = None) -> datetime:
        """A moment in the zone of the series. The clock is read once, here, for bucket and print.

        Args:
            date: The moment. Default: now.

        Raises:
            InvalidInputError: It has no offset, or is in no year from 1901 to 9997, or before the first
                fiscal year.
        """
        if date is not None and (not isinstance(date, datetime) or date.utcoffset() is None):
            message = f"must be a datetime with a time zone, got {date!r:.60}"
            raise InvalidInputError([FieldProblem("date", message)])
        if date is not None and not _YEARS[0] <= date.year <= _YEARS[1]:
            message = f"must be in a year from {_YEARS[0]} to {_YEARS[1]}, got {date.year}"
            raise InvalidInputError([FieldProblem("date", message)])
        moment = (date or clock.now()).astimezone(self.zone)
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)  # as it is stored
        if self.format.has_ordinal and self._calendar.ordinal(moment.date()) < 0:
            message = "is before the first fiscal year of the series: see its register_date"
            raise InvalidInputError([FieldProblem("date", message)])
        return moment

    def printed(self, no: int, moment: datetime, codes: Sequence[str]) -> str:
        """A number as it is printed.

        Args:
            no: The number.
            moment: A moment in the zone of the series.
            codes: The codes of its counter.
        """
        return self.format.print(no, moment.date(), self._calendar, codes)


def zone_of(name: object) -> tzinfo | None:
    """A time zone by its IANA name; None where there is no such zone."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)  # type: ignore[arg-type]
    except (ValueError, TypeError, OSError, LookupError):
        return None


def check_code(field: str, code: str) -> None:
    """Refuse what cannot be a part of a counter's key.

    Raises:
        InvalidInputError: It is no text of 1 to 64 characters, or has ``#``, ``@`` or a control character.
    """
    try:
        join_key(code)
    except InvalidInputError as error:
        raise InvalidInputError(
            [FieldProblem(field, problem.message) for problem in error.problems]
        ) from None
    if len(code) > _MAX_CODE or _NO_CODE.search(code):
        message = f"must have 1 to {_MAX_CODE} characters, and no # or @ among them"
        raise InvalidInputError([FieldProblem(field, message)])


def check_number(field: str, no: object) -> None:
    """Refuse what cannot be a number of a series, nor 0.

    Raises:
        InvalidInputError: It is none.
    """
    if not _is_number(no, 0, MAX_NUMBER):
        message = f"must be a number from 0 to {MAX_NUMBER}, got {no!r:.60}"
        raise InvalidInputError([FieldProblem(field, message)])


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _range_problems(first: object, maximum: object) -> list[str]:
    if not _is_number(first, 1, MAX_NUMBER):
        return [f"first must be a number from 1 to {MAX_NUMBER}, got {first!r}"]
    assert isinstance(first, int)  # noqa: S101 - just checked
    if maximum is not None and not _is_number(maximum, first, MAX_NUMBER):
        return [f"maximum must be a number from {first} to {MAX_NUMBER}, got {maximum!r}"]
    return []


def _is_day_of_year(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != 2:  # noqa: PLR2004 - month and day
        return False
    month, day = value
    return _is_number(month, 1, 12) and _is_number(day, 1, calendar.monthrange(_LEAP_YEAR, month)[1])
