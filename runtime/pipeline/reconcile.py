"""Reconciling: finding the commands that nobody has finished, and finishing them.

For what no retry heals: a stream that forgot records, a process that died between its
commit and its handlers, an execution that was never started or failed. Whatever is done
here is what the pipeline does, so both may do it at the same time, and twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.identity.access import check_every_tenant
from runtime.log import log_context, logger
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.model.status import FINISHED, is_of_pipeline
from runtime.pipeline.apply import apply
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.pipeline.finish import finish_applied, run_handlers
from runtime.pipeline.settle import settle
from runtime.pipeline.unfinished import CANDIDATES, Problem, Unfinished, find_unfinished
from runtime.store.dynamodb import Read
from runtime.store.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.identity.context import InvokeContext
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["NotReconciled", "Reconciled", "reconcile"]

_WINDOW: Final = 25
_QUARTER_OF_AN_HOUR: Final = timedelta(minutes=15)


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
        failed: Aggregates that could not be repaired.
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


def reconcile(
    module: CommandModule[Any],
    *,
    older_than: timedelta = _QUARTER_OF_AN_HOUR,
    dry_run: bool = False,
    segment: int = 0,
    total_segments: int = 1,
    resume_from: str | None = None,
    limit: int = 100,
    invoke_context: InvokeContext | None = None,
) -> Reconciled:
    """Finish the commands on one page of the command table that nobody else has finished.

    A command is found by facts: the data row has not reached it, a handler that is not
    parked has not seen it, or it has no final status. It is applied, after those before it;
    the handlers are called here, in order; where one fails, executions take over, with
    their retries, parking and alarm. Parked handlers are left to `redrive`. An aggregate
    that cannot be repaired is reported and does not stop the page.

    Safe at any time, beside a running pipeline and beside itself. One scan and one read for
    a page without findings. Call it until ``resume_token`` is None:

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
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Raises:
        InvalidInputError: An argument is out of range.
        ForbiddenError: The caller has no role that crosses all tenants: the rows are everybody's.
    """
    check_every_tenant(invoke_context, module.resources.settings)
    if older_than < timedelta(0):
        raise InvalidInputError([FieldProblem("older_than", f"must not be negative, got {older_than}")])
    scan = Scan.checked(segment=segment, total_segments=total_segments, resume_from=resume_from, limit=limit)
    before = datetime.now(UTC) - older_than
    page = scan.read(module.resources.dynamodb, module.tables.command, **CANDIDATES)
    found = find_unfinished(module, page.rows, before)
    repair = _Repair(module)
    with log_context(module=module.table_name):
        for key, commands in found.items() if not dry_run else ():
            repair.aggregate(key, commands)
    return Reconciled(
        tuple(command for commands in found.values() for command in commands),
        repair.applied,
        repair.handled,
        repair.finished,
        repair.handed_over,
        tuple(repair.failed),
        page.scanned,
        page.resume_token,
    )


class _Repair:
    """The repair of the aggregates on one page."""

    def __init__(self, module: CommandModule[Any]) -> None:
        self._module = module
        self._dynamodb = module.resources.dynamodb
        self.applied = self.handled = self.finished = self.handed_over = 0
        self.failed: list[NotReconciled] = []

    def aggregate(self, key: DetailKey, found: Sequence[Unfinished]) -> None:
        """Finish the versions of one aggregate up to the last one that was found."""
        last = found[-1].version
        try:
            if any(command.problem is Problem.NOT_APPLIED for command in found):
                self._apply(key, last)
            if self._module.handlers:
                self._handle(key, found[0].version, last)
            else:
                for _, command in self._commands(key, [c.version for c in found]):
                    self._settle(command)
        except Exception as error:  # noqa: BLE001 - one aggregate must not stop the others
            kind = type(error).__name__
            logger.error("not reconciled", error=kind)
            self.failed.append(NotReconciled(key, last, kind))

    def _apply(self, key: DetailKey, last: int) -> None:
        done = apply(self._module, key, last)
        finish_applied(self._module, done)
        self.applied += len(done.commands)
        self.finished += 0 if self._module.handlers else len(done.commands)

    def _settle(self, command: Item) -> None:
        status = command.get("status", {}).get("S")
        # Nobody but its user changes a status of the user's own.
        if status is None or (status != FINISHED and is_of_pipeline(status)):
            self.finished += settle(self._module, command)

    def _handle(self, key: DetailKey, first: int, last: int) -> None:
        """Run the handlers for whatever they have not seen, up to ``last``; then finish it."""
        unseen = self._first_unseen(key, last)
        commands = self._commands(key, range(min(first, unseen), last + 1))
        for version, command in commands:
            if version >= unseen and run_handlers(self._module, key, version, command).pending:
                self._hand_over(key, command)
                break
            self.handled += version >= unseen
            self._settle(command)
        # Each later version has to wait for the one that fails, or to meet it parked.
        for _, command in commands:
            self._hand_over(key, command)

    def _hand_over(self, key: DetailKey, command: Item) -> None:
        if command.get("status", {}).get("S") != FINISHED:
            self._module.resources.workflow.start(self._module, key, command, again=True)
            self.handed_over += 1

    def _first_unseen(self, key: DetailKey, last: int) -> int:
        """First version that a handler which is not parked has not seen; ``last`` + 1 without one."""
        store = CursorStore(self._dynamodb, self._module.tables.sync)
        reads = [store.read(key, reference.name) for reference in self._module.handlers]
        rows = self._dynamodb.batch_get(reads)
        cursors = [Cursor.of(rows.get(read)) for read in reads]
        waiting = [cursor for cursor in cursors if cursor.parked_version is None]
        first = min(
            (cursor.version + 1 for cursor in waiting if cursor.version is not None), default=last + 1
        )
        if any(cursor.version is None for cursor in waiting):
            # New to the aggregate, a handler starts where the commands before were finished without it.
            first = min(first, self._first_unfinished(key, last))
        return min(first, last + 1)

    def _first_unfinished(self, key: DetailKey, last: int) -> int:
        """Look back from ``last`` to the last finished command; single ones that are gone are passed."""
        first = last + 1
        for end in range(last, 0, -_WINDOW):
            rows = dict(self._commands(key, range(max(1, end - _WINDOW + 1), end + 1)))
            for version in sorted(rows, reverse=True):
                if rows[version].get("status", {}).get("S") == FINISHED:
                    return first
                first = version
            if not rows:
                break  # expired, and so finished
        return first

    def _commands(self, key: DetailKey, versions: Sequence[int]) -> Iterator[tuple[int, Item]]:
        """The commands of these versions that exist, in order."""
        table = self._module.tables.command
        for start in range(0, len(versions), _WINDOW):
            window = versions[start : start + _WINDOW]
            reads = {v: Read(table, key.pk, add_sort_key_version(key.sk, v)) for v in window}
            rows = self._dynamodb.batch_get(reads.values())
            yield from ((version, rows[read]) for version, read in reads.items() if read in rows)
