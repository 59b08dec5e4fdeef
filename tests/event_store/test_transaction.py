from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import AggregateErasedError, ConfigurationError, InvalidInputError, VersionError
from runtime.event_store.commits.commit import Commit
from tests.event_store.blog import (
    Blog,
    CreatePost,
    CreateUser,
    DisableUser,
    PostArchived,
    PostCreated,
    UserDisabled,
    UserEnabled,
)
from tests.event_store.watched import WatchedProvider


@pytest.fixture
def provider() -> WatchedProvider:
    return WatchedProvider()


@pytest.fixture
def blog(provider: WatchedProvider) -> Blog:
    blog = Blog(provider)
    blog.user_commands("u1", CreateUser(name="Ann"))
    blog.post_commands("p1", CreatePost(user_id="u1", content="hi"))
    provider.counted()
    provider.appended.clear()
    return blog


def test_several_aggregates_are_appended_to_at_once(blog: Blog, provider: WatchedProvider) -> None:
    ann, hi = blog.users.get_aggregate("u1"), blog.posts.get_aggregate("p1")
    with blog.domain.transaction(source="clean-up") as both:
        both.append(blog.users, ann, UserDisabled(reason="abuse"))
        both.append(blog.posts, hi, PostArchived())
        assert provider.appended == []
    assert provider.counted()["append"] == 1
    assert [commit.key.stream for commit in provider.appended] == ["users", "posts"]
    assert (both.after(ann).version, both.after(ann).state.enabled) == (2, False)
    assert both.after(hi) == blog.posts.get_aggregate("p1")
    assert [one.meta.source for one in blog.users.events("u1", after=1)] == ["clean-up"]


def test_further_events_of_an_aggregate_go_behind_the_earlier_ones(blog: Blog) -> None:
    ann = blog.users.get_aggregate("u1")
    with blog.domain.transaction() as both:
        both.append(blog.users, ann, UserDisabled(), UserEnabled())
        both.append(blog.users, ann, UserDisabled())
    assert (both.after(ann).version, both.after(ann).state.enabled) == (4, False)
    assert len(list(blog.users.events("u1"))) == 4


def test_if_one_has_moved_nothing_is_appended(blog: Blog) -> None:
    ann, hi = blog.users.get_aggregate("u1"), blog.posts.get_aggregate("p1")
    blog.user_commands("u1", DisableUser())
    both = blog.domain.transaction()

    def run() -> None:
        with both:
            both.append(blog.posts, hi, PostArchived())
            both.append(blog.users, ann, UserEnabled())

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1") as conflict:
        run()
    assert [one.event for one in conflict.value.winner] == [UserDisabled()]
    assert blog.posts.get_aggregate("p1") == hi
    with pytest.raises(ConfigurationError, match="has appended nothing"):
        both.after(hi)


def test_what_is_guarded_must_not_have_moved(blog: Blog) -> None:
    ann, hi = blog.users.get_aggregate("u1"), blog.posts.get_aggregate("p1")
    with blog.domain.transaction() as guarded:
        guarded.append(blog.posts, hi, PostArchived())
        guarded.guard(ann)
    assert guarded.after(hi).version == 2
    assert guarded.after(ann) is ann
    blog.user_commands("u1", DisableUser())

    def run() -> None:
        with blog.domain.transaction() as stale:
            stale.append(blog.posts, guarded.after(hi), PostArchived())
            stale.guard(ann)

    with pytest.raises(VersionError, match="users#u1#acme has moved past version 1"):
        run()
    assert blog.posts.get_aggregate("p1").version == 2


def test_one_that_was_erased_is_gone(blog: Blog, provider: WatchedProvider) -> None:
    ann, at = blog.users.get_aggregate("u1"), next(blog.users.events("u1")).meta.timestamp
    provider.append([Commit(key=ann.key, first=2, events=(), append_id="c", at=at, closes=True)])
    with pytest.raises(AggregateErasedError), blog.domain.transaction() as both:
        both.append(blog.users, ann, UserEnabled())


def test_where_the_block_raises_nothing_is_sent(blog: Blog, provider: WatchedProvider) -> None:
    def run() -> None:
        with blog.domain.transaction() as both:
            both.append(blog.users, blog.users.get_aggregate("u1"), UserDisabled())
            raise LookupError

    with pytest.raises(LookupError):
        run()
    assert provider.appended == []


def test_where_nothing_is_appended_nothing_is_sent(blog: Blog, provider: WatchedProvider) -> None:
    ann = blog.users.get_aggregate("u1")
    provider.counted()
    with blog.domain.transaction() as both:
        both.append(blog.users, ann)
        both.guard(ann)
    assert both.after(ann) is ann
    assert provider.counted() == {}


@pytest.mark.parametrize(("count", "is_allowed"), [(100, True), (101, False)])
def test_a_transaction_is_for_a_hundred_aggregates(
    blog: Blog,
    provider: WatchedProvider,
    count: int,
    is_allowed: bool,  # noqa: FBT001
) -> None:
    def run() -> None:
        with blog.domain.transaction() as many:
            for number in range(count):
                loaded = blog.posts.get_aggregate(f"new{number}")
                many.append(blog.posts, loaded, PostCreated(user_id="u1", content="hi"))

    if is_allowed:
        run()
        assert len(provider.appended) == count
        return
    with pytest.raises(
        InvalidInputError, match=r"transaction: must be about at most 100 aggregates.*got 101"
    ):
        run()
    assert provider.appended == []


def test_what_a_transaction_cannot_append_is_refused_at_once(blog: Blog, provider: WatchedProvider) -> None:
    ann = blog.users.get_aggregate("u1")
    elsewhere = Blog()
    wrong: Any = blog.posts
    kind: Any = blog.users.aggregate
    events: Any = [UserDisabled()]
    with blog.domain.transaction() as both:
        with pytest.raises(
            InvalidInputError,
            match=r"must be of the transaction's own domain, such as domain\[user\], got 'users' of",
        ):
            both.append(elsewhere.users, ann, UserDisabled())
        with pytest.raises(InvalidInputError, match=r"such as domain\[user\], got Aggregate"):
            both.append(kind, ann, UserDisabled())
        with pytest.raises(
            InvalidInputError, match=r"must be an event of the aggregate 'users' .*, got list"
        ):
            both.append(blog.users, ann, events)
        with pytest.raises(InvalidInputError, match="must be an aggregate of 'posts', got users#u1#acme"):
            both.append(wrong, ann, PostArchived())
        with pytest.raises(InvalidInputError, match="is of the past"):
            both.append(blog.users, blog.users.get_aggregate("u1", at_version=1), UserDisabled())
        with pytest.raises(InvalidInputError, match="is of the past"):
            both.guard(blog.users.get_aggregate("u1", at_version=1))
    both_versions = blog.user_commands("u1", DisableUser())
    with blog.domain.transaction() as twice:
        twice.append(blog.users, both_versions, UserEnabled())
        with pytest.raises(
            InvalidInputError, match="users#u1#acme is given at version 1, and was at 2 before"
        ):
            twice.append(blog.users, ann, UserEnabled())
    assert len(provider.appended) == 2


def test_an_event_of_another_aggregate_is_refused_and_nothing_is_appended(
    blog: Blog, provider: WatchedProvider
) -> None:
    wrong: Any = PostArchived()

    def run() -> None:
        with blog.domain.transaction() as both:
            both.append(blog.posts, blog.posts.get_aggregate("p1"), PostArchived())
            both.append(blog.users, blog.users.get_aggregate("u1"), wrong)

    with pytest.raises(InvalidInputError, match="must be an event of the aggregate 'users'"):
        run()
    assert provider.appended == []


def test_a_transaction_is_one_block(blog: Blog) -> None:
    ann = blog.users.get_aggregate("u1")
    both = blog.domain.transaction()
    with pytest.raises(ConfigurationError, match="the transaction is not open"):
        both.append(blog.users, ann, UserDisabled())
    with both:
        both.append(blog.users, ann, UserDisabled())
        with pytest.raises(ConfigurationError, match=r"call domain\.transaction\(\) for each"):
            both.__enter__()
        with pytest.raises(ConfigurationError, match="has appended nothing"):
            both.after(ann)
    with pytest.raises(ConfigurationError, match="the transaction is not open"):
        both.guard(ann)
    with pytest.raises(ConfigurationError, match=r"call domain\.transaction\(\) for each"):
        both.__enter__()


def test_a_block_that_failed_is_not_sent_by_a_later_one(blog: Blog, provider: WatchedProvider) -> None:
    ann = blog.users.get_aggregate("u1")
    both = blog.domain.transaction()

    def run() -> None:
        with both:
            both.append(blog.users, ann, UserDisabled())
            list(blog.users.events("u1", after=-1))

    with pytest.raises(InvalidInputError, match="after"):
        run()
    with pytest.raises(ConfigurationError, match=r"call domain\.transaction\(\) for each"):
        both.__enter__()
    assert provider.appended == []
