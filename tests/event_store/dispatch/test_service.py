"""Dispatching: stored, then published, then handled; eventual and strong."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runtime.background import finish_in_background, flush_background
from runtime.clock import use_deadline
from runtime.entry.http.problems import problem_of
from runtime.errors import (
    ConfigurationError,
    CqrsError,
    EventHandlersPendingError,
    FieldProblem,
    InvalidInputError,
    StoreUnavailableError,
)
from runtime.event_store.dispatch.builder import EventBuilder
from runtime.event_store.dispatch.bus import InstantEventBus
from runtime.event_store.dispatch.delivery import Delivery
from runtime.event_store.dispatch.service import Service, create_service
from runtime.event_store.providers.memory_provider import MemoryProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtime.event_store.dispatch.delivery import ServiceHandler
    from runtime.event_store.dispatch.event import DomainEvent

build = EventBuilder(dict[str, Any], event_name="UserCreated", aggregate_type="users")
#: Longer than anything in here takes; it passes only where something is wrong.
LONG = 20.0


class ListStore:
    """As a user may write one."""

    def __init__(self, steps: list[str] | None = None) -> None:
        self.inits = 0
        self.events: list[DomainEvent[Any]] = []
        self.steps = [] if steps is None else steps
        self.error: Exception | None = None

    def init(self) -> None:
        self.inits += 1
        self.steps.append("init")
        if self.error is not None:
            raise self.error

    def get_events(self, aggregate_type: str, aggregate_id: str, /) -> Sequence[DomainEvent[Any]]:
        return [
            event
            for event in self.events
            if (event.aggregate_type, event.aggregate_id) == (aggregate_type, aggregate_id)
        ]

    def append(self, event: DomainEvent[Any], /) -> None:
        self.steps.append("append")
        if self.error is not None:
            raise self.error
        self.events.append(event)


class Handler:
    """Does what it is told to, for the events of a name."""

    def __init__(self, work: Callable[[DomainEvent[Any]], object], name: str = "UserCreated") -> None:
        self.name = name
        self.work = work

    def handle(self, event: DomainEvent[Any]) -> object:
        return self.work(event)


class BoomError(Exception):
    """What handlers raise here."""


def an_event(**payloads: Any) -> DomainEvent[dict[str, Any]]:
    return build(version=1, created_by="admin", payloads=payloads)


def a_service(*handlers: ServiceHandler, store: ListStore | None = None, threads: int = 8) -> Service:
    return create_service(
        event_store=store or ListStore(), event_bus=InstantEventBus(threads=threads), event_handlers=handlers
    )


def failing(error: BaseException) -> Callable[[object], None]:
    def work(_: object) -> None:
        raise error

    return work


def test_nothing_is_touched_before_the_first_dispatch() -> None:
    store = ListStore()
    service = a_service(store=store)
    assert store.steps == []
    service.dispatch(an_event())
    service.dispatch(an_event())
    assert store.steps == ["init", "append", "append"]


def test_it_is_stored_then_published_then_handled() -> None:
    steps: list[str] = []

    class Bus(InstantEventBus):
        def subscribe(self, handlers: Sequence[ServiceHandler], /) -> None:
            steps.append(f"subscribe {len(handlers)}")
            super().subscribe(handlers)

        def publish(self, event: DomainEvent[Any], handlers: Sequence[ServiceHandler], /) -> Delivery:
            steps.append("publish")
            return super().publish(event, handlers)

    store, handler = ListStore(steps), Handler(lambda _: steps.append("handle"))
    service = create_service(event_store=store, event_bus=Bus(), event_handlers=[handler])
    service.dispatch(an_event()).wait(LONG)
    service.dispatch(an_event()).wait(LONG)
    assert steps == ["init", "subscribe 1", *["append", "publish", "handle"] * 2]
    store.error = StoreUnavailableError("dynamodb", "ThrottlingException")
    with pytest.raises(StoreUnavailableError):
        service.dispatch(an_event())
    assert steps[8:] == ["append"]


def test_16_first_dispatches_initialise_once() -> None:
    barrier = threading.Barrier(16)
    inside = threading.Event()

    class Slow(ListStore):
        def init(self) -> None:
            super().init()
            # The others have all come to the service by now, or are about to.
            inside.wait(0.05)

    class Bus(InstantEventBus):
        subscribed = 0

        def subscribe(self, handlers: Sequence[ServiceHandler], /) -> None:
            self.subscribed += 1
            super().subscribe(handlers)

    store, bus = Slow(), Bus()
    service = create_service(event_store=store, event_bus=bus)

    def dispatch(_: int) -> None:
        barrier.wait(LONG)
        service.dispatch(an_event()).wait(LONG)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(dispatch, range(16)))
    assert (store.inits, bus.subscribed) == (1, 1)
    assert len(store.events) == 16
    assert store.steps[0] == "init"


def test_initialising_is_tried_again_after_a_failure() -> None:
    store = ListStore()
    service = a_service(store=store)
    store.error = StoreUnavailableError("dynamodb", "ThrottlingException")
    told: list[Exception | None] = []
    with pytest.raises(StoreUnavailableError):
        service.dispatch(an_event(), told.append)
    assert told == [store.error]
    store.error = None
    service.dispatch(an_event())
    service.dispatch(an_event())
    assert store.steps == ["init", "init", "append", "append"]


def test_a_bus_that_cannot_subscribe_is_asked_again_and_the_store_is_not() -> None:
    class Bus(InstantEventBus):
        asked = 0

        def subscribe(self, handlers: Sequence[ServiceHandler], /) -> None:
            self.asked += 1
            if self.asked == 1:
                raise BoomError
            super().subscribe(handlers)

    store, bus = ListStore(), Bus()
    service = create_service(event_store=store, event_bus=bus, event_handlers=[])
    with pytest.raises(BoomError):
        service.dispatch(an_event())
    assert store.events == []
    service.dispatch(an_event())
    service.dispatch(an_event())
    assert (store.inits, bus.asked) == (1, 2)


def test_eventual_returns_while_handlers_still_run() -> None:
    go, done = threading.Event(), threading.Event()
    store = ListStore()

    def work(_: object) -> None:
        assert go.wait(LONG)
        done.set()

    dispatched = a_service(Handler(work), store=store).dispatch(an_event())
    assert dispatched.version == 1
    assert len(store.events) == 1
    assert not done.is_set()
    go.set()
    dispatched.wait(LONG)
    assert done.is_set()


def test_events_go_to_the_handlers_of_their_name() -> None:
    seen: list[str] = []
    service = a_service(
        Handler(lambda _: seen.append("first")),
        Handler(lambda _: seen.append("other"), name="UserDisabled"),
        Handler(lambda _: seen.append("second")),
    )
    service.dispatch(an_event()).wait(LONG)
    assert sorted(seen) == ["first", "second"]
    unknown = EventBuilder(dict[str, Any], event_name="Unknown", aggregate_type="users")
    service.dispatch(unknown(version=1, created_by="a", payloads={})).wait(LONG)
    assert sorted(seen) == ["first", "second"]


def test_handlers_of_one_name_run_side_by_side() -> None:
    barrier = threading.Barrier(8)
    service = a_service(*[Handler(lambda _: barrier.wait(LONG)) for _ in range(8)])
    service.dispatch(an_event()).wait(LONG)
    assert not barrier.broken


def test_the_first_rejection_decides_and_the_others_run_to_their_end() -> None:
    first, second = BoomError("first"), BoomError("second")
    ended: list[str] = []
    told: list[Exception | None] = []
    handlers = [
        Handler(failing(first)),
        Handler(failing(second)),
        Handler(lambda _: ended.append("good")),
    ]
    # With one thread it is known who is first.
    dispatched = a_service(*handlers, threads=1).dispatch(an_event(), told.append)
    with pytest.raises(BoomError) as raised:
        dispatched.wait(LONG)
    assert raised.value is first
    assert ended == ["good"]
    assert told == [first]


def test_an_error_of_a_handler_says_that_the_event_is_stored() -> None:
    """Over HTTP nobody is told that nothing was written."""
    error = InvalidInputError([FieldProblem("email", "must be one")])
    told: list[Exception | None] = []
    dispatched = a_service(Handler(failing(error))).dispatch(an_event(), told.append)
    with pytest.raises(InvalidInputError) as raised:
        dispatched.wait(LONG)
    assert raised.value is error
    assert told == [error]
    assert problem_of(error).written == "everything"
    store = ListStore()
    store.error = error = InvalidInputError([])
    with pytest.raises(InvalidInputError):
        a_service(store=store).dispatch(an_event())
    assert problem_of(error).written == "nothing"


def test_nobody_is_told_before_the_last_handler_has_ended() -> None:
    go, has_failed = threading.Event(), threading.Event()
    told: list[Exception | None] = []

    def fast(_: object) -> None:
        has_failed.set()
        raise BoomError

    dispatched = a_service(Handler(fast), Handler(lambda _: go.wait(LONG))).dispatch(an_event(), told.append)
    assert has_failed.wait(LONG)
    with pytest.raises(EventHandlersPendingError):
        dispatched.wait(0.01)
    assert told == []
    go.set()
    with pytest.raises(BoomError):
        dispatched.wait(LONG)


def test_wait_tells_the_same_error_each_time() -> None:
    error = BoomError()
    dispatched = a_service(Handler(failing(error))).dispatch(an_event())
    for _ in range(2):
        with pytest.raises(BoomError) as raised:
            dispatched.wait(LONG)
        assert raised.value is error


def test_a_failing_handler_never_escapes_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    service = a_service(Handler(failing(BoomError())))
    event = an_event()
    service.dispatch(event)
    service.flush(LONG)
    (line,) = [record for record in caplog.records if record.getMessage() == "event handler failed"]
    assert line.levelno == logging.ERROR
    assert vars(line)["handler"] == "Handler"
    assert (vars(line)["event_name"], vars(line)["event_id"]) == ("UserCreated", event.id)
    assert vars(line)["error"] == "BoomError"


@pytest.mark.usefixtures("in_lambda")
def test_the_log_of_a_function_has_no_texts_of_handlers(caplog: pytest.LogCaptureFixture) -> None:
    service = a_service(Handler(failing(BoomError("ann@example.com"))))
    service.dispatch(an_event())
    service.flush(LONG)
    (line,) = [record for record in caplog.records if record.getMessage() == "event handler failed"]
    assert "ann@example.com" not in str(vars(line))


def test_a_handler_that_ends_its_thread_fails_like_any_other() -> None:
    dispatched = a_service(Handler(failing(SystemExit(1)))).dispatch(an_event())
    with pytest.raises(SystemExit):
        dispatched.wait(LONG)


def test_a_failing_store_raises_and_tells_and_no_handler_runs() -> None:
    seen: list[Any] = []
    told: list[Exception | None] = []
    store = ListStore()
    service = a_service(Handler(seen.append), store=store)
    service.dispatch(an_event()).wait(LONG)
    store.error = StoreUnavailableError("dynamodb", "ThrottlingException")
    with pytest.raises(StoreUnavailableError):
        service.dispatch(an_event())
    with pytest.raises(StoreUnavailableError):
        service.dispatch(an_event(), told.append)
    service.flush(LONG)
    assert told == [store.error]
    assert len(seen) == 1


def test_notified_is_called_once_with_nothing_when_all_have_succeeded() -> None:
    ended: list[str] = []
    told: list[tuple[Exception | None, int]] = []
    service = a_service(*[Handler(lambda _: ended.append("x")) for _ in range(5)])
    service.dispatch(an_event(), lambda error: told.append((error, len(ended))))
    service.flush(LONG)
    assert told == [(None, 5)]


def test_notified_is_called_once_with_the_first_error() -> None:
    error, told = BoomError(), list[Exception | None]()
    service = a_service(Handler(failing(error)), Handler(lambda _: None), Handler(lambda _: None))
    dispatched = service.dispatch(an_event(), told.append)
    service.flush(LONG)
    assert told == [error]
    assert dispatched.version == 1


def test_notified_is_called_where_nobody_handles_the_event() -> None:
    told: list[Exception | None] = []
    a_service().dispatch(an_event(), told.append)
    assert told == [None]


def test_what_notified_raises_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []
    store = ListStore()
    service = a_service(Handler(seen.append), store=store)
    service.dispatch(an_event(), failing(BoomError()))
    service.flush(LONG)
    store.error = StoreUnavailableError("dynamodb", "ThrottlingException")
    with pytest.raises(StoreUnavailableError):
        service.dispatch(an_event(), failing(BoomError()))
    assert len(seen) == 1
    assert [record.getMessage() for record in caplog.records] == ["notified failed"] * 2


def test_a_bus_that_fails_is_told_of_and_the_event_stays_stored(caplog: pytest.LogCaptureFixture) -> None:
    class Bus(InstantEventBus):
        def publish(self, _event: DomainEvent[Any], _: Sequence[ServiceHandler], /) -> Delivery:
            raise BoomError

    store, told = ListStore(), list[Exception | None]()
    service = create_service(event_store=store, event_bus=Bus(), event_handlers=[])
    dispatched = service.dispatch(an_event(), told.append)
    assert len(store.events) == 1
    assert [type(error) for error in told] == [BoomError]
    with pytest.raises(BoomError):
        dispatched.wait(LONG)
    assert "event not published" in [record.getMessage() for record in caplog.records]


def test_a_bus_of_ones_own_may_call_handlers_one_after_the_other() -> None:
    class OneAfterTheOther:
        def subscribe(self, handlers: Sequence[ServiceHandler], /) -> None: ...

        def publish(self, event: DomainEvent[Any], handlers: Sequence[ServiceHandler], /) -> Delivery:
            delivery = Delivery(event, handlers)
            delivery.run()
            return delivery

        def flush(self, timeout: float | None = None) -> None: ...

    seen: list[str] = []
    service = create_service(
        event_store=ListStore(),
        event_bus=OneAfterTheOther(),
        event_handlers=[Handler(failing(BoomError())), Handler(lambda _: seen.append("second"))],
    )
    with pytest.raises(BoomError):
        service.dispatch(an_event()).wait(LONG)
    assert seen == ["second"]


def test_waiting_ends_in_time_and_says_who_is_not_done() -> None:
    go = threading.Event()
    service = a_service(Handler(lambda _: go.wait(LONG)), Handler(lambda _: None))
    dispatched = service.dispatch(an_event())
    with pytest.raises(EventHandlersPendingError) as raised:
        dispatched.wait(0.01)
    assert isinstance(raised.value, TimeoutError)
    assert isinstance(raised.value, CqrsError)
    assert raised.value.written == "everything"
    assert "Handler" in raised.value.handlers
    assert raised.value.version == 1
    with pytest.raises(EventHandlersPendingError):
        service.flush(0.01)
    go.set()
    dispatched.wait(LONG)
    service.flush(LONG)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_handlers_may_dispatch_and_wait_however_few_threads_there_are(threads: int) -> None:
    """Each of eight handlers waits for two more, and nobody else would be left to make their calls."""
    seen: list[str] = []
    other = EventBuilder(dict[str, Any], event_name="Mailed", aggregate_type="mails")

    def outer(_: object) -> None:
        service.dispatch(other(version=1, created_by="a", payloads={})).wait(LONG)

    service = a_service(
        *[Handler(outer) for _ in range(8)],
        *[Handler(lambda _: seen.append("mailed"), name="Mailed") for _ in range(2)],
        threads=threads,
    )
    service.dispatch(an_event()).wait(LONG)
    assert seen == ["mailed"] * 16


def test_who_is_notified_may_dispatch_and_wait_in_the_context_of_the_first_dispatch() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    other = EventBuilder(dict[str, Any], event_name="Mailed", aggregate_type="mails")
    seen: list[str] = []
    service = a_service(
        Handler(lambda _: go.wait(LONG)), Handler(lambda _: seen.append(who.get()), name="Mailed"), threads=1
    )
    go = threading.Event()

    def notified(_: Exception | None) -> None:
        service.dispatch(other(version=1, created_by="a", payloads={})).wait(LONG)
        seen.append("notified")

    who.set("ann")
    service.dispatch(an_event(), notified)
    go.set()  # so it is the handler's thread that tells
    service.flush(LONG)
    assert seen == ["ann", "notified"]


def test_two_buses_may_wait_for_each_other() -> None:
    other = EventBuilder(dict[str, Any], event_name="Mailed", aggregate_type="mails")
    seen: list[str] = []

    def back(_: object) -> None:
        here.dispatch(build(version=1, created_by="a", payloads={"is_back": True})).wait(LONG)

    def out(event: DomainEvent[Any]) -> None:
        if event.payloads:
            seen.append("back")
        else:
            there.dispatch(other(version=1, created_by="a", payloads={})).wait(LONG)

    here = a_service(Handler(out), threads=1)
    there = a_service(Handler(back, name="Mailed"), threads=1)
    here.dispatch(an_event()).wait(LONG)
    assert seen == ["back"]


def test_flush_waits_for_what_handlers_dispatch_and_for_notified() -> None:
    other = EventBuilder(dict[str, Any], event_name="Mailed", aggregate_type="mails")
    steps: list[str] = []
    mailing = threading.Event()

    def outer(_: object) -> None:
        service.dispatch(other(version=1, created_by="a", payloads={}), lambda _: steps.append("told"))

    def mail(_: object) -> None:
        mailing.wait(0.05)
        steps.append("mailed")

    service = a_service(Handler(outer), Handler(mail, name="Mailed"))
    service.dispatch(an_event())
    service.flush(LONG)
    assert steps == ["mailed", "told"]


def test_a_handler_cannot_flush() -> None:
    service = a_service(Handler(lambda _: service.flush(LONG)))
    with pytest.raises(ConfigurationError, match="flush waits for all handlers"):
        service.dispatch(an_event()).wait(LONG)


def test_handlers_get_events_of_their_own() -> None:
    barrier = threading.Barrier(2)
    seen: list[Any] = []

    def spoil(event: DomainEvent[Any]) -> None:
        barrier.wait(LONG)
        event.payloads["list"].append("spoilt")
        barrier.wait(LONG)
        seen.append(event.payloads["list"])

    event = an_event(list=[])
    a_service(Handler(spoil), Handler(spoil)).dispatch(event).wait(LONG)
    assert seen == [["spoilt"], ["spoilt"]]
    assert event.payloads == {"list": []}


def test_handlers_work_in_the_context_of_who_dispatched() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen: list[str] = []

    def look(_: object) -> None:
        seen.append(who.get())
        who.set("the handler")

    service = a_service(Handler(look), Handler(look))
    who.set("ann")
    service.dispatch(an_event()).wait(LONG)
    assert seen == ["ann", "ann"]
    assert who.get() == "ann"


def test_invocations_wait_for_what_is_under_way() -> None:
    done: list[str] = []
    slow = threading.Event()

    def work(_: object) -> None:
        slow.wait(0.05)
        done.append("done")

    service = a_service(Handler(work))
    service.dispatch(an_event())
    flush_background()
    assert done == ["done"]


def test_invocations_wait_for_services_that_nobody_holds_any_more() -> None:
    done: list[str] = []
    slow = threading.Event()

    def work(_: object) -> None:
        slow.wait(0.05)
        done.append("done")

    a_service(Handler(work)).dispatch(an_event())
    flush_background()
    assert done == ["done"]


def test_invocations_end_in_time_and_log_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    go = threading.Event()
    service = a_service(Handler(lambda _: go.wait(LONG)))
    service.dispatch(an_event())
    with use_deadline(510):
        flush_background()
    assert "work in the background is not done" in [record.getMessage() for record in caplog.records]
    go.set()
    service.flush(LONG)


def test_what_is_left_of_the_time_is_kept_for_the_answer() -> None:
    class Remembers:
        timeout: float | None = None

        def flush(self, timeout: float | None = None) -> None:
            self.timeout = timeout

    work = Remembers()
    finish_in_background(work)
    with use_deadline(10_000):
        flush_background()
    assert work.timeout is not None
    assert 5 < work.timeout <= 9.5


@pytest.mark.parametrize("event", [None, {"name": "UserCreated"}, "UserCreated"])
def test_what_is_no_event_is_refused(event: Any) -> None:
    store = ListStore()
    with pytest.raises(InvalidInputError, match="event: must be a DomainEvent"):
        a_service(store=store).dispatch(event)
    assert store.steps == []


def test_what_cannot_be_told_is_refused_before_anything_is_stored() -> None:
    store = ListStore()
    with pytest.raises(InvalidInputError, match="notified: must be a function, got str"):
        a_service(store=store).dispatch(an_event(), "log")  # type: ignore[arg-type]
    assert store.steps == []


def _call(function: Callable[[object], object], argument: object) -> object:
    return function(argument)


async def _send(_: object) -> None:
    """What a handler returns of it is still to be awaited."""


def test_a_handler_that_returns_its_work_has_not_done_it() -> None:
    for work, kind in ((_send, "coroutine"), (lambda event: (x for x in [event]), "generator")):
        dispatched = a_service(Handler(work)).dispatch(an_event())
        with pytest.raises(ConfigurationError, match=rf"Handler\.handle returned a {kind}, which nobody"):
            dispatched.wait(LONG)


def test_nobody_is_told_by_a_coroutine(caplog: pytest.LogCaptureFixture) -> None:
    store = ListStore()
    with pytest.raises(ConfigurationError, match="notified must be a plain function, got the coroutine"):
        a_service(store=store).dispatch(an_event(), _send)
    assert store.steps == []
    service = a_service()
    service.dispatch(an_event(), partial(_call, _send))
    service.flush(LONG)
    assert "notified failed" in caplog.text


class _Nameless:
    name = ""

    def handle(self, event: DomainEvent[Any]) -> None: ...


class _Idle:
    name = "UserCreated"


class _Async:
    name = "UserCreated"

    async def handle(self, event: DomainEvent[Any]) -> None: ...


class _Yielding:
    name = "UserCreated"

    def handle(self, event: DomainEvent[Any]) -> Iterator[DomainEvent[Any]]:
        yield event


class _Parameterless:
    name = "UserCreated"

    def handle(self) -> None: ...


class _Plain:
    name = "UserCreated"

    def handle(self, event: DomainEvent[Any]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (_Nameless(), "is no handler"),
        (_Idle(), "is no handler"),
        (_Plain, "is no handler: it must be an object"),
        (_Async(), r"_Async\.handle must be a plain function, got the coroutine function handle"),
        (_Yielding(), r"_Yielding\.handle must be a plain function, got the generator handle"),
        (_Parameterless(), r"_Parameterless\.handle is called with \(event\), and handle\(\) cannot be"),
    ],
)
def test_what_is_no_handler_is_refused(handler: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        a_service(handler)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"event_store": None}, r"event_store must have the methods init, .* such as provider_event_store\("),
        ({"event_store": MemoryProvider()}, "event_store must have the methods"),
        ({"event_store": ListStore}, "event_store must have the methods"),
        (
            {"event_bus": InstantEventBus},
            r"event_bus must have the methods .* such as InstantEventBus\(\), got",
        ),
        ({"event_handlers": None}, "event_handlers must be a list of handlers"),
        ({"event_handlers": _Plain()}, r"event_handlers must be a list of handlers, such as \[SendMail"),
    ],
)
def test_what_a_service_cannot_be_made_of_is_refused(part: Any, message: str) -> None:
    parts: Any = {"event_store": ListStore(), "event_bus": InstantEventBus(), **part}
    with pytest.raises(ConfigurationError, match=message):
        create_service(**parts)


@pytest.mark.parametrize("threads", [0, -1, "8", None])
def test_a_bus_needs_threads(threads: Any) -> None:
    with pytest.raises(ConfigurationError, match="threads must be a number of threads"):
        InstantEventBus(threads=threads)
