"""What a service has a use for only where one of its modules is of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.errors import InvalidPropsError
from constructs_lib.stack.cqrs_module import CqrsModule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.stack.event_module import EventModule

__all__ = ["has_commands", "refuse_of_commands"]


def has_commands(modules: Sequence[CqrsModule | EventModule]) -> bool:
    """Whether one of the modules is of commands."""
    return any(isinstance(module, CqrsModule) for module in modules)


def refuse_of_commands(modules: Sequence[CqrsModule | EventModule], **props: object) -> None:
    """Refuse properties of the way of a command where all modules are of events.

    Args:
        modules: The service's modules.
        props: What was given for each of the properties; None and False where nothing was.

    Raises:
        InvalidPropsError: One of ``props`` is given, and no module is of commands.

    """
    if has_commands(modules):
        return
    for name, value in props.items():
        if value is not None and value is not False:
            names = ", ".join(module.name for module in modules)
            msg = (
                f"{name} is for modules of commands, got it where all modules are of events ({names}); leave "
                "it out, or add a CqrsModule"
            )
            raise InvalidPropsError(msg)
