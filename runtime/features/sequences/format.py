"""The language of formats: ``INV-%%fiscal_year_start%%-%%no#:0>6%%``.

What stands between two ``%%`` is a key, perhaps with ``#:``, one character to fill with, ``>`` and a width;
everything else is printed as it is. A format is parsed once, and refused unless the number can be told
from what it prints: so two numbers of one counter never print alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.features.sequences.rotation import fiscal_year

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

__all__ = ["DEFAULT_FORMAT", "Calendar", "Format", "FormatError"]

DEFAULT_FORMAT: Final = "%%no%%"

_MARK: Final = "%%"
_NO: Final = "no"
_CHECK: Final = "check"
_MAX_WIDTH: Final = 64
_MAX_LENGTH: Final = 500
_CODE: Final = re.compile(r"code([1-5])")
_KEY: Final = re.compile(r"([a-z0-9_]+)(?:#:(.)>([0-9]{1,4}))?", re.DOTALL)
_CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_LETTER: Final = re.compile("[^0-9A-Z]")
_DIGITS: Final = "0123456789"
#: The year that fiscal years are counted from, as in MBC CQRS Serverless.
_REFERENCE_YEAR: Final = 1953
_NEW_YEAR: Final = (1, 1)


class FormatError(ValueError):
    """A format that cannot be one; the text says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """What formats print of a day.

    Attributes:
        fiscal_start: Month and day on which fiscal years begin.
        register_date: A day in the first fiscal year. Default: 1953 is the first one.
    """

    fiscal_start: tuple[int, int]
    register_date: date | None = None

    def ordinal(self, day: date) -> int:
        """Number of the fiscal year that a day is in."""
        first = fiscal_year(self.register_date, self.fiscal_start) if self.register_date else _REFERENCE_YEAR
        return fiscal_year(day, self.fiscal_start) - first + 1

    def end(self, day: date) -> int:
        """The calendar year in which the fiscal year ends that a day is in."""
        return fiscal_year(day, self.fiscal_start) + (self.fiscal_start != _NEW_YEAR)


_OF_DAYS: Final[dict[str, Callable[[Calendar, date], str]]] = {
    "year": lambda _, day: f"{day.year:04}",
    "yy": lambda _, day: f"{day.year % 100:02}",
    "month": lambda _, day: str(day.month),
    "mm": lambda _, day: f"{day.month:02}",
    "day": lambda _, day: str(day.day),
    "dd": lambda _, day: f"{day.day:02}",
    "date": lambda _, day: day.isoformat(),
    "fiscal_year": lambda calendar, day: str(calendar.ordinal(day)),
    "fiscal_year_start": lambda calendar, day: f"{fiscal_year(day, calendar.fiscal_start):04}",
    "fiscal_year_end": lambda calendar, day: f"{calendar.end(day):04}",
}
#: Keys that print a different number of digits at different times, and how many at most.
_VARIABLE: Final = {"month": 2, "day": 2, "fiscal_year": 4}


@dataclass(frozen=True, slots=True)
class _Field:
    """A key with what it is filled up to."""

    key: str
    fill: str
    width: int

    @property
    def is_variable(self) -> bool:
        return self.width < _VARIABLE.get(self.key, 0)

    def padded(self, text: str) -> str:
        return text.rjust(self.width, self.fill)


class Format:
    """A format, parsed.

    Example:
        >>> Format("A-%%no#:0>3%%").text
        'A-%%no#:0>3%%'

    Args:
        text: The format.
        codes: How many codes there are to print.

    Raises:
        FormatError: It cannot be one.
    """

    def __init__(self, text: str, codes: int) -> None:
        if not isinstance(text, str) or not 1 <= len(text) <= _MAX_LENGTH or _CONTROL.search(text):
            msg = f"must be a text of 1 to {_MAX_LENGTH} characters without control characters"
            raise FormatError(msg)
        pieces = text.split(_MARK)
        if len(pieces) % 2 == 0:
            msg = f"has an odd number of {_MARK}; a key stands between two of them, as in {DEFAULT_FORMAT!r}"
            raise FormatError(msg)
        self.text = text
        self._parts: list[str | _Field] = [
            _field(piece, codes) if at % 2 else piece for at, piece in enumerate(pieces) if at % 2 or piece
        ]
        self._check_number()

    @property
    def has_ordinal(self) -> bool:
        """Whether the number of the fiscal year is printed, which has a first one."""
        return any(isinstance(part, _Field) and part.key == "fiscal_year" for part in self._parts)

    @staticmethod
    def highest_code(text: object) -> int:
        """How many codes a format asks for; 0 where it is none."""
        keys = text.split(_MARK)[1::2] if isinstance(text, str) else []
        found = (_CODE.fullmatch(key.partition("#")[0]) for key in keys)
        return max((int(match[1]) for match in found if match), default=0)

    def print(self, no: int, day: date, calendar: Calendar, codes: Sequence[str]) -> str:
        """A number as it is printed.

        Args:
            no: The number.
            day: The day, in the zone of the series.
            calendar: How years are counted.
            codes: The codes.
        """
        printed = [
            part if isinstance(part, str) else _printed(part, no, day, calendar, codes)
            for part in self._parts
        ]
        for at, part in enumerate(self._parts):
            if isinstance(part, _Field) and part.key == _CHECK:
                rest = "".join(printed[:at] + printed[at + 1 :])
                printed[at] = part.padded(_check_digits(rest))
        return "".join(printed)

    def _check_number(self) -> None:
        """Refuse a format whose number cannot be told from what it prints.

        From the left, what stands before the number is read: each part has one width, or is digits
        that end at a literal. From the right likewise. What is left is the number.
        """
        keys = [part.key for part in self._parts if isinstance(part, _Field)]
        if keys.count(_NO) != 1:
            msg = f"must have the number in it, once: %%{_NO}%%, or %%{_NO}#:0>6%%"
            raise FormatError(msg)
        if keys.count(_CHECK) > 1:
            msg = f"must have %%{_CHECK}%% once at most"
            raise FormatError(msg)
        at = next(n for n, part in enumerate(self._parts) if isinstance(part, _Field) and part.key == _NO)
        number = self._parts[at]
        assert isinstance(number, _Field)  # noqa: S101 - it was found as one
        if number.width and number.fill in _DIGITS[1:]:
            msg = (
                f"fills %%{_NO}%% with the digit {number.fill}, so that 1 may print as another number; use 0"
            )
            raise FormatError(msg)
        for n, part in enumerate(self._parts):
            if not isinstance(part, _Field) or not part.is_variable:
                continue
            beside = self._parts[n + 1] if n < at else self._parts[n - 1]
            edge = (beside[0] if n < at else beside[-1]) if isinstance(beside, str) else "0"
            if edge in _DIGITS:
                side = "after" if n < at else "before"
                msg = (
                    f"must have something other than a digit or a key {side} %%{part.key}%%, whose width "
                    f"changes, or a width: %%{part.key}#:0>{_VARIABLE[part.key]}%%"
                )
                raise FormatError(msg)


def _field(piece: str, codes: int) -> _Field:
    match = _KEY.fullmatch(piece)
    key = match[1] if match else piece.partition("#")[0]
    code = _CODE.fullmatch(key)
    if not code and key not in _OF_DAYS and key not in {_NO, _CHECK}:
        known = ", ".join([_NO, "code1 to code5", *_OF_DAYS, _CHECK])
        msg = f"has the unknown key {key[:50]!r}; keys are {known}"
        raise FormatError(msg)
    if match is None:
        msg = (
            f"has {piece[:50]!r} between two {_MARK}: after the key comes #:, one character to fill with, > "
            f"and a width, as in %%{_NO}#:0>6%%"
        )
        raise FormatError(msg)
    if code and int(code[1]) > codes:
        msg = f"has %%{key}%%, but the series has {codes} codes; give it codes={code[1]}"
        raise FormatError(msg)
    width = int(match[3] or 0)
    if width > _MAX_WIDTH or (match[3] and width < 1):
        msg = f"must have widths from 1 to {_MAX_WIDTH}, got {width} for %%{key}%%"
        raise FormatError(msg)
    return _Field(key, match[2] or " ", width)


def _printed(part: _Field, no: int, day: date, calendar: Calendar, codes: Sequence[str]) -> str:
    if part.key == _CHECK:
        return ""  # of all the rest: printed last
    if part.key == _NO:
        return part.padded(str(no))
    code = _CODE.fullmatch(part.key)
    return part.padded(codes[int(code[1]) - 1] if code else _OF_DAYS[part.key](calendar, day))


def _check_digits(text: str) -> str:
    """Two digits by ISO 7064, modulo 97-10, over the letters A to Z and the digits of a text.

    >>> _check_digits("794")
    '44'
    """
    rest = 0
    for character in _NO_LETTER.sub("", text.upper()):  # one by one: Python reads no number of 4301 digits
        value = int(character, 36)
        rest = (rest * (10 if value < 10 else 100) + value) % 97  # noqa: PLR2004 - letters have two digits
    return f"{98 - rest * 100 % 97:02}"
