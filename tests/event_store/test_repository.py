from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Settings, clock
from runtime.errors import (
    AggregateErasedError,
    CommandReusedError,
    ConfigurationError,
    CorruptRowError,
    CorruptStreamError,
    ForbiddenError,
    GapError,
    InvalidInputError,
    StoreUnavailableError,
    UnreadableEventError,
    VersionError,
)
from runtime.event_store.address import Key
from runtime.event_store.aggregates.loaded import Loaded
from runtime.event_store.commits.commit import Commit, StoredEvent
from runtime.event_store.events.recorded import RecordedEvent
from runtime.identity.context import InvokeContext, use_invoke_context
from tests.event_store.blog import (
    Blog,
    Post,
    PostArchived,
    PostCreated,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    kept_user,
    user,
)
from tests.event_store.sqlite_provider import SqliteProvider
from tests.event_store.watched import WatchedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.event_store.aggregates.aggregate import Aggregate

BEGIN = datetime(2026, 11, 29, 12, tzinfo=UTC)
EVENTS: list[list[UserEvent]] = [
    [UserCreated(name="Ann")],
    [UserDisabled(), UserEnabled(), UserDisabled(reason="abuse")],
    [UserEnabled()],
    [UserCreated(name="Bob"), UserDisabled()],
]


@pytest.fixture
def ticking() -> Iterator[None]:
    """A clock that goes on by a minute each time it is asked."""
    now = BEGIN.timestamp() - 60

    def tick() -> float:
        nonlocal now
        now += 60
        return now

    clock.set_source(tick)
    yield
    clock.set_source()


@pytest.fixture
def provider() -> WatchedProvider:
    return WatchedProvider()


@pytest.fixture
def blog(provider: WatchedProvider) -> Blog:
    return Blog(provider)


def write(blog: Blog, aggregate_id: str = "u1") -> list[Loaded[User]]:
    """Append `EVENTS`: one append each."""
    found = [blog.users.get_aggregate(aggregate_id)]
    for events in EVENTS:
        found.append(blog.users.append(found[-1], events))
    return found


def commit(version: int, *types: str, **fields: Any) -> Commit:
    events = tuple(StoredEvent(name, {"name": "Ann"} if name == "created" else {}) for name in types)
    key = Key("users", "u1", "acme")
    return Commit(key=key, first=version, events=events, append_id=f"a{version}", at=BEGIN, **fields)


def test_an_unused_id_is_no_error(blog: Blog) -> None:
    loaded = blog.users.get_aggregate("nobody")
    assert (loaded.version, loaded.exists, loaded.state, loaded.is_past) == (0, False, User(), False)


def test_each_load_makes_a_fresh_state(blog: Blog) -> None:
    write(blog)
    first = blog.users.get_aggregate("u1")
    first.state.name = "Eve"
    assert blog.users.get_aggregate("u1").state.name == "Bob"


@pytest.mark.parametrize("page_size", [1, 1000])
def test_events_come_in_order_with_what_is_known_of_them(page_size: int) -> None:
    blog = Blog(WatchedProvider(page_size=page_size))
    write(blog)
    found = list(blog.users.events("u1"))
    assert [one.event for one in found] == [event for events in EVENTS for event in events]
    assert [one.meta.version for one in found] == [1, 2, 3, 4, 5, 6, 7]
    assert isinstance(found[0], RecordedEvent)
    assert (found[0].meta.event_id, found[0].meta.event_type) == ("users#u1#acme@1", "created")


@pytest.mark.parametrize(
    ("after", "until", "versions"),
    [
        (0, 3, [1, 2, 3]),
        (2, None, [3, 4, 5, 6, 7]),
        (3, 4, [4]),
        (7, None, []),
        (9, None, []),
        (2, 2, []),
        (0, 0, []),
    ],
)
def test_events_of_a_range(blog: Blog, after: int, until: int | None, versions: list[int]) -> None:
    write(blog)
    found = blog.users.events("u1", after=after, until=until)
    assert [one.meta.version for one in found] == versions


@pytest.mark.parametrize("argument", ["after", "until"])
def test_a_range_that_cannot_be_is_refused_at_the_call(blog: Blog, argument: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{argument}: must be a whole number, 0 or more, got -1"):
        blog.users.events("u1", **{argument: -1})  # type: ignore[arg-type]


def test_the_ids_of_a_tenant_are_listed(blog: Blog) -> None:
    names = {f"u{number}" for number in range(101)}
    for name in names:
        blog.users.append(blog.users.get_aggregate(name), UserCreated(name="x"))
    blog.users.append(blog.users.get_aggregate("u1", tenant="other"), UserCreated(name="x"))
    blog.posts.append(blog.posts.get_aggregate("p1"), PostArchived())
    assert sorted(blog.users.ids()) == sorted(names)
    assert list(blog.users.ids(tenant="Other")) == ["u1"]
    assert list(blog.posts.ids(tenant="other")) == []


def test_an_aggregate_is_erased_for_good(blog: Blog) -> None:
    write(blog)
    write(blog, "u2")
    me = InvokeContext(claims={"sub": "ann", "custom:tenant": "acme"}, request_id="r-1")
    with use_invoke_context(me, Settings()):
        assert blog.users.erase("u1") == len(EVENTS)
        with pytest.raises(ForbiddenError):
            blog.users.erase("u2", tenant="beta")
    *blanked, closing = blog.provider.read(Key("users", "u1", "acme"))
    assert all(found.is_erased and not found.user_id for found in blanked)
    assert (closing.closes, closing.user_id, closing.metadata) == (True, "ann", {"correlation": "r-1"})
    for _ in range(2):
        with pytest.raises(AggregateErasedError):
            blog.users.get_aggregate("u1")
        assert blog.users.erase("u1") == 0
    assert blog.users.get_aggregate("u2").exists


def test_an_id_that_nobody_has_used_stays_unused_when_it_is_erased(blog: Blog) -> None:
    assert blog.users.erase("u1") == 0
    assert not blog.users.get_aggregate("u1").exists
    assert write(blog)


def test_what_cannot_be_read_is_erased_all_the_same(
    blog: Blog, provider: WatchedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(blog)

    def damaged(*_: Any, **__: Any) -> Any:
        message = "the last commit is no JSON"
        raise CorruptRowError(message)

    monkeypatch.setattr(type(provider), "read_back", damaged)
    assert blog.users.erase("u1") > 0


def test_a_provider_that_lists_nothing_says_so(tmp_path: Path) -> None:
    class Plain(SqliteProvider):
        pass

    nothing = Plain(tmp_path / "events.sqlite", 10)
    with pytest.raises(
        ConfigurationError, match="Plain lists no aggregates: it needs a method aggregate_ids"
    ):
        Blog(nothing).users.ids()


# Appends


def test_an_append_returns_the_aggregate_behind_it(blog: Blog) -> None:
    states = write(blog)
    assert [loaded.version for loaded in states] == [0, 1, 4, 5, 7]
    assert blog.users.get_aggregate("u1") == states[-1]


def test_an_empty_list_appends_nothing(blog: Blog, provider: WatchedProvider) -> None:
    loaded = blog.users.get_aggregate("u1")
    assert blog.users.append(loaded, []) is loaded
    assert provider.appended == []


def test_who_appends_to_what_has_moved_learns_what_was_appended(blog: Blog) -> None:
    states = write(blog)
    with pytest.raises(VersionError) as conflict:
        blog.users.append(states[1], UserEnabled())
    assert [one.event for one in conflict.value.winner] == EVENTS[1]
    assert blog.users.get_aggregate("u1").version == 7


def test_a_winner_that_cannot_be_read_is_a_conflict_all_the_same(
    blog: Blog, provider: WatchedProvider
) -> None:
    loaded = blog.users.get_aggregate("u1")
    provider.append([commit(1, "invented")])
    with pytest.raises(VersionError) as conflict:
        blog.users.append(loaded, UserCreated(name="Ann"))
    assert conflict.value.winner == ()


def test_a_repeated_append_with_a_command_id_returns_what_the_first_one_did(blog: Blog) -> None:
    loaded = blog.users.get_aggregate("u1")
    first = blog.users.append(loaded, UserCreated(name="Ann"), command_id="k-1")
    assert blog.users.append(loaded, UserCreated(name="Ann"), command_id="k-1") == first
    assert blog.users.append(first, UserCreated(name="Ann"), command_id="k-1") == first
    with pytest.raises(CommandReusedError):
        blog.users.append(first, UserCreated(name="Bob"), command_id="k-1")
    assert blog.users.get_aggregate("u1").version == 1


@pytest.mark.parametrize("past", [{"at_version": 7}, {"at_version": 2}, {"at_time": datetime.now(UTC)}])
def test_nothing_is_appended_to_the_past(blog: Blog, provider: WatchedProvider, past: dict[str, Any]) -> None:
    write(blog)
    loaded = blog.users.get_aggregate("u1", **past)
    assert loaded.is_past
    appended = len(provider.appended)
    for refused in (
        lambda: blog.users.append(loaded, UserEnabled()),
        lambda: blog.posts.append(blog.posts.get_aggregate("p1"), PostArchived(), guards=[loaded]),
    ):
        with pytest.raises(
            InvalidInputError, match=r"users#u1#acme at version \d is of the past.*read it again"
        ):
            refused()
    assert len(provider.appended) == appended


def test_an_aggregate_of_another_kind_is_refused(blog: Blog) -> None:
    loaded: Any = blog.posts.get_aggregate("p1")
    with pytest.raises(InvalidInputError, match="loaded: must be an aggregate of 'users', got posts#p1#acme"):
        blog.users.append(loaded, UserEnabled())


def test_a_number_is_no_proof_of_a_version(blog: Blog) -> None:
    version: Any = 0
    with pytest.raises(InvalidInputError, match=r"loaded: must be what get_aggregate.*got int"):
        blog.users.append(version, UserEnabled())


def by_hand(version: int) -> Loaded[User]:
    """What somebody makes of a version that they were told, and of a state that they guess."""
    return Loaded(Key("users", "u1", "acme"), version, User(name="Eve"))


def test_a_version_that_was_guessed_leaves_no_gap(blog: Blog, provider: WatchedProvider) -> None:
    write(blog)
    hi = blog.posts.get_aggregate("p1")
    appended = len(provider.appended)

    def in_a_transaction() -> None:
        with blog.domain.transaction() as both:
            both.append(blog.users, by_hand(9), UserEnabled())

    for refused in (
        lambda: blog.users.append(by_hand(9), UserEnabled()),
        lambda: blog.posts.append(hi, PostArchived(), guards=[by_hand(9)]),
        in_a_transaction,
    ):
        with pytest.raises(GapError, match="users#u1#acme has come to version 7, and version 9 was expected"):
            refused()
    with pytest.raises(VersionError, match="past version 4") as conflict:
        blog.users.append(by_hand(4), UserEnabled())
    assert [one.meta.version for one in conflict.value.winner] == [5]
    with pytest.raises(VersionError, match="past version 4"):
        blog.posts.append(hi, PostArchived(), guards=[by_hand(4)])
    assert len(provider.appended) == appended


def test_a_version_that_was_guessed_right_goes_on_what_is_stored(blog: Blog) -> None:
    write(blog)
    assert blog.users.append(by_hand(7), UserEnabled()).state == User(name="Bob", enabled=True)
    hi = blog.posts.get_aggregate("p1")
    assert blog.posts.append(hi, PostArchived(), guards=[by_hand(8)]).version == 1


def test_what_another_provider_has_is_no_proof(provider: WatchedProvider, blog: Blog) -> None:
    elsewhere = Blog()
    write(elsewhere)
    foreign, hi = elsewhere.users.get_aggregate("u1"), blog.posts.get_aggregate("p1")

    def in_a_transaction() -> None:
        with blog.domain.transaction() as both:
            both.append(blog.users, foreign, UserEnabled())

    for refused in (
        lambda: blog.users.append(foreign, UserEnabled()),
        lambda: blog.posts.append(hi, PostArchived(), guards=[foreign]),
        in_a_transaction,
    ):
        with pytest.raises(GapError, match="users#u1#acme has come to version 0, and version 7 was expected"):
            refused()
    assert provider.appended == []


def test_what_was_changed_is_no_proof(blog: Blog, provider: WatchedProvider) -> None:
    write(blog)
    bob = blog.users.get_aggregate("u1")
    eve = replace(bob, state=User(name="Eve"))
    assert blog.users.append(eve, UserEnabled()).state == User(name="Bob", enabled=True)
    appended = len(provider.appended)
    with pytest.raises(GapError, match="has come to version 8, and version 9 was expected"):
        blog.users.append(replace(bob, version=9), UserEnabled())
    assert len(provider.appended) == appended


def test_a_copy_is_a_proof_as_long_as_it_stays_in_its_process(blog: Blog, provider: WatchedProvider) -> None:
    write(blog)
    bob = blog.users.get_aggregate("u1")
    provider.counted()
    assert blog.users.append(deepcopy(bob), UserEnabled()).version == 8
    assert provider.counted() == {"append": 1}
    kept = pickle.loads(pickle.dumps(blog.users.get_aggregate("u1")))  # noqa: S301
    assert kept == blog.users.get_aggregate("u1")
    assert blog.users.append(kept, UserEnabled()).version == 9


@pytest.mark.parametrize(
    "key", [Key("users", "u1", "ACME"), Key("users", "u1", "a#acme"), Key("users", "", "acme")]
)
def test_a_key_that_was_made_by_hand_is_one_that_a_call_would_make(
    blog: Blog, provider: WatchedProvider, key: Key
) -> None:
    loaded = Loaded(key, 0, User())
    hi = blog.posts.get_aggregate("p1")
    for refused in (
        lambda: blog.users.append(loaded, UserEnabled()),
        lambda: blog.posts.append(hi, PostArchived(), guards=[loaded]),
    ):
        with pytest.raises(InvalidInputError):
            refused()
    assert provider.appended == []


def test_a_repeated_append_to_a_version_that_was_told_returns_what_the_first_one_did(blog: Blog) -> None:
    write(blog)
    first = blog.users.append(by_hand(7), UserEnabled(), command_id="c-1")
    again = blog.users.append(by_hand(7), UserEnabled(), command_id="c-1")
    assert again == first
    with pytest.raises(CommandReusedError):
        blog.users.append(by_hand(7), UserDisabled(), command_id="c-1")
    with pytest.raises(VersionError, match="past version 7"):
        blog.users.append(by_hand(7), UserEnabled(), command_id="c-2")


def test_an_event_that_cannot_be_read_again_is_refused(blog: Blog, provider: WatchedProvider) -> None:
    event = UserCreated.model_construct(name=7)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"events.created.name"):
        blog.users.append(blog.users.get_aggregate("u1"), event)
    assert provider.appended == []


# Time travel


@pytest.mark.parametrize("users", [user, kept_user], ids=["folded", "kept"])
@pytest.mark.parametrize("page_size", [1, 1000])
def test_an_aggregate_as_it_was_at_each_version(users: Aggregate[UserEvent, User], page_size: int) -> None:
    blog = Blog(WatchedProvider(page_size=page_size), users=users)
    write(blog)
    flat = [event for events in EVENTS for event in events]
    for version in range(8):
        expected = User()
        for number, event in enumerate(flat[:version], 1):
            expected = users.next_state(
                expected, event, next(iter(blog.users.events("u1", after=number - 1))).meta
            )
        found = blog.users.get_aggregate("u1", at_version=version)
        assert (found.version, found.state, found.is_past) == (version, expected, True)


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize("users", [user, kept_user], ids=["folded", "kept"])
def test_an_aggregate_as_it_was_at_a_time(users: Aggregate[UserEvent, User]) -> None:
    blog = Blog(users=users)
    states = write(blog)
    times = [one.meta.timestamp for one in blog.users.events("u1")]
    assert times == sorted(times)
    for loaded in states[1:]:
        at = times[loaded.version - 1]
        for time in (at, at + timedelta(seconds=59), at.astimezone(tz=None)):
            found = blog.users.get_aggregate("u1", at_time=time)
            assert (found.version, found.state, found.is_past) == (loaded.version, loaded.state, True)
    assert blog.users.get_aggregate("u1", at_time=times[0] - timedelta(microseconds=1)).version == 0


@pytest.mark.parametrize("users", [user, kept_user], ids=["folded", "kept"])
def test_a_version_that_is_still_to_come_is_refused(users: Aggregate[UserEvent, User]) -> None:
    blog = Blog(users=users)
    write(blog)
    with pytest.raises(
        InvalidInputError, match="at_version: must be at most 7, which users#u1#acme has come to, got 8"
    ):
        blog.users.get_aggregate("u1", at_version=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at_version": -1}, "at_version: must be a whole number"),
        ({"at_version": "1"}, "at_version: must be a whole number"),
        ({"at_time": datetime(2026, 1, 1)}, "at_time: must be a datetime with a timezone"),  # noqa: DTZ001
        ({"at_time": "2026-01-01"}, "at_time: must be a datetime with a timezone"),
        ({"at_version": 1, "at_time": BEGIN}, "at_time: cannot be given together with at_version"),
    ],
)
def test_a_past_that_cannot_be_is_refused(blog: Blog, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        blog.users.get_aggregate("u1", **arguments)


# What is wrong with what is stored


def erase(provider: WatchedProvider, version: int) -> None:
    provider.append([commit(version, closes=True)])


@pytest.mark.parametrize("users", [user, kept_user], ids=["folded", "kept"])
def test_an_erased_aggregate_is_gone_for_good(
    provider: WatchedProvider, users: Aggregate[UserEvent, User]
) -> None:
    blog = Blog(provider, users=users)
    stale = write(blog)[-1]
    erase(provider, 8)
    for refused in (
        lambda: blog.users.get_aggregate("u1"),
        lambda: list(blog.users.events("u1")),
        lambda: blog.users.append(stale, UserEnabled()),
        lambda: blog.users.get_aggregate("u1", at_time=datetime.now(UTC)),
    ):
        with pytest.raises(
            AggregateErasedError, match="users#u1#acme was erased; its id cannot be used again"
        ):
            refused()


def test_an_aggregate_is_erased_by_its_id(blog: Blog, provider: WatchedProvider) -> None:
    write(blog)
    assert blog.users.erase("u1", source="script") == 4
    with pytest.raises(AggregateErasedError):
        blog.users.get_aggregate("u1")
    *blanked, last = provider.read(Key("users", "u1", "acme"))
    assert [(commit.last, commit.is_erased) for commit in blanked] == [
        (1, True),
        (4, True),
        (5, True),
        (7, True),
    ]
    assert (last.first, last.closes, last.metadata) == (8, True, {"source": "script"})
    assert blog.users.erase("u1") == 0
    with pytest.raises(InvalidInputError, match="aggregate_id"):
        blog.users.erase("")


def test_what_was_erased_here_stays_in_no_cache(provider: WatchedProvider) -> None:
    blog = Blog(provider, cache=10)
    write(blog)
    key = blog.users.get_aggregate("u1").key
    blog.users.erase("u1")
    assert blog.domain.context.cache is not None
    assert blog.domain.context.cache.get(key) is None


def test_half_way_erased_it_has_no_past(blog: Blog, provider: WatchedProvider) -> None:
    write(blog)
    key = blog.users.get_aggregate("u1").key
    closing = Commit(key=key, first=8, events=(), append_id="x", at=clock.now(), closes=True)
    provider.append([closing])  # and then whoever erases it was interrupted
    for past in ({"at_version": 0}, {"at_version": 1}, {"at_version": 7}, {"at_time": clock.now()}):
        arguments: dict[str, Any] = past
        with pytest.raises(AggregateErasedError):
            blog.users.get_aggregate("u1", **arguments)


def test_what_was_erased_stays_in_no_cache(provider: WatchedProvider) -> None:
    blog = Blog(provider, cache=10)
    key = write(blog)[-1].key
    cache = blog.domain.context.cache
    assert cache is not None
    assert cache.get(key) is not None
    erase(provider, 8)
    with pytest.raises(AggregateErasedError):
        blog.users.get_aggregate("u1")
    assert cache.get(key) is None


class _HalfErased(WatchedProvider):
    """The events are blanked already, and nothing closes the aggregate yet."""

    def read(self, key: Key, *, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        return (replace(found, is_erased=True) for found in super().read(key, after=after, until=until))


def test_blanked_events_make_no_state() -> None:
    blog = Blog(_HalfErased())
    write(blog)
    with pytest.raises(AggregateErasedError):
        blog.users.get_aggregate("u1")


def test_an_event_that_nothing_reads_is_told_with_what_to_do(provider: WatchedProvider, blog: Blog) -> None:
    provider.append(
        [
            commit(1, "created"),
        ]
    )
    provider.append([commit(2, "renamed")])
    with pytest.raises(
        UnreadableEventError,
        match=r"event 2 of users#u1#acme is stored as 'renamed'.*add its class to events=",
    ):
        blog.users.get_aggregate("u1")
    assert blog.users.get_aggregate("u1", at_version=1).state.name == "Ann"


class _Gap(WatchedProvider):
    """A provider of somebody else, which does not look for gaps."""

    def read(self, key: Key, *, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        return (found for found in super().read(key, after=after, until=until) if found.first != 2)


def test_a_gap_makes_no_state_whatever_the_provider_says() -> None:
    blog = Blog(_Gap())
    write(blog)
    with pytest.raises(
        CorruptStreamError, match="users#u1#acme goes from version 1 to 5: commits are missing"
    ):
        blog.users.get_aggregate("u1")


def test_what_a_fold_raises_passes_through_and_nothing_is_appended(provider: WatchedProvider) -> None:
    def fold(event: UserEvent, state: User, _meta: object) -> User:
        if isinstance(event, UserDisabled):
            raise ZeroDivisionError
        return state

    blog = Blog(provider, users=user.__class__("users", user.types, User, fold))
    loaded = blog.users.append(blog.users.get_aggregate("u1"), UserCreated(name="Ann"))
    with pytest.raises(ZeroDivisionError):
        blog.users.append(loaded, UserDisabled())
    assert blog.users.get_aggregate("u1").version == 1


class _OutOfReach(WatchedProvider):
    def read(self, *_args: object, **_kwargs: object) -> Iterator[Commit]:
        service = "the store"
        raise StoreUnavailableError(service, "timeout")


def test_a_provider_that_is_down_says_so() -> None:
    blog = Blog(_OutOfReach())
    with pytest.raises(StoreUnavailableError):
        blog.users.get_aggregate("u1")
    with pytest.raises(StoreUnavailableError):
        list(blog.users.events("u1"))


def test_two_kinds_and_two_tenants_may_have_one_id(blog: Blog) -> None:
    blog.users.append(blog.users.get_aggregate("x"), UserCreated(name="Ann"))
    blog.posts.append(blog.posts.get_aggregate("x"), PostCreated(user_id="x", content="hi"))
    assert blog.users.get_aggregate("x").state == User(name="Ann", enabled=True)
    assert blog.posts.get_aggregate("x").state == Post(user_id="x", content="hi")
    assert blog.users.get_aggregate("x", tenant="other").version == 0
