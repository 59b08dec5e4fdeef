"""Feeding the data table to data sync handlers: in pages, resumable, in parallel segments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.keys import DetailKey, add_sort_key_version, check_natural_key
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.storage.dynamodb import wire_key
from runtime.storage.rows import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.handlers import HandlerReference
    from runtime.module import CommandModule
    from runtime.storage.codec import Item

__all__ = ["Progress", "run"]

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
    handlers = _handlers(module, names)
    if not 0 <= segment < total_segments:
        message = f"must be 0 to {total_segments - 1}, got {segment}"
        raise InvalidInputError([FieldProblem("segment", message)])
    start = _start(resume_from)
    total = 0
    while handlers:
        rows, start = module.resources.dynamodb.scan(
            module.tables.data, segment, total_segments, start, limit=_PAGE
        )
        for row in rows:
            _feed(module, handlers, row)
        total += len(rows)
        if on_page:
            token = json.dumps([start["pk"]["S"], start["sk"]["S"]]) if start else None
            on_page(Progress(len(rows), total, token))
        if start is None:
            break
    return total


def _feed(module: CommandModule[Any], handlers: list[HandlerReference], row: Item) -> None:
    """Show a data row to each handler that is not past it."""
    key, version = DetailKey(row["pk"]["S"], row["sk"]["S"]), version_of(row)
    store = CursorStore(module.resources.dynamodb, module.tables.sync)
    reads = {reference.name: store.read(key, reference.name) for reference in handlers}
    cursors = module.resources.dynamodb.batch_get(reads.values())
    command = None
    for reference in handlers:
        cursor = Cursor.of(cursors.get(reads[reference.name]))
        if (cursor.version or 0) > version:
            continue
        if command is None:
            sk = {"S": add_sort_key_version(key.sk, version)}
            command = module.rows.command(row | {"sk": sk})
        reference.handler.up(command)
        store.advance(key, reference.name, version)


def _handlers(module: CommandModule[Any], names: Iterable[str] | None) -> list[HandlerReference]:
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


def _start(token: str | None) -> Item | None:
    if token is None:
        return None
    message = "must be the resume_token of an earlier page"
    try:
        pk, sk = json.loads(token)
        check_natural_key(pk, sk)
    except (TypeError, ValueError, AttributeError, RecursionError, InvalidInputError) as error:
        raise InvalidInputError([FieldProblem("resume_from", message)]) from error
    return wire_key(pk, sk)
