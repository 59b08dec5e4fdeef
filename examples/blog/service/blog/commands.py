"""What can be done, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from blog.domain import domain
from blog.posts import PostArchived, PostWritten, post
from blog.users import UserDisabled, UserEnabled, UserRegistered, user
from runtime import CommandError, Retry, create_commands

if TYPE_CHECKING:
    from blog.posts import Post, PostEvent
    from blog.users import User, UserEvent
    from runtime import Loaded

__all__ = [
    "ArchivePost",
    "DisableUser",
    "EnableUser",
    "RegisterUser",
    "WritePost",
    "post_commands",
    "user_commands",
]

#: Text for PostgreSQL, which takes every character but one.
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*$")]
Line = Annotated[Text, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]

user_commands = create_commands(domain[user])
post_commands = create_commands(domain[post], retry=Retry(attempts=3))


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegisterUser(_Command):
    """Become a user."""

    name: Line


class DisableUser(_Command):
    """Let a user write no more."""

    reason: Literal["asked", "abuse"] = "asked"


class EnableUser(_Command):
    """Let a user write again."""


class WritePost(_Command):
    """Write a post, as a user who may."""

    user_id: Line
    title: Line
    content: Text


class ArchivePost(_Command):
    """Show a post no more. Only who wrote it may ask for that."""

    user_id: Line


@user_commands.on(RegisterUser)
def register(command: RegisterUser, current: Loaded[User]) -> UserEvent:
    """Register a user, once."""
    if current.exists:
        msg = "there is a user with this id"
        raise CommandError(msg, code="user-exists")
    return UserRegistered(name=command.name)


@user_commands.on(DisableUser)
def disable(command: DisableUser, current: Loaded[User]) -> UserEvent | None:
    """Disable a user; nothing happens to one who is disabled."""
    _check_registered(current)
    return UserDisabled(reason=command.reason) if current.state.enabled else None


@user_commands.on(EnableUser)
def enable(_command: EnableUser, current: Loaded[User]) -> UserEvent | None:
    """Enable a user; nothing happens to one who is enabled."""
    _check_registered(current)
    return None if current.state.enabled else UserEnabled()


@post_commands.on(WritePost)
def write(command: WritePost, current: Loaded[Post]) -> PostEvent:
    """Write a post. That its author may write still holds when it is stored: what is read here is guarded."""
    if current.exists:
        msg = "there is a post with this id"
        raise CommandError(msg, code="post-exists")
    if not domain[user].get_aggregate(command.user_id).state.enabled:
        msg = "the user may not write"
        raise CommandError(msg, code="not-allowed")
    return PostWritten(user_id=command.user_id, title=command.title, content=command.content)


@post_commands.on(ArchivePost)
def archive(command: ArchivePost, current: Loaded[Post]) -> PostEvent | None:
    """Archive a post; nothing happens to one that is archived."""
    if not current.exists:
        msg = "there is no such post"
        raise CommandError(msg, code="no-such-post")
    if command.user_id != current.state.user_id:
        msg = "only who wrote a post may archive it"
        raise CommandError(msg, code="not-allowed")
    return None if current.state.archived else PostArchived()


def _check_registered(current: Loaded[User]) -> None:
    if not current.exists:
        msg = "there is no such user"
        raise CommandError(msg, code="no-such-user")
