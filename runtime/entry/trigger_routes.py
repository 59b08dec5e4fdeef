"""The routes of an app's own triggers: queues, topics, buckets, streams, buses, tasks and invocations."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from runtime.contract import Action
from runtime.entry.trigger import TriggerSource, name_in_arn
from runtime.errors import ConfigurationError, UnknownTriggerError
from runtime.imports import check_import_path, imported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Route = Callable[[dict[str, Any]], Any]

__all__ = ["TriggerRoutes"]

RouteT = TypeVar("RouteT", bound="Route | str")

_OWN_ACTIONS: Final = {value for name, value in vars(Action).items() if name.isupper()}
_EVENTBRIDGE_ANY: Final = ""
_ANY_INVOCATION: Final = "payload"
_WHAT: Final = "the handler of a trigger"


class TriggerRoutes:
    """The part of `CqrsApp` that says which function an app's own triggers go to.

    Every ``on_…`` method takes that function, the handler, as its last argument, or decorates
    it. It may also be given by where to import it from, ``"package.module:name"``, which keeps
    its imports out of the functions that do not need it. It is called with the record or event
    as Lambda delivers it, a dictionary; it has succeeded when it returns.

    A queue, topic, stream, table or state machine is named by its name or its ARN. What has no
    route is an error: it is tried again, and ends in the dead-letter queue or failure
    destination of its source.

    All raise `ConfigurationError` where the same thing has a route already.
    """

    def __init__(self) -> None:
        self._trigger_routes: dict[TriggerSource, dict[str, _Target]] = {}

    def on_queue(self, queue: str, handler: Route | str | None = None) -> Callable[[RouteT], RouteT]:
        """Handle the messages of an SQS queue, one at a time.

        A message whose handler raises is reported on its own and comes again; in a FIFO
        queue, so do the later ones of its group. The mapping needs
        ``report_batch_item_failures``.
        """
        return self._on(TriggerSource.SQS, queue, handler)

    def on_sns(self, topic: str, handler: Route | str | None = None) -> Callable[[RouteT], RouteT]:
        """Handle the messages of an SNS topic that invokes the function.

        The message is ``record["Sns"]["Message"]``.
        """
        return self._on(TriggerSource.SNS, topic, handler)

    def on_s3(self, bucket: str, handler: Route | str | None = None) -> Callable[[RouteT], RouteT]:
        """Handle the events of an S3 bucket that invokes the function.

        The kind of event is ``record["eventName"]``; the key, which S3 URL-encodes, is
        ``record["s3"]["object"]["key"]``.
        """
        return self._on(TriggerSource.S3, bucket, handler)

    def on_kinesis(self, stream: str, handler: Route | str | None = None) -> Callable[[RouteT], RouteT]:
        """Handle the records of a Kinesis data stream, in the order of their shard.

        A record whose handler raises comes again with all that follow it. The mapping needs
        ``report_batch_item_failures``. The data are base64 in ``record["kinesis"]["data"]``.
        """
        return self._on(TriggerSource.KINESIS, stream, handler)

    def on_stream(self, table: str, handler: Route | str | None = None) -> Callable[[RouteT], RouteT]:
        """Handle the stream of a DynamoDB table of your own, in the order of its shard.

        Command tables are the app's own business. Otherwise like `on_kinesis`.
        """
        return self._on(TriggerSource.DYNAMODB_STREAM, table, handler)

    def on_event(
        self, *, source: str, detail_type: str | None = None, handler: Route | str | None = None
    ) -> Callable[[RouteT], RouteT]:
        """Handle events of an EventBridge bus.

        Args:
            source: Field ``source`` of the event.
            detail_type: Field ``detail-type``. Default: those that no other handler of the
                source is for.
            handler: See above.
        """
        _check_name("source", source)
        return self._on(TriggerSource.EVENTBRIDGE, _event_name(source, detail_type), handler)

    def on_task(self, task: str, handler: Route | str | None = None) -> Callable[[RouteT], RouteT]:
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
        return self._on(TriggerSource.STEP_FUNCTIONS, task, handler)

    def on_invoke(self, handler: Route | str | None = None) -> Callable[[RouteT], RouteT]:
        """Handle plain invocations: payloads of any shape that is none of the others.

        Such as the input of an EventBridge Scheduler schedule, of ``aws lambda invoke``, of another
        function, or what a service sends that has no ``on_…`` of its own. The handler gets the
        payload, of whatever type it is in JSON; what it returns is the answer.

        Whoever may invoke a function of the app may send it. A payload with a text in a field
        ``operation`` is for the operator function, and never comes here.
        """
        return self._on(TriggerSource.INVOCATION, _ANY_INVOCATION, handler)

    def handle_invocation(self, payload: Any) -> Any:  # noqa: ANN401 - any JSON, and the handler's result
        """Hand a plain invocation to its route.

        Raises:
            UnknownTriggerError: There is none.
        """
        route = self.route_of(TriggerSource.INVOCATION, _ANY_INVOCATION)
        if route is None:
            shape = (
                f"its top-level fields are {sorted(map(str, payload))}"
                if isinstance(payload, dict)
                else (f"it is no JSON object, but of the type {type(payload).__name__}")
            )
            msg = (
                f"the event is of no source that this app serves; {shape}. "
                "Register a handler of plain invocations with app.on_invoke"
            )
            raise UnknownTriggerError(msg)
        return route(payload)

    def route_of(self, source: TriggerSource, *names: str) -> Route | None:
        """The route of the first of ``names`` that has one: ARNs, and names as they are."""
        routes = self._trigger_routes.get(source, {})
        for name in names:
            for candidate in (name, name_in_arn(name)) if _is_arn(name) else (name,):
                if candidate in routes:
                    return routes[candidate].function
        return None

    def names_with_route(self, source: TriggerSource) -> tuple[str, ...]:
        """What has a route, by the name or ARN that it was registered with."""
        return tuple(self._trigger_routes.get(source, ()))

    def has_bus_route(self, source: str, detail_type: str) -> bool:
        """Whether there is a route for an EventBridge event."""
        names = _event_name(source, detail_type), _event_name(source, None)
        return self.route_of(TriggerSource.EVENTBRIDGE, *names) is not None

    def handle_bus_event(self, event: dict[str, Any]) -> Any:  # noqa: ANN401 - the handler's result
        """Hand an EventBridge event to the route of its type, or else of its source.

        Raises:
            UnknownTriggerError: It has neither.
        """
        source, detail_type = str(event["source"]), str(event["detail-type"])
        names = _event_name(source, detail_type), _event_name(source, None)
        route = self.route_of(TriggerSource.EVENTBRIDGE, *names)
        if route is None:
            msg = f"nobody handles the event {detail_type!r} of {source!r}; register it with app.on_event"
            raise UnknownTriggerError(msg)
        return route(event)

    def task_route(self, event: Mapping[str, Any]) -> Route | None:
        """The route of a state machine's task; None for a task of the command pipeline.

        Raises:
            UnknownTriggerError: It is neither.
        """
        machine = event["context"]["StateMachine"]
        arn = str(machine.get("Id", "")) if isinstance(machine, dict) else ""
        action = str(event.get("action"))
        route = self.route_of(TriggerSource.STEP_FUNCTIONS, action, arn)
        if route is None and (action not in _OWN_ACTIONS or not isinstance(event.get("input"), dict)):
            msg = (
                f"nobody handles the task {action!r} of the state machine {name_in_arn(arn)!r}; "
                "register it with app.on_task"
            )
            raise UnknownTriggerError(msg)
        return route

    def _on(
        self, source: TriggerSource, name: str, handler: Route | str | None
    ) -> Callable[[RouteT], RouteT]:
        _check_name("name", name)

        def register(function: RouteT) -> RouteT:
            routes = self._trigger_routes.setdefault(source, {})
            if any(_same(name, other) for other in routes):
                msg = (
                    f"{source.name} {' '.join(name.split())!r} has a handler already; let one call the other"
                )
                raise ConfigurationError(msg)
            routes[name] = _Target(function)
            return function

        if handler is not None:
            register(handler)
        return register


class _Target:
    """Where a route goes: a function, imported on first use where it is a path."""

    def __init__(self, source: Route | str) -> None:
        if isinstance(source, str):
            check_import_path(source, _WHAT)
        elif not callable(source):
            msg = f"{_WHAT} must be a function or its import path, got {source!r}"
            raise ConfigurationError(msg)
        self._source = source

    @cached_property
    def function(self) -> Route:
        if not isinstance(self._source, str):
            return self._source
        found: Any = imported(self._source, _WHAT)
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
