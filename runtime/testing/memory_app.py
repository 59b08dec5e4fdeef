"""A whole app in memory: its tables, its stream, its state machine and its notifications."""

from __future__ import annotations

import base64
import heapq
import random
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary

from runtime.contract import KIND_EVENTS, MODE_WORKFLOW, NOTIFICATION_ACTIONS
from runtime.errors import ConfigurationError
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.model.handlers import HandlerReference
from runtime.model.keys import VERSION_LATEST, get_sort_key_version
from runtime.pipeline.reconcile import heal
from runtime.settings import Settings
from runtime.store.codec import encoded, folded, opened_row
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from runtime.testing.handlers import WatchedHandler
from runtime.testing.requests import SOURCE_IP, Client, as_issued, claims_of
from runtime.testing.state_machine import run_execution
from runtime.testing.triggers import OwnTriggers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from runtime.clients.resources import Resources
    from runtime.entry.app import CqrsApp
    from runtime.model.handlers import DataSyncHandler
    from runtime.store.memory import Change
    from runtime.store.values import Row
    from runtime.testing.clients import Email, Execution

__all__ = ["MemoryApp"]

_ACCOUNT: Final = "eu-west-1:000000000000"
_STATE_MACHINE: Final = f"arn:aws:states:{_ACCOUNT}:stateMachine:commands"
_APPLY_MACHINE: Final = f"{_STATE_MACHINE}-apply"
_TOPIC: Final = f"arn:aws:sns:{_ACCOUNT}:notifications"
_ALARM_TOPIC: Final = f"arn:aws:sns:{_ACCOUNT}:alarms"
_QUEUE: Final = f"arn:aws:sqs:{_ACCOUNT}:notifications"
_PREFIX: Final = "local-test"
_RYW_SECONDS: Final = 300
#: How often a record of the stream, and a message of the queue, is delivered before it is given up.
_TRIES: Final = 4
#: How long Lambda waits, in seconds, until it sends records again whose function has failed, and how old a
#: record of an events table gets.
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_OLDEST_RECORD: Final = 6 * 3600.0

#: The HTTP side of an app by its settings, which reads the annotations of all routes when it is made.
_served: WeakKeyDictionary[CqrsApp, tuple[Settings, Any]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Record:
    """What the stream of a command table is still to deliver."""

    table: str
    row: Row


@dataclass(order=True, slots=True)
class _Running:
    """An execution under way; the one whose time comes first is first."""

    due: float
    order: float
    steps: Iterator[float] = field(compare=False)


class MemoryApp:
    """An app whose tables, topics and state machine are in this process.

    Nothing happens behind a test's back: what was published stays under way until `deliver`, and
    time stands still until ``clock.advance``. When it is closed, the app is what it was before.

    Example:
        >>> with MemoryApp(main.app) as memory:
        ...     ann = memory.client(tenant="acme", user="ann")
        ...     assert ann.post("/todos", {"code": "A1", "attributes": {"title": "x"}}).status == 202
        ...     memory.deliver()
        ...     assert memory.rows("todo", "data")[0]["version"] == 1

    Args:
        app: The app, such as ``main.app``.
        modes: How commands of a module are processed, by the module's name: ``workflow`` or
            ``inline``. Default: ``workflow``.
        resources: Further `Resources` that the service made when it was imported, which are to be
            those of this app.
        start: The first moment of the clock. Default: noon of 1 January 2026, UTC.
        **settings: Fields of `runtime.Settings` that are to be other than here.

    Attributes:
        app: The app.
        clock: What time it is.
        store: The tables.
        resources: Settings and clients of the app.
        handlers: The data sync handlers by name; by ``module.Name`` where two modules have one of
            the same name.
        dead_letters: What was given up: records of a stream, messages of a queue or topic, and events.
    """

    def __init__(
        self,
        app: CqrsApp,
        *,
        modes: Mapping[str, str] | None = None,
        resources: Sequence[Resources] = (),
        start: datetime | None = None,
        **settings: Any,  # noqa: ANN401 - of `Settings`
    ) -> None:
        self.app = app
        self.clock = Clock() if start is None else Clock(start)
        self.store = MemoryStore(clock=self.clock.seconds)
        self.resources = MemoryResources(_settings(app, modes or {}, settings), self.store, self.clock)
        self.dead_letters: list[Any] = []
        self._stream: list[_Record] = []
        self._running: list[_Running] = []
        self._started = 0
        self._told = 0
        self._numbers, self._requests = count(1), count(1)
        self._before: list[tuple[Any, dict[str, Any]]] = []
        self._replaced: list[tuple[HandlerReference, DataSyncHandler | None]] = []
        modules = [*app.modules.values(), *app.event_modules.values()]
        whole = (app, *modules, *app.features.values(), *resources)
        self._before += [(one, dict(vars(one))) for one in whole]
        # A provider works on the tables of this app until it is closed.
        providers = [module.domain.context.own_provider for module in app.event_modules.values()]
        self._before += [(one, dict(vars(one))) for one in providers if hasattr(one, "use")]
        self.clock.start()
        app.use(self.resources)
        settings_then, http = _served.get(app, (None, None))
        if settings_then == self.resources.settings:
            vars(app)["_http"] = http
        for other in resources:
            self.resources.take_over(other)
        self._command_tables = {module.tables.command for module in app.modules.values()}
        fed = [module for module in app.event_modules.values() if module.handler_names]
        self._event_tables = {module.tables.events for module in fed}
        self.handlers = self._watched_handlers()
        self._own = OwnTriggers(app, self.resources, self.clock, self.dead_letters)
        self.store.on_change(self._on_change)

    def __enter__(self) -> Self:
        """Give the app itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `close`."""
        self.close()

    def close(self) -> None:
        """Give the app, its handlers and the clock of the machine back as they were."""
        for reference, made in self._replaced:
            vars(reference).pop("handler", None)
            if made is not None:
                vars(reference)["handler"] = made
        self._replaced = []
        if self._before and "_http" in vars(self.app):
            _served[self.app] = self.resources.settings, vars(self.app)["_http"]
        for one, attributes in self._before:
            vars(one).clear()
            vars(one).update(attributes)
        self._before = []
        for module in self.app.modules.values():
            with suppress(ConfigurationError):  # the environment has changed since
                module.use()  # the services that it had given out before have been here meanwhile
        for of_events in self.app.event_modules.values():
            of_events.use()  # and so have its handlers
        for feature in self.app.features.values():
            with suppress(ConfigurationError):  # as of the modules
                feature.use(feature.resources)
        self.clock.stop()

    # Who asks

    def client(
        self,
        *,
        tenant: str | None = None,
        user: str | None = "user",
        roles: Iterable[str] = (),
        global_roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        claims: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """A client that sends requests of one user.

        Args:
            tenant: Tenant in the user's token. Default: none.
            user: Who it is. None for a request without a token, as to a public route.
            roles: Roles in that tenant.
            global_roles: Roles in every tenant, such as ``system_admin``.
            groups: Groups in that tenant.
            claims: Further claims of the token.
            headers: Headers of each request.
        """
        settings = self.resources.settings
        found = claims_of(user, tenant, roles, global_roles, groups)
        found = as_issued(found, settings) | dict(claims or {})
        return Client(self._call, self._request_id, found, headers or {})

    def user(
        self,
        user: str | None = "user",
        *,
        tenant: str | None = None,
        roles: Iterable[str] = (),
        global_roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> InvokeContext:
        """The context of a user's request, for calls of a module's services; see `client`."""
        return InvokeContext(
            claims=claims_of(user, tenant, roles, global_roles, groups),
            headers={name.lower(): value for name, value in (headers or {}).items()},
            source_ip=SOURCE_IP,
            request_id=self._request_id(),
        )

    @contextmanager
    def acting_as(self, user: str | None = "user", **options: Any) -> Iterator[InvokeContext]:  # noqa: ANN401 - of `user`
        """Make a user the one who asks, for the code in the block that looks for the current request."""
        context = self.user(user, **options)
        with use_invoke_context(context, self.resources.settings):
            yield context

    # What comes from elsewhere

    def send(
        self,
        queue: str,
        body: Any,  # noqa: ANN401 - any JSON
        *,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to a queue of the service's own; `deliver` gives it to its route.

        Args:
            queue: Name, ARN or URL of a queue that has a route; see `CqrsApp.on_queue`.
            body: The message: a text as it is, anything else as JSON.
            attributes: Its message attributes.

        Raises:
            ConfigurationError: The app has no route for it.
        """
        self._own.send(queue, body, attributes or {})

    def publish(self, topic: str, message: Any, *, attributes: Mapping[str, str] | None = None) -> None:  # noqa: ANN401
        """Publish a message to a topic of the service's own; `deliver` gives it to its route.

        Args:
            topic: Name or ARN of a topic that has a route; see `CqrsApp.on_sns`.
            message: The message: a text as it is, anything else as JSON.
            attributes: Its message attributes.

        Raises:
            ConfigurationError: The app has no route for it.
        """
        self._own.publish(topic, message, attributes or {})

    def put_object(self, bucket: str, key: str, content: bytes | str = b"") -> None:
        """Put an object into a bucket of the service's own; `deliver` tells its route.

        Args:
            bucket: Name of a bucket that has a route; see `CqrsApp.on_s3`.
            key: Key of the object.
            content: What is in it; a text in UTF-8.

        Raises:
            ConfigurationError: The app has no route for it.
        """
        self._own.put_object(bucket, key, content)

    def put_event(self, source: str, detail_type: str, detail: Any) -> None:  # noqa: ANN401 - any JSON
        """Put an event on EventBridge; `deliver` gives it to its route.

        Args:
            source: Its field ``source``.
            detail_type: Its field ``detail-type``.
            detail: What it says.

        Raises:
            ConfigurationError: The app has no route for it; see `CqrsApp.on_event`.
        """
        self._own.put_event(source, detail_type, detail)

    # What is under way

    @property
    def under_way(self) -> list[str]:
        """Keys of the commands, and commits, that streams are still to deliver, as ``pk sk``."""
        return [
            f"{record.row['pk']} {record.row['sk']}"
            for record in self._stream
            if record.table in self._event_tables or _is_command(record.row)
        ]

    def deliver(self, times: int = 1, *, shuffled: bool | int = False, lose: Collection[str] = ()) -> None:
        """Do all that follows from what was published and appended, until nothing is under way.

        The stream function gets each command's record, the state machine runs, handlers are called
        and notifications passed on; event handlers get the record of each commit. What the app or the test
        has sent to a queue, topic, bucket or bus that has a route of the app goes there; what fails there
        four times, or three times where it is no queue, is in ``dead_letters``. A retry of the pipeline
        waits for its time, on the clock of the test, and so does one of an event; so the clock has moved on
        after a handler that fails.

        Args:
            times: How often each record of the stream is delivered.
            shuffled: Deliver in another order than was published in, and let executions get in
                each other's way. A number gives another order for each number; True is 1.
            lose: Sort keys of commands, with their version, such as ``A1@2``, whose record never
                arrives.
        """
        chance = random.Random(int(shuffled)) if shuffled else None  # noqa: S311 - no secret
        while self._is_busy():
            records = [record for record in self._stream if record.row["sk"] not in lose] * times
            self._stream.clear()
            if chance:
                chance.shuffle(records)
            for record in records:
                self._ring(record)
                self._start_executions(chance)
            self._start_executions(chance)
            if self._running:
                self._step(chance)
            self._tell()
            self._own.deliver()

    def heal(self) -> int:
        """Do what the schedule of the stack does every few minutes: finish what nobody has finished.

        Such as a command whose record was lost. It leaves commands of the last ten minutes to the
        pipeline, so let time pass on the clock before. What follows from it is for `deliver`.

        Returns:
            How many commands were unfinished, and are taken care of now.
        """
        return sum(heal(module).healed for module in self.app.modules.values())

    def expire(self) -> int:
        """Delete the rows whose time to live is over, and return how many."""
        return self.store.expire()

    # What came of it

    def rows(self, module: str, kind: str) -> list[dict[str, Any]]:
        """The rows of one of a module's tables, in the order of their keys, as Python values.

        Args:
            module: Name of the module.
            kind: ``command``, for the commands without what the library notes beside them;
                ``data``, ``history``, or ``sync`` for the handlers' cursors. Of a module of events:
                ``events``, for the commits, or ``sync``.
        """
        if module in self.app.event_modules:
            table = getattr(self.app.event_modules[module].tables, kind)
            return [opened_row(row) for row in self.store.rows(table) if kind != "events" or "append" in row]
        table = getattr(self.app.modules[module].tables, kind)
        rows = self.store.rows(table)
        return [opened_row(row) for row in rows if kind != "command" or _is_command(row)]

    @property
    def notifications(self) -> list[Any]:
        """The status notifications that were published, in order."""
        return [message.content for message in self.resources.messages if message.to == _TOPIC]

    @property
    def alarms(self) -> list[Any]:
        """The alarms that were published, in order."""
        return [message.content for message in self.resources.messages if message.to == _ALARM_TOPIC]

    @property
    def emails(self) -> list[Email]:
        """The e-mails that were sent, in order."""
        return self.resources.emails

    @property
    def executions(self) -> list[Execution]:
        """The executions of the command state machines, in the order they were started."""
        machines = {_STATE_MACHINE, _APPLY_MACHINE}
        return [e for e in self.resources.executions if e.state_machine in machines]

    def _call(self, event: dict[str, Any]) -> Any:  # noqa: ANN401 - of each trigger
        return self.app(event, None)

    def _request_id(self) -> str:
        return f"request-{next(self._requests)}"

    def _watched_handlers(self) -> dict[str, WatchedHandler]:
        found: dict[str, WatchedHandler] = {}
        modules = self.app.modules.values()
        names = [reference.name for module in modules for reference in module.handlers]
        for module in modules:
            for reference in module.handlers:
                made = vars(reference).pop("handler", None)
                if isinstance(made, WatchedHandler):
                    made = None  # of a test that has not closed its app
                watched = WatchedHandler(reference.name, _maker(reference, made))
                vars(reference)["handler"] = watched  # where the cached property keeps it
                self._replaced.append((reference, made))
                is_alone = names.count(reference.name) == 1
                found[reference.name if is_alone else f"{module.table_name}.{reference.name}"] = watched
        return found

    def _on_change(self, change: Change) -> None:
        """Keep what the filter of the stream lets through.

        See `runtime.contract.STREAM_FILTER` and `runtime.contract.EVENT_STREAM_FILTER`.
        """
        row, table = change.new, change.place.table
        if row is None or change.old is not None:
            return
        is_command = table in self._command_tables and "syncMode" not in row
        if is_command or (table in self._event_tables and "append" in row):
            self._stream.append(_Record(table, row))

    def _ring(self, record: _Record) -> None:
        event = {
            "eventSource": "aws:dynamodb",
            "eventName": "INSERT",
            "eventSourceARN": f"arn:aws:dynamodb:{_ACCOUNT}:table/{record.table}/stream/2026",
            "dynamodb": {"NewImage": _image(record.row), "SequenceNumber": str(next(self._numbers))},
        }
        if record.table in self._event_tables:
            self._deliver_commit(event, record.row)
        else:
            self._deliver_record(event, record.row)

    def _deliver_commit(self, record: dict[str, Any], row: Row) -> None:
        """Deliver a record until the function takes it, or parks what fails, or it is too old."""
        waited, wait = 0.0, _FIRST_WAIT
        while self._call({"Records": [record]})["batchItemFailures"]:
            if waited >= _OLDEST_RECORD:
                self.dead_letters.append(row)
                return
            self.clock.advance(seconds=wait)
            waited, wait = waited + wait, min(2 * wait, _LONGEST_WAIT)

    def _deliver_record(self, record: dict[str, Any], content: Any) -> None:  # noqa: ANN401
        """Deliver a record until the function takes it, or the tries are used up."""
        for _ in range(_TRIES):
            if not self._call({"Records": [record]})["batchItemFailures"]:
                return
        self.dead_letters.append(content)

    def _start_executions(self, chance: random.Random | None) -> None:
        for execution in self.executions[self._started :]:
            started = self.clock.now().isoformat()
            order = chance.random() if chance else float(next(self._numbers))
            steps = run_execution(execution, self._call, started)
            heapq.heappush(self._running, _Running(self.clock.seconds(), order, steps))
        self._started = len(self.executions)

    def _step(self, chance: random.Random | None) -> None:
        """One call of the worker, for the execution whose time comes first."""
        running = heapq.heappop(self._running)
        self.clock.advance(seconds=max(0.0, running.due - self.clock.seconds()))
        wait = next(running.steps, None)
        if wait is not None:
            running.due = self.clock.seconds() + wait
            running.order = chance.random() if chance else running.order
            heapq.heappush(self._running, running)

    def _is_busy(self) -> bool:
        is_to_start = self._started < len(self.executions)
        is_to_tell = self._told < len(self.resources.messages)
        return bool(self._stream or self._running or is_to_start or is_to_tell) or self._own.is_busy()

    def _tell(self) -> None:
        """Pass the notifications on, as the notifier function does."""
        news, self._told = self.resources.messages[self._told :], len(self.resources.messages)
        for message in news:
            if message.to != _TOPIC or message.attributes.get("action") not in NOTIFICATION_ACTIONS:
                continue
            record = {
                "messageId": f"message-{next(self._numbers)}",
                "eventSource": "aws:sqs",
                "eventSourceARN": _QUEUE,
                "body": message.text,
            }
            self._deliver_record(record, message.content)


def _is_command(row: Row) -> bool:
    return get_sort_key_version(row["sk"]) != VERSION_LATEST


def _settings(app: CqrsApp, modes: Mapping[str, str], changes: Mapping[str, Any]) -> Settings:
    if unknown := set(modes) - set(app.modules):
        msg = f"the app has no modules {sorted(unknown)}"
        raise ConfigurationError(msg)
    modules: dict[str, dict[str, Any]] = {
        name: {"sync": bool(module.handlers), "open": True, "mode": modes.get(name, MODE_WORKFLOW)}
        for name, module in app.modules.items()
    }
    modules |= {
        name: {"kind": KIND_EVENTS, "handlers": bool(module.handler_names), "feed": True, "aggregates": True}
        for name, module in app.event_modules.items()
    }
    defaults: dict[str, Any] = {
        "node_env": "local",
        "app_name": "test",
        "modules": modules,
        "master_data_override": f"{_PREFIX}-master-data",
        "ryw_session_seconds": _RYW_SECONDS,
        "state_machine_arn": _STATE_MACHINE,
        "apply_machine_arn": _APPLY_MACHINE,
        "topic_arn": _TOPIC,
        "alarm_topic_arn": _ALARM_TOPIC,
        "bucket_name": f"{_PREFIX}-attributes",
        "realtime_endpoint": "https://realtime.test/event",
        "from_email": "service@example.com",
    }
    return Settings(**{**defaults, **changes})


def _maker(reference: HandlerReference, made: DataSyncHandler | None) -> Callable[[], DataSyncHandler]:
    """What gives the handler itself, made once."""
    if made is not None:
        return lambda: made
    # What the cached property calls, which keeps nothing itself.
    make: Callable[[HandlerReference], DataSyncHandler] = vars(HandlerReference)["handler"].func
    return cache(lambda: make(reference))


def _image(row: Row) -> dict[str, Any]:
    """A row as a stream record has it: bytes are base64 text."""
    return {name: folded(wire, _JSON) for name, wire in encoded(row).items()}


def _as_it_is(kind: str) -> Callable[[Any], dict[str, Any]]:
    return lambda content: {kind: content}


_JSON: Final = {
    **{kind: _as_it_is(kind) for kind in ("S", "N", "BOOL", "NULL", "M", "L", "SS", "NS")},
    "B": lambda content: {"B": base64.b64encode(content).decode()},
    "BS": lambda members: {"BS": [base64.b64encode(member).decode() for member in members]},
}
