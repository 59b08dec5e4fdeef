"""Repairs of a parked event handler: run it again, pass an event over, or forget it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from runtime.entry.operator.events.handlers import live_generation, named
from runtime.entry.operator.events.stored import key_of
from runtime.errors import BadRequestError, ContentionError, FieldProblem, InvalidInputError
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import EventVersions
from runtime.log import logger
from runtime.pipeline.repairing import Repair, check_parked

if TYPE_CHECKING:
    from runtime.entry.operator.arguments import Arguments
    from runtime.event_store.event_module import EventModule

__all__ = ["drop", "redrive", "skip"]

_GENERATION: Final = re.compile(r"[1-9][0-9]{0,9}")
#: How long a drop has the turn at most.
_SECONDS: Final = 10.0


def redrive(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Run a parked handler from its parked event on; see `runtime.redrive`."""
    return _repair(module, arguments, skipping=False)


def skip(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Pass over the event that a handler is parked at, and go on; see `runtime.skip`."""
    return _repair(module, arguments, skipping=True)


def drop(module: EventModule, arguments: Arguments) -> dict[str, Any]:
    """Forget that a handler is parked which the module does not have any more.

    What it has seen stays known: were it put back, it would go on from there.
    """
    key, dry_run = key_of(arguments), arguments.flag("dryRun")
    name, generation = _parts(arguments.text("handler"))
    if name in (found.name for found in module.handlers):
        msg = f"{name} is a handler of {module.name}; use redrive or skip"
        raise BadRequestError(msg)
    whose = CursorKey(name, generation or 1, key)
    row = module.domain.provider.cursors().rows([whose])[whose]
    cursor = row.cursor
    check_parked(name, cursor)
    if not dry_run:
        token = f"drop-{uuid4().hex}"
        if cursor.is_claimed() or not row.claim(token, _SECONDS) or not row.unpark(token, cursor.version):
            msg = f"somebody else is at work on {name}; nothing was dropped, repeat the call"
            raise ContentionError(msg)
        version, parked = cursor.version, cursor.parked_version
        logger.warning("cursor dropped", handler=name, version=version, parked_version=parked)
    return {
        "handler": f"{name}@{whose.generation}",
        "done": [],
        "skipped": None,
        "parkedVersion": cursor.parked_version,
        "error": cursor.parked_error,
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
    if not _GENERATION.fullmatch(generation) or not handler:
        message = f"must be a handler's name, or with a generation such as posts-model@2, got {name!r}"
        raise InvalidInputError([FieldProblem("handler", message)])
    return handler, int(generation)
