"""What users must not write: mypy and pyright find an error in each line marked so, and in no other."""

from __future__ import annotations

from typing import assert_never

from runtime import Aggregate, Commands, Domain, EventMeta, Loaded, create_aggregate, create_commands
from runtime.testing import Scenario
from tests.event_store.typed.right import (
    ArchivePost,
    CreateUser,
    DisableUser,
    Post,
    PostArchived,
    PostCreated,
    PostEvent,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    fold_post,
    post,
    show,
    user,
)


# 1. An event that a match forgot.
def forgetful(event: UserEvent, state: User, _meta: EventMeta) -> User:
    match event:
        case UserCreated(name=name):
            return User(name=name, enabled=True)
        case UserDisabled():
            return state.model_copy(update={"enabled": False})
        case _:
            assert_never(event)  # error


def misuse(domain: Domain, commands: Commands[UserEvent, User]) -> None:
    users, posts = domain[user], domain[post]

    # 2. A command that returns another aggregate's event, or is registered for another command's class.
    @commands.on(CreateUser)  # error
    def foreign(command: CreateUser, _current: Loaded[User]) -> PostEvent:
        return PostCreated(user_id=command.name, content="")

    @commands.on(CreateUser)  # error
    def several(_command: CreateUser, _current: Loaded[User]) -> list[UserEvent | PostEvent]:
        return [UserEnabled(), PostArchived()]

    @commands.on(DisableUser)  # error
    def another(command: CreateUser, _current: Loaded[User]) -> UserEvent:
        return UserCreated(name=command.name)

    @commands.on(DisableUser)  # error
    def another_state(_command: DisableUser, _current: Loaded[Post]) -> UserEvent:
        return UserDisabled()

    # 3. A handler's callback with the wrong event.
    model = domain.create_handler("model", [user, post])

    @model.handle(post, PostCreated)  # error
    def insert(_aggregate_id: str, _event: UserCreated, _meta: EventMeta) -> None: ...

    @model.handle(post, PostCreated)  # error
    def no_meta(_aggregate_id: str, _event: PostCreated) -> None: ...

    # 4. An append of a foreign event.
    ann = users.get_aggregate("u1")
    users.append(ann, PostArchived())  # error
    users.append(ann, [UserEnabled(), PostArchived()])  # error
    with domain.transaction() as both:
        both.append(users, ann, PostArchived())  # error

    # 5. A field that the state, or the event, has not.
    show(ann.state.nam)  # error
    show(commands.execute("u1", DisableUser()).state.content)  # error
    for recorded in posts.events("p1"):
        show(recorded.event.name)  # error
    UserCreated(nam="x")  # error

    # 6. An append to another aggregate's state.
    hi = posts.get_aggregate("p1")
    users.append(hi, UserEnabled())  # error
    posts.append(ann, PostArchived())  # error
    with domain.transaction() as wrong:
        wrong.append(posts, ann, PostArchived())  # error

    # And a version instead of what was read, a late change, and what a scenario cannot be about.
    users.append(3, UserEnabled())  # error
    ann.version = 4  # error
    commands.execute("u1")  # error
    Scenario(commands).given(PostArchived())  # error
    Scenario(commands).when(ArchivePost("u1")).then(PostArchived())  # error
    Scenario(commands).given_other(post, "p1", UserEnabled())  # error
    create_commands(user)  # error
    show(foreign, several, another, another_state, insert, no_meta)


def no_state(_event: UserEvent, _state: User, _meta: EventMeta) -> str:
    return "no state"


# On one line each, as mypy blames the argument and pyright the assignment.
made: Aggregate[UserEvent, User]
made = create_aggregate(stream="u", events=[UserCreated, UserEnabled], create=User, fold=no_state)  # error
posts: Aggregate[PostEvent, Post]
posts = create_aggregate(stream="p", events=[PostCreated, UserCreated], create=Post, fold=fold_post)  # error
