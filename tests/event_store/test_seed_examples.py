"""The examples that evtstore and atomservices are introduced with, in Python."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from runtime import (
    CommandError,
    DomainEvent,
    EventBuilder,
    InstantEventBus,
    Loaded,
    VersionError,
    create_commands,
    create_domain,
    create_service,
    provider_event_store,
    rehydrate,
)
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.testing import Scenario
from tests.event_store.blog import (
    Post,
    PostArchived,
    PostCreated,
    PostEvent,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    post,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime import Commands, Domain, EventMeta
    from runtime.event_store.handlers.handler import EventHandler

LONG = 20.0

# --- evtstore: users and posts ----------------------------------------------------------------------


@dataclass(frozen=True)
class CreateUser:
    name: str


@dataclass(frozen=True)
class EnableUser:
    pass


@dataclass(frozen=True)
class DisableUser:
    pass


@dataclass(frozen=True)
class CreatePost:
    user_id: str
    content: str


@dataclass(frozen=True)
class ArchivePost:
    user_id: str


class Blog:
    """The domain, its commands and its read model."""

    def __init__(self) -> None:
        self.domain: Domain = create_domain(MemoryProvider(), user, post, default_tenant="acme")
        self.users: Commands[UserEvent, User] = create_commands(self.domain[user])
        self.posts: Commands[PostEvent, Post] = create_commands(self.domain[post])
        self.users.on(CreateUser)(self._create_user)
        self.users.on(EnableUser)(lambda _, current: None if current.state.enabled else UserEnabled())
        self.users.on(DisableUser)(lambda _, current: UserDisabled() if current.state.enabled else None)
        self.posts.on(CreatePost)(self._create_post)
        self.posts.on(ArchivePost)(self._archive_post)
        self.contents: dict[str, str] = {}
        self.posts_model: EventHandler = self.domain.create_handler(
            "posts-model", [post], tail_stream=False, continue_on_error=False
        )
        self.posts_model.handle(post, PostCreated, self._insert)

    def _create_user(self, command: CreateUser, current: Loaded[User]) -> UserEvent:
        if current.exists:
            message = "this user exists"
            raise CommandError(message, code="user-exists")
        return UserCreated(name=command.name)

    def _create_post(self, command: CreatePost, current: Loaded[Post]) -> PostEvent:
        if current.exists:
            message = "post already exists"
            raise CommandError(message, code="post-exists")
        author = self.domain[user].get_aggregate(command.user_id)
        if not author.exists:
            message = "unauthorized"
            raise CommandError(message, code="unauthorized")
        return PostCreated(user_id=command.user_id, content=command.content)

    def _archive_post(self, command: ArchivePost, current: Loaded[Post]) -> Sequence[PostEvent]:
        if command.user_id != current.state.user_id:
            message = "not allowed"
            raise CommandError(message, code="not-allowed")
        return [] if current.state.archived else [PostArchived()]

    def _insert(self, aggregate_id: str, event: PostCreated, _: EventMeta) -> None:
        self.contents[aggregate_id] = event.content


@pytest.fixture
def blog() -> Blog:
    return Blog()


def test_users_write_posts_and_a_read_model_follows(blog: Blog) -> None:
    ann = blog.users("u1", CreateUser(name="Ann"))
    assert (ann.version, ann.state) == (1, User(name="Ann", enabled=True))
    written = blog.posts("p1", CreatePost(user_id="u1", content="hello"))
    assert (written.version, written.state) == (1, Post("u1", "hello"))
    assert blog.posts_model.run_once().handled == 1
    assert blog.contents == {"p1": "hello"}


def test_only_a_user_writes_posts(blog: Blog) -> None:
    with pytest.raises(CommandError) as refused:
        blog.posts("p1", CreatePost(user_id="nobody", content="hello"))
    assert refused.value.code == "unauthorized"
    assert not blog.domain[post].get_aggregate("p1").exists


def test_a_post_is_archived_once_and_by_its_author(blog: Blog) -> None:
    blog.users("u1", CreateUser(name="Ann"))
    blog.posts("p1", CreatePost(user_id="u1", content="hello"))
    with pytest.raises(CommandError, match="not allowed"):
        blog.posts("p1", ArchivePost(user_id="u2"))
    assert blog.posts("p1", ArchivePost(user_id="u1")).state.archived
    assert blog.posts("p1", ArchivePost(user_id="u1")).version == 2


def test_a_user_is_disabled_and_enabled(blog: Blog) -> None:
    blog.users("u1", CreateUser(name="Ann"))
    assert blog.users("u1", EnableUser()).version == 1
    assert blog.users("u1", DisableUser()).state.enabled is False
    assert blog.users("u1", EnableUser()).state == User(name="Ann", enabled=True)


def test_a_user_who_changes_while_a_post_is_written_is_noticed(blog: Blog) -> None:
    """What evtstore leaves open: the author that was read is not the one that is there at the append."""
    blog.users("u1", CreateUser(name="Ann"))
    create = blog.posts.handlers[CreatePost]

    def overtaken(command: CreatePost, current: Loaded[Post]) -> Any:
        decided = create(command, current)
        blog.users("u1", DisableUser())
        return decided

    blog.posts.on(CreatePost)(overtaken)
    with pytest.raises(VersionError) as conflict:
        blog.posts("p1", CreatePost(user_id="u1", content="hello"))
    assert [found.event for found in conflict.value.winner] == [UserDisabled()]
    assert not blog.domain[post].get_aggregate("p1").exists


def test_given_when_then(blog: Blog) -> None:
    (
        Scenario(blog.posts)
        .given_other(user, "u1", UserCreated(name="Ann"))
        .when(CreatePost(user_id="u1", content="hi"))
        .then(PostCreated(user_id="u1", content="hi"))
    )
    Scenario(blog.posts).when(CreatePost(user_id="u1", content="hi")).then_refused("unauthorized")


def test_a_started_handler_follows_by_itself(blog: Blog) -> None:
    seen = threading.Event()
    tail = blog.domain.create_handler("tail", [post])
    tail.handle(post, PostCreated, lambda *_: seen.set())
    tail.start(idle=0.01)
    try:
        blog.users("u1", CreateUser(name="Ann"))
        blog.posts("p1", CreatePost(user_id="u1", content="hello"))
        assert seen.wait(LONG)
    finally:
        tail.stop(timeout=LONG)


# --- atomservices: define, initialise, dispatch ------------------------------------------------------


class Email(BaseModel):
    email: str


build_user_created = EventBuilder(Email, event_name="UserCreated", aggregate_type="User")


class MyHandler:
    name = "UserCreated"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.welcomed: list[str] = []

    def handle(self, event: DomainEvent[Email]) -> None:
        assert self.go.wait(LONG)
        if not event.payloads.email:
            message = "nobody to welcome"
            raise ValueError(message)
        self.welcomed.append(event.payloads.email)


class Welcome:
    """The service of the quick start."""

    def __init__(self) -> None:
        self.handler = MyHandler()
        self.store = provider_event_store(MemoryProvider(), tenant="acme", events=[build_user_created])
        self.service = create_service(
            event_store=self.store, event_bus=InstantEventBus(), event_handlers=[self.handler]
        )

    def created(self, email: str = "ann@example.com") -> DomainEvent[Email]:
        return build_user_created(version=1, created_by="admin-uuid", payloads=Email(email=email))


@pytest.fixture
def welcome() -> Welcome:
    return Welcome()


def test_eventual_consistency_resolves_when_the_event_is_stored(welcome: Welcome) -> None:
    welcome.handler.go.clear()
    event = welcome.created()
    welcome.service.dispatch(event)
    assert welcome.store.get_events("User", event.aggregate_id) == [event]
    assert welcome.handler.welcomed == []
    welcome.handler.go.set()
    welcome.service.flush(LONG)
    assert welcome.handler.welcomed == ["ann@example.com"]


@pytest.mark.parametrize("email", ["ann@example.com", ""])
def test_strong_consistency_fails_if_the_store_or_a_handler_does(welcome: Welcome, email: str) -> None:
    told: list[Exception | None] = []
    is_told = threading.Event()

    def notified(error: Exception | None) -> None:
        told.append(error)
        is_told.set()

    event = welcome.created(email)
    welcome.service.dispatch(event, notified)
    assert is_told.wait(LONG)
    assert [type(error) for error in told] == [type(None) if email else ValueError]
    # It is stored, whatever became of its handlers.
    assert welcome.store.get_events("User", event.aggregate_id) == [event]

    told.clear()
    another = welcome.created(email).model_copy(update={"aggregate_id": event.aggregate_id})
    with pytest.raises(VersionError):
        welcome.service.dispatch(another, notified)
    assert [type(error) for error in told] == [VersionError]


def test_a_reducer_rehydrates_the_state(welcome: Welcome) -> None:
    def reduce(emails: tuple[str, ...], event: DomainEvent[Any]) -> tuple[str, ...]:
        return (*emails, event.payloads.email) if event.name == "UserCreated" else emails

    event = welcome.created()
    welcome.service.dispatch(event).wait(LONG)
    assert rehydrate(welcome.store.get_events("User", event.aggregate_id), reduce, ()) == ("ann@example.com",)
