from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, field_validator

from runtime.errors import ConfigurationError
from runtime.event_store.aggregates.aggregate import Persist, create_aggregate
from runtime.event_store.aggregates.state_cache import StateCache
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event
from runtime.store.port import Delete
from runtime.store.values import Place
from tests.event_store.blog import (
    Blog,
    CreateUser,
    ToggleUser,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    kept_user,
)
from tests.event_store.watched import WatchedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.commits.commit import CommandRecord, Commit


class Keeping(WatchedProvider):
    """Keeps a state only where it must, as for one that costs a write unit; counts what is read back."""

    def __init__(self) -> None:
        self.yielded = 0
        super().__init__()

    def append(
        self,
        commits: Sequence[Commit],
        *,
        unmoved: Mapping[Key, int] | None = None,
        command: CommandRecord | None = None,
    ) -> None:
        kept = [
            commit if commit.must_keep_state else replace(commit, state=None, fold=None) for commit in commits
        ]
        super().append(kept, unmoved=unmoved, command=command)

    def read_back(self, key: Key, *, until: int | None = None, likely: int = 4) -> Iterator[Commit]:
        for commit in super().read_back(key, until=until, likely=likely):
            self.yielded += 1
            yield commit


def fold_anew(users: Aggregate[UserEvent, User], version: str, every: int = 4) -> Aggregate[UserEvent, User]:
    return replace(users, persist=Persist(version, every))


def toggled(blog: Blog, times: int) -> Loaded[User]:
    blog.user_commands("u1", CreateUser(name="Ann"))
    for _ in range(times - 1):
        done = blog.user_commands("u1", ToggleUser())
    return done


def test_a_state_is_offered_with_each_append_and_must_be_kept_after_so_many() -> None:
    provider = WatchedProvider()
    toggled(Blog(provider, users=kept_user), 9)
    assert all(commit.fold == "1" and commit.state for commit in provider.appended)
    # It fits into the write unit of each append, so no append is the fourth behind a kept one.
    assert not any(commit.must_keep_state for commit in provider.appended)


def test_what_never_fits_is_kept_at_least_so_often() -> None:
    provider = Keeping()
    blog = Blog(provider, users=kept_user)
    done = toggled(blog, 13)
    kept = [commit.first for commit in provider.appended if commit.state is not None]
    assert kept == [4, 8, 12]
    provider.yielded = 0
    assert blog.users.get_aggregate("u1").state == done.state
    assert provider.yielded == 2
    toggled_on = blog.users.get_aggregate("u1")
    assert (toggled_on.persisted, toggled_on.commits_since_kept) == ("1", 1)


def test_so_it_is_where_one_goes_on_from_what_an_append_returned() -> None:
    provider = Keeping()
    blog = Blog(provider, users=kept_user)
    loaded = blog.users.append(blog.users.get_aggregate("u1"), UserCreated(name="Ann"))
    for _ in range(8):
        loaded = blog.users.append(loaded, UserEnabled())
    assert [commit.first for commit in provider.appended if commit.must_keep_state] == [4, 8]


def test_a_load_reads_back_to_the_newest_kept_state_and_folds_only_what_is_newer() -> None:
    folded: list[str] = []

    def fold(event: UserEvent, state: User, meta: Any) -> Any:
        folded.append(meta.event_type)
        return kept_user.fold(event, state, meta)

    blog = Blog(users=replace(kept_user, fold=fold))
    toggled(blog, 5)
    folded.clear()
    loaded = blog.users.get_aggregate("u1")
    assert (loaded.version, loaded.persisted, folded) == (5, "1", [])


def test_the_first_load_starts_from_no_kept_state() -> None:
    blog = Blog(users=kept_user)
    assert blog.user_commands("u1", CreateUser(name="Ann")).persisted is None
    assert blog.user_commands("u1", ToggleUser()).persisted == "1"


def test_another_stamp_is_folded_anew_and_the_next_append_keeps_the_new_state() -> None:
    provider = Keeping()
    toggled(Blog(provider, users=kept_user), 9)
    blog = Blog(provider, users=fold_anew(kept_user, "2"))
    loaded = blog.users.get_aggregate("u1")
    assert (loaded.version, loaded.persisted, loaded.state.name) == (9, None, "Ann")
    blog.user_commands("u1", ToggleUser())
    assert (provider.appended[-1].fold, provider.appended[-1].must_keep_state) == ("2", True)
    assert blog.users.get_aggregate("u1").persisted == "2"
    # Those of the fold before are still there for a release that goes back.
    assert Blog(provider, users=kept_user).users.get_aggregate("u1").persisted == "1"


def test_a_fold_that_has_changed_is_seen_where_the_stamp_has() -> None:
    def loud(event: UserEvent, state: User, meta: Any) -> User:
        found = kept_user.fold(event, state, meta)
        assert isinstance(found, User)
        return found.model_copy(update={"name": found.name.upper()})

    provider = WatchedProvider()
    toggled(Blog(provider, users=kept_user), 3)
    changed = replace(kept_user, fold=loud)
    assert Blog(provider, users=changed).users.get_aggregate("u1").state.name == "Ann"
    assert Blog(provider, users=fold_anew(changed, "2")).users.get_aggregate("u1").state.name == "ANN"


def test_a_state_that_todays_class_does_not_accept_is_folded_anew() -> None:
    class Other(BaseModel):
        name: str = ""
        rights: int = 0
        must: int

    def create() -> Other:
        return Other(must=1)

    def fold(event: UserEvent, state: Other, _meta: Any) -> Any:
        return {"name": event.name} if isinstance(event, UserCreated) else {"rights": state.rights + 1}

    provider = WatchedProvider()
    toggled(Blog(provider, users=kept_user), 3)
    other: Aggregate[UserEvent, Other] = create_aggregate(
        stream="users",
        events=[UserCreated, UserDisabled, UserEnabled],
        create=create,
        fold=fold,
        persist=Persist("1"),
    )
    domain = create_domain(provider, other, default_tenant="acme")
    loaded = domain[other].get_aggregate("u1")
    assert (loaded.state, loaded.persisted) == (Other(name="Ann", rights=2, must=1), None)


def test_so_is_one_that_todays_class_fails_on() -> None:
    class Other(User):
        @field_validator("name")
        @classmethod
        def check(cls, name: str) -> str:
            raise LookupError(name)

    provider = WatchedProvider()
    toggled(Blog(provider, users=kept_user), 3)
    other = create_aggregate(
        stream="users",
        events=[UserCreated, UserDisabled, UserEnabled],
        create=Other,
        fold=lambda event, state, _meta: {"enabled": not state.enabled},  # noqa: ARG005 - the same for each
        persist=Persist("1"),
    )
    loaded = create_domain(provider, other, default_tenant="acme")[other].get_aggregate("u1")
    assert (loaded.version, loaded.persisted) == (3, None)


class Opened(Event):
    pass


@dataclass(frozen=True)
class NeverItself:
    amount: float = 0.0


def test_a_state_that_cannot_be_kept_is_left_out_and_the_events_are_appended() -> None:
    aggregate = create_aggregate(
        stream="accounts",
        events=[Opened],
        create=NeverItself,
        fold=lambda _event, _state, _meta: {"amount": float("nan")},
        persist=Persist("1"),
    )
    provider = WatchedProvider()
    repository = create_domain(provider, aggregate, default_tenant="acme")[aggregate]
    loaded = repository.append(repository.get_aggregate("a"), Opened())
    assert (provider.appended[0].state, provider.appended[0].fold) == (None, None)
    assert loaded.version == repository.get_aggregate("a").version == 1


def test_a_state_that_is_nested_deeper_each_time_is_kept_as_long_as_it_can_be_read() -> None:
    aggregate: Aggregate[Opened, dict[str, Any]] = create_aggregate(
        stream="accounts",
        events=[Opened],
        create=dict,
        fold=lambda _event, state, _meta: {"before": state},
        persist=Persist("1"),
    )
    provider = WatchedProvider()
    repository = create_domain(provider, aggregate, default_tenant="acme")[aggregate]
    loaded = repository.get_aggregate("a")
    for _ in range(300):
        loaded = repository.append(loaded, Opened())
    found = create_domain(provider, aggregate, default_tenant="acme")[aggregate].get_aggregate("a")
    assert (found.version, found.state) == (300, loaded.state)
    kept = [commit.first for commit in provider.appended if commit.fold is not None]
    assert 100 < len(kept) < 300


@pytest.mark.parametrize(
    ("version", "every"), [("", 20), (7, 20), ("1", 0), ("1", -1), ("1", "9"), ("1", 1.5)]
)
def test_what_could_never_be_found_again_is_refused(version: str, every: int) -> None:
    with pytest.raises(ConfigurationError, match=r"Persist\((version|every)=\) must be"):
        Persist(version, every)


# States that can be changed in place


@pytest.mark.parametrize("cache", [0, 10])
def test_who_changes_a_state_in_place_changes_nothing_that_is_kept_or_returned(cache: int) -> None:
    provider = WatchedProvider()
    blog = Blog(provider, users=kept_user, cache=cache)

    @blog.user_commands.on(ToggleUser)
    def toggle(_command: ToggleUser, current: Loaded[User]) -> UserEvent:
        current.state.name = "Eve"
        return UserDisabled()

    ann = blog.user_commands("u1", CreateUser(name="Ann"))
    ann.state.name = "Eve"
    assert blog.users.append(ann, UserDisabled()).state.name == "Ann"
    assert blog.user_commands("u1", ToggleUser()).state.name == "Ann"
    assert [commit.state["name"] for commit in provider.appended] == ["Ann", "Ann", "Ann"]
    blog.users.get_aggregate("u1").state.name = "Eve"
    assert blog.users.get_aggregate("u1").state.name == "Ann"


# What a process keeps


def test_what_is_cached_needs_only_newer_events() -> None:
    provider = WatchedProvider()
    blog = Blog(provider, cache=2)
    done = toggled(blog, 5)
    assert blog.users.get_aggregate("u1") == done
    Blog(provider).user_commands("u1", ToggleUser(2))
    folded = blog.users.get_aggregate("u1")
    assert (folded.version, folded.state.name) == (7, "Ann")
    assert blog.users.get_aggregate("u1").state is not folded.state


@pytest.mark.parametrize("page_size", [1, 1000])
@pytest.mark.parametrize("newer", [0, 1, 9])
def test_what_is_cached_is_brought_up_to_date_with_a_read_back(newer: int, page_size: int) -> None:
    provider = WatchedProvider(page_size=page_size)
    blog = Blog(provider, cache=2)
    toggled(blog, 5)
    other = Blog(provider)
    for _ in range(newer):
        other.user_commands("u1", ToggleUser(2))
    provider.counted()
    loaded = blog.users.get_aggregate("u1")
    assert provider.counted() == {"read_back": 1}
    assert loaded == other.users.get_aggregate("u1")
    assert loaded.version == 5 + 2 * newer


def test_a_cached_state_that_is_ahead_of_what_is_stored_is_forgotten() -> None:
    provider = WatchedProvider()
    blog = Blog(provider, cache=2)
    toggled(blog, 5)
    provider.storage.store.write(  # as after a table was restored
        *(Delete(place=Place("events", "users#u1#acme", f"{version:010d}")) for version in (4, 5))
    )
    assert blog.users.get_aggregate("u1").version == 3
    assert blog.user_commands("u1", ToggleUser()).version == 4
    assert [one.meta.version for one in blog.users.events("u1")] == [1, 2, 3, 4]


def test_what_is_known_already_is_not_folded_twice() -> None:
    folded: list[int] = []

    def fold(event: UserEvent, state: User, meta: Any) -> Any:
        folded.append(meta.version)
        return kept_user.fold(event, state, meta)

    blog = Blog(users=replace(kept_user, fold=fold, persist=None), cache=2)
    done = toggled(blog, 3)
    folded.clear()
    assert blog.users.get_aggregate("u1") == done
    assert folded == []


def test_what_follows_a_cached_state_counts_from_the_newest_kept_one() -> None:
    provider = WatchedProvider()
    blog = Blog(provider, users=kept_user, cache=2)
    toggled(blog, 2)
    Blog(provider, users=kept_user).user_commands("u1", ToggleUser())
    assert blog.users.get_aggregate("u1").commits_since_kept == 0


def test_an_older_state_takes_no_newer_ones_place() -> None:
    blog, cache = Blog(), StateCache(2)
    older = blog.user_commands("u1", CreateUser(name="Ann"))
    newer = blog.user_commands("u1", ToggleUser())
    for loaded in (older, newer, older):
        cache.put(loaded)
    assert cache.get(older.key) is newer


def test_a_cache_holds_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = WatchedProvider()
    blog = Blog(provider, cache=2)
    for name in ("u1", "u2", "u3"):
        blog.user_commands(name, CreateUser(name=name))
    asked: list[tuple[str, str]] = []

    def watched(operation: str, read: Any) -> Any:
        def reading(key: Key, **options: Any) -> Iterator[Commit]:
            asked.append((key.aggregate_id, operation))
            found: Iterator[Commit] = read(key, **options)
            return found

        return reading

    for operation in ("read", "read_back"):
        monkeypatch.setattr(provider, operation, watched(operation, getattr(provider, operation)))
    for name in ("u3", "u2", "u1"):
        assert blog.users.get_aggregate(name).state.name == name
    assert asked == [("u3", "read_back"), ("u2", "read_back"), ("u1", "read")]


def test_a_cached_aggregate_of_one_tenant_is_not_anothers() -> None:
    blog = Blog(cache=10)
    blog.user_commands("u1", CreateUser(name="Ann"))
    assert not blog.users.get_aggregate("u1", tenant="other").exists


@pytest.mark.parametrize("cache", [-1, "10", True, 1.5])
def test_a_cache_that_cannot_be_is_refused(cache: int) -> None:
    with pytest.raises(ConfigurationError, match="cache must be a number of states, 0 or more"):
        Blog(cache=cache)
