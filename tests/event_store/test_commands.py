from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from runtime.errors import (
    CommandError,
    CommandReusedError,
    ConfigurationError,
    GapError,
    InvalidInputError,
    OutcomeUnknownError,
    StoreUnavailableError,
    VersionConflictError,
    VersionError,
)
from runtime.event_store.commands.commands import Retry, create_commands
from runtime.event_store.metadata import reacting_to
from runtime.event_store.provider import AppendRefusedError
from tests.event_store.blog import (
    Blog,
    CreateUser,
    DisableUser,
    PostArchived,
    ToggleUser,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    user,
)
from tests.event_store.watched import WatchedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.commits.commit import CommandRecord, Commit

ANN = CreateUser(name="Ann")


@pytest.fixture
def provider() -> WatchedProvider:
    return WatchedProvider()


@pytest.fixture
def blog(provider: WatchedProvider) -> Blog:
    return Blog(provider)


def versions(blog: Blog, aggregate_id: str = "u1") -> list[tuple[int, str]]:
    return [(one.meta.version, one.meta.event_type) for one in blog.users.events(aggregate_id)]


def test_a_command_appends_what_its_handler_returns_and_returns_the_aggregate(blog: Blog) -> None:
    ann = blog.user_commands.execute("u1", ANN)
    assert (ann.aggregate_id, ann.tenant, ann.version, ann.exists) == ("u1", "acme", 1, True)
    assert ann.state == User(name="Ann", enabled=True)
    assert blog.users.get_aggregate("u1") == ann
    assert versions(blog) == [(1, "created")]


def test_commands_can_be_called(blog: Blog) -> None:
    assert blog.user_commands("u1", ANN, tenant="other").tenant == "other"


def test_the_happy_path_is_one_read_and_one_append(blog: Blog, provider: WatchedProvider) -> None:
    blog.user_commands("u1", ANN, command_id="k-1")
    assert provider.counted() == {"read": 1, "append": 1}


def test_several_events_get_consecutive_versions_in_one_append(blog: Blog, provider: WatchedProvider) -> None:
    blog.user_commands("u1", ANN)
    assert blog.user_commands("u1", ToggleUser(3)).version == 4
    assert versions(blog) == [(1, "created"), (2, "disabled"), (3, "enabled"), (4, "disabled")]
    assert [commit.first for commit in provider.appended] == [1, 2]


@pytest.mark.parametrize("command", [DisableUser(), ToggleUser(0)], ids=["nothing", "an empty list"])
def test_nothing_or_an_empty_list_appends_nothing(
    blog: Blog, provider: WatchedProvider, command: object
) -> None:
    blog.user_commands("u1", ANN)
    before = blog.user_commands("u1", DisableUser())
    provider.counted()
    assert blog.user_commands("u1", command) == before
    assert provider.counted() == {"read": 1}


def test_nothing_on_an_unused_id_leaves_it_unused(blog: Blog) -> None:
    assert blog.user_commands("u1", DisableUser()).version == 0


def test_a_refusal_passes_through_and_appends_nothing(blog: Blog, provider: WatchedProvider) -> None:
    blog.user_commands("u1", ANN)
    provider.counted()
    with pytest.raises(CommandError, match="this user exists") as refused:
        blog.user_commands("u1", ANN)
    assert (refused.value.code, refused.value.status, refused.value.written) == (
        "user-exists",
        422,
        "nothing",
    )
    assert provider.counted() == {"read": 1}


def test_whatever_else_a_handler_raises_passes_through_untouched(blog: Blog) -> None:
    problem = LookupError("no such thing")

    @blog.user_commands.on(DisableUser)
    def fail(_command: DisableUser, _current: Loaded[User]) -> UserEvent:
        raise problem

    with pytest.raises(LookupError) as raised:
        blog.user_commands("u1", DisableUser(), command_id="k-1")
    assert raised.value is problem
    assert versions(blog) == []


def test_the_last_registration_wins(blog: Blog) -> None:
    @blog.user_commands.on(CreateUser)
    def create(command: CreateUser, _current: Loaded[User]) -> UserEvent:
        return UserCreated(name=command.name.upper())

    assert blog.user_commands("u1", ANN).state.name == "ANN"
    assert blog.user_commands.handlers[CreateUser] is create


def test_a_command_without_a_handler_is_refused_with_those_that_have_one(blog: Blog) -> None:
    class RenameUser(BaseModel):
        name: str

    with pytest.raises(InvalidInputError, match=r"CreateUser, DisableUser.*got RenameUser.*@commands.on"):
        blog.user_commands("u1", RenameUser(name="Bob"))
    with pytest.raises(InvalidInputError, match=r"command: .*none yet"):
        create_commands(blog.users).execute("u1", ANN)


def test_on_takes_a_class() -> None:
    with pytest.raises(
        ConfigurationError, match=r"takes the class of a command, such as @commands.on\(CreateUser\)"
    ):
        Blog().user_commands.on(ANN)  # type: ignore[arg-type]


def test_create_commands_takes_a_repository() -> None:
    with pytest.raises(ConfigurationError, match=r"domain\[user\], got Aggregate"):
        create_commands(user)  # type: ignore[arg-type]


class Unheard(BaseModel):
    """A command without a handler."""


async def later(*_: object) -> UserEnabled:
    return UserEnabled()


def bit_by_bit(*_: object) -> Iterator[UserEnabled]:
    yield UserEnabled()


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (None, "must be a function, got NoneType"),
        (later, "must be a plain function, got the coroutine function later; leave async away"),
        (bit_by_bit, "must be a plain function, got the generator bit_by_bit; leave yield away"),
        (lambda command: command, r"is called with \(command, current\), and <lambda>\(command\) cannot be"),
    ],
)
def test_a_handler_is_a_plain_function_of_a_command_and_the_aggregate(
    blog: Blog, handler: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"the handler of Unheard {message}"):
        blog.user_commands.on(Unheard)(handler)
    assert Unheard not in blog.user_commands.handlers


@pytest.mark.parametrize("begin", [later, bit_by_bit])
def test_a_handler_that_returns_its_work_has_decided_nothing(blog: Blog, begin: Any) -> None:
    blog.user_commands.on(Unheard)(lambda command, _current: begin(command))
    with pytest.raises(
        ConfigurationError, match=r"the handler of Unheard returned a .*, which nobody awaits"
    ):
        blog.user_commands("u1", Unheard())
    assert versions(blog) == []


def test_a_class_is_no_command(blog: Blog) -> None:
    with pytest.raises(InvalidInputError, match=r"got the class CreateUser: call it, CreateUser\(\.\.\.\)"):
        blog.user_commands("u1", CreateUser)


def test_how_often_is_told_by_a_retry(blog: Blog) -> None:
    often: Any = 3
    with pytest.raises(
        ConfigurationError, match=r"retry must be a Retry, such as Retry\(attempts=3\), got 3"
    ):
        blog.user_commands("u1", ANN, retry=often)
    with pytest.raises(ConfigurationError, match="retry must be a Retry"):
        create_commands(blog.users, retry=often)
    assert versions(blog) == []


@pytest.mark.parametrize("returned", [PostArchived(), [UserEnabled(), PostArchived()], "created", [None]])
def test_a_handler_that_returns_no_event_of_the_aggregate_is_a_mistake_of_the_code(
    blog: Blog, returned: object
) -> None:
    @blog.user_commands.on(ToggleUser)
    def toggle(_command: ToggleUser, _current: Loaded[User]) -> UserEvent:
        return returned  # type: ignore[return-value]

    with pytest.raises(
        ConfigurationError,
        match=r"the handler of ToggleUser must return events of the aggregate 'users' \(UserCreated, .*, got",
    ):
        blog.user_commands("u1", ToggleUser())
    assert versions(blog) == []


# Versions


def test_the_expected_version_is_the_one_that_the_aggregate_must_have(blog: Blog) -> None:
    ann = blog.user_commands("u1", ANN, expected_version=0)
    assert blog.user_commands("u1", DisableUser(), expected_version=ann.version).version == 2


def test_a_version_that_was_guessed_too_high_is_a_gap(blog: Blog) -> None:
    blog.user_commands("u1", ANN)
    with pytest.raises(
        GapError, match="users#u1#acme has come to version 1, and version 7 was expected"
    ) as gap:
        blog.user_commands("u1", DisableUser(), expected_version=7)
    assert (gap.value.last, gap.value.status) == (1, 409)
    assert versions(blog) == [(1, "created")]


def test_a_version_that_has_passed_is_a_conflict_with_what_came_next(blog: Blog) -> None:
    blog.user_commands("u1", ANN)
    blog.user_commands("u1", ToggleUser(3))
    blog.user_commands("u1", ToggleUser(1))
    with pytest.raises(VersionError) as conflict:
        blog.user_commands("u1", DisableUser(), expected_version=2)
    assert [one.meta.version for one in conflict.value.winner] == [3, 4]
    assert isinstance(conflict.value.winner[0].event, UserEnabled)
    assert (conflict.value.version, conflict.value.status) == (2, 409)
    assert isinstance(conflict.value, CommandError)
    assert isinstance(conflict.value, VersionConflictError)


@pytest.mark.parametrize("version", [-1, 1.0, True, "1"])
def test_what_is_no_version_is_refused(blog: Blog, version: int) -> None:
    with pytest.raises(InvalidInputError, match="expected_version: must be a whole number, 0 or more, got"):
        blog.user_commands("u1", ANN, expected_version=version)


# Conflicts


def test_a_lost_append_carries_what_the_winner_appended(blog: Blog, provider: WatchedProvider) -> None:
    provider.before_append.append(lambda: blog.user_commands("u1", CreateUser(name="Bob")))
    with pytest.raises(VersionError, match="users#u1#acme has moved past version 0") as lost:
        blog.user_commands("u1", ANN)
    assert [one.event for one in lost.value.winner] == [UserCreated(name="Bob")]
    assert lost.value.winner[0].meta.version == 1
    assert lost.value.code == "version-conflict"
    assert blog.users.get_aggregate("u1").state.name == "Bob"


def test_without_a_retry_the_handler_is_called_once(blog: Blog, provider: WatchedProvider) -> None:
    provider.before_append.append(lambda: blog.user_commands("u1", ANN))
    with pytest.raises(VersionError):
        blog.user_commands("u1", ToggleUser())
    assert provider.counted() == {"read": 2, "append": 2}


def test_a_retry_decides_on_the_winners_events_and_reads_nothing(provider: WatchedProvider) -> None:
    blog = Blog(provider, retry=Retry(attempts=3, longest=0))
    blog.user_commands("u1", ANN)
    blog.user_commands("u1", ToggleUser(2))
    seen: list[tuple[int, bool]] = []

    @blog.user_commands.on(DisableUser)
    def disable(_command: DisableUser, current: Loaded[User]) -> UserEvent | None:
        seen.append((current.version, current.state.enabled))
        return UserDisabled() if current.state.enabled else UserEnabled()

    loaded = blog.users.get_aggregate("u1")
    after: list[Loaded[User]] = [loaded]

    def be_faster() -> None:
        provider.before_append.insert(0, lambda: None)
        after.append(blog.users.append(after[-1], UserDisabled() if len(after) == 1 else [UserEnabled()]))

    provider.before_append += [be_faster, be_faster]
    provider.counted()
    assert blog.user_commands("u1", DisableUser()).version == 6
    assert seen == [(3, True), (4, False), (5, True)]
    assert provider.counted() == {"read": 1, "append": 5}


def test_the_last_attempt_raises(provider: WatchedProvider) -> None:
    blog = Blog(provider)
    blog.user_commands("u1", ANN)
    # The one that is faster finds nobody before it in turn.
    provider.before_append += [
        lambda: blog.users.append(blog.users.get_aggregate("u1"), UserEnabled()),
        lambda: None,
    ] * 2
    with pytest.raises(VersionError, match="past version 2"):
        blog.user_commands("u1", ToggleUser(), retry=Retry(attempts=2, longest=0))
    assert versions(blog) == [(1, "created"), (2, "enabled"), (3, "enabled")]


def test_an_expected_version_is_not_retried(provider: WatchedProvider) -> None:
    blog = Blog(provider, retry=Retry(attempts=5, longest=0))
    blog.user_commands("u1", ANN)
    provider.before_append += [lambda: blog.users.append(blog.users.get_aggregate("u1"), UserEnabled())]
    provider.counted()
    with pytest.raises(VersionError, match="past version 1"):
        blog.user_commands("u1", ToggleUser(), expected_version=1)
    assert provider.counted() == {"read": 2, "append": 2}  # one of each is the winner's


class _Silent(WatchedProvider):
    """Cannot tell who was faster."""

    def append(self, *args: object, **kwargs: object) -> None:
        try:
            super().append(*args, **kwargs)  # type: ignore[arg-type]
        except AppendRefusedError as refused:
            raise AppendRefusedError(dict.fromkeys(refused.moved)) from None


def test_where_the_provider_cannot_tell_the_winner_it_is_read() -> None:
    provider = _Silent()
    blog = Blog(provider, retry=Retry(attempts=2, longest=0))
    stale = blog.user_commands("u1", ANN)
    provider.before_append += [
        lambda: blog.users.append(blog.users.get_aggregate("u1"), [UserDisabled(), UserEnabled()])
    ]
    assert blog.user_commands("u1", ToggleUser()).version == 4
    with pytest.raises(VersionError) as lost:
        blog.users.append(stale, UserEnabled())
    assert lost.value.winner == ()


@pytest.mark.parametrize(
    ("attempts", "longest"), [(0, 0.5), (1.5, 0.5), (2, -1), (2, float("nan")), (2, "1")]
)
def test_a_retry_that_makes_no_sense_is_refused(attempts: int, longest: float) -> None:
    with pytest.raises(ConfigurationError, match=r"Retry\((attempts|longest)=\) must be"):
        Retry(attempts=attempts, longest=longest)


class _Down(WatchedProvider):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def append(self, *_args: object, **_kwargs: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error", [StoreUnavailableError("the store", "timeout"), OutcomeUnknownError("the store", "timeout")]
)
def test_a_provider_that_is_down_is_no_conflict(error: Exception) -> None:
    blog = Blog(_Down(error), retry=Retry(attempts=3))
    with pytest.raises(type(error)) as raised:
        blog.user_commands("u1", ANN)
    assert raised.value is error
    assert not isinstance(error, VersionError)


# Command ids


def test_a_repeated_command_returns_what_the_first_one_did(blog: Blog) -> None:
    first = blog.user_commands("u1", ANN, command_id="k-1")
    assert blog.user_commands("u1", ANN, command_id="k-1") == first
    assert versions(blog) == [(1, "created")]


def test_it_does_so_when_the_aggregate_has_moved_on(blog: Blog) -> None:
    first = blog.user_commands("u1", ANN, command_id="k-1")
    blog.user_commands("u1", DisableUser())
    again = blog.user_commands("u1", ANN, command_id="k-1")
    assert (again.version, again.state, again.is_past) == (1, first.state, True)
    assert len(versions(blog)) == 2


def test_it_does_so_when_it_would_be_nothing_now(blog: Blog) -> None:
    blog.user_commands("u1", ANN)
    disabled = blog.user_commands("u1", DisableUser(), command_id="k-1")
    assert blog.user_commands("u1", DisableUser(), command_id="k-1") == disabled
    blog.user_commands("u1", ToggleUser(2))
    assert blog.user_commands("u1", DisableUser(), command_id="k-1").version == disabled.version
    assert len(versions(blog)) == 4


def test_it_does_so_when_it_would_be_decided_again(provider: WatchedProvider) -> None:
    blog = Blog(provider, retry=Retry(attempts=3, longest=0))
    blog.user_commands("u1", ANN)
    toggled = blog.user_commands("u1", ToggleUser(), command_id="k-1")
    provider.counted()
    assert blog.user_commands("u1", ToggleUser(), command_id="k-1") == toggled
    assert provider.counted() == {"read": 1, "append": 1}
    assert len(versions(blog)) == 2


def test_it_does_so_when_the_expected_version_has_passed(blog: Blog) -> None:
    first = blog.user_commands("u1", ANN, command_id="k-1", expected_version=0)
    assert blog.user_commands("u1", ANN, command_id="k-1", expected_version=0) == first


def test_it_does_so_where_both_are_under_way_at_once(blog: Blog, provider: WatchedProvider) -> None:
    blog.user_commands("u1", ANN)
    provider.before_append += [lambda: blog.user_commands("u1", ToggleUser(), command_id="k-1")]
    assert blog.user_commands("u1", ToggleUser(), command_id="k-1").version == 2
    assert len(versions(blog)) == 2


def test_a_command_id_of_another_command_is_refused(blog: Blog) -> None:
    blog.user_commands("u1", ANN, command_id="k-1")
    for other in (CreateUser(name="Bob"), ToggleUser(), DisableUser()):
        with pytest.raises(CommandReusedError, match="used for another command to users#u1#acme") as reused:
            blog.user_commands("u1", other, command_id="k-1")
        assert reused.value.code == "command-id-reused"
    assert len(versions(blog)) == 1


def test_a_command_may_be_told_by_what_its_caller_says(blog: Blog) -> None:
    first = blog.user_commands("u1", ANN, command_id="k-1", content=["sent"])
    again = CreateUser(name="Ann, as a default made it later")
    assert blog.user_commands("u1", again, command_id="k-1", content=["sent"]) == first
    with pytest.raises(CommandReusedError):
        blog.user_commands("u1", ANN, command_id="k-1", content=["sent", "more"])


def test_another_command_that_says_the_same_is_another_one(blog: Blog) -> None:
    class EnableUser(BaseModel):
        pass

    @blog.user_commands.on(EnableUser)
    def enable(_command: EnableUser, _current: Loaded[User]) -> UserEvent:
        return UserEnabled()

    blog.user_commands("u1", EnableUser(), command_id="k-1")
    with pytest.raises(CommandReusedError):
        blog.user_commands("u1", DisableUser(), command_id="k-1")


def test_a_command_of_any_class_is_known_by_what_it_says(blog: Blog) -> None:
    class Rename:
        def __init__(self, name: str) -> None:
            self.name = name

    @blog.user_commands.on(Rename)
    def rename(command: Rename, _current: Loaded[User]) -> UserEvent:
        return UserCreated(name=command.name)

    first = blog.user_commands("u1", Rename("Bob"), command_id="c-1")
    assert blog.user_commands("u1", Rename("Bob"), command_id="c-1") == first
    with pytest.raises(CommandReusedError):
        blog.user_commands("u1", Rename("Eve"), command_id="c-1")


def test_a_command_that_holds_itself_has_no_id(blog: Blog, provider: WatchedProvider) -> None:
    command = CreateUser.model_construct(name=[])
    command.name.append(command)  # type: ignore[attr-defined]
    with pytest.raises(InvalidInputError, match="command: holds itself"):
        blog.user_commands("u1", command, command_id="c-1")
    assert provider.appended == []


def test_a_command_id_is_of_its_aggregate_and_tenant_alone(blog: Blog) -> None:
    blog.user_commands("u1", ANN, command_id="k-1")
    assert blog.user_commands("u2", CreateUser(name="Bob"), command_id="k-1").version == 1
    assert blog.user_commands("u1", CreateUser(name="Bob"), command_id="k-1", tenant="b").state.name == "Bob"


def test_a_refusal_that_was_no_repeat_stays_one(blog: Blog) -> None:
    blog.user_commands("u1", ANN)
    with pytest.raises(CommandError, match="this user exists"):
        blog.user_commands("u1", ANN, command_id="k-9")
    assert blog.user_commands("u1", ToggleUser(0), command_id="k-9").version == 1


@pytest.mark.parametrize("command_id", ["", 7, "\ud800"])
def test_what_is_no_command_id_is_refused(blog: Blog, command_id: str) -> None:
    with pytest.raises(InvalidInputError, match="command_id: must be"):
        blog.user_commands("u1", ANN, command_id=command_id)


class _Recording(WatchedProvider):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[CommandRecord] = []

    def append(
        self,
        commits: Sequence[Commit],
        *,
        unmoved: Mapping[Key, int] | None = None,
        command: CommandRecord | None = None,
    ) -> None:
        if command is not None:
            self.records.append(command)
        super().append(commits, unmoved=unmoved, command=command)


def test_a_reaction_to_an_aggregate_with_the_longest_id_has_a_command_id() -> None:
    blog = Blog()
    longest = "x" * (2048 - len("users##acme"))
    blog.user_commands(longest, ANN)
    meta = next(iter(blog.users.events(longest))).meta
    assert blog.user_commands("u2", ANN, command_id=meta.command_id_for("h" * 100)).version == 1


def test_the_command_ids_of_reactions_are_kept() -> None:
    provider = _Recording()
    blog = Blog(provider)
    blog.user_commands("u1", ANN, command_id="k-1")
    meta = next(iter(blog.users.events("u1"))).meta
    with reacting_to(meta):
        blog.user_commands("u2", ANN, command_id=meta.command_id_for("mails"))
    with reacting_to(meta, keeps_command_ids=True):
        blog.user_commands("u3", ANN, command_id=meta.command_id_for("mails"))
    assert [record.is_kept for record in provider.records] == [False, False, True]
    assert provider.records[1].command_id == "mails:users#u1#acme@1"
    assert (provider.records[0].first, provider.records[0].last) == (1, 1)
