"""Which modules a command is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from constructs_lib.cli.context import Context

__all__ = ["COMMANDS", "EVENTS", "Module", "chosen_modules", "one_module", "plain_name"]

#: What a module keeps.
COMMANDS = "commands"
EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the service.

    Attributes:
        name: Its name.
        mode: ``workflow`` or ``inline``; ``events`` of one that keeps events.
        handlers: Names of its data sync handlers, or of its event handlers.
        rows: About how many commands, or commits, it has, some hours ago; None where that is not known.
    """

    name: str
    mode: str
    handlers: tuple[str, ...]
    rows: int | None

    @property
    def kind(self) -> str:
        """What it keeps: `COMMANDS` or `EVENTS`."""
        return EVENTS if self.mode == EVENTS else COMMANDS


def chosen_modules(context: Context, *, kind: str | None = None) -> list[Module]:
    """Look up the module that ``--module`` names, or all of them, with one call.

    Args:
        context: The command.
        kind: What the modules have to keep. Default: either.

    Raises:
        RefusedError: There is no such module, or it keeps something else.
    """
    found = [
        Module(entry["name"], entry["mode"], tuple(entry["handlers"]), entry["rows"])
        for entry in context.operator.ask("modules")["modules"]
    ]
    name = context.options.module
    of_kind = [module for module in found if kind in {None, module.kind}]
    if name is None and not of_kind and found:
        message = f"--module: the service has no module that keeps {kind}; it has {_names(found)}"
        raise RefusedError(message)
    if name is None:
        return of_kind
    chosen = [module for module in found if module.name == name]
    if not chosen:
        message = f"--module: the service has no module {name!r}; it has {_names(found)}"
        raise RefusedError(message)
    if chosen[0] not in of_kind:
        message = f"--module: {name!r} keeps {chosen[0].kind}; this is for those that keep {kind}"
        raise RefusedError(message)
    return chosen


def one_module(context: Context, *, kind: str | None = None) -> str:
    """Give the name that ``--module`` says, or that of the only module.

    Args:
        context: The command.
        kind: What it has to keep, where it is to be found. Default: either.

    Raises:
        UsageError: There are several, and none is chosen.
    """
    if context.options.module is not None:
        return str(context.options.module)
    modules = chosen_modules(context, kind=kind)
    if len(modules) != 1:
        message = f"--module: the service has several; choose one of {_names(modules)}"
        raise UsageError(message)
    return modules[0].name


def plain_name(handler: str) -> str:
    """Give the name of a handler without the generation that stands behind it, as in ``posts-model@2``."""
    return handler.partition("@")[0]


def _names(modules: list[Module]) -> str:
    return ", ".join(module.name for module in modules)
