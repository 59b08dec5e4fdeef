"""What a process has not handled, the stream does; what it has handled, the stream knows of."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from runtime import CqrsApp, clock
from runtime.errors import ConfigurationError, ReadModelBehindError, StoreUnavailableError
from runtime.event_store.dispatch.builder import EventBuilder
from runtime.event_store.dispatch.durable import DurableEventBus
from runtime.event_store.dispatch.service import Service, create_service
from runtime.event_store.dispatch.store import provider_event_store
from runtime.event_store.domain import create_domain
from runtime.event_store.event_module import EventModule
from runtime.event_store.feed.processor import EventProcessor
from runtime.event_store.metadata import current_event
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.store.port import Delete
from runtime.store.values import Place
from runtime.testing import MemoryApp
from tests.event_store.feed.counting import CountingStore
from tests.event_store.feed.lab import Lab
from tests.event_store.followed import user
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.event_store.dispatch.event import DomainEvent
    from runtime.store.memory import MemoryStore

LONG = 20.0


class Email(BaseModel):
    email: str


build = EventBuilder(Email, event_name="UserRegistered", aggregate_type="users")
elsewhere = EventBuilder(Email, event_name="UserRegistered", aggregate_type="accounts")


def registered(version: int = 1, aggregate_id: str = "ann", **fields: Any) -> DomainEvent[Email]:
    return build(
        version=version,
        created_by="admin",
        payloads=Email(email=f"{aggregate_id}@example.com"),
        aggregate_id=aggregate_id,
        **fields,
    )


class Mail:
    """Notes the events that it gets, and fails where it is told to."""

    name = "UserRegistered"

    def __init__(self, bookmark: str | None = None) -> None:
        if bookmark is not None:
            self.bookmark = bookmark
        self.seen: list[DomainEvent[Any]] = []
        self.before: Callable[[DomainEvent[Any]], object] = lambda _: None

    def handle(self, event: DomainEvent[Any]) -> None:
        self.before(event)
        self.seen.append(event)

    @property
    def versions(self) -> list[tuple[str, int]]:
        return [(event.aggregate_id, event.version) for event in self.seen]


class Process:
    """A process with a service, on a store and a stream that others may share."""

    def __init__(self, lab: Lab, *handlers: Mail) -> None:
        self.lab = lab
        self.store = provider_event_store(lab.provider, tenant="acme", events=[build])
        self.bus = DurableEventBus(self.store)
        self.service: Service = create_service(
            event_store=self.store, event_bus=self.bus, event_handlers=handlers
        )
        self._projector = EventProcessor(
            "users", lab.provider, self.bus.event_handlers(handlers), lab.storage.commit
        )

    def deliver(self) -> int:
        """Let the stream deliver everything that it ever had; how many records come again."""
        answer = self._projector.process(self.lab.all_records)
        return len(answer["batchItemFailures"])


class CrashError(Exception):
    """What the handler raises here."""


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with CLOCK:
        yield


def fail(_: object) -> None:
    raise CrashError


def test_what_is_handled_here_the_stream_does_not_handle_again() -> None:
    mail = Mail()
    process = Process(Lab(), mail)
    for version in (1, 2, 3):
        process.service.dispatch(registered(version)).wait(LONG)
    assert process.deliver() == 0
    assert mail.versions == [("ann", 1), ("ann", 2), ("ann", 3)]


def test_what_the_process_has_lost_the_stream_handles() -> None:
    lab = Lab()
    lost, mail = Mail(), Mail()

    def die(_: object) -> None:
        raise SystemExit

    lost.before = die
    process = Process(lab, lost)
    for name in ("ann", "bob"):
        with pytest.raises(SystemExit):
            process.service.dispatch(registered(aggregate_id=name)).wait(LONG)
    CLOCK.advance(61)  # a claim whose holder has died holds its aggregate for a minute
    assert Process(lab, mail).deliver() == 0
    assert sorted(mail.versions) == [("ann", 1), ("bob", 1)]
    assert lost.seen == []


def test_what_the_stream_handled_is_not_handled_here_again() -> None:
    lab = Lab()
    here, there = Mail(), Mail()
    process, other = Process(lab, here), Process(lab, there)
    process.bus.subscribe([here])
    process.store.append(registered())
    assert other.deliver() == 0
    # The same event again, since its answer was lost.
    (event,) = process.store.get_events("users", "ann")
    process.service.dispatch(event).wait(LONG)
    assert (here.seen, there.versions) == ([], [("ann", 1)])


@pytest.mark.parametrize("is_stream_first", [True, False])
def test_both_ways_at_once_call_it_once(*, is_stream_first: bool) -> None:
    """Whoever is second finds the other one's turn, and leaves it to them."""
    lab = Lab()
    inside, go = threading.Event(), threading.Event()
    mail = Mail()

    def wait(_: object) -> None:
        inside.set()
        assert go.wait(LONG)

    mail.before = wait
    process = Process(lab, mail)
    process.bus.subscribe([mail])
    with ThreadPoolExecutor(1) as pool:
        if is_stream_first:
            process.store.append(registered())
            delivered = pool.submit(process.deliver)
            assert inside.wait(LONG)
            (event,) = process.store.get_events("users", "ann")
            dispatched = process.service.dispatch(event)
            go.set()
            assert delivered.result(LONG) == 0
        else:
            dispatched = process.service.dispatch(registered())
            assert inside.wait(LONG)
            process.deliver()
            go.set()
        dispatched.wait(LONG)
    assert process.deliver() == 0
    assert mail.versions == [("ann", 1)]


def test_what_fails_is_told_here_and_tried_again_by_the_stream() -> None:
    mail = Mail()
    process = Process(Lab(), mail)
    mail.before = fail
    with pytest.raises(CrashError):
        process.service.dispatch(registered()).wait(LONG)
    assert process.deliver() == 1
    mail.before = lambda _: None
    assert process.deliver() == 0
    assert mail.versions == [("ann", 1)]


def test_a_handler_that_returns_its_work_has_not_done_it() -> None:
    async def send(_: object) -> None: ...

    class Later(Mail):
        def handle(self, event: DomainEvent[Any]) -> Any:
            super().handle(event)
            return send(event)

    lab, mail = Lab(), Mail()
    process = Process(lab, Later())
    with pytest.raises(ConfigurationError, match=r"Later\.handle returned a coroutine"):
        process.service.dispatch(registered()).wait(LONG)
    assert process.deliver() == 1
    assert Process(lab, mail).deliver() == 0
    assert mail.versions == [("ann", 1)]


def test_what_failed_stays_in_front_of_its_own_aggregate() -> None:
    mail = Mail()
    process = Process(Lab(), mail)
    mail.before = fail
    with pytest.raises(CrashError):
        process.service.dispatch(registered()).wait(LONG)
    mail.before = lambda _: None
    process.service.dispatch(registered(aggregate_id="bob")).wait(LONG)
    process.service.dispatch(registered(2)).wait(LONG)
    assert mail.versions == [("bob", 1), ("ann", 1), ("ann", 2)]


def test_a_parked_handler_has_not_handled_it() -> None:
    mail = Mail()
    process = Process(Lab(), mail)
    mail.before = fail
    event = registered()
    for _ in range(10):
        CLOCK.advance(30)
        with pytest.raises((CrashError, ReadModelBehindError)):
            process.service.dispatch(event).wait(LONG)
    mail.before = lambda _: None
    with pytest.raises(ReadModelBehindError) as behind:
        process.service.dispatch(registered(2)).wait(LONG)
    assert behind.value.parked_version == 1
    assert mail.seen == []
    assert len(process.store.get_events("users", "ann")) == 2


def test_handlers_see_the_same_event_either_way() -> None:
    lab = Lab()
    here, there = Mail(), Mail("other")
    process = Process(lab, here)
    event = registered(metadata={"traceId": "t-1"})
    Process(lab, there).bus.subscribe([there])
    process.service.dispatch(event).wait(LONG)
    Process(lab, there).deliver()
    assert here.seen == there.seen == [event]
    assert type(there.seen[0].payloads) is Email


def test_handlers_know_whose_event_it_is_either_way() -> None:
    known: list[tuple[str, str]] = []

    def note(_: object) -> None:
        meta = current_event()
        assert meta is not None
        known.append((meta.tenant, meta.event_id))

    mail = Mail()
    mail.before = note
    process = Process(Lab(), mail)
    process.service.dispatch(registered()).wait(LONG)
    process.store.append(registered(aggregate_id="bob"))
    process.deliver()
    assert known == [("acme", "users#ann#acme@1"), ("acme", "users#bob#acme@1")]


def test_handlers_begin_with_what_is_appended_after_their_subscription() -> None:
    lab = Lab()
    early, late = Mail(), Mail("late")
    Process(lab, early).service.dispatch(registered()).wait(LONG)
    CLOCK.advance(1)
    process = Process(lab, late)
    process.service.dispatch(registered(2)).wait(LONG)
    process.service.dispatch(registered(aggregate_id="bob")).wait(LONG)
    process.deliver()
    assert late.versions == [("ann", 2), ("bob", 1)]


def test_an_event_that_was_made_long_before_its_dispatch_is_handled() -> None:
    mail = Mail()
    process = Process(Lab(), mail)
    waiting = registered(aggregate_id="bob")
    CLOCK.advance(3600)
    process.service.dispatch(registered()).wait(LONG)
    process.service.dispatch(waiting).wait(LONG)
    assert mail.versions == [("ann", 1), ("bob", 1)]
    assert mail.seen[1].created_at < clock.now()


def test_a_service_goes_on_where_its_handlers_are_not_registered_any_more() -> None:
    """As in a test with other tables than the one before."""
    mail = Mail()
    process = Process(Lab(), mail)
    process.service.dispatch(registered()).wait(LONG)
    for row in process.lab.memory.rows("sync"):
        process.lab.memory.write(Delete(place=Place("sync", row["pk"], row["sk"])))
    (followed,) = process.bus.event_handlers([mail])
    followed.start_anew()
    process.service.dispatch(registered(aggregate_id="bob")).wait(LONG)
    assert mail.versions == [("ann", 1), ("bob", 1)]


def test_a_module_of_an_app_feeds_its_service_handlers() -> None:
    mail = Mail()
    store = provider_event_store(DynamoProvider("users"), tenant="acme", events=[build])
    bus = DurableEventBus(store)
    service = create_service(event_store=store, event_bus=bus, event_handlers=[mail])
    module = EventModule("users", bus.domain, handlers=bus.event_handlers([mail]))
    app = CqrsApp(modules=[module])
    for _ in range(2):  # the tables are others each time
        mail.seen.clear()
        with MemoryApp(app) as memory:
            service.dispatch(registered()).wait(LONG)
            store.append(registered(2))
            memory.deliver()
            assert mail.versions == [("ann", 1), ("ann", 2)]
            assert memory.dead_letters == []


def test_subscribing_is_tried_again_and_nothing_is_stored_before() -> None:
    mail = Mail()
    process = Process(Lab(), mail)
    (followed,) = process.bus.event_handlers([mail])
    asked: list[Any] = []
    error = StoreUnavailableError("dynamodb", "ThrottlingException")
    generations = followed.generations

    def down(at: Any) -> Any:
        asked.append(at)
        if len(asked) == 1:
            raise error
        return generations(at)

    followed.generations = down  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailableError):
        process.service.dispatch(registered())
    assert process.store.get_events("users", "ann") == []
    process.service.dispatch(registered()).wait(LONG)
    assert mail.versions == [("ann", 1)]


def test_several_handlers_of_one_event_have_bookmarks_of_their_own() -> None:
    first, second = Mail(), Mail("second")
    process = Process(Lab(), first, second)
    process.service.dispatch(registered()).wait(LONG)
    assert process.deliver() == 0
    assert first.versions == second.versions == [("ann", 1)]
    assert [handler.name for handler in process.bus.event_handlers([first, second])] == [
        "UserRegistered",
        "second",
    ]


def test_handlers_that_would_share_their_progress_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="give each a bookmark of its own"):
        Process(Lab(), Mail(), Mail())


def test_a_handler_of_events_that_no_builder_makes_is_refused() -> None:
    class Other(Mail):
        name = "UserForgotten"

    with pytest.raises(ConfigurationError, match="'UserForgotten', and no builder makes"):
        Process(Lab(), Other())


def test_an_event_that_the_stream_would_not_bring_is_told_of() -> None:
    mail = Mail()
    dispatched = Process(Lab(), mail).service.dispatch(
        elsewhere(version=1, created_by="a", payloads=Email(email="a"), aggregate_id="ann")
    )
    with pytest.raises(ConfigurationError, match="no builder makes events named 'UserRegistered'"):
        dispatched.wait(LONG)
    assert mail.seen == []


def test_handlers_may_be_those_of_a_domain() -> None:
    provider = MemoryProvider()
    domain = create_domain(provider, user)
    store = provider_event_store(provider, tenant="acme", events=[build])
    bus = DurableEventBus(store, domain=domain)
    mail = Mail()
    (followed,) = bus.event_handlers([mail])
    assert domain.handlers == {"UserRegistered": followed}
    assert bus.domain is domain
    # Where no stream is, a run or a thread does it.
    followed.generations(clock.now())
    store.append(registered())
    assert followed.run_once().handled == 1
    assert mail.versions == [("ann", 1)]
    with pytest.raises(ConfigurationError, match="the domain has a handler 'UserRegistered' already"):
        DurableEventBus(store, domain=domain).event_handlers([Mail()])


def test_the_domain_and_the_store_are_one() -> None:
    store = provider_event_store(MemoryProvider(), events=[build])
    with pytest.raises(ConfigurationError, match="must have the provider of its store"):
        DurableEventBus(store, domain=create_domain(MemoryProvider(), user))


# Crashes


@pytest.mark.parametrize("is_done", [False, True], ids=["before the call", "after the call"])
def test_a_crash_at_any_call_loses_nothing(*, is_done: bool) -> None:
    """The process dies at its n-th call of the store, for each n; the stream does what it has left."""
    number = 0
    while True:
        stores: list[CountingStore] = []

        def counted(memory: MemoryStore, stores: list[CountingStore] = stores) -> Any:
            stores.append(CountingStore(memory))
            return stores[0]

        lab = Lab(store=counted)
        (store,) = stores
        dying, mail = Mail(), Mail()
        process = Process(lab, dying)
        # The handler has begun before, with another aggregate.
        process.service.dispatch(registered(aggregate_id="bob")).wait(LONG)
        begun = len(store.calls)

        def crash(at: int, _: str, deadly: int = begun + number) -> None:
            if at >= deadly:
                raise SystemExit

        store.before, store.after = (_pass, crash) if is_done else (crash, _pass)
        event = registered()
        try:
            process.service.dispatch(event).wait(LONG)
            has_survived = True
        except SystemExit:
            has_survived = False
        store.before = store.after = _pass
        is_stored = bool(process.store.get_events("users", "ann"))
        CLOCK.advance(61)  # a turn of the dead holds its aggregate for a minute
        other = Process(lab, mail)
        other.deliver()
        seen = [version for version in (*dying.versions, *mail.versions) if version[0] == "ann"]
        assert set(seen) == ({("ann", 1)} if is_stored else set())
        # It was shown twice only where it died between the handler's call and the note of it.
        assert len(seen) <= 1 + (not has_survived)
        # Whoever gets no answer dispatches the same event again.
        other.service.dispatch(event).wait(LONG)
        assert process.store.get_events("users", "ann") == [event]
        assert ("ann", 1) in (*dying.versions, *mail.versions)
        if has_survived:
            break
        number += 1
    assert number >= 5


def _pass(_number: int, _name: str) -> None: ...
