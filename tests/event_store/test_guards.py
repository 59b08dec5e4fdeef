from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import clock
from runtime.errors import AggregateErasedError, CommandError, InvalidInputError, VersionError
from runtime.event_store.commands.commands import Retry
from runtime.event_store.commits.commit import Commit
from runtime.event_store.providers.memory_provider import MemoryProvider
from tests.event_store.blog import (
    ArchivePost,
    Blog,
    CreatePost,
    CreateUser,
    DisableUser,
    Post,
    PostArchived,
    PostCreated,
    PostEvent,
    ToggleUser,
    User,
    UserDisabled,
)
from tests.event_store.watched import WatchedProvider

if TYPE_CHECKING:
    from runtime.event_store.aggregates.loaded import Loaded

HI = CreatePost(user_id="u1", content="hi")


@pytest.fixture
def provider() -> WatchedProvider:
    return WatchedProvider()


def ready(provider: WatchedProvider, **options: object) -> Blog:
    """A blog with the user u1, who is disabled between what the next command reads and what it appends."""
    blog = Blog(provider, **options)  # type: ignore[arg-type]
    blog.user_commands("u1", CreateUser(name="Ann"))
    provider.before_append += [lambda: blog.user_commands("u1", DisableUser())]
    provider.counted()
    return blog


def test_what_a_command_has_read_must_not_have_moved(provider: WatchedProvider) -> None:
    blog = ready(provider)
    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1") as conflict:
        blog.post_commands("p1", HI)
    assert [one.event for one in conflict.value.winner] == [UserDisabled()]
    assert blog.posts.get_aggregate("p1").version == 0


def test_without_guards_write_skew_is_admitted(provider: WatchedProvider) -> None:
    blog = ready(provider, guard_reads=False)
    assert blog.post_commands("p1", HI).version == 1
    assert not blog.users.get_aggregate("u1").state.enabled


def test_a_retry_reads_the_others_anew(provider: WatchedProvider) -> None:
    blog = ready(provider, retry=Retry(attempts=2, longest=0))
    with pytest.raises(CommandError, match="unauthorized") as refused:
        blog.post_commands("p1", HI)
    assert refused.value.code == "unauthorized"
    # The post once, the user twice; and the user once more, by whoever disabled it.
    assert provider.counted() == {"read": 4, "append": 2}


def test_the_tenant_of_what_a_command_reads_is_that_of_the_command(provider: WatchedProvider) -> None:
    blog = Blog(provider, default_tenant="other")
    blog.user_commands("u1", CreateUser(name="Ann"), tenant="acme")
    assert blog.post_commands("p1", HI, tenant="acme").version == 1
    with pytest.raises(CommandError, match="unauthorized"):
        blog.post_commands("p1", HI, tenant="third")


def test_an_unused_id_that_was_read_must_stay_unused(provider: WatchedProvider) -> None:
    blog = Blog(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(command: ArchivePost, _current: Loaded[Post]) -> PostEvent | None:
        return None if blog.users.get_aggregate(command.user_id).exists else PostArchived()

    provider.before_append += [lambda: blog.user_commands("u9", CreateUser(name="Eve"))]
    with pytest.raises(VersionError, match="users#u9#acme has moved past version 0"):
        blog.post_commands("p1", ArchivePost(user_id="u9"))


def test_events_that_were_read_to_the_end_are_guarded(provider: WatchedProvider) -> None:
    blog = ready(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        assert len(list(blog.users.events("u1"))) == 1
        return PostArchived()

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        blog.post_commands("p1", ArchivePost(user_id="u1"))


@pytest.mark.parametrize("after", [1, 7])
def test_so_are_those_behind_which_there_was_nothing(provider: WatchedProvider, after: int) -> None:
    blog = ready(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        assert not list(blog.users.events("u1", after=after))
        return PostArchived()

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        blog.post_commands("p1", ArchivePost(user_id="u1"))


@pytest.mark.parametrize("after", [1, 7])
def test_what_comes_while_nothing_is_found_is_not_taken_for_what_was_seen(
    provider: WatchedProvider, after: int
) -> None:
    blog = Blog(provider)
    blog.user_commands("u1", CreateUser(name="Ann"))
    provider.before_last_version += [lambda: blog.user_commands("u1", ToggleUser(9))]

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        assert not list(blog.users.events("u1", after=after))
        return PostArchived()

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        blog.post_commands("p1", ArchivePost(user_id="u1"))


@pytest.mark.parametrize("after", [1, 7])
def test_behind_an_erased_one_there_is_not_just_nothing(provider: WatchedProvider, after: int) -> None:
    blog = Blog(provider)
    ann = blog.user_commands("u1", CreateUser(name="Ann"))
    closing = Commit(key=ann.key, first=2, events=(), append_id="x", at=clock.now(), closes=True)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        assert not list(blog.users.events("u1", after=after))
        return PostArchived()

    provider.before_last_version += [lambda: provider.erase(ann.key, closing)]
    with pytest.raises(AggregateErasedError):
        blog.post_commands("p1", ArchivePost(user_id="u1"))


def test_what_a_thread_reads_in_a_copy_of_the_handlers_context_is_guarded(provider: WatchedProvider) -> None:
    blog = ready(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(copy_context().run, blog.users.get_aggregate, "u1").result().exists
        return PostArchived()

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        blog.post_commands("p1", ArchivePost(user_id="u1"))


def test_a_time_that_is_still_to_come_is_no_past(provider: WatchedProvider) -> None:
    blog = ready(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        tomorrow = clock.now() + timedelta(days=1)
        assert blog.users.get_aggregate("u1", at_time=tomorrow).state.enabled
        return PostArchived()

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        blog.post_commands("p1", ArchivePost(user_id="u1"))


def test_who_decides_nothing_pays_for_no_guard(provider: WatchedProvider) -> None:
    blog = Blog(provider)
    blog.user_commands("u1", CreateUser(name="Ann"))
    provider.counted()
    assert not list(blog.users.events("u1", after=1))
    assert provider.counted() == {"read": 1}


def test_the_past_never_moves_so_it_is_not_guarded(provider: WatchedProvider) -> None:
    blog = ready(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        assert blog.users.get_aggregate("u1", at_version=1).exists
        assert len(list(blog.users.events("u1", until=1))) == 1
        assert next(blog.users.events("u1")).meta.version == 1
        return PostArchived()

    assert blog.post_commands("p1", ArchivePost(user_id="u1")).version == 1


def test_what_was_read_twice_is_guarded_as_it_was_first_seen(provider: WatchedProvider) -> None:
    blog = Blog(provider)
    blog.user_commands("u1", CreateUser(name="Ann"))

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        assert blog.users.get_aggregate("u1").state.enabled
        blog.user_commands("u1", DisableUser())
        assert not blog.users.get_aggregate("u1").state.enabled
        return PostArchived()

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        blog.post_commands("p1", ArchivePost(user_id="u1"))


def test_a_command_may_read_its_own_aggregate(provider: WatchedProvider) -> None:
    blog = Blog(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, current: Loaded[Post]) -> PostEvent:
        assert blog.posts.get_aggregate("p1") == current
        return PostArchived()

    assert blog.post_commands("p1", ArchivePost(user_id="u1")).version == 1


def test_what_a_command_in_a_command_reads_is_its_own_affair(provider: WatchedProvider) -> None:
    blog = Blog(provider)
    blog.user_commands("u1", CreateUser(name="Ann"))

    @blog.user_commands.on(ToggleUser)
    def toggle(_command: ToggleUser, _current: Loaded[User]) -> UserDisabled:
        blog.post_commands("p1", HI)
        return UserDisabled()

    # The post's command reads the user, and is done before the user moves.
    assert blog.user_commands("u1", ToggleUser()).version == 2
    assert blog.posts.get_aggregate("p1").version == 1


def test_what_is_read_outside_of_a_command_is_not_guarded(provider: WatchedProvider) -> None:
    blog = Blog(provider)
    blog.users.get_aggregate("u1")
    blog.user_commands("u1", CreateUser(name="Ann"))
    blog.users.get_aggregate("u1")
    assert blog.posts.append(blog.posts.get_aggregate("p1"), PostArchived()).version == 1


def test_what_another_provider_has_cannot_be_guarded(provider: WatchedProvider) -> None:
    blog, elsewhere = Blog(provider), Blog(MemoryProvider())

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        assert elsewhere.users.get_aggregate("u1").version == 0
        return PostArchived()

    blog.user_commands("u1", CreateUser(name="Ann"))  # here, it is at another version than there
    assert blog.post_commands("p1", ArchivePost(user_id="u1")).version == 1


def test_an_aggregate_that_was_erased_meanwhile_is_gone(provider: WatchedProvider) -> None:
    blog = Blog(provider)
    ann = blog.user_commands("u1", CreateUser(name="Ann"))
    commit = provider.appended[0]
    closing = commit.__class__(key=ann.key, first=2, events=(), append_id="c", at=commit.at, closes=True)
    provider.before_append += [lambda: provider.append([closing])]
    with pytest.raises(AggregateErasedError, match="users#u1#acme was erased"):
        blog.post_commands("p1", HI)


@pytest.mark.parametrize(("others", "is_allowed"), [(99, True), (100, False)])
def test_a_transaction_is_about_a_hundred_aggregates_at_most(
    provider: WatchedProvider,
    others: int,
    is_allowed: bool,  # noqa: FBT001
) -> None:
    blog = Blog(provider)

    @blog.post_commands.on(ArchivePost)
    def archive(_command: ArchivePost, _current: Loaded[Post]) -> PostEvent:
        blog.posts.get_aggregate("p1")  # its own, which the append guards by itself
        for number in range(others):
            blog.users.get_aggregate(f"u{number}")
        return PostArchived()

    if is_allowed:
        assert blog.post_commands("p1", ArchivePost(user_id="u1")).version == 1
        return
    with pytest.raises(InvalidInputError, match=r"at most 100 aggregates.*got 101.*guard_reads=False"):
        blog.post_commands("p1", ArchivePost(user_id="u1"))
    assert provider.appended == []


def test_an_append_is_guarded_by_what_it_is_given(provider: WatchedProvider) -> None:
    blog = Blog(provider)
    ann = blog.user_commands("u1", CreateUser(name="Ann"))
    unwritten = blog.posts.get_aggregate("p1")
    created = PostCreated(user_id="u1", content="hi")
    done = blog.posts.append(unwritten, created, guards=[ann, unwritten])
    blog.user_commands("u1", DisableUser())
    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        blog.posts.append(done, PostArchived(), guards=[ann])
    with pytest.raises(
        InvalidInputError, match="users#u1#acme is given at two versions, 1 and 2; read it once"
    ):
        blog.posts.append(done, PostArchived(), guards=[ann, blog.users.get_aggregate("u1")])
    with pytest.raises(InvalidInputError, match="posts#p1#acme is given at two versions, 1 and 0"):
        blog.posts.append(done, PostArchived(), guards=[unwritten])
    single: Any
    for single in (ann, None, "u1"):
        with pytest.raises(InvalidInputError, match=r"guards: must be a list of aggregates, such as \[ann\]"):
            blog.posts.append(done, PostArchived(), guards=single)
    assert blog.posts.get_aggregate("p1").version == 1
