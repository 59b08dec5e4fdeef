"""Feeding the data table to data sync handlers: in pages, resumable, in parallel segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import DetailKey, add_sort_key_version
from runtime.model.rows import version_of
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.pipeline.settle import settle_versions
from runtime.store.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runtime.model.handlers import HandlerReference
    from runtime.module import CommandModule
    from runtime.store.codec import Item
    from runtime.store.scan import ScannedPage

__all__ = ["Progress", "feed_page", "handlers_named", "run"]

_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a re-sync is.

    Attributes:
        rows: Rows of this page.
        total: Rows so far.
        resume_token: Goes on after this page; None after the last one.
    """

    rows: int
    total: int
    resume_token: str | None


def run(
    module: CommandModule[Any],
    *,
    names: Iterable[str] | None,
    segment: int,
    total_segments: int,
    resume_from: str | None,
    on_page: Callable[[Progress], None] | None,
) -> int:
    """Feed one segment of the data table to handlers; how many rows that were.

    Raises:
        InvalidInputError: An argument is out of range.
    """
    handlers = handlers_named(module, names)
    total, token = 0, resume_from
    while True:
        scan = Scan.checked(segment=segment, total_segments=total_segments, resume_from=token, limit=_PAGE)
        if not handlers:
            return 0
        page = feed_page(module, handlers, scan)
        total, token = total + len(page.rows), page.resume_token
        if on_page:
            on_page(Progress(len(page.rows), total, token))
        if token is None:
            return total


def feed_page(
    module: CommandModule[Any],
    handlers: Sequence[HandlerReference],
    scan: Scan,
    *,
    dry_run: bool = False,
) -> ScannedPage:
    """Show one page of the data table to handlers, or only read it."""
    page = scan.read(module.resources.dynamodb, module.tables.data)
    if not dry_run:
        for row in page.rows:
            _feed(module, handlers, row)
    return page


def _feed(module: CommandModule[Any], handlers: Sequence[HandlerReference], row: Item) -> None:
    """Show a data row to each handler that is not past it."""
    key, version = DetailKey(row["pk"]["S"], row["sk"]["S"]), version_of(row)
    store = CursorStore(module.resources.dynamodb, module.tables.sync)
    reads = {reference.name: store.read(key, reference.name) for reference in handlers}
    cursors = module.resources.dynamodb.batch_get(reads.values())
    command = None
    missed = version + 1  # first version that a parked handler had not seen
    for reference in handlers:
        cursor = Cursor.of(cursors.get(reads[reference.name]))
        if (cursor.version or 0) > version:
            continue
        if command is None:
            sk = {"S": add_sort_key_version(key.sk, version)}
            command = module.rows.command(row | {"sk": sk})
        reference.handler.up(command)
        store.advance(key, reference.name, version, unpark=True)
        if cursor.parked_version is not None:
            missed = min(missed, cursor.parked_version, (cursor.version or cursor.parked_version) + 1)
    settle_versions(module, key, missed, version)


def handlers_named(module: CommandModule[Any], names: Iterable[str] | None) -> list[HandlerReference]:
    """The handlers of these names; None means all of the module.

    Raises:
        InvalidInputError: A name is not that of a handler.
    """
    if names is None:
        return list(module.handlers)
    known = {reference.name: reference for reference in module.handlers}
    wanted = list(names)
    problems = [
        FieldProblem("handlers", f"{name!r} is no handler of {module.table_name}; known are {sorted(known)}")
        for name in wanted
        if name not in known
    ]
    if problems:
        raise InvalidInputError(problems)
    return [known[name] for name in wanted]
