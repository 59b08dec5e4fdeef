"""Finishing what nobody has finished: by a look at a whole table, or at what is under way.

For what no retry heals: a stream that forgot records, a process that died between its
commit and its handlers, an execution that was never started or failed, a table that was restored
from an older backup. Whatever is done here is what the pipeline does, so both may do it at the
same time, and twice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from boto3.dynamodb.conditions import Attr, Key

from runtime import clock, metrics
from runtime.contract import OPEN_COLUMN, OPEN_INDEX, OPEN_SLICES
from runtime.errors import FieldProblem, InvalidInputError
from runtime.identity.access import check_every_tenant
from runtime.log import error_fields, log_context, logger
from runtime.model.keys import DetailKey, get_sort_key_version
from runtime.model.rows import is_same_life, life_of, was_applied
from runtime.model.status import FINISHED, HANDLERS_FAILED, is_of_pipeline
from runtime.module_context import context_of
from runtime.pipeline.apply import apply
from runtime.pipeline.drain import drain, read_commands
from runtime.pipeline.facts import COLUMNS, Problem, Unfinished, find_unfinished
from runtime.pipeline.failing import leave_behind
from runtime.pipeline.finish import finish, finish_applied, read_cursors
from runtime.store.codec import isoformat
from runtime.store.port import ConditionFailedError, Set
from runtime.store.scan import Scan
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from runtime.identity.context import InvokeContext
    from runtime.module_context import HasContext, ModuleContext
    from runtime.store.values import Row

__all__ = ["Healed", "NotReconciled", "Reconciled", "heal", "reconcile"]

_QUARTER_OF_AN_HOUR: Final = timedelta(minutes=15)
_TEN_MINUTES: Final = timedelta(minutes=10)
_PAGE: Final = 100
_OF_OTHER_LIVES: Final = {Problem.ENDED, Problem.LEFT_BEHIND}


@dataclass(frozen=True, slots=True)
class NotReconciled:
    """An aggregate that could not be repaired.

    Attributes:
        key: Key of the aggregate; the sort key without a version.
        version: Its last version that was found.
        error: Kind of error. Never its text, which may quote the data.
    """

    key: DetailKey
    version: int
    error: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found on one page of the commands, and done about it.

    Attributes:
        found: Commands that nobody has finished.
        applied: Versions that were applied.
        handled: Versions that every handler, apart from parked ones, has seen now.
        finished: Commands that got their final status; their clients were notified.
        handed_over: Versions that were left to an execution, because a handler fails.
        failed: Aggregates that could not be repaired, or not even read.
        scanned: Rows of the command table that were looked at.
        resume_token: Goes on after this page; None after the last one.
    """

    found: tuple[Unfinished, ...]
    applied: int
    handled: int
    finished: int
    handed_over: int
    failed: tuple[NotReconciled, ...]
    scanned: int
    resume_token: str | None


@dataclass(frozen=True, slots=True)
class Healed:
    """What a look at the commands under way has found, and done about it.

    Attributes:
        looked_at: Commands that are under way for longer than they should be.
        healed: Those that nobody was at work on, and that are taken care of now.
        failed: Aggregates that could not be repaired.
    """

    looked_at: int
    healed: int
    failed: tuple[NotReconciled, ...]


def reconcile(
    module: HasContext,
    *,
    older_than: timedelta = _QUARTER_OF_AN_HOUR,
    dry_run: bool = False,
    segment: int = 0,
    total_segments: int = 1,
    resume_from: str | None = None,
    limit: int = 100,
    trust_finished: bool = False,
    invoke_context: InvokeContext | None = None,
) -> Reconciled:
    """Finish the commands on one page of the command table that nobody else has finished.

    A command is found by facts: the data row has not come to it, or is gone before its time; a
    handler that is not parked has not seen it; or it has no final status. It is applied, after
    those before it; the handlers are called here, in order; where one fails, executions take
    over, with their retries, parking and alarm. Parked handlers are left to `redrive`. An
    aggregate that cannot be repaired is reported and does not stop the page. A command that another
    life of its aggregate has left behind cannot be applied any more: it fails, with an alarm.

    Safe at any time, beside a running pipeline and beside itself. One scan, and one read for each
    100 rows that tell about the page. Call it until ``resume_token`` is None:

    Example:
        >>> page = reconcile(order)
        >>> while page.resume_token:
        ...     page = reconcile(order, resume_from=page.resume_token)

    Args:
        module: Module of the commands.
        older_than: Younger commands are left to the pipeline. With 0 nothing breaks, but
            handlers may be called for what an execution is about to show them.
        dry_run: Write nothing and call no handler: only find.
        segment: Which part of the table, 0 to ``total_segments`` - 1.
        total_segments: Into how many parts the table is divided, to work on them in
            parallel. The versions of an aggregate are all in the same part.
        resume_from: ``resume_token`` of the page before, of the same segment.
        limit: Most rows to look at, 1 to 1000.
        trust_finished: Take a command at its word whose status says that it is finished: a page of
            such commands is one call. Default: what the tables hold decides, which also finds data
            rows that were lost, as in a table that was restored.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Raises:
        InvalidInputError: An argument is out of range.
        ForbiddenError: The caller has no role that crosses all tenants: the rows are everybody's.
    """
    context = context_of(module)
    check_every_tenant(invoke_context, context.settings)
    _check_age("older_than", older_than)
    scan = Scan.checked(segment=segment, total_segments=total_segments, resume_from=resume_from, limit=limit)
    only = Attr("status").not_exists() | Attr("status").ne(FINISHED) if trust_finished else None
    page = scan.read(context.store, context.tables.command, columns=COLUMNS, only=only)
    repair = _Repair(context)
    repair.look(page.rows, clock.now() - older_than, dry_run=dry_run, is_scan=not trust_finished)
    return Reconciled(
        tuple(repair.found),
        repair.applied,
        repair.handled,
        repair.finished,
        repair.handed_over,
        tuple(repair.failed),
        page.scanned,
        page.resume_token,
    )


def heal(module: HasContext, *, older_than: timedelta = _TEN_MINUTES) -> Healed:
    """Finish what is under way for too long: `reconcile` for the commands that have no final status.

    It reads the index of these commands only, so that it costs the same however many commands the
    table holds: two queries for each of 16 slices. `CqrsStack` lets it run every few minutes.

    Args:
        module: Module of the commands.
        older_than: Younger commands are left to the pipeline.

    Raises:
        InvalidInputError: ``older_than`` is negative.
    """
    context = context_of(module)
    _check_age("older_than", older_than)
    repair = _Repair(context)
    looked_at = 0
    for rows in _open_pages(context, clock.now() - older_than) if context.tables.has_open_index else ():
        looked_at += len(rows)
        repair.look(rows, clock.now() - older_than, is_scan=False)
        _close(context, rows)
    unhealed = {failure.key for failure in repair.failed}
    healed = sum(command.key not in unhealed for command in repair.found)
    metrics.count(metrics.COMMANDS_HEALED, context.name, healed)
    return Healed(looked_at, healed, tuple(repair.failed))


def _close(context: ModuleContext, rows: Sequence[Row]) -> None:
    """Take out of the index what is settled: a service that shares the tables may copy the column."""
    places = [Place(context.tables.command, row["pk"], row["sk"]) for row in rows]
    for place, row in context.store.batch_get(places).items():
        status = row.get("status")
        if OPEN_COLUMN in row and status in {FINISHED, HANDLERS_FAILED}:
            with suppress(ConditionFailedError):
                context.store.write(
                    Set(place=place, remove=(OPEN_COLUMN,), condition=Attr("status").eq(status))
                )


def _open_pages(context: ModuleContext, before: datetime) -> Iterator[list[Row]]:
    """Keys of the commands that have no final status, and are old enough or from the future."""
    future = clock.now() + _QUARTER_OF_AN_HOUR
    for number in range(OPEN_SLICES):
        mine = Key(OPEN_COLUMN).eq(str(number))
        for condition in (
            mine & Key("createdAt").lt(isoformat(before)),
            mine & Key("createdAt").gt(isoformat(future)),
        ):
            start: Row | None = None
            while True:
                page = context.store.query(
                    context.tables.command, condition, index=OPEN_INDEX, start=start, limit=_PAGE
                )
                if page.rows:
                    yield page.rows
                start = page.next
                if start is None:
                    break


def _check_age(name: str, age: timedelta) -> None:
    if age < timedelta(0):
        raise InvalidInputError([FieldProblem(name, f"must not be negative, got {age}")])


@dataclass
class _Repair:
    """The repair of some aggregates."""

    context: ModuleContext
    found: list[Unfinished] = field(default_factory=list)
    failed: list[NotReconciled] = field(default_factory=list)
    applied: int = 0
    handled: int = 0
    finished: int = 0
    handed_over: int = 0

    def look(
        self, rows: Iterable[Row], before: datetime, *, dry_run: bool = False, is_scan: bool = True
    ) -> None:
        """Find what is unfinished among commands, and finish it."""
        with log_context(module=self.context.name):
            found, unreadable = find_unfinished(self.context, rows, before, is_scan=is_scan)
            self.failed += [NotReconciled(one.key, one.version, one.error) for one in unreadable]
            for key, commands in found.items():
                self.found += commands
                if not dry_run:
                    self._aggregate(key, commands)

    def _aggregate(self, key: DetailKey, found: Sequence[Unfinished]) -> None:
        """Finish the versions of one aggregate up to the last one that was found."""
        last = found[-1].version
        try:
            self._end(key, [command.version for command in found if command.problem is Problem.ENDED])
            self._fail(key, [command.version for command in found if command.problem is Problem.LEFT_BEHIND])
            if present := [command for command in found if command.problem not in _OF_OTHER_LIVES]:
                self._go_on(key, present)
        except Exception as error:  # noqa: BLE001 - one aggregate must not stop the others
            kind = type(error).__name__
            logger.error("not reconciled", error=kind)
            self.failed.append(NotReconciled(key, last, kind))

    def _go_on(self, key: DetailKey, found: Sequence[Unfinished]) -> None:
        """Do for versions of the present life what the pipeline would have done."""
        last = found[-1].version
        if any(command.problem is Problem.NOT_APPLIED for command in found):
            self._apply(key, last)
        if self.context.handlers:
            self._handle(key, found[0].version, last)
        else:
            for _, command in self._commands(key, found[0].version, last):
                self._finish(command)

    def _end(self, key: DetailKey, versions: Sequence[int]) -> None:
        """Finish versions of a life that is over: no handler is to see them any more."""
        places = [self.context.command_place(key, version) for version in versions]
        for command in self.context.store.batch_get(places).values():
            self.finished += finish(self.context, command, ())

    def _fail(self, key: DetailKey, versions: Sequence[int]) -> None:
        """Say of versions that another life has left behind that they failed."""
        places = [self.context.command_place(key, version) for version in versions]
        for command in self.context.store.batch_get(places).values():
            if not was_applied(command):
                self.finished += leave_behind(self.context, command)

    def _apply(self, key: DetailKey, last: int) -> None:
        done = apply(self.context, key, last, rebuild=True)
        finish_applied(self.context, done)
        self.applied += len(done.commands)
        self.finished += 0 if self.context.handlers else len(done.commands)

    def _finish(self, command: Row) -> None:
        status = command.get("status")
        # Nobody but its user changes a status of the user's own.
        if status is None or (status != FINISHED and is_of_pipeline(status)):
            self.finished += finish(self.context, command)

    def _handle(self, key: DetailKey, first: int, last: int) -> None:
        """Give the handlers their turns up to ``last``; then finish what they have come to."""
        commands = dict(self._commands(key, first, last))
        if last not in commands:
            return
        owner = f"reconcile-{uuid4().hex}"
        seen: list[Row] = []
        is_failing = False
        for reference in self.context.handlers:
            try:
                drain(self.context, reference, key, last, owner=owner, command=commands[last], shown=seen)
            except Exception as error:  # noqa: BLE001 - an execution takes over, with its retries
                logger.warning("handler pending", handler=reference.name, **error_fields(error))
                is_failing = True
        rows = {get_sort_key_version(row["sk"]): row for row in seen}
        shown, commands = set(rows), rows | commands
        cursors = read_cursors(self.context, key, life_of(commands[last]))
        for version, command in sorted(commands.items()):
            is_behind = any(not c.has_seen(version) and c.parked_version is None for c in cursors)
            self.handled += version in shown and not is_behind
            if not is_behind:
                self._finish(command)
            elif is_failing and command.get("status") != FINISHED:
                self._hand_over(key, command)

    def _hand_over(self, key: DetailKey, command: Row) -> None:
        context = self.context
        context.workflow.start(context.name, context.tables.command, key, command, again=True)
        self.handed_over += 1

    def _commands(self, key: DetailKey, first: int, last: int) -> Iterator[tuple[int, Row]]:
        """The commands of these versions that exist, of the life of the last one, in order."""
        rows = {v: row for v, row in read_commands(self.context, key, first, last) if row is not None}
        anchor = rows.get(last)
        return ((v, row) for v, row in rows.items() if is_same_life(row, anchor))
