"""What users write: neither mypy nor pyright, both as strict as they can be, has anything to say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, assert_never, assert_type

from pydantic import BaseModel, Field

from runtime import (
    Aggregate,
    AggregateRepository,
    CommandError,
    Commands,
    Domain,
    Event,
    EventMeta,
    Loaded,
    Persist,
    Provider,
    RecordedEvent,
    Retry,
    VersionError,
    create_aggregate,
    create_commands,
    create_domain,
    event_type,
)
from runtime.testing import Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class UserCreated(Event, type="created"):
    name: str


class UserDisabled(Event, type="disabled", aliases=("switchedOff",)):
    reason: Literal["asked", "abuse"] = "asked"


class UserEnabled(Event, type="enabled"):
    pass


UserEvent = UserCreated | UserDisabled | UserEnabled


class User(BaseModel):
    name: str = ""
    enabled: bool = False


def fold_user(event: UserEvent, user: User, meta: EventMeta) -> User:
    match event:
        case UserCreated(name=name):
            return User(name=name, enabled=True)
        case UserDisabled():
            return user.model_copy(update={"enabled": False})
        case UserEnabled():
            return user.model_copy(update={"enabled": meta.version > 0})
        case _:
            assert_never(event)


def with_a_reason(body: dict[str, Any]) -> dict[str, Any]:
    return {"reason": "asked", **body}


user: Aggregate[UserEvent, User] = create_aggregate(
    stream="users",
    events=[UserCreated, UserDisabled, UserEnabled],
    create=User,
    fold=fold_user,
    persist=Persist(version="1", every=10),
    upcasters={"disabled": [with_a_reason]},
)


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


def fold_post(event: PostEvent, post: Post, meta: EventMeta) -> Mapping[str, Any] | None:
    if isinstance(event, PostCreated):
        return {"user_id": event.user_id, "content": event.content}
    return None if post.archived or meta.generation > 1 else {"archived": True}


post: Aggregate[PostEvent, Post] = create_aggregate(
    stream="posts", events=[PostCreated, PostArchived], create=Post, fold=fold_post
)


class Ticked(Event):
    pass


def count(event: Ticked, state: dict[str, int], meta: EventMeta) -> dict[str, int]:
    return {meta.event_type: state.get(event.event_type, 0) + 1}


def nothing() -> dict[str, int]:
    return {}


ticks: Aggregate[Ticked, dict[str, int]] = create_aggregate(
    stream="ticks", events=[Ticked], create=nothing, fold=count
)


@dataclass(frozen=True)
class Draft:
    text: str = ""


@dataclass(frozen=True)
class Published:
    by: str


def fold_page(
    event: UserCreated | UserDisabled, page: Draft | Published, _meta: EventMeta
) -> Draft | Published:
    return Published(event.name) if isinstance(event, UserCreated) and isinstance(page, Draft) else Draft()


page: Aggregate[UserCreated | UserDisabled, Draft | Published] = create_aggregate(
    stream="pages", events=[UserCreated, UserDisabled], create=Draft, fold=fold_page
)


class CreateUser(BaseModel):
    name: str = Field(min_length=1)


class DisableUser(BaseModel):
    pass


@dataclass(frozen=True)
class ArchivePost:
    user_id: str


def show(*_values: object) -> None: ...


def domain_on(provider: Provider) -> Domain:
    return create_domain(provider, user, post, ticks, default_tenant="acme", cache=100)


def register(domain: Domain, user_commands: Commands[UserEvent, User]) -> Commands[PostEvent, Post]:
    post_commands = create_commands(domain[post], retry=Retry(attempts=3), guard_reads=False)
    assert_type(post_commands, Commands[PostEvent, Post])

    @user_commands.on(CreateUser)
    def create_user(command: CreateUser, current: Loaded[User]) -> UserEvent:
        if current.exists:
            msg = "this user exists"
            raise CommandError(msg, code="user-exists")
        return UserCreated(name=command.name)

    @user_commands.on(DisableUser)
    def disable_user(_command: DisableUser, current: Loaded[User]) -> UserEvent | None:
        return UserDisabled() if current.state.enabled else None

    @post_commands.on(ArchivePost)
    def archive_post(command: ArchivePost, current: Loaded[Post]) -> Sequence[PostEvent]:
        author = domain[user].get_aggregate(command.user_id)
        if not author.state.enabled:
            msg = "not allowed"
            raise CommandError(msg)
        return [] if current.state.archived else [PostArchived()]

    @user_commands.on(Draft)
    def one_of_them(_command: Draft, _current: Loaded[User]) -> UserEnabled:
        return UserEnabled()

    @user_commands.on(Published)
    def several(_command: Published, _current: Loaded[User]) -> list[UserEvent]:
        return [UserEnabled(), UserDisabled()]

    show(create_user, disable_user, archive_post, one_of_them, several)
    return post_commands


def use(provider: Provider) -> None:
    domain = domain_on(provider)
    users = domain[user]
    assert_type(users, AggregateRepository[UserEvent, User])
    user_commands = create_commands(users)
    register(domain, user_commands)
    ann = user_commands.execute("u1", CreateUser(name="Ann"), tenant="acme", command_id="k-17")
    assert_type(ann, Loaded[User])
    assert_type(ann.state.name, str)
    again = user_commands("u1", DisableUser(), expected_version=ann.version, retry=Retry())
    before = users.get_aggregate("u1", at_version=1)
    assert_type(users.get_aggregate("u1", at_time=datetime.now(UTC)), Loaded[User])
    assert_type(list(users.ids(tenant="acme")), list[str])
    post_first = domain[post].append(
        domain[post].get_aggregate("p1"), [PostCreated("u1", "hi"), PostArchived()], guards=[again]
    )
    with domain.transaction() as both:
        both.append(users, again, UserEnabled(), UserDisabled(reason="abuse"))
        both.append(domain[post], post_first, PostArchived())
        both.guard(before, ann)
    assert_type(both.after(post_first), Loaded[Post])
    for recorded in users.events("u1", after=before.version):
        assert_type(recorded, RecordedEvent[UserEvent])
        if isinstance(recorded.event, UserDisabled):
            assert_type(recorded.event.reason, Literal["asked", "abuse"])
    try:
        users.append(before, UserEnabled())
    except VersionError as error:
        show(error.winner[0].meta.event_id, error.version)


def follow(domain: Domain) -> None:
    titles: dict[str, str] = {}
    model = domain.create_handler("posts-model", [post, user])

    @model.handle(post, PostCreated)
    def insert(aggregate_id: str, event: PostCreated, meta: EventMeta) -> None:
        titles[aggregate_id] = f"{event.content} {meta.version}"

    @model.handle("users", "disabled")
    def hide(aggregate_id: str, event: UserDisabled, meta: EventMeta) -> None:
        titles.pop(f"{aggregate_id} {event.reason} {meta.tenant}", None)

    show(insert, hide)


def test_it(commands: Commands[PostEvent, Post]) -> None:
    (
        Scenario(commands)
        .given(PostCreated(user_id="u1", content="hi"), PostArchived())
        .given_other(user, "u1", UserCreated(name="Ann"), UserDisabled())
        .when(ArchivePost(user_id="u1"), user_id="ann")
        .then_nothing()
        .then_state(Post())
    )
    Scenario(commands).when(ArchivePost(user_id="u1")).then(PostArchived())
