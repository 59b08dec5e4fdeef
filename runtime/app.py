"""CqrsApp: one entry point for every event source."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtime.contract import FunctionKind
from runtime.errors import ConfigurationError
from runtime.events import EventSource, source_of
from runtime.resources import default_resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.http.api import HttpApi
    from runtime.messaging.queue import NotificationQueue
    from runtime.module import CommandModule
    from runtime.pipeline.stream import StreamProcessor
    from runtime.pipeline.worker import Worker

__all__ = ["CqrsApp"]


class CqrsApp:
    """The function handler of an app: call it with an event, it routes by the source.

    HTTP requests go to the routes, records of a command table's stream to the pipeline,
    tasks of the state machine to the worker, notifications to their handlers. All
    functions of a stack share one app; each imports only what its own events need.

    Example:
        >>> app = CqrsApp(modules=[todo], routes="todo.routes:router")

        The handler of the functions is then ``main.app``.

    Args:
        modules: The app's modules.
        routes: Powertools routers, or where to import them from: ``"package.module:name"``.
            An import path keeps the routes out of the functions that serve no HTTP.
        notification_handlers: Called with each status notification. Default: it is logged.

    Raises:
        ConfigurationError: Two modules have the same name.
    """

    def __init__(
        self,
        *,
        modules: Sequence[CommandModule[Any]],
        routes: Router | str | Sequence[Router | str] = (),
        notification_handlers: Sequence[Callable[[Mapping[str, Any]], None]] | None = None,
    ) -> None:
        self.modules = {module.table_name: module for module in modules}
        if len(self.modules) != len(modules):
            msg = f"two modules have the same name in {[module.table_name for module in modules]}"
            raise ConfigurationError(msg)
        self._routes = tuple(routes) if isinstance(routes, (list, tuple)) else (routes,)
        self._notification_handlers = notification_handlers
        self._preload()

    def __call__(self, event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - Lambda's types
        """Handle one event.

        Raises:
            UnknownEventError: Nothing here serves events of this shape.
        """
        source = source_of(event)
        try:
            match source:
                case EventSource.HTTP:
                    return self._http.handle(event, context)
                case EventSource.DYNAMODB_STREAM:
                    return self._stream.process(event["Records"])
                case EventSource.STEP_FUNCTIONS:
                    return self._worker.run(event)
                case EventSource.SQS:
                    return self._queue.process(event, context)
        finally:
            self._flush_metrics()

    @cached_property
    def _flush_metrics(self) -> Callable[[], None]:
        from runtime.metrics import flush  # noqa: PLC0415

        return flush

    @cached_property
    def _http(self) -> HttpApi:
        from runtime.http.api import HttpApi  # noqa: PLC0415 - only the function that serves HTTP pays for it

        return HttpApi(self._routes)

    @cached_property
    def _stream(self) -> StreamProcessor:
        from runtime.pipeline.stream import StreamProcessor  # noqa: PLC0415

        return StreamProcessor({module.tables.command: module for module in self.modules.values()})

    @cached_property
    def _worker(self) -> Worker:
        from runtime.pipeline.worker import Worker  # noqa: PLC0415

        return Worker(self.modules)

    @cached_property
    def _queue(self) -> NotificationQueue:
        from runtime.messaging.queue import NotificationQueue, log_notification  # noqa: PLC0415

        handlers = self._notification_handlers
        return NotificationQueue((log_notification,) if handlers is None else handlers)

    def _preload(self) -> None:
        """Do the imports of this function's own events while Lambda's init phase lasts."""
        match default_resources().settings.function:
            case FunctionKind.API:
                _ = self._http
                # The first request shall not pay for the services and their client.
                for module in self.modules.values():
                    _ = module.commands, module.data, module.repository, module.resources.dynamodb
            case FunctionKind.STREAM:
                _ = self._stream
            case FunctionKind.WORKER:
                _ = self._worker
            case FunctionKind.NOTIFIER:
                _ = self._queue
