"""Commands: load an aggregate, let a handler decide, append what it decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from runtime.backoff import back_off
from runtime.errors import (
    CommandError,
    ConfigurationError,
    FieldProblem,
    InvalidInputError,
)
from runtime.event_store.aggregates.appending import as_events, conflict, prepared
from runtime.event_store.aggregates.checks import check_version
from runtime.event_store.aggregates.guards import deciding
from runtime.event_store.aggregates.loaded import Loaded
from runtime.event_store.aggregates.repository import AggregateRepository
from runtime.event_store.commands.command_ids import check_command_id, fingerprint
from runtime.event_store.provider import AppendRefusedError
from runtime.identity.context import get_command_source
from runtime.imports import check_done, check_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import CommandRecord

__all__ = ["CommandHandler", "Commands", "Retry", "create_commands"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")
CommandT = TypeVar("CommandT")

CommandHandler = Callable[[CommandT, Loaded[StateT]], EventT | Sequence[EventT] | None]
"""Gets a command and the aggregate; returns what happens, which may be nothing, or raises `CommandError`."""

#: The longest wait before the second attempt, in seconds; it doubles with each further one.
_FIRST_WAIT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a command is decided when others are faster.

    A lost append hands over what the winner appended, so the next attempt reads nothing: the decision is
    made anew on the state behind it. Between attempts it waits a random time, so that those who collided do
    not collide again in step.

    Attributes:
        attempts: How often in all. Default: 1, that is no retry.
        longest: What no wait exceeds, in seconds. Default: 0.5.

    Raises:
        ConfigurationError: There is no attempt, or the wait is negative.
    """

    attempts: int = 1
    longest: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what would never decide anything."""
        if not isinstance(self.attempts, int) or self.attempts < 1:
            msg = f"Retry(attempts=) must be a whole number, 1 or more, got {self.attempts!r}"
            raise ConfigurationError(msg)
        if not isinstance(self.longest, int | float) or not self.longest >= 0:
            msg = f"Retry(longest=) must be a number of seconds, 0 or more, got {self.longest!r}"
            raise ConfigurationError(msg)


class Commands(Generic[EventT, StateT]):
    """The commands of one kind of aggregate. Made by `create_commands`.

    Attributes:
        repository: The aggregates.
    """

    def __init__(
        self, repository: AggregateRepository[EventT, StateT], retry: Retry, *, guard_reads: bool
    ) -> None:
        self.repository = repository
        self._retry = retry
        self._guard_reads = guard_reads
        self._handlers: dict[type[Any], CommandHandler[Any, StateT, EventT]] = {}

    @property
    def handlers(self) -> Mapping[type[Any], CommandHandler[Any, StateT, EventT]]:
        """The handlers that are registered, by the class of their command."""
        return dict(self._handlers)

    def on(
        self, command: type[CommandT]
    ) -> Callable[[CommandHandler[CommandT, StateT, EventT]], CommandHandler[CommandT, StateT, EventT]]:
        """Decorator: the handler of a class of commands. A later one takes the place of an earlier one.

        The handler gets the command and the aggregate, and returns an event, several, or nothing: then
        nothing is appended. It may read other aggregates of the domain, and raise `CommandError`.

        Example:
            >>> @user_commands.on(DisableUser)
            ... def disable_user(command: DisableUser, current: Loaded[User]) -> UserEvent | None:
            ...     return UserDisabled() if current.state.enabled else None

        Args:
            command: The class.

        Raises:
            ConfigurationError: It is no class, or what is decorated is no plain function of a command and the
                aggregate.
        """
        if not isinstance(command, type):
            msg = (
                "commands.on(...) takes the class of a command, such as @commands.on(CreateUser), got "
                f"{command!r}"
            )
            raise ConfigurationError(msg)

        def register(
            handler: CommandHandler[CommandT, StateT, EventT],
        ) -> CommandHandler[CommandT, StateT, EventT]:
            check_function(handler, f"the handler of {command.__name__}", ("command", "current"))
            self._handlers[command] = handler
            return handler

        return register

    def execute(
        self,
        aggregate_id: str,
        command: object,
        *,
        tenant: str | None = None,
        expected_version: int | None = None,
        command_id: str | None = None,
        content: object | None = None,
        retry: Retry | None = None,
    ) -> Loaded[StateT]:
        """Load an aggregate, let the command's handler decide, and append what it says: two calls, in a row.

        What the handler reads of other aggregates through the domain is guarded: the append holds only while
        they have not moved (see ``guard_reads`` of `create_commands`). Whatever the handler raises passes
        through, and nothing is appended.

        Args:
            aggregate_id: Id of the aggregate; one that is not used yet has version 0.
            command: What to do: an object of a class that has a handler.
            tenant: Whose aggregate. Default: in a command handler that of its command, in an event handler
                that of its event, in a request the one that it acts in; otherwise the domain's.
            expected_version: Version that the aggregate must have. Default: any.
            command_id: Makes a repeated command return what the first one did, for a day, also where it would
                be refused now. It takes a second row and a transaction. Default: each call counts.
            content: What tells the command from others under its id. Default: what it says: of a pydantic
                model the fields that were set, of anything else all fields, with what defaults have made.
            retry: How often to decide when others are faster. Default: that of the commands. With
                ``expected_version`` there is one attempt.

        Returns:
            The aggregate behind the command.

        Raises:
            CommandError: The handler's own refusal.
            VersionError: Somebody else was first, or the aggregate has another version than was expected; it
                carries what they appended. `GapError`: the expected version lies beyond the last one.
            CommandReusedError: The command id was used for another command.
            InvalidInputError: The command has no handler, no tenant is known, an argument cannot be used, or
                an event cannot be stored.
            ConfigurationError: The handler returned something else than events of the aggregate, or ``retry``
                is no `Retry`.
            ForbiddenError: The caller may not write there.
            AggregateErasedError: The aggregate was erased.
            StoreUnavailableError: The store is busy or out of reach.
            OutcomeUnknownError: The store gave no answer: repeat it with the same command id.
        """
        handler = self._handler_of(command)
        retry = _checked(self._retry if retry is None else retry)
        check_command_id(command_id)
        if expected_version is not None:
            check_version("expected_version", expected_version)
        key = self.repository.key_of(aggregate_id, tenant, write=True)
        kind = type(command).__name__
        call: _Call[EventT, StateT] = _Call(
            key,
            kind,
            lambda current: handler(command, current),
            get_command_source(key.stream, "Commands", kind),
            expected_version,
            command_id,
            ""
            if command_id is None
            else fingerprint(command_id, kind, command if content is None else content),
        )
        return self._until_done(call, retry)

    __call__ = execute

    def _until_done(self, call: _Call[EventT, StateT], retry: Retry) -> Loaded[StateT]:
        """Decide and append, and again behind whoever was faster."""
        appender = self.repository.appender
        loaded = appender.load(call.key)
        attempts = retry.attempts if call.expected_version is None else 1
        attempt = 1
        while isinstance(found := self._attempt(call, loaded), _Lost):
            if attempt >= attempts or found.refused.command is not None:
                done = self._done_before(call, loaded, found.refused.command)
                if done is not None:
                    return done
                raise conflict(self.repository.context, found.refused, found.versions)
            back_off(attempt - 1, base=_FIRST_WAIT, longest=retry.longest)
            loaded = appender.after_conflict(loaded, found.refused)
            attempt += 1
        return found

    def _attempt(self, call: _Call[EventT, StateT], loaded: Loaded[StateT]) -> Loaded[StateT] | _Lost:
        repository, appender = self.repository, self.repository.appender
        try:
            if call.expected_version is not None:
                appender.check_expected(call.expected_version, loaded)
            with deciding(call.key, repository.context.provider) as decision:
                events = as_events(call.decide(appender.handed_out(loaded)))
        except CommandError:
            # An earlier call may have done it: then that, and not the refusal, is what became of the command.
            done = self._done_before(call, loaded)
            if done is None:
                raise
            return done
        if not events:
            return self._done_before(call, loaded) or appender.handed_out(loaded)
        self._check_returned(call, events)
        ready = prepared(repository.aggregate, loaded, events, command_id=call.command_id, source=call.source)
        guards = decision.reads if self._guard_reads else {}
        record = None
        if call.command_id is not None:
            record = appender.record_of(ready, call.command_id, call.digest)
        try:
            return appender.send(ready, guards, record)
        except AppendRefusedError as refused:
            return _Lost(refused, {call.key: loaded.version, **guards})

    def _check_returned(self, call: _Call[EventT, StateT], events: tuple[EventT, ...]) -> None:
        """Refuse what is no event of the aggregate: a mistake of the code, not of who sent the command."""
        aggregate = self.repository.aggregate
        for event in events:
            if not aggregate.types.has(type(event)):
                check_done(event, f"the handler of {call.kind}")
                names = ", ".join(cls.__name__ for cls in aggregate.types.classes)
                msg = (
                    f"the handler of {call.kind} must return events of the aggregate {aggregate.stream!r} "
                    f"({names}), got {type(event).__name__}"
                )
                raise ConfigurationError(msg)

    def _done_before(
        self, call: _Call[EventT, StateT], loaded: Loaded[StateT], found: CommandRecord | None = None
    ) -> Loaded[StateT] | None:
        if call.command_id is None:
            return None
        return self.repository.appender.done_before(loaded, call.command_id, call.digest, found)

    def _handler_of(self, command: object) -> CommandHandler[Any, StateT, EventT]:
        handler = self._handlers.get(type(command))
        if handler is None:
            names = ", ".join(cls.__name__ for cls in self._handlers) or "none yet"
            if isinstance(command, type):
                message = (
                    f"must be an object, got the class {command.__name__}: call it, {command.__name__}(...)"
                )
                raise InvalidInputError([FieldProblem("command", message)])
            message = (
                f"must have a handler in the commands of {self.repository.aggregate.stream!r} ({names}), got "
                f"{type(command).__name__}; register one with @commands.on({type(command).__name__})"
            )
            raise InvalidInputError([FieldProblem("command", message)])
        return handler


class _Call(NamedTuple, Generic[EventT, StateT]):
    """One command to one aggregate."""

    key: Key
    kind: str
    decide: Callable[[Loaded[StateT]], EventT | Sequence[EventT] | None]
    source: str
    expected_version: int | None
    command_id: str | None
    digest: str


class _Lost(NamedTuple):
    """An attempt that somebody was faster than, and the versions that it went on."""

    refused: AppendRefusedError
    versions: Mapping[Key, int]


def create_commands(
    repository: AggregateRepository[EventT, StateT], *, retry: Retry | None = None, guard_reads: bool = True
) -> Commands[EventT, StateT]:
    """Commands of a kind of aggregate.

    Example:
        >>> user_commands = create_commands(domain[user])

    Args:
        repository: The aggregates: ``domain[user]``.
        retry: How often a command is decided when others are faster. Default: once.
        guard_reads: Whether the aggregates that a handler reads through the domain are checked, in the
            append's own transaction, not to have moved: at most 99, at two write units each. What a thread
            reads that a handler starts is seen in a copy of its context alone. A handler that reads no
            others pays nothing. False admits write skew: two commands that each read what the other
            one changes may both succeed.

    Raises:
        ConfigurationError: ``repository`` is no repository of a domain, or ``retry`` no `Retry`.
    """
    if not isinstance(repository, AggregateRepository):
        msg = (
            f"create_commands takes the aggregates of a domain, domain[user], got {type(repository).__name__}"
        )
        raise ConfigurationError(msg)
    return Commands(repository, Retry() if retry is None else _checked(retry), guard_reads=guard_reads)


def _checked(retry: Retry) -> Retry:
    if not isinstance(retry, Retry):
        msg = f"retry must be a Retry, such as Retry(attempts=3), got {retry!r}"
        raise ConfigurationError(msg)
    return retry
