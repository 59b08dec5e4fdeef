"""From a publish to the writes that do it: what is decided, apart from what is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.commands.command_row import Draft, open_slice, stamped
from runtime.commands.decide import decided
from runtime.commands.dirty import is_unchanged
from runtime.commands.publish_record import outcome_of
from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import check_new_key
from runtime.model.rows import DATA_TTL, LIFE, PUBLISH_ID, life_of, ttl_of, version_of
from runtime.model.status import is_final
from runtime.pipeline.apply import apply
from runtime.pipeline.finish import finish_applied
from runtime.pipeline.transactions import DATA, advance_writes, applied_ttl, insert_command, status_set
from runtime.queries.sessions import SessionService
from runtime.store.codec import opened
from runtime.store.port import Check

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from runtime.commands.base import Base, Found
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.once import Once
    from runtime.store.port import Put, Write
    from runtime.store.values import Row

__all__ = ["Plan", "Planner", "Request"]

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
        notify: Whether the clients are told of a synchronous one. What an execution finishes is told.
    """

    key: DetailKey
    version: int
    context: InvokeContext
    sync: bool = False
    source: str | None = None
    request_id: str | None = None
    publish_id: str | None = None
    fingerprint: str = ""
    notify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A publish that is decided, and not written yet.

    Attributes:
        request: The publish.
        draft: What it returns: the row of the command, and its attributes where they are known.
        others: What is written with the command, in one transaction.
        is_assumed: Whether nobody has looked whether there is something with this key: the writes hold
            only where there is nothing.
    """

    request: Request
    draft: Draft
    others: tuple[Write, ...] = ()
    is_assumed: bool = False

    @property
    def row(self) -> Row:
        """The row of the command."""
        return self.draft.row

    def writes(self, context: ModuleContext, in_place_of: Row | None = None) -> list[Write]:
        """The writes of the plan.

        Args:
            context: The module.
            in_place_of: A command of another life that has the version, and is written over.
        """
        request, row = self.request, self.row
        writes = [insert_command(context, row, in_place_of), *self.others]
        # A synchronous publish writes the data row itself, on a stricter condition.
        if in_place_of is not None and not request.sync:
            writes.append(self._is_ended(context))
        return writes

    def _is_ended(self, context: ModuleContext) -> Check:
        """The check that the other life has ended: the data row, if any, is of this one, and not so far."""
        is_this_one = Attr(LIFE).eq(life_of(self.row)) & Attr("version").lt(self.row["version"])
        condition = Attr("pk").not_exists() | is_this_one
        return Check(place=context.data_place(self.request.key), condition=condition, label=DATA)


class Planner:
    """Decides what the publishes to one module write."""

    def __init__(self, context: ModuleContext) -> None:
        self._context = context
        self._sessions = SessionService(context)

    def plan(
        self,
        request: Request,
        found: Found,
        draft: Callable[[Base], Draft | None],
        *,
        once: Once | None = None,
        even_unchanged: bool = False,
    ) -> Plan | None:
        """What a publish writes; None where it would change nothing.

        Large attributes are in their bucket after it, and a synchronous publish has applied what is
        pending before it.

        Args:
            request: Which aggregate, on what, for whom.
            found: What is stored of it.
            draft: Makes the caller's part of the row, given the version it builds on; None for none.
            once: The record of the publish id; `Found.also` is what stands there.
            even_unchanged: Write a version that says the same as the one before.
        """
        context, base = self._context, found.base()
        if base.row is not None:
            context.schema.check_base(base.row)
        elif not base.version:
            check_new_key(*request.key)
        made = self._decided(request, base, draft(base), even_unchanged=even_unchanged)
        if made is None:
            return None
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
        others: list[Write] = []
        if once is not None:
            others.append(once.write(request.fingerprint, outcome_of(row), found.also))
        others += self._others(request, row, found)
        if self._is_looked_after and not is_final(row.get("status")):
            row |= open_slice(request.key)
        return Plan(
            request=request,
            draft=Draft(row, made.attributes),
            others=tuple(others),
            is_assumed=found.is_assumed,
        )

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

    def _others(self, request: Request, row: Row, found: Found) -> list[Write]:
        """What is written beside the command, whose row gets the columns that go with it."""
        context, key, version = self._context, request.key, row["version"]
        others: list[Write] = []
        if request.sync:
            advance = self._advance(key, found.state, row, version - 1)
            others += advance
            if advance:
                row |= applied_ttl(advance[0].row)
            # Only now: the `ttl` that comes with the final status is not the data row's.
            columns, _ = status_set(context, key.pk, context.applied_status)
            row |= columns
        elif session := self._sessions.write_of(request.context, key, version, row[PUBLISH_ID]):
            others.append(session)
            if new := self._sessions.write_of_new(key, row):
                others.append(new)
        if found.is_assumed and context.keeps_data and not request.sync:  # else the data row's write says so
            is_new = Attr("pk").not_exists()
            others.append(Check(place=context.data_place(key), condition=is_new, label=DATA))
        return others

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
