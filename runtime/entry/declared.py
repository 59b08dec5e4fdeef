"""The modules that ``cqrs.toml`` declares, imported."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from runtime.contract import KIND_EVENTS
from runtime.cqrs_toml import (
    FILE_NAME,
    DeclarationError,
    DeclaredEventModule,
    DeclaredModule,
    read_modules,
)
from runtime.errors import ConfigurationError
from runtime.imports import imported
from runtime.module import CommandModule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from runtime.cqrs_toml import Declared
    from runtime.event_store.event_module import EventModule

__all__ = ["DeclaredService"]


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """What ``cqrs.toml`` says of a service.

    Attributes:
        file: The file.
        tables: Its tables by the name of their module.
        modules: The modules, in the order of the file.
        routes: Import paths of their routes, and whose they are: nobody but the function that serves HTTP
            needs them.
    """

    file: Path
    tables: Mapping[str, Declared]
    modules: tuple[CommandModule[Any] | EventModule, ...]
    routes: Mapping[str, str]

    @classmethod
    def of(cls, name: str) -> DeclaredService:
        """Read the file beside a module, or in a package, of Python's, and import what it declares.

        Args:
            name: Name of the module or package: ``__name__``.

        Raises:
            ConfigurationError: The file cannot be used, or what it declares is not there.
            ImportError: What is imported raises this itself.
        """
        folder, package = _place_of(name)
        try:
            tables = read_modules(folder)
        except DeclarationError as error:
            raise ConfigurationError(str(error)) from error
        file = folder / FILE_NAME
        return cls(
            file=file,
            tables={table.name: table for table in tables},
            modules=tuple(_module(file, table, _absolute(table.module, package)) for table in tables),
            routes={_absolute(path, package): table.name for table in tables for path in table.routes},
        )

    def explained(self, error: ConfigurationError) -> ConfigurationError:
        """Say of an error in importing routes where the file says so, and what to write in place of it."""
        for path, name in self.routes.items():
            if str(error).startswith(f"{path} leads to nothing"):
                hint = "write routes = [] for a module that has none"
                return ConfigurationError(f"{self.file}: [modules.{name}] routes: {error}; {hint}")
        return error

    def check_handlers(self) -> None:
        """Refuse a module with handlers that the file does not tell of, and one without those that it does.

        Raises:
            ConfigurationError: The file says of a module's handlers what is not so.
        """
        for module, table in zip(self.modules, self.tables.values(), strict=True):
            # Each is what its table says, or it would have been refused.
            if isinstance(module, CommandModule) and isinstance(table, DeclaredModule):
                self._check_commands(module, table)
            elif isinstance(table, DeclaredEventModule):
                self._check_events(cast("EventModule", module), table)

    def _check_commands(self, module: CommandModule[Any], table: DeclaredModule) -> None:
        names = [reference.name for reference in module.handlers]
        if names and not table.data_sync:
            message = f"data_sync is false, but the module has {names}; write data_sync = true"
            _refuse(self.file, table, message)
        if table.data_sync and not names:
            message = (
                "data_sync is true, but the module has no data sync handlers; give it some, import the "
                "file of decorated ones before the app is made, or write data_sync = false"
            )
            _refuse(self.file, table, message)

    def _check_events(self, module: EventModule, table: DeclaredEventModule) -> None:
        names = list(module.handler_names)
        if names and not table.handlers:
            _refuse(self.file, table, f"handlers is false, but the module has {names}; write handlers = true")
        if table.handlers and not names:
            message = (
                "handlers is true, but the module has no event handlers; give them to the EventModule, or "
                "write handlers = false"
            )
            _refuse(self.file, table, message)


def _place_of(name: str) -> tuple[Path, str]:
    """The folder that a module of Python's is in, and the package that the folder is; empty for a root."""
    try:
        found = sys.modules.get(name) or import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        msg = (
            f"CqrsApp.of({name!r}): there is no {error.name!r}; in a function, the folder of the code is the "
            "root: write CqrsApp.of(__name__) in the file that makes the app, with cqrs.toml beside it"
        )
        raise ConfigurationError(msg) from error
    folders = [Path(folder) for folder in getattr(found, "__path__", ())]
    if folders:
        return next((folder for folder in folders if (folder / FILE_NAME).exists()), folders[0]), name
    return _folder_of(found), found.__package__ or ""


def _folder_of(found: ModuleType) -> Path:
    if not getattr(found, "__file__", None):
        msg = (
            f"CqrsApp.of({found.__name__!r}): that is no file; write CqrsApp.of(__name__) in that of the app"
        )
        raise ConfigurationError(msg)
    return Path(str(found.__file__)).parent


def _absolute(path: str, package: str) -> str:
    if not path.startswith("."):
        return path
    return f"{package}{path}" if package else path.removeprefix(".")


def _module(file: Path, table: Declared, path: str) -> CommandModule[Any] | EventModule:
    of_events = isinstance(table, DeclaredEventModule)
    what = "an EventModule" if of_events else "a CommandModule"
    try:
        found = imported(path, what)
    except ConfigurationError as error:
        _refuse(file, table, f"module = {table.module!r}: {error}", error)
    # By its kind: the event store is imported by services that have events.
    fits = getattr(found, "kind", None) == KIND_EVENTS if of_events else isinstance(found, CommandModule)
    if not fits:
        kind = what.partition(" ")[2]
        _refuse(file, table, f"module = {table.module!r}: is no {kind}, but {type(found).__name__}")
    name = found.name if of_events else found.table_name
    if name != table.name:
        _refuse(file, table, f"module = {table.module!r}: is the module {name!r}; give both the same name")
    module: CommandModule[Any] | EventModule = found
    return module


def _refuse(file: Path, table: Declared, message: str, cause: Exception | None = None) -> NoReturn:
    msg = f"{file}: [modules.{table.name}] {message}"
    raise ConfigurationError(msg) from cause
