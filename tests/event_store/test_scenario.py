from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import CommandError, ConfigurationError, InvalidInputError, StoreUnavailableError
from runtime.event_store.aggregates.aggregate import Aggregate, Persist, create_aggregate
from runtime.event_store.commands.commands import create_commands
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event
from runtime.event_store.metadata import current_event
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.identity.context import current_invoke_context
from runtime.testing import Scenario
from tests.event_store.blog import (
    ArchivePost,
    Blog,
    CreatePost,
    CreateUser,
    DisableUser,
    Post,
    PostArchived,
    PostCreated,
    ToggleUser,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    kept_user,
    user,
)
from tests.event_store.watched import WatchedProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.commits.commit import Commit

HI = PostCreated(user_id="u1", content="hi")


class _Nowhere(WatchedProvider):
    """What a module has on a machine without AWS."""

    def append(self, *_args: object, **_kwargs: object) -> None:
        service = "the store"
        raise StoreUnavailableError(service, "timeout")

    def read(self, *_args: object, **_kwargs: object) -> Iterator[Commit]:
        service = "the store"
        raise StoreUnavailableError(service, "timeout")

    def read_back(self, *_args: object, **_kwargs: object) -> Iterator[Commit]:
        return self.read()


@pytest.fixture
def blog() -> Blog:
    return Blog(_Nowhere(), default_tenant=None)


def test_given_events_when_a_command_then_events(blog: Blog) -> None:
    Scenario(blog.user_commands).when(CreateUser(name="Ann")).then(UserCreated(name="Ann"))
    Scenario(blog.post_commands).given(HI).when(ArchivePost(user_id="u1")).then(PostArchived())


def test_then_nothing_and_then_refused(blog: Blog) -> None:
    archive = ArchivePost(user_id="u1")
    Scenario(blog.post_commands).given(HI, PostArchived()).when(archive).then_nothing()
    Scenario(blog.post_commands).given(HI).when(ArchivePost(user_id="u2")).then_refused()
    ann = UserCreated(name="Ann")
    Scenario(blog.user_commands).given(ann).when(CreateUser(name="x")).then_refused("user-exists")


def test_what_others_are_comes_from_the_scenario(blog: Blog) -> None:
    create = CreatePost(user_id="u1", content="hi")
    (
        Scenario(blog.post_commands)
        .given_other(user, "u1", UserCreated(name="Ann"), UserDisabled())
        .when(create)
        .then_refused("unauthorized")
    )
    Scenario(blog.post_commands).given_other(user, "u1", UserCreated(name="Ann")).when(create).then(HI)
    Scenario(blog.post_commands).when(create).then_refused("unauthorized")


def test_a_story_may_go_on(blog: Blog) -> None:
    (
        Scenario(blog.user_commands)
        .when(CreateUser(name="Ann"))
        .then(UserCreated(name="Ann"))
        .when(ToggleUser(2))
        .then(UserDisabled(), UserEnabled())
        .then_state(User(name="Ann", enabled=True))
        .given(UserDisabled(reason="abuse"))
        .when(DisableUser())
        .then_nothing()
        .then_state(User(name="Ann", enabled=False))
        .when(CreateUser(name="Bob"), aggregate_id="2")
        .then(UserCreated(name="Bob"))
    )


def test_who_asks_and_whose(blog: Blog) -> None:
    seen: list[Any] = []

    @blog.user_commands.on(DisableUser)
    def disable(_command: DisableUser, current: Loaded[User]) -> None:
        request = current_invoke_context()
        seen.append((current.tenant, request and request.claims, current_event()))

    Scenario(blog.user_commands).when(DisableUser()).then_nothing()
    Scenario(blog.user_commands, tenant="other").when(DisableUser(), user_id="ann").then_nothing()
    assert seen == [("acme", None, None), ("other", {"sub": "ann", "custom:tenant": "other"}, None)]


def test_another_error_than_a_refusal_passes_through(blog: Blog) -> None:
    @blog.user_commands.on(DisableUser)
    def disable(_command: DisableUser, _current: Loaded[User]) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        Scenario(blog.user_commands).when(DisableUser())


# What a failure says


ANN = UserCreated(name="Ann")
CREATE = "CreateUser(name='Ann')"
APPENDED = "it appended\n  UserCreated(name='Ann')"
REFUSED = "it was refused with the code 'user-exists': this user exists"


EXPECTED = f"expected the events of {CREATE}\n  UserCreated(name="


@pytest.mark.parametrize(
    ("given", "expect", "message"),
    [
        ([], lambda s: s.then(UserCreated(name="Bob")), f"{EXPECTED}'Bob')\n{APPENDED}"),
        ([], lambda s: s.then(ANN, ANN), f"{EXPECTED}'Ann')\n  {ANN!r}\n{APPENDED}"),
        ([], lambda s: s.then_nothing(), f"expected nothing of {CREATE}\n{APPENDED}"),
        ([], lambda s: s.then_refused(), f"expected a refusal of {CREATE}\n{APPENDED}"),
        ([ANN], lambda s: s.then(ANN), f"{EXPECTED}'Ann')\n{REFUSED}"),
        ([ANN], lambda s: s.then_nothing(), f"expected nothing of {CREATE}\n{REFUSED}"),
        (
            [ANN],
            lambda s: s.then_refused("x"),
            f"expected a refusal with the code 'x' of {CREATE}\n{REFUSED}",
        ),
        (
            [],
            lambda s: s.then_state(User()),
            f"expected the state of {CREATE}\n  {User()!r}\nit is\n  User(name='Ann', enabled=True)",
        ),
    ],
    ids=["other", "more", "events", "no refusal", "refusal", "not nothing", "another code", "state"],
)
def test_a_failure_says_what_was_expected_and_what_came(
    blog: Blog, given: list[UserCreated], expect: Callable[[Any], object], message: str
) -> None:
    scenario = Scenario(blog.user_commands).given(*given).when(CreateUser(name="Ann"))
    with pytest.raises(AssertionError) as failed:
        expect(scenario)
    assert str(failed.value) == message


def test_nothing_was_appended_is_told_as_well(blog: Blog) -> None:
    scenario = Scenario(blog.user_commands).when(DisableUser())
    with pytest.raises(AssertionError, match=r"UserDisabled.*\nit appended nothing"):
        scenario.then(UserDisabled())


def test_what_makes_no_scenario_is_refused(blog: Blog) -> None:
    scenario = Scenario(blog.user_commands)
    with pytest.raises(ConfigurationError, match=r"call when\(...\) before the expectations"):
        scenario.then_nothing()
    scenario.when(DisableUser())
    with pytest.raises(ConfigurationError, match=r"for none, use then_nothing\(\)"):
        scenario.then()
    wrong: Any = PostArchived()
    with pytest.raises(InvalidInputError, match="given events: must be an event of the aggregate 'users'"):
        scenario.given(wrong).when(DisableUser())


# Folds that go wrong sometime


class Tick(Event):
    pass


@dataclass
class Counter:
    ticks: int = 0
    notes: tuple[str, ...] = ()


def played(fold: Callable[..., Any], create: Callable[[], Any] = Counter, *, persist: bool = False) -> None:
    aggregate = create_aggregate(
        stream="ticks", events=[Tick], create=create, fold=fold, persist=Persist("1") if persist else None
    )
    commands = create_commands(create_domain(_Nowhere(), aggregate)[aggregate])

    @commands.on(DisableUser)
    def tick(_command: DisableUser, _current: Loaded[Any]) -> Tick:
        return Tick()

    Scenario(commands).given(Tick()).when(DisableUser()).then(Tick())


def in_place(_event: Tick, state: Counter, _meta: object) -> Counter:
    state.ticks += 1
    return state


def test_a_pure_fold_passes() -> None:
    for persist in (False, True):
        played(lambda _event, state, _meta: {"ticks": state.ticks + 1}, persist=persist)


def test_a_fold_that_changes_the_state_in_place_is_found() -> None:
    with pytest.raises(
        AssertionError, match=r"'ticks': the fold changes the state in place at event 1, Tick\(\)"
    ):
        played(in_place)


def test_a_fold_that_depends_on_something_else_is_found() -> None:
    numbers = count()
    with pytest.raises(
        AssertionError, match=r"'ticks': the fold is not pure: event 1, Tick\(\) gives another"
    ):
        played(lambda *_: {"ticks": next(numbers)})


def test_an_initial_state_that_differs_is_found() -> None:
    numbers = count()
    with pytest.raises(AssertionError, match=r"'ticks': create\(\) makes another state at each call"):
        played(lambda *_: None, lambda: Counter(next(numbers)))


def test_a_state_that_is_read_again_as_something_else_is_found() -> None:
    def note(_event: Tick, _state: Counter, _meta: object) -> Any:
        return {"ticks": 1.5}

    with pytest.raises(AssertionError, match=r"the state after event 1, Tick\(\) cannot be kept"):
        played(note, persist=True)
    played(note)


def test_a_state_that_hides_something_is_found() -> None:
    @dataclass
    class Hiding(Counter):
        def __post_init__(self) -> None:
            self.hidden = 0

    def fold(_event: Tick, state: Hiding, _meta: object) -> Hiding:
        after = Hiding(ticks=state.hidden + 1)
        after.hidden = state.hidden + 1
        return after

    with pytest.raises(AssertionError, match=r"on a kept state event 2, Tick\(\) gives another state"):
        played(fold, Hiding, persist=True)


class Light(Enum):
    ON = "on"
    OFF = "off"


@pytest.mark.parametrize(
    "persist", [None, Persist("1", state=Counter | Light | None)], ids=["folded", "kept"]
)
@pytest.mark.parametrize("create", [lambda: None, lambda: Light.OFF], ids=["none", "enum"])
def test_a_state_may_begin_as_none_or_as_a_member_of_an_enum(create: Any, persist: Persist | None) -> None:
    counter: Aggregate[Tick, Any] = create_aggregate(
        stream="counters",
        events=[Tick],
        create=create,
        fold=lambda _event, state, _meta: Counter(1) if isinstance(state, Light) else Light.ON,
        persist=persist,
    )
    commands = create_commands(create_domain(MemoryProvider(), counter)[counter])
    commands.on(DisableUser)(lambda _command, _current: Tick())
    Scenario(commands).given(Tick(), Tick()).when(DisableUser()).then(Tick())


def test_a_kept_state_of_a_class_that_is_not_named_is_told() -> None:
    with pytest.raises(AssertionError, match=r"name them all, Persist\(state=One \| Other\)"):
        played(lambda *_: Counter(1), lambda: None, persist=True)


def test_states_that_cannot_be_compared_are_told() -> None:
    class Plain:
        pass

    with pytest.raises(AssertionError, match="two Plain cannot be compared: make it a dataclass or a model"):
        played(lambda *_: None, Plain)


def test_kept_states_are_checked_in_each_scenario() -> None:
    blog = Blog(_Nowhere(), users=kept_user)
    Scenario(blog.user_commands).when(CreateUser(name="Ann")).then_state(User(name="Ann", enabled=True))
    Scenario(blog.post_commands).given(HI).when(ArchivePost(user_id="u1")).then_state(
        Post(user_id="u1", content="hi", archived=True)
    )


class Standing(StrEnum):
    GOOD = "good"


@dataclass(frozen=True)
class Rated:
    standing: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    amount: float = 0
    marks: tuple[Standing, ...] = ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"standing": Standing.GOOD}, r"standing is a Standing, and is read again as a str"),
        ({"counts": defaultdict(int)}, r"counts is a defaultdict, and is read again as a dict"),
        ({"counts": {"a": True}}, r"counts\['a'\] is a bool, and is read again as a int"),
        ({"marks": (Standing.GOOD,), "amount": 1}, None),
    ],
)
def test_a_state_that_is_read_again_as_its_equal_of_another_class_is_told(
    change: dict[str, Any], message: str | None
) -> None:
    rated = create_aggregate(
        stream="users",
        events=[UserCreated],
        create=Rated,
        fold=lambda _event, _state, _meta: change,
        persist=Persist("1"),
    )
    commands = create_commands(create_domain(WatchedProvider(), rated)[rated])
    commands.on(CreateUser)(lambda _command, _current: UserCreated(name="Ann"))
    scenario = Scenario(commands)
    if message is None:
        scenario.when(CreateUser(name="Ann")).then(UserCreated(name="Ann"))
        return
    with pytest.raises(AssertionError, match=message):
        scenario.when(CreateUser(name="Ann"))


def test_what_is_refused_behind_an_append_has_appended_all_the_same() -> None:
    blog = Blog()

    @blog.user_commands.on(DisableUser)
    def disable(_command: DisableUser, current: Loaded[User]) -> UserEvent:
        blog.users.append(current, UserDisabled())
        message = "no"
        raise CommandError(message, code="no")

    with pytest.raises(AssertionError, match="and nothing else"):
        Scenario(blog.user_commands).given(UserCreated(name="Ann")).when(DisableUser()).then_refused("no")
