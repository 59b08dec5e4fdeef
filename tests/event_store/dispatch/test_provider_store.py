"""One store for both: what services dispatch, and what commands append."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never, cast

import pytest
from pydantic import BaseModel

from runtime import clock
from runtime.errors import (
    AggregateErasedError,
    ConfigurationError,
    ForbiddenError,
    GapError,
    InvalidInputError,
    UnreadableEventError,
    VersionError,
)
from runtime.event_store.address import Key
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commands.commands import create_commands
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.dispatch.builder import EventBuilder
from runtime.event_store.dispatch.bus import InstantEventBus
from runtime.event_store.dispatch.event import DomainEvent
from runtime.event_store.dispatch.reducer import rehydrate
from runtime.event_store.dispatch.service import create_service
from runtime.event_store.dispatch.store import EventStore, provider_event_store
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event
from runtime.event_store.metadata import current_event
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.identity.context import InvokeContext, use_invoke_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.events.recorded import EventMeta


class Registered(Event, type="UserRegistered"):
    email: str


class Disabled(Event, type="UserDisabled"):
    reason: str = "asked"


class User(BaseModel):
    email: str = ""
    is_enabled: bool = False


UserEvent = Registered | Disabled


def fold(event: UserEvent, user: User, _: EventMeta) -> User:
    match event:
        case Registered(email=email):
            return User(email=email, is_enabled=True)
        case Disabled():
            return user.model_copy(update={"is_enabled": False})
        case _:
            assert_never(event)


users: Aggregate[UserEvent, User] = create_aggregate(
    stream="users", events=[Registered, Disabled], create=User, fold=fold
)


class Email(BaseModel):
    email: str


class Reason(BaseModel):
    reason: str = "asked"


build_registered = EventBuilder(Email, event_name="UserRegistered", aggregate_type="users")
build_disabled = EventBuilder(Reason, event_name="UserDisabled", aggregate_type="users")
TENANT = "acme"
KEY = Key("users", "ann", TENANT)


def registered(version: int = 1, **fields: Any) -> DomainEvent[Email]:
    return build_registered(
        version=version,
        created_by="admin",
        payloads=Email(email="ann@example.com"),
        **{"aggregate_id": "ann", **fields},
    )


def disabled(version: int, **fields: Any) -> DomainEvent[Reason]:
    return build_disabled(
        version=version, created_by="admin", payloads=Reason(), aggregate_id="ann", **fields
    )


@pytest.fixture(params=[1, 1000], ids=lambda size: f"page size {size}")
def provider(request: pytest.FixtureRequest) -> MemoryProvider:
    return MemoryProvider(page_size=request.param)


@pytest.fixture
def store(provider: MemoryProvider) -> EventStore:
    return provider_event_store(provider, tenant=TENANT, events=[build_registered, build_disabled])


def commits(provider: MemoryProvider) -> list[Commit]:
    return list(provider.read(KEY))


def test_an_event_is_a_commit_of_its_own(provider: MemoryProvider, store: EventStore) -> None:
    event = registered(metadata={"traceId": "t-1"})
    store.append(event)
    (commit,) = commits(provider)
    assert (commit.key, commit.first, commit.last) == (KEY, 1, 1)
    assert [(one.type, one.body) for one in commit.events] == [
        ("UserRegistered", {"email": "ann@example.com"})
    ]
    assert (commit.append_id, commit.user_id) == (event.id, "admin")
    # The commit's time is that of the append: handlers begin by it, and indexes are ordered by it.
    assert event.created_at < commit.at <= clock.now()
    assert commit.metadata == {"traceId": "t-1", "_createdAt": event.created_at.isoformat()}


def test_events_are_read_as_they_were_dispatched(store: EventStore) -> None:
    events = [registered(metadata={"traceId": "t-1"}), disabled(2), registered(3)]
    for event in events:
        store.append(event)
    found = store.get_events("users", "ann")
    assert found == events
    assert [type(event.payloads) for event in found] == [Email, Reason, Email]


def test_an_unused_id_has_no_events(store: EventStore) -> None:
    assert store.get_events("users", "nobody") == []


def test_without_a_builder_payloads_are_dictionaries(provider: MemoryProvider, store: EventStore) -> None:
    store.append(registered())
    (event,) = provider_event_store(provider, tenant=TENANT).get_events("users", "ann")
    assert event.payloads == {"email": "ann@example.com"}


def test_two_types_and_two_tenants_may_have_one_id(provider: MemoryProvider, store: EventStore) -> None:
    others = EventBuilder(Email, event_name="UserRegistered", aggregate_type="accounts")
    store.append(registered())
    store.append(others(version=1, created_by="a", payloads=Email(email="b"), aggregate_id="ann"))
    provider_event_store(provider, tenant="other").append(registered())
    assert [len(store.get_events(kind, "ann")) for kind in ("users", "accounts")] == [1, 1]


def test_an_aggregate_folds_what_was_dispatched(provider: MemoryProvider, store: EventStore) -> None:
    store.append(registered())
    store.append(disabled(2))
    ann = create_domain(provider, users)[users].get_aggregate("ann", tenant=TENANT)
    assert (ann.version, ann.state) == (2, User(email="ann@example.com", is_enabled=False))


def test_a_reducer_folds_what_commands_appended(provider: MemoryProvider, store: EventStore) -> None:
    def reduce(emails: dict[str, bool], event: DomainEvent[Any]) -> dict[str, bool]:
        match event.payloads:
            case Email(email=email):
                return {**emails, email: True}
            case Reason():
                return dict.fromkeys(emails, False)
            case _:
                return emails

    aggregates = create_domain(provider, users)[users]
    ann = aggregates.get_aggregate("ann", tenant=TENANT)
    ann = aggregates.append(ann, [Registered(email="a@example.com"), Disabled()])
    aggregates.append(ann, Registered(email="b@example.com"))
    events = store.get_events("users", "ann")
    assert rehydrate(events, reduce, {}) == {"a@example.com": False, "b@example.com": True}
    assert [event.version for event in events] == [1, 2, 3]
    assert [event.created_by for event in events] == ["", "", ""]
    assert len({event.id for event in events}) == 3


def test_services_and_commands_take_turns(provider: MemoryProvider, store: EventStore) -> None:
    aggregates = create_domain(provider, users)[users]
    store.append(registered())
    ann = aggregates.append(aggregates.get_aggregate("ann", tenant=TENANT), Disabled())
    store.append(registered(3))
    with pytest.raises(VersionError) as lost:
        aggregates.append(ann, Disabled())
    assert [found.event for found in lost.value.winner] == [Registered(email="ann@example.com")]
    assert aggregates.get_aggregate("ann", tenant=TENANT).version == 3


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "one event"])
def test_a_version_beyond_the_next_is_a_gap(
    provider: MemoryProvider, store: EventStore, *, is_new: bool
) -> None:
    last = 0 if is_new else 1
    if not is_new:
        store.append(registered())
    with pytest.raises(GapError) as gap:
        store.append(disabled(last + 2))
    assert (gap.value.version, gap.value.last) == (last + 1, last)
    assert len(commits(provider)) == last


def test_a_version_that_is_taken_is_a_conflict_with_its_winner(
    provider: MemoryProvider, store: EventStore
) -> None:
    events = [registered(), disabled(2), registered(3)]
    for event in events:
        store.append(event)
    for version in (1, 2, 3):
        with pytest.raises(VersionError) as conflict:
            store.append(disabled(version))
        (winner,) = conflict.value.winner
        assert winner.event == events[version - 1]
        assert (winner.meta.key, winner.meta.version, winner.meta.user_id) == (KEY, version, "admin")
        assert conflict.value.version == version - 1
    assert len(commits(provider)) == 3


def test_a_conflict_in_the_middle_of_a_commit_tells_what_is_behind(
    provider: MemoryProvider, store: EventStore
) -> None:
    aggregates = create_domain(provider, users)[users]
    ann = aggregates.get_aggregate("ann", tenant=TENANT)
    ann = aggregates.append(ann, [Registered(email="a"), Disabled(), Disabled(reason="abuse")])
    aggregates.append(ann, Registered(email="b"))
    with pytest.raises(VersionError) as conflict:
        store.append(disabled(2))
    assert [(found.meta.version, found.event.payloads) for found in conflict.value.winner] == [
        (2, Reason()),
        (3, Reason(reason="abuse")),
    ]


def test_an_event_that_is_dispatched_again_is_stored_once(
    provider: MemoryProvider, store: EventStore
) -> None:
    first, second = registered(), disabled(2)
    for event in (first, first, second, first, second):
        store.append(event)
    assert [commit.append_id for commit in commits(provider)] == [first.id, second.id]


def test_what_is_known_of_an_event_is_what_was_stored_first(store: EventStore) -> None:
    event = registered()
    with use_invoke_context(context_of(TENANT)):
        meta = store.append(event)
    assert meta is not None
    assert (meta.event_id, meta.user_id, meta.correlation_id) == ("users#ann#acme@1", "admin", "r-1")
    assert store.append(event) == meta


@pytest.mark.parametrize(
    "change", [{"payloads": Email(email="b@example.com")}, {"name": "Other"}, {"id": "another"}]
)
def test_another_event_under_the_same_id_or_version_is_a_conflict(
    store: EventStore, change: dict[str, Any]
) -> None:
    event = registered()
    store.append(event)
    with pytest.raises(VersionError):
        store.append(event.model_copy(update=change))


def test_whoever_is_faster_between_read_and_write_wins(store: EventStore) -> None:
    class Overtaken(MemoryProvider):
        """Lets somebody else append just before it does."""

        rival: DomainEvent[Any] | None = None

        def append(self, commits: Sequence[Commit], **options: Any) -> None:
            rival, self.rival = self.rival, None
            if rival is not None:
                provider_event_store(self, tenant=TENANT).append(rival)
            super().append(commits, **options)

    provider = Overtaken()
    store = provider_event_store(provider, tenant=TENANT, events=[build_registered])
    provider.rival = rival = registered()
    with pytest.raises(VersionError) as conflict:
        store.append(registered())
    assert [found.event for found in conflict.value.winner] == [rival]
    assert store.get_events("users", "ann") == [rival]


def test_a_winner_that_is_not_told_is_still_a_conflict() -> None:
    class Silent(MemoryProvider):
        def append(self, commits: Sequence[Commit], **_: Any) -> None:
            raise AppendRefusedError({commit.key: None for commit in commits})

    with pytest.raises(VersionError) as conflict:
        provider_event_store(Silent(), tenant=TENANT).append(registered())
    assert conflict.value.winner == ()


def test_16_threads_win_each_version_once(provider: MemoryProvider, store: EventStore) -> None:
    barrier = threading.Barrier(16)

    def climb(_: int) -> int:
        barrier.wait(20)
        won = 0
        while (version := len(commits(provider)) + 1) <= 20:
            try:
                store.append(registered(version))
                won += 1
            except VersionError:
                continue
        return won

    with ThreadPoolExecutor(16) as pool:
        won = sum(pool.map(climb, range(16)))
    versions = [event.version for event in store.get_events("users", "ann")]
    assert versions == list(range(1, won + 1))
    assert won >= 20


def test_an_erased_aggregate_takes_no_events_and_gives_none(
    provider: MemoryProvider, store: EventStore
) -> None:
    store.append(registered())
    closing = Commit(
        key=KEY, first=2, events=(), append_id="closing", at=datetime(2026, 1, 1, tzinfo=UTC), closes=True
    )
    provider.erase(KEY, closing)
    with pytest.raises(AggregateErasedError):
        store.append(disabled(3))
    with pytest.raises(AggregateErasedError):
        store.get_events("users", "ann")


# What cannot be stored


@pytest.mark.parametrize(
    "payloads",
    [[1], "text", None, 5],
    ids=["a list", "a text", "nothing", "a number"],
)
def test_payloads_must_be_an_object(provider: MemoryProvider, store: EventStore, payloads: Any) -> None:
    noted: EventBuilder[Any] = EventBuilder(Any, event_name="Noted", aggregate_type="users")
    with pytest.raises(InvalidInputError, match="payloads: must be an object when it is written as JSON"):
        store.append(noted(version=1, created_by="a", payloads=payloads, aggregate_id="ann"))
    assert commits(provider) == []


@pytest.mark.parametrize(
    "payloads",
    [{"n": math.nan}, {"at": datetime(2026, 1, 1, tzinfo=UTC)}, {1: "one"}, {"f": object()}, {"t": (1, 2)}],
    ids=["not a number", "a time", "a key that is no text", "an object", "a tuple"],
)
def test_what_would_be_read_as_something_else_is_refused(
    provider: MemoryProvider, store: EventStore, payloads: dict[str, Any]
) -> None:
    noted = EventBuilder(dict[Any, Any], event_name="Noted", aggregate_type="users")
    with pytest.raises(InvalidInputError, match=r"payloads: (would be read again as|cannot be stored)"):
        store.append(noted(version=1, created_by="a", payloads=payloads, aggregate_id="ann"))
    assert commits(provider) == []


def test_payloads_that_were_never_checked_are_refused(provider: MemoryProvider, store: EventStore) -> None:
    event = registered().model_copy(update={"payloads": Email.model_construct(email=cast("str", 5))})
    with pytest.raises(InvalidInputError, match="payloads"):
        store.append(event)
    assert commits(provider) == []


def test_fields_that_were_never_checked_are_refused(provider: MemoryProvider, store: EventStore) -> None:
    with pytest.raises(InvalidInputError) as refused:
        store.append(registered().model_copy(update={"version": 0, "id": ""}))
    assert [problem.field for problem in refused.value.problems] == ["id", "version"]
    assert commits(provider) == []


def test_what_its_builder_could_not_read_is_refused(provider: MemoryProvider, store: EventStore) -> None:
    untyped = DomainEvent.model_validate(registered().model_dump() | {"payloads": {"mail": "ann"}})
    with pytest.raises(InvalidInputError) as refused:
        store.append(untyped)
    assert [problem.field for problem in refused.value.problems] == ["payloads.email"]
    assert commits(provider) == []


def test_the_time_of_an_event_cannot_be_told_twice(provider: MemoryProvider, store: EventStore) -> None:
    with pytest.raises(InvalidInputError, match="metadata: must have no key '_createdAt'"):
        store.append(registered(metadata={"_createdAt": "2026-01-01"}))
    assert commits(provider) == []


@pytest.mark.parametrize("is_dispatched", [True, False])
def test_builders_and_aggregates_have_the_same_schemas(
    provider: MemoryProvider, *, is_dispatched: bool
) -> None:
    def of_old(body: dict[str, Any]) -> dict[str, Any]:
        assert set(body) == {"mail"}, "it is upcast twice"
        return {"email": body["mail"]}

    provider.append(
        [
            Commit(
                key=KEY,
                first=1,
                events=(StoredEvent("UserRegistered", {"mail": "old"}),),
                append_id="old",
                at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        ]
    )
    now: Aggregate[UserEvent, User] = create_aggregate(
        stream="users",
        events=[Registered, Disabled],
        create=User,
        fold=fold,
        upcasters={"UserRegistered": [of_old]},
    )
    build = EventBuilder(Email, event_name="UserRegistered", aggregate_type="users", upcasters=[of_old])
    aggregates = create_domain(provider, now)[now]
    store = provider_event_store(provider, tenant=TENANT, events=[build])
    if is_dispatched:
        store.append(build(version=2, created_by="a", payloads=Email(email="new"), aggregate_id="ann"))
    else:
        aggregates.append(aggregates.get_aggregate("ann", tenant=TENANT), Registered(email="new"))
    assert [event.payloads.email for event in store.get_events("users", "ann")] == ["old", "new"]
    assert aggregates.get_aggregate("ann", tenant=TENANT).state == User(email="new", is_enabled=True)


def test_an_event_of_json_is_stored_like_any_other(store: EventStore) -> None:
    event = registered()
    store.append(DomainEvent.model_validate_json(event.model_dump_json()))
    assert store.get_events("users", "ann") == [event]


def test_what_a_builder_does_not_accept_any_more_is_told(provider: MemoryProvider, store: EventStore) -> None:
    class Stricter(BaseModel):
        email: int

    store.append(registered())
    stricter = EventBuilder(Stricter, event_name="UserRegistered", aggregate_type="users")
    now = provider_event_store(provider, tenant=TENANT, events=[stricter])
    with pytest.raises(UnreadableEventError, match=r"event 1 of users#ann#acme .* payloads.email") as raised:
        now.get_events("users", "ann")
    assert "ann@example.com" not in str(raised.value)
    # It is still known who was first.
    with pytest.raises(VersionError):
        now.append(
            stricter(version=1, created_by="a", payloads=Stricter(email=1), aggregate_id="ann"),
        )


@pytest.mark.parametrize(
    ("kind", "identifier", "field"),
    [("us#ers", "ann", "aggregate_type"), ("users", "", "aggregate_id"), ("users", 5, "aggregate_id")],
)
def test_an_address_that_cannot_be_one_is_refused(
    store: EventStore, kind: str, identifier: Any, field: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        store.get_events(kind, identifier)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_an_event_of_a_kind_that_is_no_stream_is_refused(store: EventStore) -> None:
    with pytest.raises(InvalidInputError, match="aggregate_type"):
        store.append(registered().model_copy(update={"aggregate_type": "us#ers"}))


@pytest.mark.parametrize(
    "events", [None, build_registered, [None], ["UserRegistered"], [build_registered.event_class]]
)
def test_what_is_no_builder_is_refused(events: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"must be a list of builders, such as \[build_user_created\]"
    ):
        provider_event_store(MemoryProvider(), events=events)


def test_a_store_is_that_of_a_provider() -> None:
    wrong: Any
    for wrong in (None, MemoryProvider):
        with pytest.raises(ConfigurationError, match="provider_event_store takes a provider"):
            provider_event_store(wrong)


def test_two_builders_of_one_event_are_refused() -> None:
    twin = EventBuilder(Reason, event_name="UserRegistered", aggregate_type="users")
    with pytest.raises(ConfigurationError, match="two builders are for the event 'UserRegistered'"):
        provider_event_store(MemoryProvider(), events=[build_registered, twin])
    provider_event_store(MemoryProvider(), events=[build_registered, build_registered])


# Tenants


def context_of(tenant: str, user: str = "ann") -> InvokeContext:
    return InvokeContext(claims={"sub": user, "custom:tenant": tenant}, request_id="r-1")


def test_the_tenant_is_that_of_the_request(provider: MemoryProvider) -> None:
    store = provider_event_store(provider)
    with use_invoke_context(context_of("Acme")):
        store.append(registered())
        assert len(store.get_events("users", "ann")) == 1
    with use_invoke_context(context_of("other")):
        assert store.get_events("users", "ann") == []
    (commit,) = commits(provider)
    # Who has dispatched it, and in which request.
    assert (commit.user_id, commit.metadata["correlation"]) == ("admin", "r-1")


def test_another_tenant_is_out_of_reach(provider: MemoryProvider, store: EventStore) -> None:
    store.append(registered())
    with use_invoke_context(context_of("other")):
        with pytest.raises(ForbiddenError):
            store.append(disabled(2))
        with pytest.raises(ForbiddenError):
            store.get_events("users", "ann")
    assert len(commits(provider)) == 1


def test_an_id_does_not_lead_to_another_tenant(provider: MemoryProvider) -> None:
    store = provider_event_store(provider)
    with use_invoke_context(context_of("other")):
        store.append(registered(aggregate_id="ann#acme"))
        assert len(store.get_events("users", "ann#acme")) == 1
    assert commits(provider) == []


def test_without_a_tenant_nothing_is_stored(provider: MemoryProvider) -> None:
    with pytest.raises(InvalidInputError, match="tenant: is required"):
        provider_event_store(provider).append(registered())
    assert commits(provider) == []


@pytest.mark.parametrize("tenant", ["", "ac#me", 5])
def test_a_tenant_that_cannot_be_one_is_refused(tenant: Any) -> None:
    with pytest.raises(ConfigurationError, match="tenant must be a code"):
        provider_event_store(MemoryProvider(), tenant=tenant)


# Handlers


def test_what_a_handler_appends_is_caused_by_its_event(provider: MemoryProvider) -> None:
    """It is of the event's tenant, and of the request that it began with."""
    domain = create_domain(provider, users)
    commands = create_commands(domain[users])
    known: list[EventMeta | None] = []

    class Disable:
        name = "UserRegistered"

        def handle(self, event: DomainEvent[Any]) -> None:
            known.append(current_event())
            commands.execute(event.aggregate_id, Reason())

    @commands.on(Reason)
    def disable(command: Reason, _: Loaded[User]) -> UserEvent:
        return Disabled(reason=command.reason)

    service = create_service(
        event_store=provider_event_store(provider), event_bus=InstantEventBus(), event_handlers=[Disable()]
    )
    with use_invoke_context(context_of(TENANT)):
        service.dispatch(registered()).wait(20)
    first, second = commits(provider)
    (meta,) = known
    assert meta is not None
    assert (meta.tenant, meta.version, meta.event_type) == (TENANT, 1, "UserRegistered")
    assert second.metadata["causation"] == "users#ann#acme@1"
    assert second.metadata["correlation"] == first.metadata["correlation"] == "r-1"
    assert current_event() is None


def test_a_repeated_dispatch_is_stored_once_and_handled_again(store: EventStore) -> None:
    seen: list[int] = []

    class See:
        name = "UserRegistered"

        def handle(self, event: DomainEvent[Any]) -> None:
            seen.append(event.version)

    service = create_service(event_store=store, event_bus=InstantEventBus(), event_handlers=[See()])
    event = registered()
    for _ in range(3):
        assert service.dispatch(event).version == 1
    service.flush(20)
    assert seen == [1, 1, 1]
    assert len(store.get_events("users", "ann")) == 1


def test_no_handler_runs_for_a_version_that_is_refused(store: EventStore) -> None:
    seen: list[Any] = []
    told: list[Exception | None] = []

    class See:
        name = "UserDisabled"

        def handle(self, event: DomainEvent[Any]) -> None:
            seen.append(event)

    service = create_service(event_store=store, event_bus=InstantEventBus(), event_handlers=[See()])
    with pytest.raises(GapError):
        service.dispatch(disabled(5), told.append)
    service.flush(20)
    assert seen == []
    assert [type(error) for error in told] == [GapError]


def test_one_read_proves_a_version(provider: MemoryProvider) -> None:
    class Counting:
        """Passes on what is asked of a provider, and counts it."""

        def __init__(self) -> None:
            self.calls: list[str] = []

        def append(self, *commits: Any, **options: Any) -> None:
            self.calls.append("append")
            provider.append(*commits, **options)

        def read_back(self, *args: Any, **options: Any) -> Iterator[Commit]:
            self.calls.append("read")
            assert options == {"likely": 1}
            return provider.read_back(*args, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(provider, name)

    counting = Counting()
    counted = provider_event_store(counting, tenant=TENANT)
    counted.append(registered())
    counted.append(disabled(2))
    assert counting.calls == ["read", "append"] * 2
