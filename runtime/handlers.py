"""Data sync handlers: how a module's changes reach SQL, search and other stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.models import CommandModel

__all__ = ["DataSyncHandler", "HandlerReference", "HandlerSource", "handler_references"]


class DataSyncHandler(ABC):
    """Brings one other store up to date with a module.

    The pipeline calls `up` with the versions of an aggregate in order, each at least
    once: a call that failed, or whose success could not be recorded, is repeated. So `up`
    must be able to see a version twice. Different aggregates run side by side.
    """

    @abstractmethod
    def up(self, command: CommandModel[Any]) -> None:
        """Bring the store to the state after ``command``; its ``sk`` carries the version.

        Raises:
            Exception: Anything. The call is tried again, then parked.
        """

    def down(self, command: CommandModel[Any]) -> None:  # noqa: B027 - optional for a handler
        """Take the aggregate out of the store. Default: nothing to do."""


HandlerSource = DataSyncHandler | type[DataSyncHandler] | str
"""A handler, its class, or where to import it from: ``"package.module:Name"``."""


@dataclass(frozen=True)
class HandlerReference:
    """A registered handler that is loaded when it is first needed.

    Attributes:
        name: Name of its class: what cursors and the workflow know it by.
        source: What was registered.
    """

    name: str
    source: HandlerSource

    @classmethod
    def of(cls, source: HandlerSource) -> HandlerReference:
        """Reference to a handler.

        Raises:
            ConfigurationError: ``source`` is nothing that can be one.
        """
        if isinstance(source, str):
            module, _, name = source.partition(":")
            if not module or not name.isidentifier():
                msg = f'a data sync handler is written "package.module:Name", got {source!r}'
                raise ConfigurationError(msg)
            return cls(name, source)
        if isinstance(source, DataSyncHandler):
            return cls(type(source).__name__, source)
        if isinstance(source, type) and issubclass(source, DataSyncHandler):
            return cls(source.__name__, source)
        msg = f"a data sync handler must be a DataSyncHandler, its class or its import path, got {source!r}"
        raise ConfigurationError(msg)

    @cached_property
    def handler(self) -> DataSyncHandler:
        """The handler itself, imported and made on first use.

        Raises:
            ConfigurationError: It cannot be imported, or is no handler.
        """
        source: Any = self.source
        if isinstance(source, str):
            module, _, name = source.partition(":")
            source = getattr(import_module(module), name, None)
        found = source() if isinstance(source, type) else source
        if not isinstance(found, DataSyncHandler):
            msg = f"{self.source} is not a DataSyncHandler, got {found!r}"
            raise ConfigurationError(msg)
        return found


def handler_references(module: str, sources: Iterable[HandlerSource]) -> tuple[HandlerReference, ...]:
    """References to the handlers of ``module``, in the order they were given.

    Raises:
        ConfigurationError: Two have the same name, or one cannot be a handler.
    """
    references = tuple(HandlerReference.of(source) for source in sources)
    names = [reference.name for reference in references]
    if twice := {name for name in names if names.count(name) > 1}:
        msg = f"module {module} registers the data sync handlers {sorted(twice)} more than once"
        raise ConfigurationError(msg)
    return references
