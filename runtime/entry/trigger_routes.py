"""Handlers for an app's own events: queues, topics, buckets, streams, buses and tasks."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from runtime.contract import Action
from runtime.entry.trigger import EventSource, name_in_arn
from runtime.errors import ConfigurationError, UnknownEventError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    EventHandler = Callable[[dict[str, Any]], Any]

__all__ = ["EventHandlers"]

HandlerT = TypeVar("HandlerT", bound="EventHandler | str")

_OWN_ACTIONS: Final = {value for name, value in vars(Action).items() if name.isupper()}
_EVENTBRIDGE_ANY: Final = ""


class EventHandlers:
    """The part of `CqrsApp` that handlers for an app's own events are registered with.

    Every ``on_…`` method takes the handler as its last argument, or decorates it. A handler
    is a function, or where to import it from: ``"package.module:name"``, which keeps its
    imports out of the functions that do not need it. It is called with the record or event
    as Lambda delivers it, a dictionary; it has succeeded when it returns.

    A queue, topic, stream, table or state machine is named by its name or its ARN. An
    event that nobody handles is an error: it is tried again, and ends in the dead-letter
    queue or failure destination of its source.

    All raise `ConfigurationError` where the same thing has a handler already.
    """

    def __init__(self) -> None:
        self._event_handlers: dict[EventSource, dict[str, _Handler]] = {}

    def on_queue(
        self, queue: str, handler: EventHandler | str | None = None
    ) -> Callable[[HandlerT], HandlerT]:
        """Handle the messages of an SQS queue, one at a time.

        A message whose handler raises is reported on its own and comes again; in a FIFO
        queue, so do the later ones of its group. The mapping needs
        ``report_batch_item_failures``.
        """
        return self._on(EventSource.SQS, queue, handler)

    def on_sns(self, topic: str, handler: EventHandler | str | None = None) -> Callable[[HandlerT], HandlerT]:
        """Handle the messages of an SNS topic that invokes the function.

        The message is ``record["Sns"]["Message"]``.
        """
        return self._on(EventSource.SNS, topic, handler)

    def on_s3(self, bucket: str, handler: EventHandler | str | None = None) -> Callable[[HandlerT], HandlerT]:
        """Handle the events of an S3 bucket that invokes the function.

        The kind of event is ``record["eventName"]``; the key, which S3 URL-encodes, is
        ``record["s3"]["object"]["key"]``.
        """
        return self._on(EventSource.S3, bucket, handler)

    def on_kinesis(
        self, stream: str, handler: EventHandler | str | None = None
    ) -> Callable[[HandlerT], HandlerT]:
        """Handle the records of a Kinesis data stream, in the order of their shard.

        A record whose handler raises comes again with all that follow it. The mapping needs
        ``report_batch_item_failures``. The data are base64 in ``record["kinesis"]["data"]``.
        """
        return self._on(EventSource.KINESIS, stream, handler)

    def on_stream(
        self, table: str, handler: EventHandler | str | None = None
    ) -> Callable[[HandlerT], HandlerT]:
        """Handle the stream of a DynamoDB table of your own, in the order of its shard.

        Command tables are the app's own business. Otherwise like `on_kinesis`.
        """
        return self._on(EventSource.DYNAMODB_STREAM, table, handler)

    def on_event(
        self, *, source: str, detail_type: str | None = None, handler: EventHandler | str | None = None
    ) -> Callable[[HandlerT], HandlerT]:
        """Handle events of an EventBridge bus.

        Args:
            source: Field ``source`` of the event.
            detail_type: Field ``detail-type``. Default: those that no other handler of the
                source is for.
            handler: See above.
        """
        _check_name("source", source)
        return self._on(EventSource.EVENTBRIDGE, _event_name(source, detail_type), handler)

    def on_task(self, task: str, handler: EventHandler | str | None = None) -> Callable[[HandlerT], HandlerT]:
        """Handle a task of a state machine of your own; what is returned is the task's result.

        The payload must have the context object in ``context``, as in
        ``{"action": "charge", "input": …, "context": "{% $states.context %}"}``.

        Args:
            task: Field ``action`` of the payload; or the name or ARN of the state machine,
                for all its tasks that have no action with a handler.
            handler: See above.
        """
        if task in _OWN_ACTIONS:
            msg = f"the task {task!r} is the command pipeline's own; give your action another name"
            raise ConfigurationError(msg)
        return self._on(EventSource.STEP_FUNCTIONS, task, handler)

    def event_handler(self, source: EventSource, *names: str) -> EventHandler | None:
        """The handler for the first of ``names`` that has one: ARNs, and names as they are."""
        handlers = self._event_handlers.get(source, {})
        for name in names:
            for candidate in (name, name_in_arn(name)) if _is_arn(name) else (name,):
                if candidate in handlers:
                    return handlers[candidate].function
        return None

    def handle_bus_event(self, event: dict[str, Any]) -> Any:  # noqa: ANN401 - the handler's result
        """Hand an EventBridge event to the handler of its type, or else of its source.

        Raises:
            UnknownEventError: It has neither.
        """
        source, detail_type = str(event["source"]), str(event["detail-type"])
        names = _event_name(source, detail_type), _event_name(source, None)
        handler = self.event_handler(EventSource.EVENTBRIDGE, *names)
        if handler is None:
            msg = f"nobody handles the event {detail_type!r} of {source!r}; register it with app.on_event"
            raise UnknownEventError(msg)
        return handler(event)

    def task_handler(self, event: Mapping[str, Any]) -> EventHandler | None:
        """The handler of a state machine's task; None for a task of the command pipeline.

        Raises:
            UnknownEventError: It is neither.
        """
        machine = event["context"]["StateMachine"]
        arn = str(machine.get("Id", "")) if isinstance(machine, dict) else ""
        action = str(event.get("action"))
        handler = self.event_handler(EventSource.STEP_FUNCTIONS, action, arn)
        if handler is None and (action not in _OWN_ACTIONS or not isinstance(event.get("input"), dict)):
            msg = (
                f"nobody handles the task {action!r} of the state machine {name_in_arn(arn)!r}; "
                "register it with app.on_task"
            )
            raise UnknownEventError(msg)
        return handler

    def _on(
        self, source: EventSource, name: str, handler: EventHandler | str | None
    ) -> Callable[[HandlerT], HandlerT]:
        _check_name("name", name)

        def register(function: HandlerT) -> HandlerT:
            handlers = self._event_handlers.setdefault(source, {})
            if any(_same(name, other) for other in handlers):
                msg = (
                    f"{source.name} {' '.join(name.split())!r} has a handler already; let one call the other"
                )
                raise ConfigurationError(msg)
            handlers[name] = _Handler(function)
            return function

        if handler is not None:
            register(handler)
        return register


class _Handler:
    """A registered handler, imported on first use where it is a path."""

    def __init__(self, source: EventHandler | str) -> None:
        if isinstance(source, str):
            module, _, name = source.partition(":")
            if not module or not name.isidentifier():
                msg = f'an event handler is written "package.module:name", got {source!r}'
                raise ConfigurationError(msg)
        elif not callable(source):
            msg = f"an event handler must be a function or its import path, got {source!r}"
            raise ConfigurationError(msg)
        self._source = source

    @cached_property
    def function(self) -> EventHandler:
        if not isinstance(self._source, str):
            return self._source
        module, _, name = self._source.partition(":")
        found: Any = getattr(import_module(module), name, None)
        if not callable(found):
            msg = f"{self._source} is no function, got {found!r}"
            raise ConfigurationError(msg)
        return found  # type: ignore[no-any-return]


def _check_name(field: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        msg = f"{field} must be a text that is not empty, got {name!r}"
        raise ConfigurationError(msg)


def _event_name(source: str, detail_type: str | None) -> str:
    return f"{source}\n{detail_type or _EVENTBRIDGE_ANY}"


def _is_arn(name: str) -> bool:
    return name.startswith("arn:")


def _same(one: str, other: str) -> bool:
    """Whether two names may mean the same thing: a name is that of every ARN which ends in it."""
    if _is_arn(one) == _is_arn(other):
        return one == other
    return name_in_arn(one) == name_in_arn(other)
