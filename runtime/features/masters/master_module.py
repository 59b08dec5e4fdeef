"""Masters as one object that an app takes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from runtime.contract import FunctionKind
from runtime.errors import ConfigurationError
from runtime.features.feature import Feature
from runtime.features.masters.access import MasterAccess
from runtime.features.masters.setting import Setting
from runtime.module import CommandModule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.clients.resources import Resources
    from runtime.features.masters.data import MasterData
    from runtime.features.masters.retention import MasterRetention
    from runtime.features.masters.settings import MasterSettings
    from runtime.features.operation import Operation

__all__ = ["MASTER_ROLE", "MasterModule"]

MASTER_ROLE: Final = "master_admin"
"""Role that may write a tenant's masters, unless the module is given others."""

_CACHE: Final = timedelta(seconds=60)


class MasterModule(Feature):
    """Settings by user, group and tenant, and code tables, in the tables of one module ``master``.

    Example:
        >>> theme = Setting("theme", Theme, default=Theme(), merge=True)
        >>> master = MasterModule([theme])
        >>> app = CqrsApp(modules=[order], features=[master])
        >>> master.settings.get_setting(theme, invoke_context=me).rows

    Args:
        settings: The settings that the service's code knows.
        cache: How long what a setting is resolved of is remembered, in each process. 0 for not at all.
        roles: Roles that may write a tenant's settings and rows; ``system_admin`` may anyway.

    Raises:
        ConfigurationError: Two settings have one code, or an argument is none.
    """

    name = "master"
    part = "master=True"
    operations: Mapping[str, Operation | str] = {
        name: f"runtime.entry.operator.features.master:{function}"
        for name, function in (
            ("getSetting", "GET_SETTING"),
            ("explainSetting", "EXPLAIN_SETTING"),
            ("applyMaster", "APPLY"),
            ("masterRetention", "RETENTION"),
        )
    }

    def __init__(
        self,
        settings: Iterable[Setting[Any]] = (),
        *,
        cache: timedelta = _CACHE,
        roles: Iterable[str] = (MASTER_ROLE,),
    ) -> None:
        if not isinstance(cache, timedelta) or cache < timedelta(0):
            msg = f"cache must be a timedelta that is not negative, got {cache!r}"
            raise ConfigurationError(msg)
        names = tuple(roles) if isinstance(roles, Iterable) and not isinstance(roles, str) else ("",)
        if not all(isinstance(name, str) and name for name in names):
            msg = f"roles must be a list of names, got {roles!r}"
            raise ConfigurationError(msg)
        if not isinstance(settings, Iterable):
            msg = f"settings must be a list of Setting objects, got {settings!r}"
            raise ConfigurationError(msg)
        known: dict[str, Setting[Any]] = {}
        for setting in settings:
            if not isinstance(setting, Setting):
                msg = f"settings must be Setting objects, got {setting!r}"
                raise ConfigurationError(msg)
            if known.setdefault(setting.code, setting) is not setting:
                msg = f"two settings have the code {setting.code!r}"
                raise ConfigurationError(msg)
        self.known_settings = known
        self.cache = cache
        self.module: CommandModule[dict[str, Any] | None] = CommandModule(self.name)
        self.module.routes_by = "master_routes"
        self.modules = (self.module,)
        self.access = MasterAccess(lambda: self.resources.settings, names)

    def use(self, resources: Resources) -> None:
        """Work with these settings and clients; what was read before is forgotten."""
        super().use(resources)
        for name in ("settings", "data", "retention"):
            self.__dict__.pop(name, None)
        resources.retention_writer = self._write_retention

    def preload(self, function: str) -> None:
        """Import what the first request would: see `Feature.preload`."""
        if function in {FunctionKind.API, FunctionKind.WORKER}:
            _ = self.settings, self.data

    @cached_property
    def settings(self) -> MasterSettings:
        """The settings."""
        from runtime.features.masters.settings import MasterSettings  # noqa: PLC0415 - with the store behind it

        return MasterSettings(self)

    @cached_property
    def retention(self) -> MasterRetention:
        """How long rows are kept."""
        from runtime.features.masters.retention import MasterRetention  # noqa: PLC0415 - as above

        return MasterRetention(self)

    def _write_retention(self, tenant_code: str, table: str, days: int | None) -> None:
        self.retention.write(tenant_code, table, days)

    @cached_property
    def data(self) -> MasterData:
        """The rows of code tables."""
        from runtime.features.masters.data import MasterData  # noqa: PLC0415 - as above

        return MasterData(self.module, self.access)
