"""What the settings of masters, and retention, need of their feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from runtime.clients.resources import Resources
    from runtime.features.masters.access import MasterAccess
    from runtime.features.masters.data import MasterData
    from runtime.features.masters.setting import Setting
    from runtime.module import CommandModule

__all__ = ["MasterParts"]


class MasterParts(Protocol):
    """A `MasterModule`, as its parts see it."""

    @property
    def module(self) -> CommandModule[dict[str, Any] | None]:
        """The module whose rows they are."""

    @property
    def access(self) -> MasterAccess:
        """Who may what."""

    @property
    def known_settings(self) -> Mapping[str, Setting[Any]]:
        """The settings that the code knows, by their codes."""

    @property
    def cache(self) -> timedelta:
        """How long what was read is remembered."""

    @property
    def resources(self) -> Resources:
        """Settings and clients."""

    @property
    def data(self) -> MasterData:
        """The rows of code tables."""
