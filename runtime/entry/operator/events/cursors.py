"""Where handlers are with aggregates: which are parked, which are behind, and all about one aggregate."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from runtime.entry.operator.cursors import cursor_fields
from runtime.entry.operator.events.handlers import live_generation
from runtime.entry.operator.events.pages import page_of
from runtime.entry.operator.events.stored import IN_WHAT_IS_STORED, key_of, newest_of, not_found
from runtime.entry.operator.sizes import fitting
from runtime.errors import AggregateErasedError, CqrsError, FieldProblem, InvalidInputError
from runtime.event_store.aggregates.loaded import Loaded
from runtime.event_store.commits.commit import UnreadableCommit
from runtime.event_store.feed.cursors import CursorKey, StoreCursors
from runtime.model.json_text import dumps
from runtime.store.codec import isoformat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.entry.operator.arguments import Arguments
    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.event_module import EventModule
    from runtime.event_store.feed.cursors import Cursors
    from runtime.event_store.handlers.handler import EventHandler
    from runtime.model.cursor import KeptCursor
    from runtime.pipeline.turn_row import TurnRow

__all__ = ["behind", "parked", "show"]

#: Commits that the life of an aggregate is shown by, at most.
_MOST_COMMITS: Final = 200


def parked(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """List the parked handlers on one page of a module's cursors. One call.

    Of handlers that keep their cursors elsewhere, those follow. A handler is called by its name and the
    generation that it is parked in: ``posts-model@1``.
    """
    places = _places(module)
    index, start = _where(arguments.optional_text("resumeToken"), len(places))
    paging = arguments.segment()
    page = places[index].parked(
        segment=paging.segment, total_segments=paging.total_segments, resume_from=start, limit=paging.limit
    )
    if page.resume_token is not None:
        token: str | None = json.dumps([index, page.resume_token])
    else:
        token = json.dumps([index + 1, None]) if index + 1 < len(places) else None
    return {
        "parked": [_kept(cursor) for cursor in page.cursors],
        "scanned": page.scanned,
        "resumeToken": token,
    }


def behind(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """List the handlers that have not seen all of the aggregates on one page of a module's commits.

    One that is behind by a version or two may just be on its way. Only the live generations are looked at;
    costs a read of a cursor for each aggregate and handler, and of what it has not seen.
    """
    page = page_of(module, arguments)
    found = {
        key: commit.version if isinstance(commit, UnreadableCommit) else commit.last
        for key, commit in newest_of(module, page).items()
        if key.pk != page.before
    }
    entries = [
        entry
        for handler in module.handlers
        if handler.registration is not None  # else it was never started: everything is ahead of it
        for entry in _behind(handler, found)
    ]
    return {"behind": fitting(entries), "scanned": len(page.commits), "resumeToken": page.token}


def show(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Tell what is stored about an aggregate: its last commits, and what each handler has seen.

    With ``raw``, the state that today's code makes of it, or why it makes none.
    """
    key = key_of(arguments)
    commits = list(islice(module.domain.provider.read_back(key, likely=_MOST_COMMITS), _MOST_COMMITS))
    if not commits:
        raise not_found()
    shown = fitting(_commit(commit) for commit in commits)
    return {
        "pk": key.pk,
        "version": commits[0].last,
        "isErased": commits[0].closes or commits[0].is_erased,
        "commits": shown[::-1],
        "earlier": shown[-1]["first"] - 1,
        "cursors": list(_cursors(module, key)),
        **(_raw(module, key) if arguments.flag("raw") else {}),
    }


def _places(module: EventModule) -> list[Cursors]:
    """Where the cursors are: those of the module, and those that a handler keeps elsewhere."""
    own = (handler.cursors() for handler in module.handlers)
    return [
        module.domain.provider.cursors(),
        *(found for found in own if not isinstance(found, StoreCursors)),
    ]


def _where(token: str | None, places: int) -> tuple[int, str | None]:
    """Which place a token goes on in, and where."""
    if token is None:
        return 0, None
    try:
        index, start = json.loads(token)
        if index in range(places) and isinstance(start, str | None):
            return index, start
    except (TypeError, ValueError):
        pass
    raise InvalidInputError([FieldProblem("resumeToken", "must be the resumeToken of an earlier page")])


def _kept(cursor: KeptCursor) -> dict[str, Any]:
    return {
        "pk": cursor.pk,
        "sk": None,
        "handler": f"{cursor.handler}@{cursor.generation}",
        "version": cursor.version,
        "parkedVersion": cursor.parked_version,
        "parkedAt": cursor.parked_at,
        "error": cursor.error,
    }


def _behind(handler: EventHandler, found: Mapping[Key, int]) -> Iterator[dict[str, Any]]:
    live = live_generation(handler)
    wanted = [CursorKey(handler.name, live, key) for key in found if key.stream in handler.streams]
    for whose, row in handler.cursors().rows(wanted).items():
        cursor, last = row.cursor, found[whose.key]
        if (cursor.version or 0) >= last:
            continue
        if not _has_nothing_left(handler, whose.key, last):
            yield {
                "pk": whose.key.pk,
                "sk": None,
                "handler": f"{handler.name}@{live}",
                "version": cursor.version,
                "latestVersion": last,
                "parkedVersion": cursor.parked_version,
                "isGone": False,
            }


def _has_nothing_left(handler: EventHandler, key: Key, last: int) -> bool:
    """Whether what is behind a handler's cursor is nothing to it: that does not move the cursor."""
    try:
        return handler.has_seen(key.stream, Loaded(key, last, None))
    except IN_WHAT_IS_STORED:
        return False  # nobody can tell


def _commit(commit: Commit) -> dict[str, Any]:
    return {
        "first": commit.first,
        "last": commit.last,
        "types": list(commit.types),
        "at": isoformat(commit.at),
        "by": commit.user_id,
        "source": commit.metadata.get("source"),
        "causation": commit.metadata.get("causation"),
        "keepsState": commit.state is not None,
        "isErased": commit.is_erased or commit.closes,
    }


def _cursors(module: EventModule, key: Key) -> Iterator[dict[str, Any]]:
    for handler in module.handlers:
        if key.stream not in handler.streams:
            continue
        found = handler.registration
        generations = (1,) if found is None else found.generations
        rows = handler.cursors().rows(CursorKey(handler.name, number, key) for number in generations)
        for whose, row in rows.items():
            yield {"handler": f"{handler.name}@{whose.generation}", **_fields(row)}


def _fields(row: TurnRow) -> dict[str, Any]:
    """What a cursor says; the columns of its row, where it is one of a table."""
    columns = getattr(row, "row", None)
    if columns is not None:
        return cursor_fields(columns)
    cursor = row.cursor
    return {
        "version": cursor.version,
        "parkedVersion": cursor.parked_version,
        "parkedAt": None,
        "error": cursor.parked_error,
        "skipped": [],
    }


def _raw(module: EventModule, key: Key) -> dict[str, Any]:
    aggregate = module.domain.aggregates.get(key.stream)
    if aggregate is None:
        return {"state": None, "problem": f"no aggregate of the domain has the stream {key.stream!r}"}
    try:
        loaded = module.domain[aggregate].get_aggregate(key.aggregate_id, tenant=key.tenant)
    except (*IN_WHAT_IS_STORED, AggregateErasedError) as error:
        return {"state": None, "problem": str(error)}
    except CqrsError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the fold raises, whose text may quote the event
        return {"state": None, "problem": f"the fold raised {type(error).__name__}: mend the fold"}
    return {"state": json.loads(dumps(loaded.state)), "problem": None}
