"""What the services of one module work with: made once by the module, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError, ModuleMismatchError
from runtime.model.keys import MAX_ROW_SK_BYTES, DetailKey, add_sort_key_version
from runtime.model.status import FINISHED, HANDLERS_STARTED
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from runtime.clients.notifications import Notifier
    from runtime.clients.resources import Resources
    from runtime.clients.workflow import WorkflowStarter
    from runtime.imports import FunctionReference
    from runtime.model.handlers import HandlerReference
    from runtime.model.schema import Schema
    from runtime.settings import ModuleTables, Settings
    from runtime.store.attributes import LargeAttributes
    from runtime.store.port import Store
    from runtime.store.retention import TtlService
    from runtime.store.row_reader import RowReader

__all__ = ["HEAD", "HasContext", "ModuleContext", "context_of"]

HEAD: Final = "$head"
"""Stands in front of a sort key in the sync table where a handler's name stands otherwise."""


@dataclass(frozen=True)
class ModuleContext:
    """One module, as its services see it. What it is made of is made on first use: few need all of it.

    Attributes:
        name: Logical name of the module.
        tables: Physical names of its tables, and how its commands are processed.
        resources: Settings and clients of the function.
        type_of_attributes: Gives the type of the aggregate's own fields.
        schema: Schema versions of the attributes.
        handlers: The data sync handlers, in the order they are called.
        keeps_data: False for a module without data and history rows.
        min_ttl: How far ahead the ``ttl`` of a command has to be; None for no minimum.
        asks_handlers: Whether the handlers are asked before a command is written.
        decide: The rules that are asked before that, in their order.
    """

    name: str
    tables: ModuleTables
    resources: Resources
    type_of_attributes: Callable[[], Any]
    schema: Schema
    handlers: tuple[HandlerReference, ...]
    keeps_data: bool
    min_ttl: timedelta | None
    asks_handlers: bool = False
    decide: tuple[FunctionReference, ...] = ()

    @property
    def settings(self) -> Settings:
        """The function's settings."""
        return self.resources.settings

    @property
    def notifier(self) -> Notifier:
        """Tells clients and operators."""
        return self.resources.notifier

    @property
    def workflow(self) -> WorkflowStarter:
        """Starts the state machine."""
        return self.resources.workflow

    @property
    def store(self) -> Store:
        """Where the rows are."""
        return self.resources.store

    @cached_property
    def attributes(self) -> Any:  # noqa: ANN401 - a type
        """Type of the aggregate's own fields: a pydantic model, or ``dict[str, Any]``."""
        return self.type_of_attributes()

    @cached_property
    def large_attributes(self) -> LargeAttributes:
        """Where attributes are that are too large for a row."""
        return self.resources.large_attributes.of_type(self.attributes)

    @cached_property
    def retention(self) -> TtlService:
        """How long rows are kept."""
        from runtime.store.retention import TtlService  # noqa: PLC0415 - the stream does not ask

        return TtlService(self.store, self.settings, self.tables, lambda: self.resources.retention_writer)

    @cached_property
    def rows(self) -> RowReader[Any]:
        """Makes models of rows."""
        from runtime.store.row_reader import RowReader  # noqa: PLC0415 - with pydantic behind it

        return RowReader(self.large_attributes, self.schema, self.attributes, self.name)

    @property
    def applied_status(self) -> str:
        """Status of a command once it is applied: final, unless handlers are to see it.

        Raises:
            ModuleMismatchError: See `check_handlers`.
        """
        self.check_handlers()
        return HANDLERS_STARTED if self.handlers else FINISHED

    @property
    def awaits_handlers(self) -> bool:
        """Whether handlers are to see the commands: those of this code, or the stack's."""
        # Where no stack says what there is, a table for cursors is assumed, and may stay unused.
        is_told_so = self.tables.has_sync_table and self.settings.modules is not None
        return bool(self.handlers) or is_told_so

    def check_handlers(self) -> None:
        """Refuse to finish, or erase, what no handler would ever hear of, as the code lacks them.

        Raises:
            ModuleMismatchError: The stack says that there are handlers, and the code has none.
        """
        if self.awaits_handlers and not self.handlers:
            msg = (
                f"module {self.name} was deployed with data_sync=True, but the code has no data sync "
                "handlers for it, and nothing is finished or erased that they were to hear of; import them "
                "before the app is made, or deploy it with data_sync=False"
            )
            raise ModuleMismatchError(self.name, msg)

    @property
    def handler_names(self) -> tuple[str, ...]:
        """Names of the data sync handlers, in the order they are called."""
        return tuple(reference.name for reference in self.handlers)

    def handler(self, name: str) -> HandlerReference:
        """The handler with this name.

        Raises:
            ConfigurationError: The module has no such handler.
        """
        for reference in self.handlers:
            if reference.name == name:
                return reference
        msg = f"module {self.name} has no data sync handler {name!r}"
        raise ConfigurationError(msg)

    def command_place(self, key: DetailKey, version: int) -> Place:
        """Where the command of a version is."""
        return Place(self.tables.command, key.pk, add_sort_key_version(key.sk, version))

    def data_place(self, key: DetailKey) -> Place:
        """Where the data row of an aggregate is."""
        return Place(self.tables.data, key.pk, key.sk)

    def history_place(self, key: DetailKey, version: int) -> Place:
        """Where the state at a version is, once it was replaced."""
        return Place(self.tables.history, key.pk, add_sort_key_version(key.sk, version))

    def head_place(self, key: DetailKey) -> Place:
        """Where the last finished command is kept of an aggregate without a data row."""
        return Place(self.tables.sync, key.pk, f"{HEAD}#{key.sk}")

    def base_place(self, key: DetailKey) -> Place | None:
        """Where the state is that retention of the commands does not reach; None where nothing expires.

        A module without data rows and without handlers never finishes a command, so that none
        of them expires.
        """
        if self.keeps_data:
            return self.data_place(key)
        return self.head_place(key) if self.tables.has_sync_table else None

    def cursor_place(self, key: DetailKey, handler: str) -> Place:
        """Where a handler's cursor for an aggregate is.

        Raises:
            InvalidInputError: The sort key is too long to have one. New aggregates have no such key;
                earlier releases accepted them.
        """
        sk = f"{handler}#{key.sk}"
        if len(sk) > MAX_ROW_SK_BYTES // 4 and len(sk.encode()) > MAX_ROW_SK_BYTES:
            message = "is too long for a data sync handler's cursor; copy the aggregate to a shorter one"
            raise InvalidInputError([FieldProblem("sk", message)])
        return Place(self.tables.sync, key.pk, sk)


class HasContext(Protocol):
    """A module, to the functions that are given one: `runtime.CommandModule`."""

    @property
    def context(self) -> ModuleContext:
        """What the module's services work with."""
        ...


def context_of(module: HasContext) -> ModuleContext:
    """What the services of a module of commands work with.

    Raises:
        ConfigurationError: It is no module of commands.
    """
    if not hasattr(type(module), "context"):
        msg = (
            f"module must be a CommandModule, got {type(module).__name__}; what repairs the handlers of "
            "events are methods of EventHandler, such as EventHandler.redrive, and the command cqrs"
        )
        raise ConfigurationError(msg)
    return module.context
