"""Users and posts: the aggregates that the tests of the event store work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, assert_never

from pydantic import BaseModel, Field

from runtime.errors import CommandError
from runtime.event_store.aggregates.aggregate import Aggregate, Persist, create_aggregate
from runtime.event_store.commands.commands import Commands, Retry, create_commands
from runtime.event_store.domain import Domain, create_domain
from runtime.event_store.events.event import Event, event_type
from runtime.event_store.providers.memory_provider import MemoryProvider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.provider import Provider


class UserCreated(Event, type="created"):
    name: str


class UserDisabled(Event, type="disabled"):
    reason: Literal["asked", "abuse"] = "asked"


class UserEnabled(Event, type="enabled"):
    pass


UserEvent = UserCreated | UserDisabled | UserEnabled


class User(BaseModel):
    name: str = ""
    enabled: bool = False


def fold_user(event: UserEvent, user: User, _meta: EventMeta) -> User:
    match event:
        case UserCreated(name=name):
            return User(name=name, enabled=True)
        case UserDisabled():
            return user.model_copy(update={"enabled": False})
        case UserEnabled():
            return user.model_copy(update={"enabled": True})
        case _:
            assert_never(event)


@event_type("postCreated")
@dataclass(frozen=True)
class PostCreated:
    user_id: str
    content: str


@event_type("postArchived", aliases=("archived",))
@dataclass(frozen=True)
class PostArchived:
    pass


PostEvent = PostCreated | PostArchived


@dataclass(frozen=True)
class Post:
    user_id: str = ""
    content: str = ""
    archived: bool = False


def fold_post(event: PostEvent, _post: Post, _meta: EventMeta) -> Mapping[str, Any]:
    if isinstance(event, PostCreated):
        return {"user_id": event.user_id, "content": event.content}
    return {"archived": True}


class CreateUser(BaseModel):
    name: str = Field(min_length=1)


class DisableUser(BaseModel):
    pass


@dataclass(frozen=True)
class ToggleUser:
    times: int = 1


class CreatePost(BaseModel):
    user_id: str
    content: str


class ArchivePost(BaseModel):
    user_id: str


user: Aggregate[UserEvent, User] = create_aggregate(
    stream="users", events=[UserCreated, UserDisabled, UserEnabled], create=User, fold=fold_user
)
kept_user: Aggregate[UserEvent, User] = create_aggregate(
    stream="users",
    events=[UserCreated, UserDisabled, UserEnabled],
    create=User,
    fold=fold_user,
    persist=Persist(version="1", every=4),
)
post: Aggregate[PostEvent, Post] = create_aggregate(
    stream="posts", events=[PostCreated, PostArchived], create=Post, fold=fold_post
)


class Blog:
    """A domain with its commands, on a provider of its own."""

    def __init__(
        self,
        provider: Provider | None = None,
        *,
        users: Aggregate[UserEvent, User] = user,
        retry: Retry | None = None,
        guard_reads: bool = True,
        default_tenant: str | None = "acme",
        cache: int = 0,
    ) -> None:
        self.provider = provider or MemoryProvider()
        self.domain: Domain = create_domain(
            self.provider, users, post, default_tenant=default_tenant, cache=cache
        )
        self.users = self.domain[users]
        self.posts = self.domain[post]
        self.user_commands: Commands[UserEvent, User] = create_commands(
            self.users, retry=retry, guard_reads=guard_reads
        )
        self.post_commands: Commands[PostEvent, Post] = create_commands(
            self.posts, retry=retry, guard_reads=guard_reads
        )
        self._register()

    def _register(self) -> None:
        @self.user_commands.on(CreateUser)
        def create_user(command: CreateUser, current: Loaded[User]) -> UserEvent:
            if current.exists:
                msg = "this user exists"
                raise CommandError(msg, code="user-exists")
            return UserCreated(name=command.name)

        @self.user_commands.on(DisableUser)
        def disable_user(_command: DisableUser, current: Loaded[User]) -> UserEvent | None:
            return UserDisabled() if current.state.enabled else None

        @self.user_commands.on(ToggleUser)
        def toggle_user(command: ToggleUser, current: Loaded[User]) -> Sequence[UserEvent]:
            turns = (
                [UserDisabled(), UserEnabled()] if current.state.enabled else [UserEnabled(), UserDisabled()]
            )
            return [turns[turn % 2] for turn in range(command.times)]

        @self.post_commands.on(CreatePost)
        def create_post(command: CreatePost, current: Loaded[Post]) -> PostEvent:
            if current.exists:
                msg = "this post exists"
                raise CommandError(msg, code="post-exists")
            author = self.users.get_aggregate(command.user_id)
            if not author.state.enabled:
                msg = "unauthorized"
                raise CommandError(msg, code="unauthorized")
            return PostCreated(user_id=command.user_id, content=command.content)

        @self.post_commands.on(ArchivePost)
        def archive_post(command: ArchivePost, current: Loaded[Post]) -> Sequence[PostEvent]:
            if command.user_id != current.state.user_id:
                msg = "not allowed"
                raise CommandError(msg)
            return [] if current.state.archived else [PostArchived()]
