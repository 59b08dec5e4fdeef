"""Repairs of a parked event handler: run it again, pass an event over, or forget it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.entry.operator.events.handlers import live_generation, named
from runtime.entry.operator.events.stored import key_of
from runtime.errors import BadRequestError, FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import EventVersions
from runtime.log import logger
from runtime.pipeline.repairing import Repair
from runtime.store.port import Delete
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.event_store.event_module import EventModule

__all__ = ["drop", "redrive", "skip"]


def redrive(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Run a parked handler from its parked event on; see `runtime.redrive`."""
    return _repair(module, arguments, skipping=False)


def skip(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Pass over the event that a handler is parked at, and go on; see `runtime.skip`."""
    return _repair(module, arguments, skipping=True)


def drop(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Delete the cursor of a handler that the module does not have any more."""
    key, name, dry_run = key_of(arguments), arguments.text("handler"), arguments.flag("dryRun")
    handler, generation = _parts(name)
    if handler in (found.name for found in module.handlers):
        msg = f"{handler} is a handler of {module.name}; use redrive or skip"
        raise BadRequestError(msg)
    store = module.resources.store
    place = Place(module.tables.sync, key.pk, f"{handler}@{generation or 1}#")
    row = store.batch_get([place]).get(place)
    if row is None:
        msg = f"{name} has no cursor for this aggregate"
        raise ItemNotFoundError(msg)
    if not dry_run:
        store.write(Delete(place=place))
        parked = row.get("parkedVersion")
        logger.warning("cursor dropped", handler=name, version=row.get("version"), parked_version=parked)
    return {
        "handler": name,
        "done": [],
        "skipped": None,
        "parkedVersion": row.get("parkedVersion"),
        "error": row.get("parkedError"),
        "dryRun": dry_run,
    }


def _repair(module: EventModule, arguments: Arguments, *, skipping: bool) -> dict[str, Any]:
    key, dry_run = key_of(arguments), arguments.flag("dryRun")
    name, generation = _parts(arguments.text("handler"))
    handler = named(module, name)
    whose = CursorKey(name, generation or live_generation(handler), key)
    row = handler.cursors().rows([whose])[whose]
    versions = EventVersions(module.domain.provider, handler, whose, row)
    repair = Repair(f"{name}@{whose.generation}", versions)
    done = repair.plan(skipping=skipping) if dry_run else repair.run(skipping=skipping)
    return {
        "handler": done.handler,
        "done": list(done.done),
        "skipped": done.skipped,
        "parkedVersion": done.parked_version,
        "error": done.error,
        "dryRun": dry_run,
    }


def _parts(name: str) -> tuple[str, int | None]:
    """A handler's name and the generation behind it, ``posts-model@2``; None where none is named."""
    handler, separator, generation = name.rpartition("@")
    if not separator:
        return name, None
    if not generation.isdecimal() or not handler:
        message = f"must be a handler's name, or with a generation such as posts-model@2, got {name!r}"
        raise InvalidInputError([FieldProblem("handler", message)])
    return handler, int(generation)
