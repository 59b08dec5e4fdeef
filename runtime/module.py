"""A module: one aggregate type, its tables, its attributes and its handlers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, cast, overload

from runtime.clients.resources import default_resources
from runtime.errors import ConfigurationError, ModuleMismatchError
from runtime.generics import AttributesT
from runtime.imports import FunctionReference, check_import_path, imported
from runtime.model.handler_registry import decorated_handlers
from runtime.model.handlers import handler_references
from runtime.model.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import UnionType

    from runtime.clients.resources import Resources
    from runtime.commands.decide import RuleSource
    from runtime.commands.module_service import ModuleService
    from runtime.commands.service import CommandService
    from runtime.model.handlers import HandlerReference, HandlerSource
    from runtime.model.schema import UpcasterSource
    from runtime.module_context import ModuleContext
    from runtime.queries.data import DataService
    from runtime.queries.history import HistoryService
    from runtime.queries.repository import Repository
    from runtime.queries.sessions import SessionService
    from runtime.settings import ModuleTables
    from runtime.store.retention import TtlService

__all__ = ["CommandModule"]

_ATTRIBUTES: Final = "a type of attributes"


class CommandModule(Generic[AttributesT]):
    """One aggregate type. Making it touches neither the network nor the environment.

    Example:
        >>> class TodoAttributes(CqrsModel):
        ...     title: str
        >>> todo = CommandModule("todo", attributes=TodoAttributes)

    Args:
        table_name: Logical name; the tables are ``{NODE_ENV}-{APP_NAME}-{table_name}-…``
            unless the deployment says otherwise.
        attributes: Pydantic model of the aggregate's own fields; or a union of models, a typed
            dictionary, a dataclass; or the import path of one, which is followed where attributes are read
            or written: a function that does neither is spared pydantic. Default: any dictionary.
        data_sync_handlers: Handlers, in the order they are called; see `HandlerSource`.
            Those that are decorated with `data_sync_handler` come after them.
        disable_default_handler: Write neither data nor history rows: the handlers'
            stores are the only read models.
        ask_handlers: Ask each handler, before a command is written, what of it its store cannot
            take (`DataSyncHandler.problems`), and refuse that by field. Whoever publishes
            imports the handlers then, and what they import.
        decide: Rules about what an item may become, or their import paths; asked in this order, whatever
            way a command comes in, before it is written. Each gets a `Change` and returns None
            to accept it, `FieldProblem` to refuse it, or ``change.after.replace(...)``: the next state
            instead. A rule does nothing else, as it may be asked several times.
        upcasters: Functions that take attributes of an old row from schema 1 to 2, from 2 to
            3, and so on; or their import paths. The list only ever grows at its end.
        read_ahead: How many schemas beyond those the model can read as they are. It never
            writes over them.
        min_ttl: How far ahead the ``ttl`` of a command has to be, whoever gives it: an item whose
            time is over is deleted for good, and its last state is in no history. Default: the
            service's own code may give any; for users see `module_routes`.
        resources: Where the tables are. Default: what the environment says.

    Raises:
        ConfigurationError: The name is empty, ``min_ttl`` is negative, a handler, a rule or an upcaster
            cannot be one, or the model is one of which nothing that is stored could be read again.
    """

    @overload
    def __init__(
        self: CommandModule[dict[str, Any] | None],
        table_name: str,
        *,
        attributes: None = None,
        data_sync_handlers: Iterable[HandlerSource] = (),
        disable_default_handler: bool = False,
        ask_handlers: bool = False,
        decide: Iterable[RuleSource[dict[str, Any] | None]] = (),
        upcasters: Iterable[UpcasterSource] = (),
        read_ahead: int = 0,
        min_ttl: timedelta | None = None,
        resources: Resources | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: CommandModule[Any],
        table_name: str,
        *,
        attributes: UnionType | str,
        data_sync_handlers: Iterable[HandlerSource] = (),
        disable_default_handler: bool = False,
        ask_handlers: bool = False,
        decide: Iterable[RuleSource[Any]] = (),
        upcasters: Iterable[UpcasterSource] = (),
        read_ahead: int = 0,
        min_ttl: timedelta | None = None,
        resources: Resources | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        table_name: str,
        *,
        attributes: type[AttributesT],
        data_sync_handlers: Iterable[HandlerSource] = (),
        disable_default_handler: bool = False,
        ask_handlers: bool = False,
        decide: Iterable[RuleSource[AttributesT]] = (),
        upcasters: Iterable[UpcasterSource] = (),
        read_ahead: int = 0,
        min_ttl: timedelta | None = None,
        resources: Resources | None = None,
    ) -> None: ...

    def __init__(
        self,
        table_name: str,
        *,
        attributes: type[AttributesT] | UnionType | str | None = None,
        data_sync_handlers: Iterable[HandlerSource] = (),
        disable_default_handler: bool = False,
        ask_handlers: bool = False,
        decide: Iterable[RuleSource[Any]] = (),
        upcasters: Iterable[UpcasterSource] = (),
        read_ahead: int = 0,
        min_ttl: timedelta | None = None,
        resources: Resources | None = None,
    ) -> None:
        if not table_name:
            msg = "table_name must not be empty: give the module's logical name, such as 'todo'"
            raise ConfigurationError(msg)
        self.table_name = table_name
        self._attributes_path = attributes if isinstance(attributes, str) else None
        if isinstance(attributes, str):
            check_import_path(attributes, _ATTRIBUTES)
        else:
            self.attributes = self._checked(attributes)
        #: What makes the module's routes in place of `module_routes`, which knows nothing of its rules.
        self.routes_by: str | None = None
        self._given_handlers = handler_references(table_name, data_sync_handlers)
        self.handlers = self._given_handlers
        self.disable_default_handler = disable_default_handler
        self.ask_handlers = ask_handlers
        self.decide = tuple(FunctionReference.of(rule, "a rule", ("change",), yields=True) for rule in decide)
        self.schema = Schema(table_name, upcasters, read_ahead)
        if min_ttl is not None and min_ttl < timedelta(0):
            msg = f"min_ttl must not be negative, got {min_ttl}"
            raise ConfigurationError(msg)
        self.min_ttl = min_ttl
        self._resources = resources
        self._tables: ModuleTables | None = None
        self.add_decorated_handlers()

    @cached_property
    def attributes(self) -> type[AttributesT] | UnionType | None:
        """Type of the aggregate's own fields; None for any dictionary. An import path is followed here.

        Raises:
            ConfigurationError: The path leads nowhere, or to a type of which nothing that is stored could be
                read again.
        """
        return self._checked(imported(self._attributes_path, _ATTRIBUTES) if self._attributes_path else None)

    def _checked(
        self, attributes: type[AttributesT] | UnionType | None
    ) -> type[AttributesT] | UnionType | None:
        if attributes is not None:
            from runtime.model.attributes_type import attributes_type  # noqa: PLC0415 - with pydantic behind it

            attributes_type(cast("Any", attributes)).check(self.table_name)
        return attributes

    @property
    def resources(self) -> Resources:
        """Settings and clients that the module works with."""
        return self._resources or default_resources()

    @property
    def tables(self) -> ModuleTables:
        """Physical names of the module's tables.

        Raises:
            ConfigurationError: The environment does not tell them, or lacks the table of
                the handlers' cursors.
        """
        return self.context.tables

    @cached_property
    def context(self) -> ModuleContext:
        """What the module's services work with. Made on first use, anew when the module is rewired.

        Raises:
            ConfigurationError: See `tables`.
        """
        from runtime.module_context import ModuleContext  # noqa: PLC0415 - for who has work to do

        resources = self.resources
        tables = self._tables or resources.settings.tables_of(self.table_name)
        self._check_sync_table(tables)
        return ModuleContext(
            name=self.table_name,
            tables=tables,
            resources=resources,
            type_of_attributes=lambda: self.attributes or dict[str, Any],
            schema=self.schema,
            handlers=self.handlers,
            keeps_data=not self.disable_default_handler,
            min_ttl=self.min_ttl,
            asks_handlers=self.ask_handlers,
            decide=self.decide,
        )

    def use(self, *, resources: Resources | None = None, command_table: str | None = None) -> None:
        """Let the module, and the services that it has given out, work with something else.

        Args:
            resources: Settings and clients, such as those of `runtime.testing`. Default: as before.
            command_table: Physical name of the command table. Default: as before; with other
                resources, what their settings say.
        """
        if resources is not None:
            self._resources, self._tables = resources, None
        if command_table is not None:
            self._tables = replace(self.tables, command=command_table)
        self._rewire()

    def add_decorated_handlers(self) -> None:
        """Take on the handlers that were decorated for this module so far.

        Done when the module is made and once more when its app is, which is when the files
        of the handlers have been imported.

        Raises:
            ConfigurationError: A handler is registered twice, or cannot be one.
        """
        given = self._given_handlers
        decorated = [
            handler
            for handler in decorated_handlers(self.table_name)
            if not any(reference.is_path_of(handler) for reference in given)
        ]
        sources = [*(reference.source for reference in given), *decorated]
        # A handler that was loaded already stays the object that it is.
        known = {reference.name: reference for reference in self.handlers}
        references = handler_references(self.table_name, sources)
        handlers = tuple(known.get(reference.name, reference) for reference in references)
        if handlers != self.handlers:
            self.handlers = handlers
            self._rewire()

    def handler(self, name: str) -> HandlerReference:
        """The handler with this name.

        Raises:
            ConfigurationError: The module has no such handler.
        """
        return self.context.handler(name)

    @cached_property
    def commands(self) -> CommandService[AttributesT]:
        """The write side."""
        from runtime.commands.service import CommandService  # noqa: PLC0415

        return CommandService(self.context, redirect=self._redirect)

    @cached_property
    def data(self) -> DataService[AttributesT]:
        """The latest state."""
        from runtime.queries.data import DataService  # noqa: PLC0415

        return DataService(self.context)

    @cached_property
    def history(self) -> HistoryService[AttributesT]:
        """The states before."""
        from runtime.queries.history import HistoryService  # noqa: PLC0415

        return HistoryService(self.context)

    @cached_property
    def repository(self) -> Repository[AttributesT]:
        """The latest state, with the caller's own pending writes in it."""
        from runtime.queries.repository import Repository  # noqa: PLC0415

        return Repository(self.context)

    def service(
        self,
        *,
        type: str,  # noqa: A002 - the name of the field of a command
        name: str = "ModuleService",
        shards: int = 1,
    ) -> ModuleService[AttributesT]:
        """The module's items of one type, for a service that is written by hand: no keys to assemble.

        Args:
            type: Kind of the items, such as ``ORDER``: the first part of their partition keys.
            name: What their commands have as source; see `get_command_source`.
            shards: How many partition keys the items of one tenant are spread over, by their sort key, 1 to
                100: ``{type}#{shard}#{tenant}``. Each takes some 250 updates a second; a list reads all of
                them, so that it costs as many times more. Chosen once: with another number items are not
                found where they are. Default: one, ``{type}#{tenant}``.

        Raises:
            ConfigurationError: The type is empty, or ends with ``#``, or there cannot be so many shards.
        """
        from runtime.commands.module_service import ModuleService  # noqa: PLC0415

        return ModuleService(self, type, name, shards)

    @property
    def ttl(self) -> TtlService:
        """How long the module's rows are kept."""
        return self.context.retention

    @cached_property
    def sessions(self) -> SessionService:
        """The sessions of read-your-writes."""
        from runtime.queries.sessions import SessionService  # noqa: PLC0415

        return SessionService(self.context)

    def _redirect(self, command_table: str) -> None:
        self.use(command_table=command_table)

    def _rewire(self) -> None:
        """Make the context anew, and give it to the services that exist: whoever has one may keep it."""
        if self.__dict__.pop("context", None) is None:
            return
        context, made = self.context, self.__dict__
        if "commands" in made:
            self.commands.__init__(context, redirect=self._redirect)  # type: ignore[misc]
        for name in ("data", "history", "repository", "sessions"):
            if name in made:
                made[name].__init__(context)

    def _check_sync_table(self, tables: ModuleTables) -> None:
        if self.handlers and not tables.has_sync_table:
            msg = (
                f"module {self.table_name} has data sync handlers, but was deployed without a sync table; "
                "deploy it with data_sync=True"
            )
            raise ModuleMismatchError(self.table_name, msg)
