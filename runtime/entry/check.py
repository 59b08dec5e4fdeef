"""Whether the code has what the stack has made: asked of every function before its deployment ends."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from runtime.contract import KIND_COMMANDS, KIND_EVENTS, MODE_WORKFLOW, FunctionKind
from runtime.cqrs_toml import FILE_NAME, DeclaredEventModule, DeclaredModule
from runtime.errors import ConfigurationError
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.cqrs_toml import Declared
    from runtime.event_store.event_module import EventModule
    from runtime.features.feature import Feature
    from runtime.module import CommandModule
    from runtime.settings import Settings

__all__ = ["check"]

_MOST: Final = 20
#: The functions that import the event handlers: those of the others cannot tell whether they are there.
_RUN_EVENT_HANDLERS: Final = (FunctionKind.PROJECTOR, FunctionKind.OPERATOR)


def check(
    modules: Mapping[str, CommandModule[Any]],
    declared: Mapping[str, Declared],
    settings: Settings,
    *,
    event_modules: Mapping[str, EventModule] | None = None,
    features: Mapping[str, Feature] = MappingProxyType({}),
    feature_of: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Compare the modules of an app with those of its stack. No call.

    Args:
        modules: The app's modules of commands by name.
        declared: What ``cqrs.toml`` says of them, and of those of events; empty without one.
        settings: What the stack has told the function.
        event_modules: The app's modules of events by name. Default: none.
        features: The app's features by name. Default: none.
        feature_of: Which feature a module is of, by the module's name, for those that are of one.

    Returns:
        ``problems``: what does not fit, in sentences; empty where everything does, and in a function that
        no stack has told of its modules.
    """
    deployed = settings.modules
    of_events = event_modules or {}
    problems: list[str] = []
    for name in sorted({*deployed, *modules, *of_events}) if deployed is not None else ():
        feature = features.get(feature_of.get(name, ""))
        if feature is not None and name not in (deployed or {}):
            problems.append(_not_in_stack(name, feature))
            continue
        problems += _problems(
            name,
            (deployed or {}).get(name),
            modules.get(name) or of_events.get(name),
            declared.get(name),
            runs_handlers=settings.function in _RUN_EVENT_HANDLERS,
        )
    for feature in features.values() if deployed is not None else ():
        problems += feature.problems(settings)
    for problem in problems:
        logger.error("the code does not fit the stack", problem=problem)
    hidden = len(problems) - _MOST
    return {"problems": problems[:_MOST] + ([f"and {hidden} more"] if hidden > 0 else [])}


def _not_in_stack(name: str, feature: Feature) -> str:
    """What to say of a module that came with a feature, and that the user has perhaps never heard of."""
    part = f"{feature.part} to the CqrsStack" if feature.part else f"CqrsModule({name!r})"
    return (
        f"module {name!r} of the feature {feature.name!r} is in the code, not in the stack: add {part}, or "
        "remove the feature"
    )


def _problems(
    name: str,
    entry: Mapping[str, Any] | None,
    module: CommandModule[Any] | EventModule | None,
    declared: Declared | None,
    *,
    runs_handlers: bool,
) -> Iterator[str]:
    if module is None:
        yield f"module {name!r} is in the stack, not in the code: give it to the CqrsApp, or remove it"
        return
    kind, deployed = getattr(module, "kind", KIND_COMMANDS), (entry or {}).get("kind", KIND_COMMANDS)
    construct = "EventModule" if kind == KIND_EVENTS else "CqrsModule"
    if entry is None:
        yield f"module {name!r} is in the code, not in the stack: add {construct}({name!r}), or remove it"
    elif deployed != kind:
        yield (
            f"module {name!r} is one of {kind} in the code, and one of {deployed} in the stack: give the "
            f"stack {construct}({name!r}), or rename one"
        )
    elif kind == KIND_EVENTS:
        of_events = cast("EventModule", module)
        yield from _problems_of_events(name, entry, of_events, declared, runs_handlers=runs_handlers)
    else:
        yield from _problems_of_commands(name, entry, cast("CommandModule[Any]", module), declared)


def _problems_of_events(
    name: str,
    entry: Mapping[str, Any],
    module: EventModule,
    declared: Declared | None,
    *,
    runs_handlers: bool,
) -> Iterator[str]:
    names, deployed = module.handler_names, bool(entry.get("handlers"))
    if names and not deployed:
        yield f"module {name!r} has event handlers ({', '.join(names)}), and no handlers=True in the stack"
    if deployed and not names:
        yield (
            f"module {name!r} has handlers=True in the stack, and no event handlers in the code: give them "
            "to the EventModule, or take handlers away"
        )
    if isinstance(declared, DeclaredEventModule):
        pairs = (
            ("handlers", declared.handlers, "handlers"),
            ("pull_index", declared.pull_index, "feed"),
            ("aggregates_index", declared.aggregates_index, "aggregates"),
        )
        for key, said, told in pairs:
            if said != bool(entry.get(told)):
                in_file = f"{key} = {str(said).lower()} in {FILE_NAME}"
                yield f"module {name!r} has {in_file}, and {key}={not said} in the stack"
    if runs_handlers:
        try:
            _ = module.handlers
        except ConfigurationError as error:
            yield f"module {name!r}: {error}"


def _problems_of_commands(
    name: str, entry: Mapping[str, Any], module: CommandModule[Any], declared: Declared | None
) -> Iterator[str]:
    names = [reference.name for reference in module.handlers]
    if names and not entry.get("sync"):
        found = ", ".join(names)
        yield f"module {name!r} has data sync handlers ({found}), and no data_sync=True in the stack"
    if entry.get("sync") and not names:
        yield (
            f"module {name!r} has data_sync=True in the stack, and no data sync handlers in the code: import "
            "them before the app is made, or take data_sync away"
        )
    try:
        _ = module.attributes  # which may be an import path
    except ConfigurationError as error:
        yield f"module {name!r}: {error}"
    if not isinstance(declared, DeclaredModule):
        return
    mode = entry.get("mode", MODE_WORKFLOW)
    if declared.processing != mode:
        yield f"module {name!r} is {declared.processing} in {FILE_NAME}, and {mode} in the stack"
    if declared.data_sync != bool(entry.get("sync")):
        in_file = f"data_sync = {str(declared.data_sync).lower()} in {FILE_NAME}"
        yield f"module {name!r} has {in_file}, and data_sync={not declared.data_sync} in the stack"
