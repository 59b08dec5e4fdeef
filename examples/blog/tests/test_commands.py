"""What commands decide: given what has happened, when somebody asks for something, then that happens."""

from __future__ import annotations

from blog.commands import (
    ArchivePost,
    DisableUser,
    EnableUser,
    RegisterUser,
    WritePost,
    post_commands,
    user_commands,
)
from blog.posts import PostArchived, PostWritten
from blog.users import UserDisabled, UserEnabled, UserRegistered, user
from runtime.testing import Scenario

WRITTEN = PostWritten(user_id="u1", title="Hi", content="Hello")
WRITE = WritePost(user_id="u1", title="Hi", content="Hello")


def test_a_user_registers_once() -> None:
    Scenario(user_commands).when(RegisterUser(name="Ann")).then(UserRegistered(name="Ann"))
    registered = Scenario(user_commands).given(UserRegistered(name="Ann"))
    registered.when(RegisterUser(name="Bob")).then_refused("user-exists")


def test_to_disable_and_enable_twice_changes_nothing_more() -> None:
    disabled = (UserRegistered(name="Ann"), UserDisabled(reason="abuse"))
    Scenario(user_commands).given(*disabled).when(DisableUser()).then_nothing()
    Scenario(user_commands).given(*disabled).when(EnableUser()).then(UserEnabled())
    Scenario(user_commands).given(*disabled, UserEnabled()).when(EnableUser()).then_nothing()
    Scenario(user_commands).when(DisableUser()).then_refused("no-such-user")


def test_a_user_writes() -> None:
    scenario = Scenario(post_commands).given_other(user, "u1", UserRegistered(name="Ann"))
    scenario.when(WRITE).then(WRITTEN)


def test_whoever_is_disabled_or_not_registered_does_not_write() -> None:
    disabled = Scenario(post_commands).given_other(user, "u1", UserRegistered(name="Ann"), UserDisabled())
    disabled.when(WRITE).then_refused("not-allowed")
    Scenario(post_commands).when(WRITE).then_refused("not-allowed")


def test_only_who_wrote_a_post_archives_it_and_only_once() -> None:
    written = Scenario(post_commands).given(WRITTEN)
    written.when(ArchivePost(user_id="u1")).then(PostArchived())
    Scenario(post_commands).given(WRITTEN).when(ArchivePost(user_id="u2")).then_refused("not-allowed")
    Scenario(post_commands).given(WRITTEN, PostArchived()).when(ArchivePost(user_id="u1")).then_nothing()
