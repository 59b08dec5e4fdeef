"""Data sync handlers: how a module's changes reach SQL, search and other stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from runtime.errors import ConfigurationError
from runtime.imports import check_import_path, imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.errors import FieldProblem
    from runtime.model.models import CommandModel

__all__ = ["DataSyncHandler", "HandlerReference", "HandlerSource", "handler_references"]

_RESERVED_TYPE: Final = "dynamodb"
_WHAT: Final = "a data sync handler"
# A cursor's sort key is the handler's name and the aggregate's sort key, and has to fit.
_MAX_NAME_BYTES: Final = 100


class DataSyncHandler(ABC):
    """Brings one other store up to date with a module.

    The pipeline calls `up` with the versions of an aggregate in order, each at least
    once: a call that failed, or whose success could not be recorded, is repeated. So `up`
    must be able to see a version twice. Different aggregates run side by side.

    Attributes:
        type: What kind of store it keeps, for people and tools. ``dynamodb`` is reserved:
            the data table is kept by the pipeline itself.
    """

    type: ClassVar[str | None] = None

    @abstractmethod
    def up(self, command: CommandModel[Any]) -> None:
        """Bring the store to the state after ``command``; its ``sk`` carries the version.

        Raises:
            Exception: Anything. The call is tried again, then parked.
        """

    def problems(self, command: CommandModel[Any]) -> Sequence[FieldProblem]:  # noqa: ARG002 - for those that have some
        """What of a command the store cannot take. Default: nothing.

        Asked before a command is written, in the function that publishes it, where the module
        says ``ask_handlers=True``: what is named here is refused then, instead of parking the
        handler. It must not need the store itself.

        Args:
            command: The command as it is about to be written.
        """
        return ()

    def down(self, command: CommandModel[Any]) -> None:  # noqa: B027 - optional for a handler
        """Take the aggregate out of the store. Default: nothing to do.

        Called when an aggregate is erased for good, with its last command, and again when
        that erasure is resumed: there may be nothing left to take out. A soft delete is a
        version like any other, and goes to `up`.
        """


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
            ConfigurationError: ``source`` is nothing that can be one, has a reserved type, or a
                name of more than 100 bytes.
        """
        if isinstance(source, str):
            return cls(_checked_name(check_import_path(source, _WHAT)), source)
        if isinstance(source, DataSyncHandler):
            return cls(_checked_name(_checked_type(type(source)).__name__), source)
        if isinstance(source, type) and issubclass(source, DataSyncHandler):
            return cls(_checked_name(_checked_type(source).__name__), source)
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
            source = imported(source, _WHAT)
        found = source() if isinstance(source, type) else source
        if not isinstance(found, DataSyncHandler):
            msg = f"{self.source} is not a DataSyncHandler, got {found!r}"
            raise ConfigurationError(msg)
        _checked_type(type(found))
        return found

    def is_path_of(self, handler: type[DataSyncHandler]) -> bool:
        """Whether this is the import path of ``handler``: the same one, registered lazily."""
        return self.source == f"{handler.__module__}:{handler.__qualname__}"


def handler_references(module: str, sources: Iterable[HandlerSource]) -> tuple[HandlerReference, ...]:
    """References to the handlers of ``module``, in the order they were given.

    Raises:
        ConfigurationError: Two have the same name, or one cannot be a handler.
    """
    references = tuple(HandlerReference.of(source) for source in sources)
    names = [reference.name for reference in references]
    if twice := {name for name in names if names.count(name) > 1}:
        msg = (
            f"module {module} registers the data sync handlers {sorted(twice)} more than once; "
            "give each a name of its own, and either decorate it or give it to the module"
        )
        raise ConfigurationError(msg)
    return references


def _checked_name(name: str) -> str:
    size = len(name.encode())
    if size > _MAX_NAME_BYTES:
        msg = (
            f"the name of the data sync handler {name} has {size} bytes, and {_MAX_NAME_BYTES} is the most: "
            "it is part of the keys of cursors; give the class a shorter name"
        )
        raise ConfigurationError(msg)
    return name


def _checked_type(handler: type[DataSyncHandler]) -> type[DataSyncHandler]:
    if handler.type == _RESERVED_TYPE:
        msg = (
            f"{handler.__name__}.type must not be {_RESERVED_TYPE!r}: that is the data table, which the "
            "pipeline keeps itself; name the store, such as 'sql', or leave type out"
        )
        raise ConfigurationError(msg)
    return handler
