"""Given events, when a command, then events: tests of commands and folds, without a store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runtime.errors import CommandError, ConfigurationError, FieldProblem, InvalidInputError
from runtime.event_store.aggregates.appending import recorded_in
from runtime.event_store.aggregates.repository import AggregateRepository
from runtime.event_store.domain_context import use_provider
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.identity.claims import CLAIM_TENANT, CLAIM_USER
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.testing.fold_check import check_fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from runtime.event_store.address import Key
    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.commands.commands import Commands

__all__ = ["Scenario"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")
OtherT = TypeVar("OtherT")


class Scenario(Generic[EventT, StateT]):
    """Given events, when a command, then events. It needs no store and no clock, and takes milliseconds.

    What the command's handler reads of other aggregates comes from the scenario as well, whichever provider
    their domain has. Beside what a test asks for, each state is folded twice, and where states are kept, from
    the kept one: a fold that is not pure, or a state that is read again as something else, fails the test.

    Example:
        >>> (
        ...     Scenario(post_commands)
        ...     .given(PostCreated(user_id="u1", content="hi"), PostArchived())
        ...     .when(ArchivePost(user_id="u1"))
        ...     .then_nothing()
        ... )

    Args:
        commands: The commands.
        tenant: Whose aggregates these are. Default: "acme".
    """

    def __init__(self, commands: Commands[EventT, StateT], *, tenant: str = "acme") -> None:
        self._commands = commands
        self._tenant = tenant
        self._provider = MemoryProvider()
        self._given: list[EventT] = []
        self._outcome: _Outcome | None = None

    def given(self, *events: EventT) -> Self:
        """What has happened to the aggregate before."""
        self._given += events
        return self

    def given_other(self, aggregate: Aggregate[OtherT, Any], aggregate_id: str, *events: OtherT) -> Self:
        """What has happened to another aggregate, which the command may read.

        Args:
            aggregate: Its kind.
            aggregate_id: Its id.
            *events: What has happened.
        """
        repository = AggregateRepository(self._commands.repository.context, aggregate)
        with use_provider(self._provider):
            self._append(repository, aggregate_id, events)
        return self

    def when(self, command: object, *, aggregate_id: str = "1", user_id: str | None = None) -> Self:
        """Execute a command. What `then` and the others ask for is what became of the last one.

        Args:
            command: The command.
            aggregate_id: Id of the aggregate. Default: "1".
            user_id: Who signed in. Default: nobody asks, as in a worker.

        Raises:
            Exception: What the handler raised, unless it is a `CommandError`: that is for `then_refused`.
        """
        repository = self._commands.repository
        with use_provider(self._provider):
            given, self._given = self._given, []
            before = self._append(repository, aggregate_id, given)
            refusal: CommandError | None = None
            with self._asked_by(user_id):
                try:
                    self._commands.execute(aggregate_id, command, tenant=self._tenant)
                except CommandError as error:
                    refusal = error
            self._outcome = _Outcome(command, before.key, before.version, refusal)
            self._check_states(repository, before.key)
        return self

    def then(self, *events: EventT) -> Self:
        """These events were appended, in this order, and no others.

        Raises:
            AssertionError: Others were, or the command was refused.
        """
        outcome = self._last()
        if not events:
            msg = "then() takes the events that are expected; for none, use then_nothing()"
            raise ConfigurationError(msg)
        found = self._appended(outcome)
        if found != list(events):
            raise AssertionError(
                _told(outcome, "expected the events", _listed(events), _what_was(outcome, found))
            ) from outcome.refusal
        return self

    def then_nothing(self) -> Self:
        """Nothing was appended, and the command was not refused.

        Raises:
            AssertionError: Something was, or it was refused.
        """
        outcome = self._last()
        found = self._appended(outcome)
        if found or outcome.refusal is not None:
            raise AssertionError(
                _told(outcome, "expected nothing", "", _what_was(outcome, found))
            ) from outcome.refusal
        return self

    def then_refused(self, code: str | None = None) -> Self:
        """The command was refused with a `CommandError`, and nothing was appended.

        Args:
            code: Its code. Default: any.

        Raises:
            AssertionError: It was not refused, or with another code.
        """
        outcome = self._last()
        found = self._appended(outcome)
        if outcome.refusal is None or (code is not None and outcome.refusal.code != code):
            wanted = "expected a refusal" if code is None else f"expected a refusal with the code {code!r}"
            raise AssertionError(_told(outcome, wanted, "", _what_was(outcome, found))) from outcome.refusal
        if found:
            what = f"it has appended as well{_listed(found)}"
            raise AssertionError(_told(outcome, "expected a refusal and nothing else", "", what))
        return self

    def then_state(self, state: StateT) -> Self:
        """The aggregate's state is this.

        Raises:
            AssertionError: It is another one.
        """
        outcome = self._last()
        with use_provider(self._provider):
            found = self._commands.repository.appender.load(outcome.key).folded
        if found != state:
            wanted = _listed([state])
            raise AssertionError(_told(outcome, "expected the state", wanted, f"it is{_listed([found])}"))
        return self

    def _last(self) -> _Outcome:
        if self._outcome is None:
            msg = "nothing has been done yet: call when(...) before the expectations"
            raise ConfigurationError(msg)
        return self._outcome

    def _append(
        self, repository: AggregateRepository[OtherT, Any], aggregate_id: str, events: Sequence[OtherT]
    ) -> Loaded[Any]:
        loaded = repository.get_aggregate(aggregate_id, tenant=self._tenant)
        if not events:
            return loaded
        try:
            done = repository.append(loaded, events)
        except InvalidInputError as error:
            problems = [FieldProblem(f"given {one.field}", one.message) for one in error.problems]
            raise InvalidInputError(problems) from None
        self._check_states(repository, loaded.key)
        return done

    def _check_states(self, repository: AggregateRepository[Any, Any], key: Key) -> None:
        aggregate = repository.aggregate
        check_fold(
            aggregate,
            [one for commit in self._provider.read(key) for one in recorded_in(aggregate, commit)],
        )

    def _appended(self, outcome: _Outcome) -> list[Any]:
        aggregate = self._commands.repository.aggregate
        return [
            one.event
            for commit in self._provider.read(outcome.key, after=outcome.version)
            for one in recorded_in(aggregate, commit, after=outcome.version)
        ]

    @contextmanager
    def _asked_by(self, user_id: str | None) -> Iterator[None]:
        if user_id is None:
            yield
            return
        with use_invoke_context(InvokeContext(claims={CLAIM_USER: user_id, CLAIM_TENANT: self._tenant})):
            yield


class _Outcome:
    """What became of a command."""

    def __init__(self, command: object, key: Key, version: int, refusal: CommandError | None) -> None:
        self.command = command
        self.key = key
        self.version = version
        self.refusal = refusal


def _listed(events: Sequence[object]) -> str:
    return "".join(f"\n  {event!r}" for event in events)


def _what_was(outcome: _Outcome, found: Sequence[object]) -> str:
    if outcome.refusal is not None:
        return f"it was refused with the code {outcome.refusal.code!r}: {outcome.refusal}"
    return f"it appended{_listed(found)}" if found else "it appended nothing"


def _told(outcome: _Outcome, wanted: str, details: str, found: str) -> str:
    return f"{wanted} of {outcome.command!r}{details}\n{found}"
