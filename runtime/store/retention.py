"""How long rows are kept: time to live by tenant and kind of table.

A row of the master data table, ``pk`` = ``MASTER#{tenant}``, ``sk`` =
``TTL#{physical table name}``, says in ``attributes.days`` how long rows of that table are
kept. Without it they are kept for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime import clock
from runtime.errors import (
    ConfigurationError,
    FieldProblem,
    InvalidInputError,
    StoreRefusedError,
    StoreUnavailableError,
)
from runtime.log import logger
from runtime.model.keys import KEY_SEPARATOR
from runtime.store.cached import Cached
from runtime.store.codec import opened, row_of
from runtime.store.port import Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runtime.settings import ModuleTables, Settings
    from runtime.store.port import Store
    from runtime.store.values import Row

    #: Writes how many days rows of a table are kept for a tenant.
    RetentionWriter = Callable[[str, str, int | None], None]

__all__ = ["DEFAULT_TENANT_CODE", "TtlService", "check_days", "stored_days"]

DEFAULT_TENANT_CODE: Final = "single"
"""Tenant of keys that name none."""

_SECONDS_A_DAY: Final = 24 * 60 * 60
_CACHE_SECONDS: Final = 300
_CACHE_TENANTS: Final = 5000
_MAX_DAYS: Final = 36_500


def check_days(days: int | None) -> None:
    """Refuse what is no number of days that rows are kept; None is for ever.

    Raises:
        InvalidInputError: It is out of range.
    """
    if days is not None and not _is_days(days):
        message = f"Number of days must be greater than 0 and at most {_MAX_DAYS}, got {days!r}; None keeps"
        raise InvalidInputError([FieldProblem("days", message)])


def stored_days(row: Row | None) -> int | None:
    """The days that a row says; None where there is none, or where it makes no sense."""
    attributes = opened(row.get("attributes")) if row else None
    days = attributes.get("days") if isinstance(attributes, dict) else None
    return days if _is_days(days) else None


def _is_days(days: object) -> bool:
    return isinstance(days, int) and not isinstance(days, bool) and 1 <= days <= _MAX_DAYS


class TtlService:
    """The retention of one module. Made by `CommandModule`, as its ``ttl``.

    The settings of a tenant are read in one call, and remembered for five minutes, for at most five
    thousand tenants.

    Args:
        store: Where the master data table is.
        settings: The name of the master data table.
        tables: The module's tables.
        writer: Gives who writes the settings, where a feature has commands for that. Default: nobody; the
            rows are put where they belong.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        tables: ModuleTables,
        writer: Callable[[], RetentionWriter | None] = lambda: None,
    ) -> None:
        self._writer = writer
        self._store = store
        self._settings = settings
        self._tables = {"command": tables.command, "data": tables.data, "history": tables.history}
        self._kept = Cached(self._read, seconds=_CACHE_SECONDS, entries=_CACHE_TENANTS)
        self._warned: set[str] = set()

    def get_ttl_configuration(self, kind: str, tenant_code: str | None = None) -> int | None:
        """Days that rows of a table are kept for a tenant, or None for ever.

        A row that is absent, or makes no sense, a table that is absent, and one that is out of reach
        just now all mean for ever: retention never stands in the way of a publish. The function
        says so in its log, once.

        Args:
            kind: ``command``, ``data`` or ``history``.
            tenant_code: Default: the tenant of keys that name none.

        Raises:
            InvalidInputError: ``kind`` is none of these.
            StoreRefusedError: The function may not read the table, or not for this tenant.
            ForbiddenError: The request names no tenant, where its rows are reached in sessions of it.
        """
        return self._days_kept(kind, tenant_code, must_know=False)

    def set_ttl_configuration(self, kind: str, days: int | None, tenant_code: str | None = None) -> None:
        """Say how many days rows of a table are kept for a tenant; None for ever.

        Functions that remember the old setting follow within five minutes. Rows that exist
        keep the time to live that they were written with.

        Raises:
            InvalidInputError: ``kind`` or ``days`` is out of range.
            ConfigurationError: There is no master data table.
        """
        check_days(days)
        table = self._settings.master_data_table
        if table is None:
            msg = "MASTER_DATA_TABLE_NAME is not set, so there is nowhere to keep retention settings"
            raise ConfigurationError(msg)
        self._check_kind(kind)
        tenant = tenant_code or DEFAULT_TENANT_CODE
        pk, sk = self._key(kind, tenant)
        try:
            if (write := self._writer()) is not None:
                write(tenant, self._tables[kind], days)
            else:
                row = row_of({"pk": pk, "sk": sk, "attributes": {"days": days} if days else {}})
                self._store.write(Put(table=table, row=row))
        finally:
            self._kept.forget()

    def calculate_ttl(
        self,
        kind: str,
        tenant_code: str | None = None,
        *,
        start: datetime | None = None,
        must_know: bool = False,
    ) -> int | None:
        """When a row may be deleted, in seconds since 1970, or None for never.

        Args:
            kind: ``command``, ``data`` or ``history``.
            tenant_code: Default: the tenant of keys that name none.
            start: When the time begins. Default: now.
            must_know: Whether a table that is out of reach is an error: for what would change, or bring
                back, rows that exist. Default: rows are kept for ever then.

        Raises:
            InvalidInputError: ``kind`` is none of these.
            StoreRefusedError: As in `get_ttl_configuration`.
            ForbiddenError: As in `get_ttl_configuration`.
            StoreUnavailableError: The table is out of reach, and ``must_know``.
        """
        days = self._days_kept(kind, tenant_code, must_know=must_know)
        if days is None:
            return None
        return int(start.timestamp() if start else clock.seconds()) + days * _SECONDS_A_DAY

    def _check_kind(self, kind: str) -> None:
        if kind not in self._tables:
            message = f"must be one of {', '.join(self._tables)}, got {kind!r}"
            raise InvalidInputError([FieldProblem("kind", message)])

    def _days_kept(self, kind: str, tenant_code: str | None, *, must_know: bool) -> int | None:
        self._check_kind(kind)
        try:
            return self._kept.get(tenant_code or DEFAULT_TENANT_CODE)[kind]
        except StoreUnavailableError as error:
            # Not remembered: an answer of later counts, and a session of one tenant says nothing
            # about another's.
            if must_know:
                raise
            self._warn("master data table out of reach: rows are kept for ever", str(error))
            return None

    def _read(self, tenant: str, *, consistent: bool) -> dict[str, int | None]:
        """The days of each kind of table, for one tenant: one call."""
        table = self._settings.master_data_table
        nothing: dict[str, int | None] = dict.fromkeys(self._tables)
        if table is None:
            return nothing
        places = {kind: Place(table, *self._key(kind, tenant)) for kind in self._tables}
        cheap = frozenset(() if consistent else (table,))
        try:
            rows = self._store.batch_get(places.values(), eventually_consistent=cheap)
        except StoreRefusedError as error:
            if not error.is_absent:
                raise
            self._warn("there is no master data table: rows are kept for ever", str(error))
            return nothing
        found = {kind: rows.get(place) for kind, place in places.items()}
        return {kind: self._days(row) if row else None for kind, row in found.items()}

    def _key(self, kind: str, tenant: str) -> tuple[str, str]:
        return f"MASTER{KEY_SEPARATOR}{tenant}", f"TTL{KEY_SEPARATOR}{self._tables[kind]}"

    def _days(self, row: Row) -> int | None:
        days = stored_days(row)
        attributes = opened(row.get("attributes"))
        if days is None and isinstance(attributes, dict) and attributes.get("days") is not None:
            self._warn("retention of no positive number of days: rows are kept for ever", row["sk"])
        return days

    def _warn(self, message: str, what: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            logger.warning(message, what=what)
