"""Data sync handlers that register themselves, by a decorator on their class.

A decorator is seen only when its file was imported, and every function of an app has to
know every handler. So import the files of decorated handlers where the app is made. A
handler that is to be imported by the worker alone is given to its module by path instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from runtime.contract import COMMAND_SUFFIX, DATA_SUFFIX, HISTORY_SUFFIX, SYNC_SUFFIX
from runtime.errors import ConfigurationError
from runtime.model.handlers import DataSyncHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.model.handlers import HandlerReference
    from runtime.settings import ModuleTables

__all__ = [
    "HandledModule",
    "check_decorated",
    "check_latecomers",
    "count_decorated",
    "data_sync_handler",
    "decorated_handlers",
]

HandlerT = TypeVar("HandlerT", bound=type[DataSyncHandler])

_decorated: list[tuple[str, type[DataSyncHandler]]] = []


class HandledModule(Protocol):
    """What the checks need to know of a module."""

    @property
    def table_name(self) -> str:
        """Logical name of the module."""
        ...

    @property
    def handlers(self) -> tuple[HandlerReference, ...]:
        """Its data sync handlers."""
        ...

    @property
    def tables(self) -> ModuleTables:
        """Physical names of its tables; ConfigurationError where the environment does not tell."""
        ...


def data_sync_handler(table_name: str) -> Callable[[HandlerT], HandlerT]:
    """Register a `DataSyncHandler` class with a module, by the module's logical name.

    Handlers that the module was given are called first, then decorated ones in the order
    in which they are defined. What is wrong shows when the `CqrsApp` is made.

    Example:
        >>> @data_sync_handler(table_name="todo")
        ... class TodoSearch(DataSyncHandler):
        ...     def up(self, command):
        ...         search.index(command.id, command.attributes)

    Args:
        table_name: Name of the module as `CommandModule` has it, not that of a table.

    Raises:
        ConfigurationError: There is no name, or what is decorated is no handler class.
    """
    if not isinstance(table_name, str) or not table_name:
        msg = f'write @data_sync_handler(table_name="todo") with the name of a module, got {table_name!r}'
        raise ConfigurationError(msg)

    def register(handler: HandlerT) -> HandlerT:
        if not (isinstance(handler, type) and issubclass(handler, DataSyncHandler)):
            msg = f"@data_sync_handler decorates a DataSyncHandler class, got {handler!r}"
            raise ConfigurationError(msg)
        _decorated.append((table_name, handler))
        return handler

    return register


def decorated_handlers(table_name: str) -> list[type[DataSyncHandler]]:
    """The handlers that were decorated for a module so far, in order of definition."""
    return [handler for name, handler in _decorated if name == table_name]


def count_decorated() -> int:
    """How many handlers were decorated so far, to notice those that come too late."""
    return len(_decorated)


def check_latecomers(modules: Mapping[str, HandledModule], seen: int) -> None:
    """Refuse handlers that were decorated after the first ``seen``, which the app did not see.

    A handler that its module was given by import path is known, whenever it is imported.

    Raises:
        ConfigurationError: There is one that the other functions do not know of.
    """
    for name, handler in _decorated[seen:]:
        module = modules.get(name)
        if module is None or not any(reference.is_path_of(handler) for reference in module.handlers):
            msg = (
                f"{handler.__name__} was decorated with @data_sync_handler after the CqrsApp was made, so "
                "not every function knows it; import its file before, or give its module the import path"
            )
            raise ConfigurationError(msg)


def check_decorated(modules: Mapping[str, HandledModule]) -> None:
    """Refuse handlers that were decorated for what is no module of an app.

    Raises:
        ConfigurationError: A table name is unknown; the message names each handler.
    """
    problems = [
        f"{handler.__name__} is decorated for the unknown table {name!r}; {_hint(name, modules)}"
        for name, handler in _decorated
        if name not in modules
    ]
    if problems:
        raise ConfigurationError("; ".join(problems))


def _hint(name: str, modules: Mapping[str, HandledModule]) -> str:
    for module in modules.values():
        if name in _physical_names(module) or name.endswith(_conventional_ends(module.table_name)):
            return f"that is the name of a table: write the module's name, {module.table_name!r}"
    return f"modules of the app are {sorted(modules)}"


def _conventional_ends(module: str) -> tuple[str, ...]:
    return tuple(
        f"{module}-{suffix}" for suffix in (COMMAND_SUFFIX, DATA_SUFFIX, HISTORY_SUFFIX, SYNC_SUFFIX)
    )


def _physical_names(module: HandledModule) -> set[str]:
    try:
        tables = module.tables
    except ConfigurationError:
        return set()  # the environment does not tell; the convention has to do
    return {tables.command, tables.data, tables.history, tables.sync}
