"""The commands, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.cli.commands.events import list_events, show_event, verify_events
from constructs_lib.cli.commands.handlers import (
    build_handler,
    list_handlers,
    rebuild_handler,
    retire_handler,
    switch_handler,
)
from constructs_lib.cli.commands.repair import drop, redrive, skip
from constructs_lib.cli.commands.replay import replay
from constructs_lib.cli.commands.show import show
from constructs_lib.cli.commands.status import status
from constructs_lib.cli.commands.sweep import reconcile, resync

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from constructs_lib.cli.context import Context, Result

__all__ = ["run"]

_COMMANDS: Mapping[str, Callable[[Context], Result]] = {
    "status": status,
    "show": show,
    "redrive": redrive,
    "skip": skip,
    "drop": drop,
    "reconcile": reconcile,
    "resync": resync,
    "replay-dlq": replay,
    "events list": list_events,
    "events show": show_event,
    "events verify": verify_events,
    "handlers list": list_handlers,
    "handlers build": build_handler,
    "handlers rebuild": rebuild_handler,
    "handlers switch": switch_handler,
    "handlers retire": retire_handler,
}


def run(context: Context) -> Result:
    """Run the command that the command line names."""
    verb = context.options.cqrs_verb
    return _COMMANDS[context.options.command](context) if verb is None else verb.run(context)
