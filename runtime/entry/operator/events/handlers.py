"""The handlers of a module that keeps events: their generations, and building read models anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import FieldProblem, InvalidInputError
from runtime.store.codec import isoformat

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.event_store.event_module import EventModule
    from runtime.event_store.handlers.handler import EventHandler
    from runtime.event_store.handlers.registration import Registration

__all__ = [
    "build_handler",
    "handler_of",
    "list_handlers",
    "live_generation",
    "rebuild_handler",
    "retire_handler",
    "switch_handler",
]


def list_handlers(module: EventModule, _arguments: Arguments) -> dict[str, Any]:
    """List the handlers, which of their generations are fed, and how far a scan is. One read each."""
    return {"handlers": [_entry(handler) for handler in module.handlers]}


def build_handler(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Begin the next generation of a handler's read model; see `EventHandler.build`."""
    handler = handler_of(module, arguments)
    handler.build()
    return _entry(handler)


def rebuild_handler(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Show a handler one page of all commits; see `EventHandler.rebuild`.

    Where something failed on the page, its token comes back: whoever goes on tries it again.
    """
    handler, paging = handler_of(module, arguments), arguments.segment()
    page = handler.rebuild(
        segment=paging.segment,
        total_segments=paging.total_segments,
        resume_from=arguments.optional_text("resumeToken"),
    )
    return {
        "handler": handler.name,
        "generation": page.generation,
        "aggregates": 0 if page.failed else page.aggregates,
        "events": page.events,
        "failed": page.failed,
        "parked": page.parked,
        "unreadable": [] if page.failed else list(page.unreadable),
        "scanned": 0 if page.failed else page.aggregates,
        "resumeToken": page.resume_token,
    }


def switch_handler(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Make the generation that was built the live one; see `EventHandler.switch`."""
    handler, incomplete = handler_of(module, arguments), arguments.flag("incomplete")
    handler.switch(incomplete=incomplete)
    return _entry(handler)


def retire_handler(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Stop feeding a generation; see `EventHandler.retire`."""
    handler, generation = handler_of(module, arguments), arguments.optional_number("generation")
    handler.retire(generation)
    return _entry(handler)


def handler_of(module: EventModule, arguments: Arguments) -> EventHandler:
    """The handler that ``handler`` names.

    Raises:
        InvalidInputError: The module has no such handler.
    """
    return named(module, arguments.text("handler"))


def named(module: EventModule, name: str) -> EventHandler:
    """A handler by its name.

    Raises:
        InvalidInputError: The module has no such handler.
    """
    for handler in module.handlers:
        if handler.name == name:
            return handler
    known = ", ".join(sorted(handler.name for handler in module.handlers)) or "none"
    message = f"must be one of the handlers of {module.name}, {known}, got {name!r}"
    raise InvalidInputError([FieldProblem("handler", message)])


def live_generation(handler: EventHandler) -> int:
    """The generation that queries look at, as it is now."""
    found = handler.registration
    return 1 if found is None else found.live


def _entry(handler: EventHandler) -> dict[str, Any]:
    found = handler.registration
    shown = {
        "handler": handler.name,
        "streams": list(handler.streams),
        "isReaction": handler.options.reaction,
    }
    if found is None:
        unknown = ("live", "building", "retiring", "startedAt", "builtAt", "scan")
        return {**shown, **dict.fromkeys(unknown)}
    return {
        **shown,
        "live": found.live,
        "building": found.building,
        "retiring": found.retiring,
        "startedAt": isoformat(found.started_at),
        "builtAt": None if found.built_at is None else isoformat(found.built_at),
        "scan": _scan(found),
    }


def _scan(found: Registration) -> dict[str, Any] | None:
    """How far the present scan is; None without one."""
    if not found.total_segments:
        return None
    segments = found.segments.values()
    unreadable, named = found.unreadable
    return {
        "done": sum(segment.resume_token is None for segment in segments),
        "total": found.total_segments,
        "aggregates": sum(segment.aggregates for segment in segments),
        "events": sum(segment.events for segment in segments),
        "unreadable": unreadable,
        "unreadableNamed": list(named),
    }
