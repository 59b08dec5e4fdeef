"""Reading what was before: the history of one module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic

from runtime.errors import FieldProblem, InvalidInputError
from runtime.generics import AttributesT
from runtime.identity.checked_key import checked_key
from runtime.model.keys import (
    MAX_VERSION,
    VERSION_LATEST,
    DetailKey,
    get_sort_key_version,
    get_tenant_code,
    remove_sort_key_version,
)
from runtime.model.models import DataModel
from runtime.model.rows import LIFE, history_row, is_same_life, moment_in, version_of
from runtime.pipeline.versions import version_rows
from runtime.store.answer_size import PAGE_BYTES
from runtime.store.port import Put

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.identity.context import InvokeContext
    from runtime.model.models import UnreadableRow
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["HistoryPage", "HistoryService", "StateList"]


class StateList(list[DataModel[AttributesT]], Generic[AttributesT]):
    """States of an aggregate.

    Args:
        states: The states.
        unreadable: The rows that are not among them.

    Attributes:
        unreadable: The rows that are not in the list, since the model of today does not accept
            them. None where there are none.
    """

    def __init__(
        self,
        states: Iterable[DataModel[AttributesT]] = (),
        unreadable: list[UnreadableRow] | None = None,
    ) -> None:
        super().__init__(states)
        self.unreadable = unreadable


@dataclass(frozen=True, slots=True)
class HistoryPage(Generic[AttributesT]):
    """Replaced states of one aggregate.

    Attributes:
        items: The states, oldest first.
        last_version: Pass it as ``after`` to get the next page. None on the last one.
        unreadable: The states of the page that are not in ``items``, since the model of today does
            not accept them. None where there are none.
    """

    items: list[DataModel[AttributesT]]
    last_version: int | None
    unreadable: list[UnreadableRow] | None = None


class HistoryService(Generic[AttributesT]):
    """The history table of a module. Made by `CommandModule`, as its ``history``.

    It holds each state that was replaced, for as long as the retention of the tenant says.
    The current state is in the data table only. Every read is strongly consistent.
    """

    def __init__(self, context: ModuleContext) -> None:
        self._context = context

    def get_item(
        self,
        key: tuple[str, str],
        version: int | None = None,
        *,
        invoke_context: InvokeContext | None = None,
    ) -> DataModel[AttributesT] | None:
        """The state at a version, or None when it is current, unknown or expired.

        Args:
            key: ``(pk, sk)``.
            version: 1 or more. Default: the version that the sort key ends in.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: There is no version, or there are two.
            ForbiddenError: The key belongs to another tenant.
        """
        if version is None:
            key, version = _split(key)
        detail = self._checked(key, invoke_context)
        if version is None:
            message = "is required: give it, or a sort key that ends in @ and the version"
            raise InvalidInputError([FieldProblem("version", message)])
        row = self._get(detail, _checked_version(version))
        return self._context.rows.data(row) if row else None

    def list_versions(
        self,
        key: tuple[str, str],
        *,
        after: int = 0,
        limit: int | None = None,
        every_life: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> StateList[AttributesT]:
        """The replaced states of one aggregate, oldest first: those of its present life.

        A query reads all of their rows, since sort keys do not have the versions in order, and one
        call the data row, which says which life it is; large attributes are fetched for what is
        returned only. `page` reads no more than it returns, and ends by bytes. Where there is no data
        row, the item has expired, and the states of its last lives are all there.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            after: Leave out this version and those before it.
            limit: Most states to return. Default: all of them.
            every_life: Return the states of earlier lives that are still kept, too.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: The key cannot be that of an aggregate.
            ForbiddenError: The key belongs to another tenant.
        """
        detail = self._checked(key, invoke_context)
        rows = self._rows(detail)
        if rows and not every_life:
            current = self._current(detail)
            rows = [row for row in rows if _of_life(row, current)]
        rows = [row for row in rows if version_of(row) > after]
        found = self._context.rows.readable(rows[:limit])
        return StateList(found.items, found.unreadable)

    def page(
        self,
        key: tuple[str, str],
        *,
        after: int = 0,
        limit: int = 20,
        max_bytes: int = PAGE_BYTES,
        invoke_context: InvokeContext | None = None,
    ) -> HistoryPage[AttributesT]:
        """A page of the replaced states of one aggregate, oldest first: those of its present life.

        It ends by bytes as well as by number. Two calls, for the data row and the states of the page,
        and one for each with large attributes. Where one of those states is not kept any more, or is of
        an earlier life, three more: a query of all keys, since sort keys do not have the versions in
        order, the data row, and the states.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            after: Leave out this version and those before it.
            limit: Most states on the page, 1 or more.
            max_bytes: Bytes that the page may take in an answer; one state is on it at least.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: The key cannot be that of an aggregate, or ``limit`` is less than 1.
            ForbiddenError: The key belongs to another tenant.
        """
        detail = self._checked(key, invoke_context)
        if limit < 1:
            raise InvalidInputError([FieldProblem("limit", f"must be 1 or more, got {limit}")])
        page = self._next_states(detail, after, limit)
        if page is None:
            page = self._kept_states(detail, after, limit)
        rows, last_of_all = page
        fitting = self._context.rows.fitting(rows, max_bytes)
        last = version_of(fitting.last) if fitting.last else last_of_all
        return HistoryPage(fitting.items, last if last < last_of_all else None, fitting.unreadable)

    def _next_states(self, key: DetailKey, after: int, limit: int) -> tuple[list[Row], int] | None:
        """The states right behind a version, and the last version that was replaced.

        None where one of them is not kept, or is of another life.
        """
        # The data row first: what is replaced from now on is on a later page.
        current = self._current(key)
        if current is None:
            return None
        replaced, first = version_of(current) - 1, max(after, 0) + 1
        wanted = range(first, min(first + limit - 1, replaced) + 1)
        places = [self._context.history_place(key, version) for version in wanted]
        rows = self._context.store.batch_get(places) if places else {}
        states = [state for place in places if (state := _of_life(rows.get(place), current))]
        return (states, replaced) if len(states) == len(places) else None

    def _kept_states(self, key: DetailKey, after: int, limit: int) -> tuple[list[Row], int]:
        """The states behind a version that are kept, and the last version of all of those."""
        context = self._context
        found = version_rows(context, context.tables.history, key, columns=(LIFE,))
        # The data row after the history: what is replaced meanwhile is on a later page.
        current = self._current(key) if found else None
        versions = [
            version
            for row in found
            if (version := get_sort_key_version(row["sk"])) > after and _of_life(row, current)
        ]
        places = [context.history_place(key, version) for version in versions[:limit]]
        stored = context.store.batch_get(places)
        return [stored[place] for place in places if place in stored], max(versions, default=0)

    def as_of(
        self,
        key: tuple[str, str],
        *,
        version: int | None = None,
        at: datetime | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> DataModel[AttributesT] | None:
        """The state as of a version, or as of a moment: the last one from then or before.

        None when the aggregate did not exist then, and also when what was then is not kept
        any more: a state next to one that is missing is never taken for it. Softly deleted
        states are found, with ``is_deleted`` set. The current state has the sort key of the
        data row, an earlier one that of its history row.

        By version, one call; two when the version is neither current nor in the history. By
        moment, one call when the current state is the answer, else also the whole history
        of the aggregate.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            version: 1 or more. Not together with ``at``.
            at: A time with a time zone. It is compared with ``updated_at``, which rows of the
                reference system have in seconds only.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: Not exactly one of ``version`` and ``at`` is given, or it is
                no version or time.
            ForbiddenError: The key belongs to another tenant.
        """
        detail = self._checked(key, invoke_context)
        if (version is None) == (at is None):
            given = "neither" if version is None else "both"
            message = f"give exactly one of the two, got {given}"
            raise InvalidInputError([FieldProblem("version", message), FieldProblem("at", message)])
        if at is not None:
            row = self._at(detail, _checked_moment(at))
        else:
            row = self._at_version(detail, _checked_version(version))
        return self._context.rows.data(row) if row else None

    def publish(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> DataModel[AttributesT] | None:
        """Keep the current data row as a history row, whether or not there is one already.

        For repairs; the pipeline keeps each state that it replaces by itself.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            The history row, or None when there is no data row.

        Raises:
            InvalidInputError: The key cannot be that of an aggregate.
            ForbiddenError: The key belongs to another tenant.
        """
        detail = checked_key(key, invoke_context, self._context.settings, write=True)
        data = self._current(detail)
        if data is None:
            return None
        ttl = self._context.retention.calculate_ttl("history", get_tenant_code(detail.pk))
        row = history_row(data, ttl)
        self._context.store.write(Put(table=self._context.tables.history, row=row))
        return self._context.rows.data(row)

    def _checked(self, key: tuple[str, str], context: InvokeContext | None) -> DetailKey:
        return checked_key(key, context, self._context.settings)

    def _current(self, key: DetailKey) -> Row | None:
        return self._context.store.get(self._context.data_place(key))

    def _get(self, key: DetailKey, version: int) -> Row | None:
        return self._context.store.get(self._context.history_place(key, version))

    def _at_version(self, key: DetailKey, version: int) -> Row | None:
        data, kept = self._context.data_place(key), self._context.history_place(key, version)
        rows = self._context.store.batch_get([data, kept])
        current = rows.get(data)
        if version_of(current) == version:
            return current
        if kept in rows or version_of(current) < version:
            return _of_life(rows.get(kept), current)
        # A batch is no snapshot: the version may have been replaced between its two reads.
        return self._get(key, version)

    def _at(self, key: DetailKey, at: datetime) -> Row | None:
        # The data row first: what replaces it afterwards puts it into the history.
        current = self._current(key)
        if current is not None and moment_in(current, "updatedAt") <= at:
            return current
        states = {version_of(row): row for row in self._rows(key) if _of_life(row, current)}
        if current is not None:
            states[version_of(current)] = current
        before = [version for version, row in states.items() if moment_in(row, "updatedAt") <= at]
        last = max(before, default=0)
        # The state after it tells until when it was valid. Without that, nobody knows.
        return states[last] if last and last + 1 in states else None

    def _rows(self, key: DetailKey) -> list[Row]:
        """The history rows of one aggregate, oldest first."""
        return version_rows(self._context, self._context.tables.history, key)


def _of_life(row: Row | None, current: Row | None) -> Row | None:
    """A history row, unless it is of an earlier life of the aggregate than its data row."""
    return row if row and is_same_life(row, current) else None


def _split(key: tuple[str, str]) -> tuple[tuple[str, str], int | None]:
    """A versioned key as key and version; what is no such key is left for the check to refuse."""
    match key:
        case (pk, str(sk)) if (version := get_sort_key_version(sk)) != VERSION_LATEST:
            return (pk, remove_sort_key_version(sk)), version
        case _:
            return key, None


def _checked_version(version: object) -> int:
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= MAX_VERSION:
        got = repr(version) if not isinstance(version, int) or version < 1 else "a larger one"
        message = f"must be a whole number from 1 to {MAX_VERSION}, got {got}"
        raise InvalidInputError([FieldProblem("version", message)])
    return version


def _checked_moment(at: object) -> datetime:
    if not isinstance(at, datetime):
        raise InvalidInputError([FieldProblem("at", f"must be a datetime, got {type(at).__name__}")])
    if at.utcoffset() is None:
        message = "must have a time zone, such as datetime(2026, 1, 2, tzinfo=UTC)"
        raise InvalidInputError([FieldProblem("at", message)])
    return at
