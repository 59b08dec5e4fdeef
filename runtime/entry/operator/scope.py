"""What operations work on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.clients.resources import Resources
    from runtime.event_store.event_module import EventModule
    from runtime.features.feature import Feature
    from runtime.module import CommandModule

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The app, as an operation sees it.

    Attributes:
        modules: The app's modules of commands by name.
        resources: Settings and clients of the function.
        event_modules: The app's modules of events by name. Default: none.
        features: The app's features by name. Default: none.
    """

    modules: Mapping[str, CommandModule[Any]]
    resources: Resources
    event_modules: Mapping[str, EventModule] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)

    def feature_with(self, operation: str) -> Feature | None:
        """The feature that has an operation; None for one of the library, and for one that is none."""
        return next((found for found in self.features.values() if operation in found.operations), None)

    def name_of(self, module: object) -> str | None:
        """The name of a module, if it is one."""
        is_known = isinstance(module, str) and (module in self.modules or module in self.event_modules)
        return str(module) if is_known else None
