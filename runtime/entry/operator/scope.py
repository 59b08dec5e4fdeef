"""What operations work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.clients.resources import Resources
    from runtime.module import CommandModule

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The app, as an operation sees it.

    Attributes:
        modules: The app's modules by name.
        resources: Settings and clients of the function.
    """

    modules: Mapping[str, CommandModule[Any]]
    resources: Resources
