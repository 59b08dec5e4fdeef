"""Data sync handlers: how a module's changes reach SQL, search and other stores."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from runtime.errors import ConfigurationError
from runtime.imports import check_done, check_function, check_import_path, imported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.errors import FieldProblem
    from runtime.model.models import CommandModel

__all__ = ["DataSyncHandler", "HandlerReference", "HandlerSource", "handler_references"]

_RESERVED_TYPE: Final = "dynamodb"
_WHAT: Final = "a data sync handler"
# A cursor's sort key is the handler's name and the aggregate's sort key, and has to fit.
_MAX_NAME_BYTES: Final = 100
#: What is called of a handler, and whether it may be a generator: problems are gone through.
_METHODS: Final = (("up", False), ("down", False), ("problems", True))


class DataSyncHandler(ABC):
    """Brings one other store up to date with a module.

    The pipeline calls `up` with the versions of an aggregate in order, each at least
    once: a call that failed, or whose success could not be recorded, is repeated. So `up`
    must be able to see a version twice. Different aggregates run side by side. A call has
    done its work when it returns: what is ``async`` is refused, and what returns a coroutine
    or a generator has failed.

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
            ConfigurationError: ``source`` is nothing that can be one, has a reserved type, a name of
                more than 100 bytes, or a method that would only begin its work or takes something else.
        """
        if isinstance(source, str):
            return cls(_checked_name(check_import_path(source, _WHAT)), source)
        if isinstance(source, DataSyncHandler):
            name = _checked_name(_checked_type(type(source)).__name__)
            _check_methods(source)
            return cls(name, source)
        if isinstance(source, type) and issubclass(source, DataSyncHandler):
            name = _checked_name(_checked_type(source).__name__)
            _check_methods_of_class(source)
            return cls(name, source)
        msg = f"a data sync handler must be a DataSyncHandler, its class or its import path, got {source!r}"
        raise ConfigurationError(msg)

    @cached_property
    def handler(self) -> DataSyncHandler:
        """The handler itself, imported and made on first use.

        Raises:
            ConfigurationError: It cannot be imported, is no handler, or has a method that would only
                begin its work or takes something else.
        """
        source: Any = self.source
        if isinstance(source, str):
            source = imported(source, _WHAT)
        found = source() if isinstance(source, type) else source
        if not isinstance(found, DataSyncHandler):
            msg = f"{self.source} is not a DataSyncHandler, got {found!r}"
            raise ConfigurationError(msg)
        _checked_type(type(found))
        _check_methods(found)
        return found

    def up(self, command: CommandModel[Any]) -> None:
        """Bring the store to the state after a command.

        Raises:
            ConfigurationError: The handler returned its work instead of doing it.
            Exception: Whatever it raises.
        """
        result: object = self.handler.up(command)
        if result is not None:
            check_done(result, f"{self.name}.up")

    def down(self, command: CommandModel[Any]) -> None:
        """Take an aggregate out of the store.

        Raises:
            ConfigurationError: The handler returned its work instead of doing it.
            Exception: Whatever it raises.
        """
        result: object = self.handler.down(command)  # type: ignore[func-returns-value]
        if result is not None:
            check_done(result, f"{self.name}.down")

    def problems(self, command: CommandModel[Any]) -> Iterable[FieldProblem]:
        """What of a command the store cannot take.

        Raises:
            ConfigurationError: The handler returned what cannot be gone through.
            Exception: Whatever it raises.
        """
        found: object = self.handler.problems(command)
        if isinstance(found, Iterable):
            return found
        what = f"{self.name}.problems"
        check_done(found, what)
        msg = f"{what} must return problems, or () for none, got {type(found).__name__}"
        raise ConfigurationError(msg)

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


def _check_methods(handler: DataSyncHandler) -> None:
    """Refuse a handler whose calls would be taken for done before they are, or could not be made."""
    for name, yields in _METHODS:
        what = f"{type(handler).__name__}.{name}"
        check_function(getattr(handler, name), what, ("command",), yields=yields)


def _check_methods_of_class(handler: type[DataSyncHandler]) -> None:
    """Do so before there is an object, as far as the class tells."""
    for name, yields in _METHODS:
        what, method = f"{handler.__name__}.{name}", inspect.getattr_static(handler, name)
        if inspect.isfunction(method):
            check_function(method, what, ("self", "command"), yields=yields)
        elif isinstance(method, staticmethod | classmethod) or not hasattr(type(method), "__get__"):
            check_function(getattr(handler, name), what, ("command",), yields=yields)


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
