"""The routes of an app's own triggers: queues, topics, buckets, streams, buses, tasks and invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from runtime.contract import Action, FunctionKind
from runtime.entry.trigger import TriggerSource, name_in_arn
from runtime.entry.trigger_target import TriggerTarget
from runtime.errors import ConfigurationError, UnknownTriggerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from runtime.features.feature import Feature

    Route = Callable[[dict[str, Any]], Any]

__all__ = ["TriggerRoutes"]

RouteT = TypeVar("RouteT", bound="Route | str")

_OWN_ACTIONS: Final = {value for name, value in vars(Action).items() if name.isupper()}
_EVENTBRIDGE_ANY: Final = ""
_ANY_INVOCATION: Final = "payload"
#: Your own triggers are work that nobody waits for, as that of the worker is: it has the code's own
#: environment, secrets and dependencies, and neither an API's callers nor an operator's rights.
_TAKEN_BY: Final = (FunctionKind.WORKER,)


class TriggerRoutes:
    """The part of `CqrsApp` that says which function an app's own triggers go to.

    Every ``on_…`` method takes that function, the handler, as its last argument, or decorates
    it. It may also be given by where to import it from, ``"package.module:name"``, which keeps
    its imports out of the functions that do not need it. It is called with the record or event
    as Lambda delivers it, a dictionary; it has succeeded when it returns. So it is a plain function:
    with ``async def`` or ``yield`` it would return before it has done anything, and is refused.

    A queue, topic, stream, table or state machine is named by its name or its ARN. What has no
    route is an error: it is tried again, and ends in the dead-letter queue or failure
    destination of its source.

    In a stack the worker takes them, and no other function does: whoever may call another one,
    and makes up a message of a queue, is refused. Where you connect a source to another one,
    ``functions=["api"]`` says so, with the names of `FunctionKind`.

    All raise `ConfigurationError` where the same thing has a route already, and for a handler that
    would only begin its work or takes something else; one that is imported is checked then.
    """

    def __init__(self) -> None:
        self._trigger_routes: dict[TriggerSource, dict[str, TriggerTarget]] = {}
        self._owner: str | None = None

    def take_triggers(self, features: Iterable[Feature]) -> None:
        """Let features register their triggers, in place of those that they had before.

        Raises:
            ConfigurationError: A trigger of a feature cannot be; the message names the feature.
        """
        routes = self._trigger_routes
        self._trigger_routes = {
            source: {name: target for name, target in found.items() if target.owner is None}
            for source, found in routes.items()
        }
        for feature in features:
            self._owner = feature.name
            try:
                feature.add_triggers(self)
            except ConfigurationError as error:
                msg = f"the feature {feature.name!r}: {error}"
                raise ConfigurationError(msg) from error
            finally:
                self._owner = None

    def on_queue(
        self,
        queue: str,
        handler: Route | str | None = None,
        *,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle the messages of an SQS queue, one at a time.

        A message whose handler raises is reported on its own and comes again; in a FIFO
        queue, so do the later ones of its group. The mapping needs
        ``report_batch_item_failures``.
        """
        return self._on(TriggerSource.SQS, queue, handler, functions)

    def on_sns(
        self,
        topic: str,
        handler: Route | str | None = None,
        *,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle the messages of an SNS topic that invokes the function.

        The message is ``record["Sns"]["Message"]``.
        """
        return self._on(TriggerSource.SNS, topic, handler, functions)

    def on_s3(
        self,
        bucket: str,
        handler: Route | str | None = None,
        *,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle the events of an S3 bucket that invokes the function.

        The kind of event is ``record["eventName"]``; the key, which S3 URL-encodes, is
        ``record["s3"]["object"]["key"]``.
        """
        return self._on(TriggerSource.S3, bucket, handler, functions)

    def on_kinesis(
        self,
        stream: str,
        handler: Route | str | None = None,
        *,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle the records of a Kinesis data stream, in the order of their shard.

        A record whose handler raises comes again with all that follow it. The mapping needs
        ``report_batch_item_failures``. The data are base64 in ``record["kinesis"]["data"]``.
        """
        return self._on(TriggerSource.KINESIS, stream, handler, functions)

    def on_stream(
        self,
        table: str,
        handler: Route | str | None = None,
        *,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle the stream of a DynamoDB table of your own, in the order of its shard.

        Command tables are the app's own business. Otherwise like `on_kinesis`.
        """
        return self._on(TriggerSource.DYNAMODB_STREAM, table, handler, functions)

    def on_event(
        self,
        *,
        source: str,
        detail_type: str | None = None,
        handler: Route | str | None = None,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle events of an EventBridge bus.

        Args:
            source: Field ``source`` of the event.
            detail_type: Field ``detail-type``. Default: those that no other handler of the
                source is for.
            handler: See above.
            functions: See above.
        """
        _check_name("source", source)
        return self._on(TriggerSource.EVENTBRIDGE, _event_name(source, detail_type), handler, functions)

    def on_task(
        self,
        task: str,
        handler: Route | str | None = None,
        *,
        functions: Collection[str] = _TAKEN_BY,
    ) -> Callable[[RouteT], RouteT]:
        """Handle a task of a state machine of your own; what is returned is the task's result.

        The payload must have the context object in ``context``, as in
        ``{"action": "charge", "input": …, "context": "{% $states.context %}"}``.

        Args:
            task: Field ``action`` of the payload; or the name or ARN of the state machine,
                for all its tasks that have no action with a handler.
            handler: See above.
            functions: See above.
        """
        if task in _OWN_ACTIONS:
            msg = f"the task {task!r} is the command pipeline's own; give your action another name"
            raise ConfigurationError(msg)
        return self._on(TriggerSource.STEP_FUNCTIONS, task, handler, functions)

    def on_invoke(
        self, handler: Route | str | None = None, *, functions: Collection[str] = _TAKEN_BY
    ) -> Callable[[RouteT], RouteT]:
        """Handle plain invocations: payloads of any shape that is none of the others.

        Such as the input of an EventBridge Scheduler schedule, of ``aws lambda invoke``, of another
        function, or what a service sends that has no ``on_…`` of its own. The handler gets the
        payload, of whatever type it is in JSON; what it returns is the answer.

        Whoever may invoke a function of the app may send it. A payload with a text in a field
        ``operation`` is for the operator function, and never comes here.
        """
        return self._on(TriggerSource.INVOCATION, _ANY_INVOCATION, handler, functions)

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
        """The route of the first of ``names`` that has one: ARNs, and names as they are.

        Raises:
            UnknownTriggerError: It is for other functions of the stack than this one.
        """
        routes = self._trigger_routes.get(source, {})
        for name in names:
            for candidate in (name, name_in_arn(name)) if _is_arn(name) else (name,):
                if candidate in routes:
                    what = " ".join((source.name, *candidate.split()))
                    routes[candidate].check_taken_by(self._own_kind(), what)
                    return routes[candidate].function
        return None

    def _own_kind(self) -> str | None:
        """What this function is for; None for nothing in particular."""
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
        self, source: TriggerSource, name: str, handler: Route | str | None, functions: Collection[str]
    ) -> Callable[[RouteT], RouteT]:
        _check_name("name", name)

        def register(function: RouteT) -> RouteT:
            routes = self._trigger_routes.setdefault(source, {})
            trigger = f"{source.name} {' '.join(name.split())!r}"
            for other, target in routes.items():
                if _same(name, other):
                    whose = f", that of the feature {target.owner!r}" if target.owner else ""
                    msg = f"{trigger} has a handler already{whose}; let one call the other"
                    raise ConfigurationError(msg)
            routes[name] = TriggerTarget(function, trigger, functions, owner=self._owner)
            return function

        if handler is not None:
            register(handler)
        return register


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
