"""Operators' repair of a parked handler: run it again, pass a version over, or forget it.

The handler stays parked meanwhile, so whatever stops a repair half-way leaves it where an
operator can see it, and it can be done again. It is unparked in a transaction that holds only
while no later version has been applied: a version that met a parked handler is never left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from boto3.dynamodb.conditions import Attr

from runtime.errors import (
    BadRequestError,
    ContentionError,
    FieldProblem,
    InvalidInputError,
    ItemNotFoundError,
)
from runtime.identity.checked_key import checked_key
from runtime.log import logger
from runtime.model.rows import LIFE, is_same_life, version_of
from runtime.pipeline.cursors import TurnLostError
from runtime.pipeline.drain import MOVED_ON, Turn, unmoved
from runtime.pipeline.finish import finish_failed
from runtime.pipeline.latest import read_latest
from runtime.store.port import Check, ConditionFailedError, Delete

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext
    from runtime.model.handlers import HandlerReference
    from runtime.model.keys import DetailKey
    from runtime.module_context import HasContext, ModuleContext
    from runtime.pipeline.cursors import Cursor
    from runtime.store.values import Row

__all__ = ["Repaired", "drop", "redrive", "skip"]

_MAX_ROUNDS: Final = 100
_MAX_SKIPPED_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did.

    Attributes:
        handler: Name of the handler.
        done: Versions that it has seen now, in order.
        skipped: Version that was passed over, or None.
        parked_version: Version that it is parked at again, or None when it is not parked.
        error: Why it is parked again, or None.
    """

    handler: str
    done: tuple[int, ...]
    skipped: int | None
    parked_version: int | None
    error: str | None


def redrive(
    module: HasContext,
    key: tuple[str, str],
    handler: str,
    *,
    dry_run: bool = False,
    invoke_context: InvokeContext | None = None,
) -> Repaired:
    """Run a parked handler from its parked version on, in order, as far as versions are applied.

    It is unparked when it has caught up, and parked again at the version that fails. A
    command that no handler of the module is behind any more is finished, and its clients
    are notified. Safe while the pipeline works on the aggregate, and to be repeated.

    Args:
        module: Module of the aggregate.
        key: ``(pk, sk)``; the sort key without a version.
        handler: Name of the handler's class.
        dry_run: Write nothing and call no handler: only tell what would be done.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Returns:
        What was done; look at ``parked_version``.

    Raises:
        ItemNotFoundError: The handler has seen nothing of this aggregate, and is not parked.
        BadRequestError: The handler is not parked.
        InvalidInputError: The module has no such handler, or the key cannot be one.
        ForbiddenError: The key belongs to another tenant.
        ContentionError: Somebody else is at work on it. It stays parked; repeat the call.
    """
    context = module.context
    repair = _Repair(context, checked_key(key, invoke_context, context.settings, write=True), handler)
    return repair.plan() if dry_run else repair.run()


def skip(
    module: HasContext,
    key: tuple[str, str],
    handler: str,
    *,
    dry_run: bool = False,
    invoke_context: InvokeContext | None = None,
) -> Repaired:
    """Pass over the version that a handler is parked at, and go on like `redrive`.

    The handler's store never gets that version; the cursor row keeps it in ``skipped``,
    with the time and the error. Versions before it that the handler has not seen are run
    first: where one fails, it is parked there, and nothing is passed over.

    Args:
        module: Module of the aggregate.
        key: ``(pk, sk)``; the sort key without a version.
        handler: Name of the handler's class.
        dry_run: Write nothing and call no handler: only tell what would be done.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Returns:
        What was done; look at ``skipped`` and ``parked_version``.

    Raises:
        ItemNotFoundError: The handler has seen nothing of this aggregate, and is not parked.
        BadRequestError: The handler is not parked.
        InvalidInputError: The module has no such handler, or the key cannot be one.
        ForbiddenError: The key belongs to another tenant.
        ContentionError: Somebody else is at work on it. It stays parked; repeat the call.
    """
    context = module.context
    repair = _Repair(context, checked_key(key, invoke_context, context.settings, write=True), handler)
    return repair.plan(skipping=True) if dry_run else repair.run(skipping=True)


def drop(
    module: HasContext,
    key: tuple[str, str],
    handler: str,
    *,
    dry_run: bool = False,
    invoke_context: InvokeContext | None = None,
) -> Repaired:
    """Delete the cursor of a handler that the module does not have any more.

    Commands that only this handler was behind are finished, and their clients are notified. What
    was dropped is in the function's log. Were the handler registered again, it would be a new one
    to the aggregate.

    Args:
        module: Module of the aggregate.
        key: ``(pk, sk)``; the sort key without a version.
        handler: Name that the handler had.
        dry_run: Write nothing: only tell what would be done.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Returns:
        What was there: ``parked_version`` and ``error`` of the cursor.

    Raises:
        ItemNotFoundError: There is no such cursor.
        BadRequestError: The module has this handler: use `redrive` or `skip`.
        InvalidInputError: The key cannot be one.
        ForbiddenError: The key belongs to another tenant.
    """
    context = module.context
    detail = checked_key(key, invoke_context, context.settings, write=True)
    if handler in context.handler_names:
        msg = f"{handler} is a handler of {context.name}; use redrive or skip"
        raise BadRequestError(msg)
    place = context.cursor_place(detail, handler)
    # A handler's name is that of a class. Anything else would lead to the row of something else:
    # "$head" to the head of the aggregate, "Totals#a" to another aggregate's cursor.
    row = context.store.batch_get([place]).get(place) if handler.isidentifier() else None
    if row is None:
        msg = f"{handler} has no cursor for this aggregate"
        raise ItemNotFoundError(msg)
    parked = row.get("parkedVersion")
    if not dry_run:
        context.store.write(Delete(place=place))
        logger.warning("cursor dropped", handler=handler, version=row.get("version"), parked_version=parked)
        if parked is not None:
            last = max(parked, read_latest(context, detail).version)
            finish_failed(context, detail, parked, last)
    return Repaired(handler, (), None, parked, row.get("parkedError"))


class _OvertakenError(Exception):
    """The aggregate has moved on while the handler caught up."""


class _FailedError(Exception):
    """The handler fails, and is parked again."""

    def __init__(self, version: int, error: str) -> None:
        super().__init__(error)
        self.version = version
        self.error = error


class _Repair:
    """One repair of one handler and aggregate."""

    def __init__(self, context: ModuleContext, key: DetailKey, handler: str) -> None:
        self._context = context
        self._key = key
        self._reference = _reference(context, handler)
        self._done: list[int] = []
        self._skipped: int | None = None

    def run(self, *, skipping: bool = False) -> Repaired:
        """Catch up; with ``skipping``, without the version that the handler is parked at."""
        # A handler that cannot even be loaded is no reason to park anew.
        _ = self._reference.handler
        to_skip: int | None = None
        for attempt in range(_MAX_ROUNDS):
            turn = Turn(self._context, self._reference, self._key, f"repair-{uuid4().hex}")
            cursor, command = self._read(turn, is_first=not attempt)
            if cursor.parked_version is None:
                return self._outcome(None, None)  # somebody else has come to the end
            if attempt == 0 and skipping:
                to_skip = cursor.parked_version
            if not turn.is_free():
                break
            if command is not None and turn.claim(command):
                try:
                    self._catch_up(turn, cursor, command, cursor.parked_version, to_skip)
                except _OvertakenError:
                    continue
                except TurnLostError:
                    break
                except _FailedError as failure:
                    return self._outcome(failure.version, failure.error)
                return self._outcome(None, None)
        msg = f"somebody else is at work on the cursor of {self._reference.name}; repeat the call"
        raise ContentionError(msg)

    def plan(self, *, skipping: bool = False) -> Repaired:
        """What `run` would do if no version failed and none arrived. It refuses what `run` refuses."""
        turn = Turn(self._context, self._reference, self._key, "plan")
        cursor, command = self._read(turn, is_first=True)
        parked = cursor.parked_version
        if parked is None or command is None:
            return self._outcome(None, None)
        self._skipped = parked if skipping else None
        last, _ = self._applied(turn, parked)
        commands = turn.commands(self._first(turn, cursor, parked), last)
        shown = [v for v, found in commands if found is not None and is_same_life(found, command)]
        self._done = [v for v in shown if v != self._skipped]
        return self._outcome(parked, cursor.parked_error)

    def _read(self, turn: Turn, *, is_first: bool) -> tuple[Cursor, Row | None]:
        """The cursor, and the command that it is parked at or the next one that exists."""
        place = self._context.cursor_place(self._key, self._reference.name)
        row = self._context.store.batch_get([place]).get(place) or {}
        parked = row.get("parkedVersion")
        if is_first:
            self._check_parked(row)
        command = turn.read(parked or 1)
        if command is not None and turn.is_late(command):
            # It gave up in an earlier life, whose versions nobody waits for any more.
            command = turn.read(max(version_of(turn.data), version_of(row)))
            return turn.cursor, command
        if command is None and parked is not None:
            latest = read_latest(self._context, self._key)
            command = turn.read(latest.version) if latest.version > parked else None
            if command is None:
                # Everything it was to see is gone: the row itself says of which life it is.
                command = {"pk": self._key.pk, "sk": f"{self._key.sk}@{parked}", LIFE: row.get(LIFE)}
        return turn.cursor, command

    def _check_parked(self, row: Row) -> None:
        name = self._reference.name
        if "parkedVersion" not in row and "version" not in row:
            msg = f"{name} has seen no version of this aggregate, and is not parked there"
            raise ItemNotFoundError(msg)
        if "parkedVersion" not in row:
            msg = f"{name} is not parked: it has seen version {row['version']}"
            raise BadRequestError(msg)

    def _outcome(self, parked: int | None, error: str | None) -> Repaired:
        return Repaired(self._reference.name, tuple(self._done), self._skipped, parked, error)

    def _catch_up(self, turn: Turn, cursor: Cursor, command: Row, parked: int, to_skip: int | None) -> None:
        """Show the handler what it has missed, then unpark it."""
        last, unmoved = self._applied(turn, parked)
        done = cursor.version
        first = self._first(turn, cursor, parked)
        # A repair that broke off may have shown versions whose status still says that they failed.
        begin = min(parked, first)
        try:
            for version, found in turn.commands(first, last):
                if version == to_skip == parked and version not in self._done:
                    turn.row.skip(turn.token, version, (cursor.parked_error or "")[:_MAX_SKIPPED_ERROR])
                    self._skipped = version
                elif found is None or not is_same_life(found, command):
                    continue  # gone: expired, or migrated; or of another life
                else:
                    self._show(turn, found, version)
                done = version
        except _FailedError as failure:
            self._settle(turn, begin, done)
            turn.row.park_again(turn.token, done, failure.version, failure.error)
            raise
        self._settle(turn, begin, done)
        self._unpark(turn, max(last, cursor.version or 0), unmoved)

    def _settle(self, turn: Turn, begin: int, done: int | None) -> None:
        """Give what the handler has seen its final status, while it is still parked at ``begin`` or later.

        Whoever repeats a repair that breaks off here begins at the same version, and does it again.
        """
        if done is not None and done >= begin:
            turn.row.advance(turn.token, done)
            finish_failed(self._context, self._key, begin, done)

    def _show(self, turn: Turn, command: Row, version: int) -> None:
        try:
            turn.up(command)
        except Exception as problem:
            logger.warning("handler fails again", handler=self._reference.name, error=type(problem).__name__)
            raise _FailedError(version, f"{type(problem).__name__}: {problem}"[:2000]) from problem
        self._done.append(version)

    def _unpark(self, turn: Turn, version: int, unmoved: Check) -> None:
        try:
            self._context.store.write(turn.row.unparking(turn.token, version), unmoved)
        except ConditionFailedError as failure:
            if MOVED_ON not in failure.rows:
                raise TurnLostError from failure
            turn.row.let_go(turn.token, version)
            raise _OvertakenError from failure

    def _first(self, turn: Turn, cursor: Cursor, parked: int) -> int:
        """First version that the handler has not seen."""
        if cursor.version is not None:
            return cursor.version + 1
        return turn.first_version(parked)

    def _applied(self, turn: Turn, parked: int) -> tuple[int, Check]:
        """Last version that handlers may see, and the check that there is no later one yet."""
        context, data = self._context, turn.data
        if not context.keeps_data or data is None:
            # Without a data row, or after it has expired, the commands say how far the aggregate is.
            version = max(read_latest(context, self._key).version, parked)
            place = context.command_place(self._key, version + 1)
            return version, Check(place=place, condition=Attr("pk").not_exists(), label=MOVED_ON)
        return max(version_of(data), parked), unmoved(context, self._key, data)


def _reference(context: ModuleContext, name: str) -> HandlerReference:
    for reference in context.handlers:
        if reference.name == name:
            return reference
    message = f"{name!r} is no handler of {context.name}; known are {sorted(context.handler_names)}"
    raise InvalidInputError([FieldProblem("handler", message)])
