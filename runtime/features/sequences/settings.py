"""Settings of series that are rows of the master data table, as MBC CQRS Serverless has them.

``pk`` = ``MASTER#{tenant}``, ``sk`` = ``MASTER_DATA#{type code}``; in ``attributes``: ``format``, and
perhaps ``startMonth``, ``registerDate``, ``rotateBy`` and ``timezone``. What they leave out is that of the
series in the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError, StoreRefusedError
from runtime.features.sequences.format import Format
from runtime.features.sequences.rotation import APRIL, RotateBy
from runtime.features.sequences.series import Series, check_code, zone_of
from runtime.store.cached import Cached
from runtime.store.codec import opened
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.clients.resources import Resources

__all__ = ["MasterSettings", "provided_series", "series_of"]

_SECONDS: Final = 300
_MONTHS: Final = range(1, 13)
_NAMES: Final = frozenset({"typeCode", "format", "rotateBy", "startMonth", "registerDate", "timezone"})


class MasterSettings:
    """What a tenant's master data say of series, remembered for five minutes.

    What cannot be read is an error, and never another format.

    Args:
        resources: Where the table is.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._rows = Cached(self._read, seconds=_SECONDS)

    def get(self, tenant: str, type_code: str) -> Mapping[str, Any] | None:
        """The settings of a series; None where there are none, or they were deleted.

        Raises:
            CqrsError: They could not be read.
            InvalidInputError: They are no settings.
        """
        return self._rows.get((tenant, type_code))

    def _read(self, key: tuple[str, str], *, consistent: bool) -> Mapping[str, Any] | None:
        table = self._resources.settings.master_data_table
        if table is None:
            return None
        tenant, type_code = key
        place = Place(table, f"MASTER#{tenant}", f"MASTER_DATA#{type_code}")
        try:
            row = self._resources.store.get(place, consistent=consistent)
        except StoreRefusedError as error:
            if not error.is_absent:
                raise
            return None  # the app has no master data
        if row is None or row.get("isDeleted") is True:
            return None
        attributes = opened(row.get("attributes"))
        if not isinstance(attributes, Mapping) or "format" not in attributes:
            message = f"must be there in the settings of the series {type_code!r}, as a text"
            raise InvalidInputError([FieldProblem("attributes.format", message)])
        return attributes


def provided_series(given: object) -> Series:
    """The series that a call brings: itself, or its settings.

    Raises:
        InvalidInputError: It is neither; or a setting is missing, unknown, or cannot work.
    """
    if isinstance(given, Series):
        return given
    if not isinstance(given, Mapping):
        message = f"must be a Series or settings, got {given!r:.60}"
        raise InvalidInputError([FieldProblem("series", message)])
    problems = [
        FieldProblem(f"settings.{name}", f"is no setting; there are {', '.join(sorted(_NAMES))}")
        for name in sorted({str(name) for name in given} - _NAMES)
    ]
    problems += [
        FieldProblem(f"settings.{name}", "is required, a text")
        for name in ("typeCode", "format")
        if not isinstance(given.get(name), str)
    ]
    if problems:
        raise InvalidInputError(problems)
    check_code("settings.typeCode", given["typeCode"])
    return series_of(given["typeCode"], given, None, field="settings")


def series_of(type_code: str, said: Mapping[str, Any], base: Series | None, *, field: str) -> Series:
    """A series as settings describe it.

    Args:
        type_code: Its name.
        said: The settings, by the names that MBC CQRS Serverless gives them.
        base: The series in the code, whose what the settings leave out is; None without.
        field: Where the settings are, for errors.

    Raises:
        InvalidInputError: Something in them cannot work. Nothing was counted.
    """
    base = base or Series(type_code, codes=Format.highest_code(said.get("format")))
    said = {name: value for name, value in said.items() if value is not None}
    start = base.fiscal_start
    month = said.get("startMonth")
    if month is not None:
        if isinstance(month, bool) or month not in _MONTHS:
            message = f"must be a month, 1 to 12, got {month!r:.60}"
            raise InvalidInputError([FieldProblem(f"{field}.startMonth", message)])
        start = (int(month), 1)
    timezone = said.get("timezone", base.timezone)
    registered = _day(said.get("registerDate"), timezone, f"{field}.registerDate")
    if registered is not None:  # as the reference has it: its month goes before startMonth
        start = (registered.month, 1)
    rotate_by = said.get("rotateBy", base.rotate_by)
    is_fiscal_in_april = rotate_by == RotateBy.FISCAL_YEARLY and start == APRIL
    if base.mbc_fiscal_bucket and not is_fiscal_in_april:
        message = "must leave the fiscal year at 1 April, since the series counts in mbc_fiscal_bucket"
        raise InvalidInputError([FieldProblem(field, message)])
    try:
        return Series(
            type_code,
            format=said.get("format", base.format.text),
            rotate_by=rotate_by,
            timezone=timezone,
            fiscal_start=start,
            register_date=registered or base.register_date,
            first=base.first,
            maximum=base.maximum,
            gapless=base.gapless,
            issue_log=base.issue_log,
            codes=base.codes,
            roles=base.roles,
            mbc_fiscal_bucket=base.mbc_fiscal_bucket,
        )
    except ConfigurationError as error:
        raise InvalidInputError([FieldProblem(field, str(error))]) from None


def _day(value: object, timezone: object, field: str) -> date | None:
    """A date; of a moment, such as JavaScript writes for one, that in the zone of the series."""
    if value is None or value == "":
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        zone = zone_of(timezone)
        return (moment if moment.tzinfo is None or zone is None else moment.astimezone(zone)).date()
    except (ValueError, OverflowError):
        message = f"must be a date such as 2020-04-01, got {value!r:.60}"
        raise InvalidInputError([FieldProblem(field, message)]) from None
