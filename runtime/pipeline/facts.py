"""What nobody has finished: found by what the tables hold, not by what a status claims.

A command is applied when the data row has come to its version, in its life; handled when every
handler's cursor has, or is parked before it. A status is only compared with that.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runtime import clock
from runtime.errors import CqrsError
from runtime.model.keys import DetailKey, get_sort_key_version, get_tenant_code
from runtime.model.rows import (
    APPLIED_TTL,
    DATA_TTL,
    PUBLISH_ID,
    has_expired,
    is_left_behind,
    is_of_life,
    is_same_life,
    key_of,
    life_of,
    moment_in,
    version_of,
    was_applied,
)
from runtime.model.status import FINISHED, HANDLERS_FAILED, HANDLERS_STARTED, is_of_pipeline
from runtime.pipeline.cursors import Cursor
from runtime.pipeline.versions import version_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from runtime.module_context import ModuleContext
    from runtime.store.values import Place, Row

__all__ = ["COLUMNS", "Problem", "Unfinished", "Unreadable", "find_unfinished"]

#: What a look at many commands has to read of each.
COLUMNS: Final = ("pk", "sk", "createdAt")


class Problem(StrEnum):
    """What is missing of a command."""

    NOT_APPLIED = "notApplied"
    """The data row has not come to it, or is gone before its time."""
    NOT_HANDLED = "notHandled"
    """A handler that is not parked has not seen it."""
    NOT_FINISHED = "notFinished"
    """Everybody has seen it, or is parked, and its status does not say so."""
    ENDED = "ended"
    """Its life is over, so that nobody is to see it any more, and its status does not say so."""
    LEFT_BEHIND = "leftBehind"
    """It was not applied, another life has begun meanwhile, and its status does not say so."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A command that should have been finished by now.

    Attributes:
        key: Key of the aggregate; the sort key without a version.
        version: Version of the command.
        problem: What is missing.
        status: What its row says, or None.
        created_at: When it was published, as its row says, or None.
    """

    key: DetailKey
    version: int
    problem: Problem
    status: str | None
    created_at: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An aggregate whose facts could not be told.

    Attributes:
        key: Its key.
        version: The last version that was found.
        error: Kind of error. Never its text, which may quote the data.
    """

    key: DetailKey
    version: int
    error: str


def find_unfinished(
    context: ModuleContext, rows: Iterable[Row], before: datetime, *, is_scan: bool = True
) -> tuple[dict[DetailKey, list[Unfinished]], list[Unreadable]]:
    """Those among ``rows`` of the command table that should be finished, by aggregate and in order.

    One call for each 100 rows of data, cursors and commands that are needed to tell; and a query where a
    command is pending, its data row is gone, and the aggregate had other lives or has expired.

    Args:
        context: Module of the commands.
        rows: Rows with at least `COLUMNS`.
        before: Younger ones are left to the pipeline. One from the future is none of them.
        is_scan: Whether ``rows`` are all commands of their aggregates, as a scan finds them. Of what is
            under way alone, each pending command without a data row costs a query.

    Returns:
        What is unfinished, and the aggregates of which nobody can tell.
    """
    if not context.keeps_data and not context.handlers:
        return {}, []  # nobody is to see the commands, and nobody finishes them
    versions: dict[DetailKey, list[int]] = defaultdict(list)
    for row in rows:
        version = get_sort_key_version(row["sk"])
        # Rows without a version are records of publish ids.
        if version > 0 and not _is_young(row, before):
            versions[key_of(row)].append(version)
    found: dict[DetailKey, list[Unfinished]] = {}
    unreadable: list[Unreadable] = []
    places: dict[DetailKey, list[Place]] = {}
    for key, numbers in versions.items():
        try:
            places[key] = _places(context, key, numbers)
        except CqrsError as error:
            unreadable.append(Unreadable(key, max(numbers), type(error).__name__))
    facts = _Facts(context, places, is_scan=is_scan)
    for key in places:
        numbers = versions[key]
        try:
            commands = facts.unfinished(key, sorted(numbers))
        except CqrsError as error:
            unreadable.append(Unreadable(key, max(numbers), type(error).__name__))
        else:
            if commands:
                found[key] = commands
    return found, unreadable


class _Facts:
    """What the tables hold about some aggregates."""

    def __init__(
        self, context: ModuleContext, places: Mapping[DetailKey, Sequence[Place]], *, is_scan: bool
    ) -> None:
        self._context = context
        self._places = places
        self._is_scan = is_scan
        # Read anew: since the look, the pipeline may have gone on.
        self._rows = context.store.batch_get(place for mine in places.values() for place in mine)
        self._all: dict[DetailKey, Sequence[Row]] = {}

    def unfinished(self, key: DetailKey, versions: Sequence[int]) -> list[Unfinished]:
        found = []
        last = versions[-1]
        for version in versions:
            command = self._rows.get(self._context.command_place(key, version))
            problem = self._problem(key, version, command, is_last=version == last) if command else None
            if command is not None and problem is not None:
                created = command.get("createdAt")
                found.append(Unfinished(key, version, problem, command.get("status"), created))
        return found

    def _problem(self, key: DetailKey, version: int, command: Row, *, is_last: bool) -> Problem | None:
        context = self._context
        data = self._rows.get(context.data_place(key)) if context.keeps_data else None
        status = command.get("status")
        if context.keeps_data and not was_applied(command) and self._is_left_behind(key, command, data):
            return None if is_left_behind(command) else Problem.LEFT_BEHIND
        if not is_of_life(command, data):
            # Of an earlier life, whose data row has expired.
            return Problem.ENDED if status in {HANDLERS_STARTED, HANDLERS_FAILED} else None
        if context.keeps_data and not self._is_applied(key, command, data, is_last=is_last):
            return Problem.NOT_APPLIED
        life = life_of(command, data)
        cursors = [
            Cursor.of(self._rows.get(context.cursor_place(key, name)), life) for name in context.handler_names
        ]
        # A handler that is new to the aggregate need not see what was finished without it.
        behind = [
            cursor
            for cursor in cursors
            if not cursor.has_seen(version)
            and not (status == FINISHED and cursor.version is None and cursor.parked_version is None)
        ]
        if any(cursor.parked_version is None for cursor in behind):
            is_over = context.keeps_data and data is None and self._is_followed_by_another_life(key, command)
            return Problem.ENDED if is_over else Problem.NOT_HANDLED
        final = HANDLERS_FAILED if behind else FINISHED
        if status in {final, FINISHED} or not (status is None or is_of_pipeline(status)):
            return None
        return Problem.NOT_FINISHED

    def _is_left_behind(self, key: DetailKey, command: Row, data: Row | None) -> bool:
        """Whether another life has begun since a command that was not applied, even if it is over as well."""
        if is_left_behind(command) or not is_of_life(command, data):
            return True
        if data is not None or not self._may_have_other_lives(key, command):
            return False
        return self._is_followed_by_another_life(key, command)

    def _is_followed_by_another_life(self, key: DetailKey, command: Row) -> bool:
        """Whether commands of another life were applied that were published later."""
        published = moment_in(command, "createdAt")
        return any(
            was_applied(row) and not is_same_life(row, command) and moment_in(row, "createdAt") > published
            for row in self._commands(key)
        )

    def _may_have_other_lives(self, key: DetailKey, command: Row) -> bool:
        """Whether a read of all commands may tell of another life that the rows at hand do not show."""
        if not self._is_scan:
            return True
        known = [row for place in self._places[key] if (row := self._rows.get(place)) is not None]
        has_begun_here = any(row.get(PUBLISH_ID) == life_of(command) for row in known)
        return not has_begun_here or not all(is_same_life(row, command) for row in known)

    def _commands(self, key: DetailKey) -> Sequence[Row]:
        """All commands of an aggregate, read once: for the few that are pending without a data row."""
        if key not in self._all:
            self._all[key] = version_rows(self._context, self._context.tables.command, key)
        return self._all[key]

    def _is_applied(self, key: DetailKey, command: Row, data: Row | None, *, is_last: bool) -> bool:
        version = get_sort_key_version(command["sk"])
        if data is not None:
            return version_of(data) >= version
        if not was_applied(command):
            return False
        # It was applied, and the row is gone. Only the last command says how long it was to stay,
        # and that one may be on another page.
        return not is_last or self._has_expired(command) or self._is_followed(key, version)

    def _is_followed(self, key: DetailKey, version: int) -> bool:
        return self._context.store.get(self._context.command_place(key, version + 1)) is not None

    def _has_expired(self, command: Row) -> bool:
        """Whether the data row that a command made was to be gone by now."""
        if APPLIED_TTL in command:
            return has_expired(command, clock.seconds())
        # Of an earlier release, or the reference system: the setting of today is all that tells.
        own = command.get(DATA_TTL)
        if own is not None:
            return bool(own <= clock.seconds())
        written = moment_in(command, "updatedAt")
        tenant = get_tenant_code(command["pk"])
        ttl = self._context.retention.calculate_ttl("data", tenant, start=written, must_know=True)
        return ttl is not None and ttl <= clock.seconds()


def _places(context: ModuleContext, key: DetailKey, versions: Iterable[int]) -> list[Place]:
    """Where the facts about some versions of an aggregate are."""
    return [
        *([context.data_place(key)] if context.keeps_data else []),
        *(context.cursor_place(key, name) for name in context.handler_names),
        *(context.command_place(key, version) for version in versions),
    ]


def _is_young(row: Row, before: datetime) -> bool:
    """Whether a command is left to the pipeline; one that does not tell its age, or lies, is not."""
    try:
        created = moment_in(row, "createdAt")
    except CqrsError:
        return False
    return before < created <= clock.now()
