"""Which modules a command is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from constructs_lib.cli.context import Context

__all__ = ["Module", "chosen_modules", "one_module"]


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the service.

    Attributes:
        name: Its name.
        mode: ``workflow`` or ``inline``.
        handlers: Names of its data sync handlers.
        rows: About how many commands it has, some hours ago; None where that is not known.
    """

    name: str
    mode: str
    handlers: tuple[str, ...]
    rows: int | None


def chosen_modules(context: Context) -> list[Module]:
    """Look up the module that ``--module`` names, or all of them, with one call.

    Raises:
        RefusedError: There is no such module.
    """
    found = [
        Module(entry["name"], entry["mode"], tuple(entry["handlers"]), entry["rows"])
        for entry in context.operator.ask("modules")["modules"]
    ]
    name = context.options.module
    if name is None:
        return found
    chosen = [module for module in found if module.name == name]
    if not chosen:
        message = f"--module: the service has no module {name!r}; it has {_names(found)}"
        raise RefusedError(message)
    return chosen


def one_module(context: Context) -> str:
    """Give the name that ``--module`` says, or that of the only module.

    Raises:
        UsageError: There are several, and none is chosen.
    """
    if context.options.module is not None:
        return str(context.options.module)
    modules = chosen_modules(context)
    if len(modules) != 1:
        message = f"--module: the service has several; choose one of {_names(modules)}"
        raise UsageError(message)
    return modules[0].name


def _names(modules: list[Module]) -> str:
    return ", ".join(module.name for module in modules)
