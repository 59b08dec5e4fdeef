"""How a checked command gets into the tables: the one way that every publish goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from runtime import clock, metrics
from runtime.clients.notifications import waited_for
from runtime.commands.base import read_base
from runtime.commands.command_row import Draft, open_slice, stamped
from runtime.commands.decide import decided
from runtime.commands.dirty import is_unchanged
from runtime.commands.publish_record import LABEL, record_place, record_write, recorded, unchanged_write
from runtime.errors import CqrsError, FieldProblem, InvalidInputError, VersionConflictError
from runtime.log import error_fields, logger
from runtime.model.keys import VERSION_FIRST, check_new_key
from runtime.model.rows import DATA_TTL, LIFE, PUBLISH_ID, life_of, ttl_of, version_of, was_applied
from runtime.model.status import HANDLERS_STARTED, is_final
from runtime.pipeline.apply import apply
from runtime.pipeline.finish import finish, finish_all, finish_applied, hand_over, run_handlers
from runtime.pipeline.transactions import (
    COMMAND,
    DATA,
    advance_writes,
    applied_ttl,
    insert_command,
    status_set,
)
from runtime.queries.sessions import SessionService
from runtime.store.codec import opened
from runtime.store.port import Check, ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from runtime.commands.base import Base
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.port import Put, Write
    from runtime.store.values import Place, Row

__all__ = ["Publisher", "Repeated", "Request"]

_SYNC = "SYNC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One publish, apart from what is published.

    Attributes:
        key: Key of the aggregate.
        version: Version that the caller builds on.
        context: Who asks.
        sync: Whether to apply the command before returning.
        source: Code that publishes.
        request_id: Id that notifications carry.
        publish_id: Id that makes a repeated publish the same one.
        fingerprint: What tells the call from others that use the same publish id.
    """

    key: DetailKey
    version: int
    context: InvokeContext
    sync: bool = False
    source: str | None = None
    request_id: str | None = None
    publish_id: str | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Repeated:
    """What an earlier publish with the same id has come to.

    Attributes:
        draft: The command that it made; None where it changed nothing.
    """

    draft: Draft | None


class Publisher:
    """Writes the commands of one module."""

    def __init__(self, context: ModuleContext) -> None:
        self._context = context
        self._sessions = SessionService(context)

    def publish(
        self, request: Request, draft: Callable[[Base], Draft | None], *, even_unchanged: bool = False
    ) -> Draft | None:
        """Write the next version of an aggregate.

        Args:
            request: Which aggregate, on what, for whom.
            draft: Makes the caller's part of the row, given the version it builds on; None for none.
            even_unchanged: Write a version that says the same as the one before.

        Returns:
            The command row, with its attributes where they are known; or None when it would
            change nothing.
        """
        with waited_for():
            return self._publish(request, draft, even_unchanged=even_unchanged)

    def repeated(self, request: Request) -> Repeated | None:
        """What an earlier call with the same publish id has come to, or None. One read."""
        place = record_place(self._context, request.key, request.publish_id)
        if place is None:
            return None
        with waited_for():
            return self._repeated(request, self._context.store.get(place))

    def left(self, request: Request, base: Base, stale: Row | None = None) -> Draft | None:
        """Record that a publish has changed nothing, so that its repeat does not later on.

        One write, of a publish with an id.

        Args:
            request: The publish.
            base: What it has left as it was.
            stale: The record that stands there, and says nothing any more.

        Returns:
            What the very same call, made at the same time, has published meanwhile; or None.
        """
        context, row = self._context, base.row
        place = record_place(context, request.key, request.publish_id)
        if place is None or row is None:
            return None
        try:
            with waited_for():
                context.store.write(unchanged_write(place, request.fingerprint, row, stale))
        except ConditionFailedError as failure:
            first = self._repeated(request, failure.rows.get(LABEL))
            return None if first is None else first.draft
        return None

    def _publish(
        self, request: Request, draft: Callable[[Base], Draft | None], *, even_unchanged: bool
    ) -> Draft | None:
        context = self._context
        # A function of one's own finishes nothing that it publishes asynchronously, and needs no handlers.
        if request.sync or context.settings.function is not None:
            context.check_handlers()
        if request.version == VERSION_FIRST:
            check_new_key(*request.key)
        record = record_place(context, request.key, request.publish_id)
        found = read_base(context, request.key, request.version, record)
        first = self._repeated(request, found.also)
        if first is not None:
            return first.draft
        base = found.base()
        if base.row is not None:
            context.schema.check_base(base.row)
        elif not base.version:
            check_new_key(*request.key)
        made = self._decided(request, base, draft(base), even_unchanged=even_unchanged)
        if made is None:
            return self.left(request, base, found.also)
        drafted = context.schema.stamp(context.schema.current, base.version + 1) | made.row
        row = stamped(
            drafted,
            request.key,
            base,
            request.context,
            source=request.source,
            request_id=request.request_id,
        )
        if context.asks_handlers:
            self._check_handlers(row)
        if request.sync:
            row["syncMode"] = _SYNC
        row = context.large_attributes.off_load(context.tables.command, row, base.row)
        first = self._write(request, row, found.state, record, found.also)
        return Draft(row, made.attributes) if first is None else first.draft

    def _decided(
        self, request: Request, base: Base, made: Draft | None, *, even_unchanged: bool
    ) -> Draft | None:
        """The draft as the module's rules leave it; None where nothing is to be written."""
        context = self._context
        if made is None or self._is_nothing_new(base, made, even_unchanged=even_unchanged):
            return None
        if not context.decide:
            return made
        left = decided(context, request.key, request.context, base, made)
        if left is not made and self._is_nothing_new(base, left, even_unchanged=even_unchanged):
            return None
        return left

    def _is_nothing_new(self, base: Base, made: Draft, *, even_unchanged: bool) -> bool:
        """Whether the state that a version builds on says what a draft says."""
        ttl = opened(made.row.get(DATA_TTL))
        is_other = base.row is None or ttl != opened(ttl_of(base.row))
        if is_other:  # what the item has already was far enough ahead when it was given
            _check_ttl(ttl, self._context.min_ttl)
        if base.row is None or even_unchanged:
            return False
        if is_other and (made.says_ttl or ttl is not None):
            return False
        return is_unchanged(base.row, made.row, self._context.rows.contents)

    def _write(
        self, request: Request, row: Row, state: Row | None, record: Place | None, stale: Row | None
    ) -> Repeated | None:
        """Write the row; or give what the same call, made at the same time, has come to."""
        context, version = self._context, row["version"]
        also: list[Write] = []
        if record is not None:
            also.append(record_write(record, request.fingerprint, row, stale))
        if request.sync:
            advance = self._advance(request.key, state, row, version - 1)
            also += advance
            if advance:
                row |= applied_ttl(advance[0].row)
            # Only now: the `ttl` that comes with the final status is not the data row's.
            columns, _ = status_set(context, request.key.pk, context.applied_status)
            row |= columns
        elif session := self._sessions.write_of(request.context, request.key, version, row[PUBLISH_ID]):
            also.append(session)
        if self._is_looked_after and not is_final(row.get("status")):
            row |= open_slice(request.key)
        first = self._insert(request, row, also)
        if first is None:
            metrics.count(metrics.COMMANDS_PUBLISHED, context.name)
            if request.sync:
                self._handle(request.key, row)
        return first

    def _check_handlers(self, row: Row) -> None:
        """Refuse what a handler's store cannot take: it would be parked for it."""
        command = self._context.rows.command(row)
        problems = [
            problem for reference in self._context.handlers for problem in reference.problems(command)
        ]
        if problems:
            raise InvalidInputError(problems)

    @property
    def _is_looked_after(self) -> bool:
        """Whether a command of the module is to come to a final status, and an index tells until then."""
        context = self._context
        return context.tables.has_open_index and (context.keeps_data or context.awaits_handlers)

    def _advance(self, key: DetailKey, data: Row | None, row: Row, version: int) -> list[Put]:
        """The writes that bring the data row from ``version`` to that of ``row``."""
        context = self._context
        if not context.keeps_data:
            return []
        if version_of(data) < version:
            # Commands that are still pending come first.
            applied = apply(context, key, version)
            finish_applied(context, applied)
            data = applied.data
        return advance_writes(context, data, row)

    def _insert(
        self, request: Request, row: Row, also: list[Write], in_place_of: Row | None = None
    ) -> Repeated | None:
        """Write the command, and ``also`` with it, unless its version is taken; see `_write`."""
        context = self._context
        ended = [] if in_place_of is None or request.sync else [self._is_ended(request.key, row)]
        try:
            context.store.write(insert_command(context, row, in_place_of), *also, *ended)
        except ConditionFailedError as failure:
            first = self._repeated(request, failure.rows.get(LABEL))
            if first is not None:
                return first
            taken = failure.rows.get(COMMAND)
            # An attempt that succeeded while its answer got lost finds its own row: that is success.
            if taken is None or taken.get(PUBLISH_ID) != row[PUBLISH_ID]:
                if in_place_of is not None or not self._may_replace(taken, row):
                    raise VersionConflictError(*request.key, row["version"] - 1) from None
                return self._insert(request, row, also, taken)
        if in_place_of is not None and not request.sync:
            self._ring(request.key, row)
        return None

    def _may_replace(self, taken: Row | None, row: Row) -> bool:
        """Whether the command that has a version is one of another life that nobody is at work on.

        A life ends with its data row, by its time to live; its commands may have longer to go. A
        module without data rows keeps the last command for ever: there no life ends but by erasure.
        """
        if taken is None or not self._context.keeps_data:
            return False
        own, its = life_of(row), life_of(taken)
        if own is None or own == its:
            return False
        status = taken.get("status")
        # One with a status of its user's own gets no final one any more.
        if was_applied(taken):
            return status != HANDLERS_STARTED
        return its is not None and is_final(status)

    def _is_ended(self, key: DetailKey, row: Row) -> Check:
        """The check that the other life has ended: the data row, if any, is of this one, and not so far.

        A synchronous publish needs none: it writes the data row itself, on a stricter condition.
        """
        is_this_one = Attr(LIFE).eq(life_of(row)) & Attr("version").lt(row["version"])
        condition = Attr("pk").not_exists() | is_this_one
        return Check(place=self._context.data_place(key), condition=condition, label=DATA)

    def _ring(self, key: DetailKey, row: Row) -> None:
        """Start the execution of a command that took another one's place: streams tell of new rows."""
        context = self._context
        try:
            context.workflow.start(context.name, context.tables.command, key, row)
        except CqrsError as error:
            # It is in the index of what is under way, and finished from there.
            logger.warning("workflow not started", **error_fields(error))

    def _repeated(self, request: Request, record: Row | None) -> Repeated | None:
        """What an earlier publish with the same id has come to, with its handlers run."""
        earlier = recorded(record)
        if earlier is None:
            return None
        place = self._context.command_place(request.key, earlier.version)
        command = self._context.store.get(place)
        if command is None or not earlier.is_about(command):
            return None  # erased since, or of an earlier life
        earlier.check_same_call(request.fingerprint)
        if earlier.is_unchanged:
            return Repeated(None)
        if request.sync and not is_final(command.get("status")):
            # The first call may have died between its commit and its handlers.
            self._handle(request.key, command)
        return Repeated(Draft(command))

    def _handle(self, key: DetailKey, row: Row) -> None:
        """Run the data sync handlers, or leave them to an execution, and finish."""
        context = self._context
        if not context.handlers:
            context.notifier.command_status(context.tables.command, row, row["status"])
            return
        handled = run_handlers(context, key, row["version"], row, owner=row[PUBLISH_ID])
        try:
            finish_all(context, [command for command in handled.shown if command["sk"] != row["sk"]])
            if not handled.pending:
                finish(context, row)
        except CqrsError:
            hand_over(context, key, row, context.handler_names)
        if handled.pending:
            hand_over(context, key, row, handled.pending)


def _check_ttl(ttl: object, least: timedelta | None) -> None:
    """Refuse a time to live that is over, or too soon.

    Raises:
        InvalidInputError: It is.
    """
    if least is None or not isinstance(ttl, int):
        return
    if ttl < int(clock.seconds() + least.total_seconds()):
        message = (
            f"must be in seconds since 1970, and at least {int(least.total_seconds())} of them ahead: then "
            "the item is deleted for good"
        )
        raise InvalidInputError([FieldProblem("ttl", message)])
