"""Whether the code has what the stack has made: asked of every function before its deployment ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.contract import MODE_WORKFLOW
from runtime.cqrs_toml import FILE_NAME
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.cqrs_toml import DeclaredModule
    from runtime.module import CommandModule
    from runtime.settings import Settings

__all__ = ["check"]

_MOST: Final = 20


def check(
    modules: Mapping[str, CommandModule[Any]],
    declared: Mapping[str, DeclaredModule],
    settings: Settings,
) -> dict[str, Any]:
    """Compare the modules of an app with those of its stack. No call.

    Args:
        modules: The app's modules by name.
        declared: What ``cqrs.toml`` says of them; empty without one.
        settings: What the stack has told the function.

    Returns:
        ``problems``: what does not fit, in sentences; empty where everything does, and in a function that
        no stack has told of its modules.
    """
    deployed = settings.modules
    problems: list[str] = []
    if deployed is not None:
        for name in sorted({*deployed, *modules}):
            problems += _problems(name, deployed.get(name), modules.get(name), declared.get(name))
    for problem in problems:
        logger.error("the code does not fit the stack", problem=problem)
    hidden = len(problems) - _MOST
    return {"problems": problems[:_MOST] + ([f"and {hidden} more"] if hidden > 0 else [])}


def _problems(
    name: str,
    entry: Mapping[str, Any] | None,
    module: CommandModule[Any] | None,
    declared: DeclaredModule | None,
) -> list[str]:
    if module is None:
        return [f"module {name!r} is in the stack, not in the code: give it to the CqrsApp, or remove it"]
    if entry is None:
        return [f"module {name!r} is in the code, not in the stack: add CqrsModule({name!r}), or remove it"]
    found = []
    names = [reference.name for reference in module.handlers]
    if names and not entry.get("sync"):
        found.append(
            f"module {name!r} has data sync handlers ({', '.join(names)}), and no data_sync=True in the stack"
        )
    if entry.get("sync") and not names:
        found.append(
            f"module {name!r} has data_sync=True in the stack, and no data sync handlers in the code: import "
            "them before the app is made, or take data_sync away"
        )
    mode = entry.get("mode", MODE_WORKFLOW)
    if declared is not None and declared.processing != mode:
        found.append(f"module {name!r} is {declared.processing} in {FILE_NAME}, and {mode} in the stack")
    if declared is not None and declared.data_sync != bool(entry.get("sync")):
        found.append(
            f"module {name!r} has data_sync = {str(declared.data_sync).lower()} in {FILE_NAME}, and "
            f"data_sync={not declared.data_sync} in the stack"
        )
    return found
