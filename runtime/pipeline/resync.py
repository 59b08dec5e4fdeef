"""Feeding the data table to data sync handlers: in pages, resumable, in parallel segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from runtime.errors import CqrsError, FieldProblem, InvalidInputError
from runtime.imports import check_done
from runtime.log import error_fields, logger
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.model.rows import version_of
from runtime.pipeline.catch_up import Turn
from runtime.pipeline.drain import CommandVersions, unmoved
from runtime.pipeline.finish import finish_all, finish_failed
from runtime.store.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runtime.model.handlers import HandlerReference
    from runtime.module_context import ModuleContext
    from runtime.store.values import Place, Row

__all__ = ["FedPage", "NotFed", "Progress", "feed_page", "handlers_named", "run"]

_PAGE: Final = 100
_MAX_ROUNDS: Final = 20


@dataclass(frozen=True, slots=True)
class NotFed:
    """A row that a handler did not take.

    Attributes:
        key: Key of the aggregate.
        handler: Name of the handler.
        error: Kind of error. Never its text, which may quote the data.
    """

    key: DetailKey
    handler: str
    error: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a re-sync is.

    Attributes:
        rows: Rows of this page.
        total: Rows so far.
        resume_token: Goes on after this page; None after the last one.
        failed: What handlers did not take of this page.
    """

    rows: int
    total: int
    resume_token: str | None
    failed: tuple[NotFed, ...] = ()


@dataclass(frozen=True, slots=True)
class FedPage:
    """One page of the data table that was shown to handlers.

    Attributes:
        rows: How many rows it has.
        scanned: How many were looked at.
        resume_token: Goes on after this page; None after the last one.
        failed: What handlers did not take.
    """

    rows: int
    scanned: int
    resume_token: str | None
    failed: tuple[NotFed, ...]


def run(
    context: ModuleContext,
    *,
    names: Iterable[str] | None,
    segment: int,
    total_segments: int,
    resume_from: str | None,
    on_page: Callable[[Progress], None] | None,
    unseen_only: bool = False,
) -> int:
    """Feed one segment of the data table to handlers; how many rows that were.

    Raises:
        InvalidInputError: An argument is out of range.
        ConfigurationError: ``on_page`` returned its work instead of doing it.
    """
    handlers = handlers_named(context, names)
    total, token = 0, resume_from
    while True:
        scan = Scan.checked(segment=segment, total_segments=total_segments, resume_from=token, limit=_PAGE)
        if not handlers:
            return 0
        page = feed_page(context, handlers, scan, unseen_only=unseen_only)
        total, token = total + page.rows, page.resume_token
        if on_page:
            done: object = on_page(Progress(page.rows, total, token, page.failed))
            check_done(done, "on_page")
        if token is None:
            return total


def feed_page(
    context: ModuleContext,
    handlers: Sequence[HandlerReference],
    scan: Scan,
    *,
    dry_run: bool = False,
    unseen_only: bool = False,
) -> FedPage:
    """Show one page of the data table to handlers, or only read it.

    A row that a handler does not take is reported, and does not stop the page. One call, and one for 100
    cursors; where a handler is to be shown a row, one call to take the turn and one to let it go.
    """
    page = scan.read(context.store, context.tables.data)
    # Those of no aggregate are left out: settings, and counters, have their rows in tables of masters.
    rows = [row for row in page.rows if version_of(row)] if not dry_run else []
    failed: list[NotFed] = []
    cursors = _read_cursors(context, handlers, rows, failed)
    for row in rows:
        key = DetailKey(row["pk"], row["sk"])
        for reference in handlers:
            place = cursors.places.get((key, reference.name))
            if place is None:
                continue  # it can have no cursor, and has failed
            try:
                _feed(context, reference, key, row, cursors.rows.get(place), unseen_only=unseen_only)
            except Exception as error:  # noqa: BLE001 - one row must not stop the others
                failed.append(_not_fed(key, reference, error))
    return FedPage(len(page.rows), page.scanned, page.resume_token, tuple(failed))


@dataclass(frozen=True, slots=True)
class _Cursors:
    """The cursors of some aggregates: where each is, and the rows that exist."""

    places: Mapping[tuple[DetailKey, str], Place]
    rows: Mapping[Place, Row]


def _read_cursors(
    context: ModuleContext,
    handlers: Sequence[HandlerReference],
    rows: Iterable[Row],
    failed: list[NotFed],
) -> _Cursors:
    """The cursors of the handlers for the aggregates of a page."""
    places: dict[tuple[DetailKey, str], Place] = {}
    for row in rows:
        key = DetailKey(row["pk"], row["sk"])
        for reference in handlers:
            try:
                places[key, reference.name] = context.cursor_place(key, reference.name)
            except CqrsError as error:
                failed.append(_not_fed(key, reference, error))
    return _Cursors(places, context.store.batch_get(places.values()) if places else {})


def _not_fed(key: DetailKey, reference: HandlerReference, error: Exception) -> NotFed:
    logger.warning("row not fed", handler=reference.name, **error_fields(error))
    return NotFed(key, reference.name, type(error).__name__)


def _feed(
    context: ModuleContext,
    reference: HandlerReference,
    key: DetailKey,
    row: Row,
    cursor: Row | None,
    *,
    unseen_only: bool,
) -> None:
    """Show a handler the state of an aggregate, in a turn like any other.

    Versions that are under way to the handler are shown to it first, in order. What somebody else
    is showing it at this moment is left to them.

    Args:
        context: Module of the aggregate.
        reference: The handler.
        key: Key of the aggregate.
        row: The data row, as it was read with its page.
        cursor: The cursor row, as it was read with the others of the page; None for none.
        unseen_only: Whether to leave out what the handler has seen.
    """
    for attempt in range(_MAX_ROUNDS):
        versions = CommandVersions(context, reference, key)
        turn = Turn(reference.name, f"resync-{uuid4().hex}", versions)
        # Nobody takes a turn by a cursor that has changed since it was read.
        state = versions.read_state() if attempt else versions.take_state(row, cursor)
        if state is None or not turn.is_free() or (turn.cursor.version or 0) > version_of(state):
            return
        if unseen_only and turn.cursor.has_seen(version_of(state)):
            return
        if turn.claim() and _show(context, turn, versions, key, state):
            return


def _show(
    context: ModuleContext, turn: Turn[Row], versions: CommandVersions, key: DetailKey, state: Row
) -> bool:
    """Show the state, and let the turn go; False when a later one met a parked handler meanwhile."""
    cursor, version = turn.cursor, version_of(state)
    done = cursor.version
    if cursor.parked_version is None and (behind := _behind(versions, version)) is not None:
        # Under way: the handler is to see each of them, and then needs no second look.
        try:
            turn.show_up_to(behind or None, version)
        finally:
            finish_all(context, versions.shown)
        return True
    try:
        versions.up(state | {"sk": add_sort_key_version(key.sk, version)})
    except Exception as error:
        turn.row.fail(turn.token, done, version, error)
        raise
    if cursor.parked_version is None:
        turn.show_up_to(version, version)
        finish_all(context, versions.shown)
        return True
    if not turn.row.unpark(turn.token, version, unmoved(context, key, state)):
        turn.row.let_go(turn.token, done)
        return False
    # The state has everything in it that the parked handler had not seen.
    finish_failed(context, key, min(cursor.parked_version, (done or 0) + 1), version)
    return True


def _behind(versions: CommandVersions, version: int) -> int | None:
    """Last version that the handler has seen, where others are under way to it; 0 for none of them."""
    cursor = versions.row.cursor
    if cursor.version is not None:
        return cursor.version if cursor.version < version else None
    # New to the aggregate: because its first versions are under way, or because it is a new handler.
    first = versions.first(version)
    return first - 1 if first < version else None


def handlers_named(context: ModuleContext, names: Iterable[str] | None) -> list[HandlerReference]:
    """The handlers of these names; None means all of the module.

    Raises:
        InvalidInputError: A name is not that of a handler.
    """
    if names is None:
        return list(context.handlers)
    known = {reference.name: reference for reference in context.handlers}
    wanted = list(names)
    problems = [
        FieldProblem("handlers", f"{name!r} is no handler of {context.name}; known are {sorted(known)}")
        for name in wanted
        if name not in known
    ]
    if problems:
        raise InvalidInputError(problems)
    return [known[name] for name in wanted]
