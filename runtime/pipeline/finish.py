"""The end of a command: its final status, and one notification.

A command is finished when every handler has seen it, and failed when one is parked before it; the
cursors decide, whoever asks. While a handler is on its way to it, nobody writes a final status:
whoever comes to it last does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr

from runtime.backoff import back_off
from runtime.contract import OPEN_COLUMN
from runtime.errors import HandlersPendingError
from runtime.log import error_fields, logger
from runtime.model.keys import get_sort_key_version
from runtime.model.rows import LIFE, PUBLISH_ID, key_of, life_of, was_applied
from runtime.model.status import FINISHED, HANDLERS_FAILED
from runtime.module_context import HEAD
from runtime.pipeline.creations import forget_creation
from runtime.pipeline.cursors import Cursor
from runtime.pipeline.drain import Outcome, drain, read_commands
from runtime.pipeline.transactions import COMMAND, is_command, status_set
from runtime.store.port import ConditionFailedError, Put, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.pipeline.apply import Applied
    from runtime.store.port import Write
    from runtime.store.values import Row

__all__ = [
    "Handled",
    "finish",
    "finish_all",
    "finish_applied",
    "finish_failed",
    "hand_over",
    "read_cursors",
    "run_handlers",
]


_WAITS: Final = 6


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a command's handlers.

    Attributes:
        pending: Names of those that failed, or whose turn is somebody else's.
        shown: Commands that a handler has seen now.
    """

    pending: tuple[str, ...]
    shown: tuple[Row, ...]


def run_handlers(
    context: ModuleContext, key: DetailKey, version: int, command: Row, *, owner: str
) -> Handled:
    """Give every handler of the module its turn once, in this process; an exception means pending."""
    pending: list[str] = []
    shown: list[Row] = []
    for reference in context.handlers:
        try:
            outcome = drain(context, reference, key, version, owner=owner, command=command, shown=shown)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; the workflow takes over
            logger.warning("handler pending", handler=reference.name, **error_fields(error))
            pending.append(reference.name)
        else:
            if outcome is Outcome.LEFT and not _comes_to(context, key, reference.name, command):
                pending.append(reference.name)
    return Handled(tuple(pending), tuple(shown))


def _comes_to(context: ModuleContext, key: DetailKey, handler: str, command: Row) -> bool:
    """Wait a little for whoever has a handler's turn; whether they come to a command."""
    place, life = context.cursor_place(key, handler), life_of(command)
    for attempt in range(_WAITS):
        back_off(attempt, base=0.1, longest=0.8)
        cursor = Cursor.of(context.store.batch_get([place]).get(place), life)
        if cursor.has_seen(get_sort_key_version(command["sk"])):
            return True
        if cursor.parked_version is not None or not cursor.is_claimed():
            break
    return False


def finish(
    context: ModuleContext,
    command: Row,
    cursors: Sequence[Cursor] | None = None,
    *,
    notify: bool = True,
) -> bool:
    """Write the final status of a command that every handler has seen or is parked before; notify once.

    Args:
        context: Its module.
        command: The command.
        cursors: The handlers' cursors, where the caller has just read them.
        notify: Whether the clients are told.

    Returns:
        Whether it got its final status now. False where it had it already, a handler is still to come
        to it, or it was not even applied.
    """
    if command.get("status") == FINISHED or _is_unapplied(context, command):
        return False
    context.check_handlers()
    if cursors is None:
        cursors = read_cursors(context, key_of(command), life_of(command))
    version = get_sort_key_version(command["sk"])
    behind = [cursor for cursor in cursors if not cursor.has_seen(version)]
    if any(cursor.parked_version is None for cursor in behind):
        return False
    status = HANDLERS_FAILED if behind else FINISHED
    if not _set_final(context, command, status):
        return False
    if notify:
        context.notifier.command_status(context.tables.command, command, status)
    return True


def _is_unapplied(context: ModuleContext, command: Row) -> bool:
    """Whether a command never reached the data row: another life's cursors have nothing to say of it."""
    # The reference system's rows do not always tell.
    return context.keeps_data and PUBLISH_ID in command and not was_applied(command)


def finish_all(context: ModuleContext, commands: Iterable[Row]) -> int:
    """`finish` for commands of one aggregate, with one read of the cursors; how many it finished."""
    unique = list({command["sk"]: command for command in commands}.values())
    if not unique:
        return 0
    cursors = read_cursors(context, key_of(unique[0]), life_of(unique[0]))
    return sum(finish(context, command, cursors) for command in unique)


def finish_failed(context: ModuleContext, key: DetailKey, first: int, last: int) -> int:
    """`finish` for the versions ``first`` to ``last`` that are not finished; how many it finished.

    For what met a parked handler, or met it before a repair.
    """
    commands = [
        command
        for _, command in read_commands(context, key, first, last)
        if command is not None and command.get("status") != FINISHED
    ]
    return finish_all(context, commands)


def finish_applied(context: ModuleContext, applied: Applied) -> None:
    """Tell of what a call of `apply` has applied, where the module has no handlers to wait for.

    The status is final already: it was written with the data row. Whoever applies a command tells
    of it: its own doorbell finds it applied, and says nothing.
    """
    if not context.handlers:
        for command in applied.commands:
            context.notifier.command_status(context.tables.command, command, FINISHED)


def read_cursors(context: ModuleContext, key: DetailKey, life: str | None) -> list[Cursor]:
    """The cursors of all handlers for one aggregate: one call, none without handlers."""
    places = [context.cursor_place(key, name) for name in context.handler_names]
    rows = context.store.batch_get(places) if places else {}
    return [Cursor.of(rows.get(place), life) for place in places]


def hand_over(context: ModuleContext, key: DetailKey, command: Row, pending: Sequence[str]) -> None:
    """Leave the handlers of a committed command to an execution, and say so to the caller.

    Raises:
        HandlersPendingError: Always; it says whether an execution was started.
    """
    version, is_handed_over = get_sort_key_version(command["sk"]), True
    try:
        context.workflow.start(context.name, context.tables.command, key, command)
    except Exception as error:  # noqa: BLE001 - the command is committed, and the caller has to know
        logger.error("workflow not started", **error_fields(error))
        is_handed_over = False
    raise HandlersPendingError(*key, version, pending, is_handed_over=is_handed_over)


def _set_final(context: ModuleContext, command: Row, status: str) -> bool:
    """Write a final status; False when the command has it already: a repeated delivery."""
    columns, remove = status_set(context, command["pk"], status)
    write = Set(
        place=Place(context.tables.command, command["pk"], command["sk"]),
        columns=columns,
        remove=remove,
        condition=is_command(command) & ~Attr("status").is_in([status, FINISHED]),
        label=COMMAND,
    )
    # Of a command that failed, its publisher has only what they noted themselves.
    forget = forget_creation(context, command) if status == FINISHED else None
    writes: list[Write] = [write, *([forget] if forget else [])]
    head = _head_write(context, command) if "ttl" in columns else None
    try:
        context.store.write(*writes, *([head] if head else []))
    except ConditionFailedError as failure:
        if COMMAND in failure.rows:
            return False
        return _set_without_head(context, writes)
    return True


def _set_without_head(context: ModuleContext, writes: Sequence[Write]) -> bool:
    """A later command is the head already."""
    try:
        context.store.write(*writes)
    except ConditionFailedError:
        return False
    return True


def _head_write(context: ModuleContext, command: Row) -> Put | None:
    """Keep a command that is about to expire, where no data row says what the next version builds on."""
    if context.keeps_data:
        return None
    place, version = context.head_place(key_of(command)), get_sort_key_version(command["sk"])
    row: dict[str, Any] = {
        **{name: value for name, value in command.items() if name not in {"ttl", "status", OPEN_COLUMN}},
        "pk": place.pk,
        "sk": place.sk,
        "version": version,
    }
    life = life_of(command)
    older = Attr("pk").not_exists() | Attr("version").lt(version)
    if life is not None:
        older = older | Attr(LIFE).ne(life)
    return Put(table=place.table, row=row, condition=older, label=HEAD)
