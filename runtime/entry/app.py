"""CqrsApp: one entry point for whatever triggers a function."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from runtime.background import flush_background
from runtime.clients.resources import Resources, make_early
from runtime.clock import use_deadline
from runtime.contract import CHECK_OPERATION, KIND_EVENTS, Env, FunctionKind
from runtime.entry.joined import check_names, checked_features, modules_with
from runtime.entry.trigger import TriggerSource, source_of
from runtime.entry.trigger_routes import TriggerRoutes
from runtime.errors import ConfigurationError, UnknownTriggerError
from runtime.imports import check_function
from runtime.init_phase import end_init_phase
from runtime.log import logger
from runtime.model.handler_registry import check_decorated, check_latecomers, count_decorated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.entry.declared import DeclaredService
    from runtime.entry.http.api import HttpApi
    from runtime.entry.operator.operator import Operator
    from runtime.entry.projector import Projector
    from runtime.entry.queue import NotificationQueue
    from runtime.entry.record_router import RecordRouter
    from runtime.entry.stream import StreamProcessor
    from runtime.entry.worker import Worker
    from runtime.event_store.event_module import EventModule
    from runtime.features.feature import Feature
    from runtime.module import CommandModule

__all__ = ["CqrsApp"]

_Module = TypeVar("_Module")
#: Set by Lambda; AWS Lambda developer guide, "Defined runtime environment variables".
_STARTS: Final = "AWS_LAMBDA_INITIALIZATION_TYPE"
_FROM_SNAPSHOT: Final = "snap-start"


class CqrsApp(TriggerRoutes):
    """The function handler of an app: called with whatever Lambda delivers, it routes by the source.

    HTTP requests go to the routes, records of a command table's stream to the pipeline, tasks of
    its state machine to the worker, records of an events table's stream to the event handlers,
    notifications to their handlers, operators' requests to their operations; everything else to the
    functions that are registered for it, see `TriggerRoutes`. All functions of a stack share one app;
    each imports only what its own triggers need, and takes nothing that is for another one: whoever may
    call the worker, say, and makes up an HTTP request with claims in it, is refused. Where
    ``CQRS_FUNCTION`` does not say what a function is for, it takes everything but operations.

    Example:
        >>> app = CqrsApp(modules=[todo], routes="todo.routes:router")

        The handler of the functions is then ``main.app``.

    Args:
        modules: The app's modules, of commands and of events.
        features: What it has beside them, see `Feature`: their modules join the app's, their triggers and
            operations reach the functions that are for them.
        routes: Powertools routers, or where to import them, or functions that make them, from:
            ``"package.module:name"``. An import path keeps the routes out of the functions that serve
            no HTTP; a function does so for routes that stand in one file with their module.
        openapi: Serve the routes' description at ``/openapi.json`` and ``/swagger``.
        notification_handlers: Called with each status notification, after it was pushed to
            realtime clients where the stack has them. Default: it is logged.
        resources: Settings and clients. Default: those of the first module, which all modules
            of an app share; without a module, what the environment says.

    Raises:
        ConfigurationError: Two modules have the same name, or two features, or operations of theirs, or a
            trigger has two handlers, or a data sync handler is registered twice, for an unknown table,
            with a reserved type, or too late; or a handler of notifications would only begin its work, or
            takes something else.
    """

    #: What cqrs.toml says, where the app was made of it.
    _service: DeclaredService | None = None

    def __init__(
        self,
        *,
        modules: Sequence[CommandModule[Any] | EventModule],
        features: Sequence[Feature] = (),
        routes: Router | str | Sequence[Router | str] = (),
        openapi: bool = True,
        notification_handlers: Sequence[Callable[[Mapping[str, Any]], None]] | None = None,
        resources: Resources | None = None,
    ) -> None:
        super().__init__()
        self.features = checked_features(features)
        self._feature_of = check_names(modules, self.features)
        of_events, of_commands = _by_kind(modules_with(modules, self.features))
        self.modules = {module.table_name: module for module in of_commands}
        self.event_modules = {module.name: module for module in of_events}
        self._routes = tuple(routes) if isinstance(routes, (list, tuple)) else (routes,)
        self._openapi = openapi
        for handler in notification_handlers or ():
            check_function(handler, "a notification handler", ("notification",))
        self._notification_handlers = notification_handlers
        self._given_resources = resources
        for module in of_commands:
            module.add_decorated_handlers()
        check_decorated(self.modules)
        self._decorated = count_decorated()
        for feature in self.features.values():
            feature.use(self.resources)
        self.take_triggers(self.features.values())
        self._preload()
        self._prepare_for_copies()
        self._check_latecomers()
        end_init_phase()

    @classmethod
    def of(
        cls,
        name: str,
        *,
        features: Sequence[Feature] = (),
        routes: Router | str | Sequence[Router | str] = (),
        openapi: bool = True,
        notification_handlers: Sequence[Callable[[Mapping[str, Any]], None]] | None = None,
        resources: Resources | None = None,
    ) -> Self:
        """Make the app of the modules, and their routes, that ``cqrs.toml`` declares.

        The stack reads the same file: ``CqrsStack(modules=modules_of("service"), ...)``. See the guide
        page on modules for what is in it.

        Example:
            >>> app = CqrsApp.of(__name__)

        Args:
            name: ``__name__`` of the file that the app is made in, with ``cqrs.toml`` beside it; or the
                name of the package that has that file.
            features: See `CqrsApp`.
            routes: Routes beside those of the modules, before them.
            openapi: See `CqrsApp`.
            notification_handlers: See `CqrsApp`.
            resources: See `CqrsApp`.

        Raises:
            ConfigurationError: There is no such file, something in it is wrong, what it declares is
                not there, or `CqrsApp` refuses it. The message names the file and the table. Outside
                of a stack: a module has handlers just where the file does not say so.
        """
        from runtime.entry.declared import DeclaredService  # noqa: PLC0415 - of an app that has the file

        service = DeclaredService.of(name)
        own = tuple(routes) if isinstance(routes, (list, tuple)) else (routes,)
        try:
            app = cls(
                modules=service.modules,
                features=features,
                routes=(*own, *service.routes),
                openapi=openapi,
                notification_handlers=notification_handlers,
                resources=resources,
            )
        except ConfigurationError as error:
            raise service.explained(error) from error
        if app.resources.settings.modules is None:
            # In a stack that would stop every module: there `check` tells, and the module's own calls fail.
            service.check_handlers()
        app._service = service
        return app

    @property
    def _all_modules(self) -> list[CommandModule[Any] | EventModule]:
        return [*self.modules.values(), *self.event_modules.values()]

    @property
    def resources(self) -> Resources:
        """Settings and clients that the app works with."""
        if self._given_resources is None and self._all_modules:
            return self._all_modules[0].resources
        self._given_resources = self._given_resources or Resources()
        return self._given_resources

    def use(self, resources: Resources) -> None:
        """Let the app, its modules and features work with something else, such as `runtime.testing` makes."""
        for module in self._all_modules:
            module.use(resources=resources)
        for feature in self.features.values():
            feature.use(resources)
        self._given_resources = resources
        if self.features:
            self.take_triggers(self.features.values())
        for name in _MADE_OF_RESOURCES:
            self.__dict__.pop(name, None)

    def __call__(self, event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - Lambda's types
        """Handle one event.

        What the app's own handlers raise leaves the function under its name, but without its
        text: Lambda would write it to the log. See `runtime.entry.hidden_error`.

        Raises:
            UnknownTriggerError: Nothing in the app, or in this function of it, is for this event.
        """
        self._check_latecomers()
        source = source_of(event)
        try:
            with _deadline_of(context):
                try:
                    return self._handle(source, event, context)
                finally:
                    flush_background()
        except Exception as error:
            from runtime.entry.hidden_error import hidden, is_shown  # noqa: PLC0415

            if is_shown(error):
                raise
            raise hidden(error) from None
        finally:
            self._flush_metrics()

    def _handle(self, source: TriggerSource, event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401
        match source:
            case TriggerSource.HTTP:
                return self._http.handle(event, context)
            case TriggerSource.STEP_FUNCTIONS:
                route = self.task_route(event)
                return self._worker.run(event) if route is None else route(event)
            case TriggerSource.EVENTBRIDGE:
                return self.handle_bus_event(event)
            case TriggerSource.OPERATOR:
                return self._operate(event)
            case TriggerSource.INVOCATION:
                return self.handle_invocation(event)
            case _:
                return self._records.process(source, event["Records"])

    @cached_property
    def _flush_metrics(self) -> Callable[[], None]:
        from runtime.metrics import flush  # noqa: PLC0415

        return flush

    @cached_property
    def _http(self) -> HttpApi:
        self._check_kind(FunctionKind.API, "HTTP requests are")
        from runtime.entry.http.api import HttpApi  # noqa: PLC0415 - only the function that serves HTTP pays for it

        try:
            return HttpApi(
                self._routes,
                openapi=self._openapi,
                settings=self.resources.settings,
                features=self.features.values(),
            )
        except ConfigurationError as error:
            if self._service is None:
                raise
            raise self._service.explained(error) from error

    def _operate(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["operation"] != CHECK_OPERATION:
            return self._operator.run(event)
        # Every function answers it: what one finds is of its own code, environment and imports.
        from runtime.entry.check import check  # noqa: PLC0415 - once in a deployment

        declared = self._service.tables if self._service else {}
        return check(
            self.modules,
            declared,
            self.resources.settings,
            event_modules=self.event_modules,
            features=self.features,
            feature_of=self._feature_of,
        )

    @cached_property
    def _command_tables(self) -> dict[str, CommandModule[Any]]:
        return _deployed(self.modules.values(), lambda module: module.tables.command)

    @cached_property
    def _event_tables(self) -> dict[str, EventModule]:
        return _deployed(self.event_modules.values(), lambda module: module.tables.events)

    @cached_property
    def _records(self) -> RecordRouter:
        from runtime.entry.record_router import RecordRouter  # noqa: PLC0415

        return RecordRouter(self, self._processor_of, lambda: self._queue)

    def _processor_of(self, table: str, *, is_routed: bool) -> StreamProcessor | Projector | None:
        """What handles the stream of a table; None for one that the app has a route for.

        Raises:
            ConfigurationError: There is a route for a table that the app handles itself.
        """
        is_of_events = table in self._event_tables
        if is_routed:
            if is_of_events or table in self._command_tables:
                what = "an events table" if is_of_events else "a command table"
                msg = f"{table} is {what}, which the app handles itself; remove on_stream"
                raise ConfigurationError(msg)
            return None
        return self._projector if is_of_events or self._own_kind() == FunctionKind.PROJECTOR else self._stream

    @cached_property
    def _stream(self) -> StreamProcessor:
        self._check_kind(FunctionKind.STREAM, "records of a command table's stream are")
        from runtime.entry.stream import StreamProcessor  # noqa: PLC0415

        return StreamProcessor(self._command_tables)

    @cached_property
    def _projector(self) -> Projector:
        self._check_kind(FunctionKind.PROJECTOR, "records of an events table's stream are")
        from runtime.entry.projector import Projector  # noqa: PLC0415

        return Projector(self._event_tables)

    @cached_property
    def _worker(self) -> Worker:
        self._check_kind(FunctionKind.WORKER, "tasks of the command pipeline are")
        from runtime.entry.worker import Worker  # noqa: PLC0415

        return Worker(self.modules)

    @cached_property
    def _queue(self) -> NotificationQueue:
        self._check_kind(FunctionKind.NOTIFIER, "notifications are")
        from runtime.entry.queue import NotificationQueue, notification_handlers  # noqa: PLC0415

        return NotificationQueue(notification_handlers(self.resources, self._notification_handlers))

    @cached_property
    def _operator(self) -> Operator:
        self._check_kind(FunctionKind.OPERATOR, "operations are", is_always_named=True)
        from runtime.entry.operator.operator import Operator  # noqa: PLC0415
        from runtime.entry.operator.scope import Scope  # noqa: PLC0415

        return Operator(Scope(self.modules, self.resources, self.event_modules, self.features))

    def _own_kind(self) -> str | None:
        return self.resources.settings.function

    def _check_kind(self, kind: str, what: str, *, is_always_named: bool = False) -> None:
        """Refuse what is for another function: a permission to call one must not open the other.

        Args:
            kind: What the function has to be for.
            what: What has come.
            is_always_named: Whether a function that is for nothing in particular is refused, too.

        Raises:
            UnknownTriggerError: This function is for something else.
        """
        own = self._own_kind()
        if own != kind and (own or is_always_named):
            msg = f"{what} for the {kind} function; this one is for something else: {Env.FUNCTION} is {own!r}"
            raise UnknownTriggerError(msg)

    def _check_latecomers(self) -> None:
        if count_decorated() != self._decorated:
            check_latecomers(self.modules, self._decorated)

    @staticmethod
    def _prepare_for_copies() -> None:
        if os.environ.get(_STARTS) == _FROM_SNAPSHOT:
            from runtime.restored import draw_anew_when_restored  # noqa: PLC0415 - for the few that are restored

            draw_anew_when_restored()

    def _preload(self) -> None:
        """Do the imports of this function's own triggers, and make their clients, in Lambda's init phase.

        It has a whole processor, whatever the memory, and with provisioned concurrency it is over before
        the first call comes.
        """
        match self.resources.settings.function:
            case FunctionKind.API:
                _ = self._http
                # So that the first request does not wait for the services and their client.
                for module in self.modules.values():
                    with suppress(ConfigurationError):  # of a module that is not deployed; its routes say so
                        _ = module.commands, module.data, module.repository
            case FunctionKind.STREAM:
                _ = self._records
                make_early(self._stream.preload)
            case FunctionKind.WORKER:
                _ = self._worker
                make_early(lambda: self.resources.store, self.resources.notifier.connect)
            case FunctionKind.NOTIFIER:
                _ = self._records, self._queue
            case FunctionKind.OPERATOR:
                _ = self._operator
                make_early(lambda: self.resources.store, self.resources.workflow.connect)
            case FunctionKind.PROJECTOR:
                _ = self._records, self._projector
                for of_events in self.event_modules.values():
                    with suppress(ConfigurationError):  # `check` tells of it, and so does each record
                        _ = of_events.handlers
        self._preload_features()

    def _preload_features(self) -> None:
        function = self.resources.settings.function
        for feature in self.features.values() if function else ():
            with suppress(ConfigurationError):  # of one that is not deployed; `check` and its calls say so
                feature.preload(str(function))


#: What `CqrsApp.use` has made anew.
_MADE_OF_RESOURCES: Final = (
    "_http",
    "_command_tables",
    "_event_tables",
    "_records",
    "_stream",
    "_projector",
    "_worker",
    "_queue",
    "_operator",
)


def _by_kind(
    modules: Sequence[CommandModule[Any] | EventModule],
) -> tuple[list[EventModule], list[CommandModule[Any]]]:
    """Part the modules without importing what one of the kinds is made of."""
    events: list[EventModule] = []
    commands: list[CommandModule[Any]] = []
    for module in modules:
        if getattr(module, "kind", None) == KIND_EVENTS:
            events.append(cast("EventModule", module))
        else:
            commands.append(cast("CommandModule[Any]", module))
    return events, commands


def _deployed(modules: Iterable[_Module], table_of: Callable[[_Module], str]) -> dict[str, _Module]:
    """Modules by the name of a table; those that cannot work are left out, and told of: the others go on."""
    tables = {}
    for module in modules:
        try:
            tables[table_of(module)] = module
        except ConfigurationError as error:
            logger.error("module not deployed", reason=str(error))
    return tables


def _deadline_of(context: Any) -> AbstractContextManager[None]:  # noqa: ANN401 - Lambda's own
    """Lets calls end while the function may still run. Outside of Lambda there is no such time."""
    milliseconds_left = getattr(context, "get_remaining_time_in_millis", None)
    return use_deadline(milliseconds_left()) if milliseconds_left else nullcontext()
