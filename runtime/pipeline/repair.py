"""Operators' repair of a parked handler: run it again, pass a version over, or forget it.

See `runtime.pipeline.repairing`. What a repair has shown gets its final status while the handler is
still parked; and it is unparked in a transaction that holds only while no later version was applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime.errors import BadRequestError, FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.identity.checked_key import checked_key
from runtime.log import logger
from runtime.model.cursor import Cursor
from runtime.model.rows import LIFE, version_of
from runtime.module_context import context_of
from runtime.pipeline.drain import CommandVersions, unmoved
from runtime.pipeline.finish import finish_failed
from runtime.pipeline.latest import read_latest
from runtime.pipeline.repairing import Repair, Repaired, check_parked
from runtime.store.port import Check, Delete

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext
    from runtime.model.handlers import HandlerReference
    from runtime.model.keys import DetailKey
    from runtime.module_context import HasContext, ModuleContext
    from runtime.store.values import Row

__all__ = ["Repaired", "drop", "redrive", "skip"]

_MAX_ROUNDS: Final = 100


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
    repair = _repair(context_of(module), key, handler, invoke_context, dry_run=dry_run)
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
    repair = _repair(context_of(module), key, handler, invoke_context, dry_run=dry_run)
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
    context = context_of(module)
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


class _ParkedCommands(CommandVersions):
    """The commands of an aggregate whose handler is parked."""

    def __init__(self, context: ModuleContext, reference: HandlerReference, key: DetailKey) -> None:
        super().__init__(context, reference, key)
        self._name = reference.name

    def read_parked(self, *, is_first: bool) -> bool:
        """Read the cursor, and the command that it is parked at or the next one that exists."""
        place = self._context.cursor_place(self._key, self._name)
        row = self._context.store.batch_get([place]).get(place)
        cursor = Cursor.of(row, None)
        if is_first:
            check_parked(self._name, cursor)
        parked = cursor.parked_version
        command = self.read(parked or 1)
        if command is not None and self.is_late(command):
            # It gave up in an earlier life, whose versions nobody waits for any more.
            command = self.read(max(version_of(self.data), version_of(row)))
        elif command is None and parked is not None:
            latest = read_latest(self._context, self._key)
            command = self.read(latest.version) if latest.version > parked else None
            if command is None:
                # Everything it was to see is gone: the row itself says of which life it is.
                sk = f"{self._key.sk}@{parked}"
                command = self._command = self.of = {
                    "pk": self._key.pk,
                    "sk": sk,
                    LIFE: (row or {}).get(LIFE),
                }
        return command is not None

    def up_to(self, parked: int) -> tuple[int, Check | None]:
        """Last version that handlers may see, and the check that there is no later one yet."""
        context, data = self._context, self.data
        if not context.keeps_data or data is None:
            # Without a data row, or after it has expired, the commands say how far the aggregate is.
            version = max(read_latest(context, self._key).version, parked)
            place = context.command_place(self._key, version + 1)
            return version, Check(place=place, condition=Attr("pk").not_exists(), label="next command")
        return max(version_of(data), parked), unmoved(context, self._key, data)

    def settle(self, begin: int, done: int) -> None:
        """Give what the handler has seen its final status."""
        finish_failed(self._context, self._key, begin, done)


def _repair(
    context: ModuleContext,
    key: tuple[str, str],
    handler: str,
    invoke_context: InvokeContext | None,
    *,
    dry_run: bool,
) -> Repair[Row]:
    detail = checked_key(key, invoke_context, context.settings, write=True)
    reference = _reference(context, handler)
    if not dry_run:
        # A handler that cannot even be loaded is no reason to park anew.
        _ = reference.handler
    return Repair(handler, _ParkedCommands(context, reference, detail), _MAX_ROUNDS)


def _reference(context: ModuleContext, name: str) -> HandlerReference:
    for reference in context.handlers:
        if reference.name == name:
            return reference
    message = f"{name!r} is no handler of {context.name}; known are {sorted(context.handler_names)}"
    raise InvalidInputError([FieldProblem("handler", message)])
