"""Event handlers: what fills read models, and what reacts to events."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar, overload

from runtime.errors import (
    ConfigurationError,
    FieldProblem,
    InvalidInputError,
    ReadModelBehindError,
)
from runtime.event_store.address import Key
from runtime.event_store.aggregates.aggregate import Aggregate
from runtime.event_store.aggregates.loaded import Loaded
from runtime.event_store.aggregates.tenants import check_access, key_of, may_read
from runtime.event_store.feed.follower import Follower
from runtime.event_store.feed.memory_progress import MemoryProgress
from runtime.event_store.feed.pauses import Pauses
from runtime.event_store.feed.poller import Poller
from runtime.event_store.feed.showing import Showing
from runtime.event_store.handlers.bookmark import MEMORY_BOOKMARK, MemoryBookmark, checked_name
from runtime.event_store.handlers.callbacks import Callbacks
from runtime.event_store.handlers.generations import Generations
from runtime.event_store.handlers.run import Run
from runtime.in_lambda import is_in_lambda

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence
    from datetime import datetime

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.domain_context import DomainContext
    from runtime.event_store.events.event_types import EventTypes
    from runtime.event_store.feed.cursors import Cursors
    from runtime.event_store.feed.rebuild import Rebuilt
    from runtime.event_store.handlers.callbacks import ErasedCallback, EventCallback
    from runtime.event_store.handlers.options import HandlerOptions
    from runtime.event_store.handlers.registration import Registration
    from runtime.pipeline.repairing import Repaired

__all__ = ["EventHandler", "create_handler"]

OneEventT = TypeVar("OneEventT")
ErasedT = TypeVar("ErasedT", bound="ErasedCallback")

_IDLE: Final = 1.0
_AFTER_ERROR: Final = 10.0
#: So many times the first one is the longest pause of a thread that finds nothing, look after look.
_LONGEST_IDLE: Final = 4
_FIRST_LOOK: Final = 0.02
_LONGEST_LOOK: Final = 0.5


class EventHandler:
    """A read model's populator, or a reaction. Made by `Domain.create_handler`.

    It is shown each aggregate's events in order, each at least once. Between aggregates there is no order but
    what `EventMeta.timestamp` says; `MemoryProvider` alone keeps one of all events.

    Where its progress is kept by aggregate, an event that fails stays in front of its own aggregate: the
    others go on. In Lambda the table's stream shows it what is new; elsewhere `run_once` or `start` does.

    Attributes:
        context: The domain that it is of.
        on_start: Called in front of each page of a run; None for nothing.
        on_end: Called behind each page of a run, with what was done; None for nothing.
    """

    on_start: Callable[[], None] | None = None
    on_end: Callable[[Run], None] | None = None

    def __init__(
        self,
        context: DomainContext,
        bookmark: str | MemoryBookmark,
        streams: dict[str, EventTypes | None],
        options: HandlerOptions,
        cursors: Cursors | None = None,
    ) -> None:
        self.context = context
        self._name = MEMORY_BOOKMARK if isinstance(bookmark, MemoryBookmark) else checked_name(bookmark)
        self._options = options
        self._callbacks = Callbacks(self._name, streams)
        self._showing = Showing(
            self._name,
            self._callbacks,
            lambda: context.provider,
            is_reaction=options.reaction,
            continue_on_error=options.continue_on_error,
        )
        self._memory = MemoryProgress() if isinstance(bookmark, MemoryBookmark) else None
        self._given_cursors = cursors
        self._follower = Follower(
            self,
            self._callbacks.streams,
            options,
            lambda: context.provider,
            generations=Generations(self._name, self.cursors),
            memory=self._memory,
            tell=self._showing.tell,
        )
        self._poller = Poller(f"handler {self._name}", self._poll)
        self._pauses, self._after_error = Pauses(_IDLE, _LONGEST_IDLE * _IDLE), _AFTER_ERROR

    @property
    def name(self) -> str:
        """What its progress is kept under; ``@@MemoryBookmark`` where it is not kept."""
        return self._name

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that it is over."""
        return self._callbacks.streams

    @property
    def options(self) -> HandlerOptions:
        """How it goes about its events."""
        return self._options

    def __repr__(self) -> str:
        return f"EventHandler({self._name!r}, {list(self.streams)!r})"

    # --- what it calls ----------------------------------------------------------------------------

    @overload
    def handle(
        self, stream: Aggregate[Any, Any] | str, event: type[OneEventT]
    ) -> Callable[[EventCallback[OneEventT]], EventCallback[OneEventT]]: ...
    @overload
    def handle(
        self, stream: Aggregate[Any, Any] | str, event: type[OneEventT], callback: EventCallback[OneEventT]
    ) -> EventCallback[OneEventT]: ...
    @overload
    def handle(
        self, stream: Aggregate[Any, Any] | str, event: str
    ) -> Callable[[EventCallback[Any]], EventCallback[Any]]: ...
    @overload
    def handle(
        self, stream: Aggregate[Any, Any] | str, event: str, callback: EventCallback[Any]
    ) -> EventCallback[Any]: ...
    def handle(self, stream: Any, event: Any, callback: Any = None) -> Any:
        """Register the callback of an event of a stream; a later one replaces it. A decorator, too.

        Events without a callback are passed over.

        Example:
            >>> @posts_model.handle(post, PostCreated)
            ... def insert(aggregate_id: str, event: PostCreated, meta: EventMeta) -> None: ...

        Args:
            stream: The aggregate, or the name of its stream.
            event: The class of the event, or a name that it is, or was, stored under.
            callback: Gets the aggregate's id, the event, and what else is known of it. Default: what is
                decorated.

        Raises:
            ConfigurationError: The handler is not over the stream, the stream has no such event, or the
                callback is no function.
        """
        if callback is None:
            self._callbacks.check(stream, event)
            return lambda function: self.handle(stream, event, function)
        self._callbacks.register(stream, event, callback)
        return callback

    def handle_erased(self, stream: Aggregate[Any, Any] | str) -> Callable[[ErasedT], ErasedT]:
        """Decorator: what takes out of the read model what is there of an aggregate that was erased.

        Example:
            >>> @posts_model.handle_erased(post)
            ... def forget(aggregate_id: str, meta: EventMeta) -> None: ...

        Args:
            stream: The aggregate, or the name of its stream.

        Raises:
            ConfigurationError: The handler is not over the stream, or what is decorated is no function.
        """
        self._callbacks.stream_of(stream)

        def register(callback: ErasedT) -> ErasedT:
            self._callbacks.register_erased(stream, callback)
            return callback

        return register

    # --- runs -------------------------------------------------------------------------------------

    def run_once(self) -> Run:
        """Handle everything that is there, whether or not the handler was started.

        Runs of one process come one after the other. In two processes they may overlap: what the handler has
        seen is kept by aggregate, so nothing is left out, and what overlaps is shown twice.

        Returns:
            What was done, over all pages.

        Raises:
            Exception: What a callback raised, untouched, when everything else has been handled: the first
                one, where several have failed. What failed is tried again by the next run. With
                ``continue_on_error``, and where an aggregate was parked, nothing is raised: the result says
                so, and the provider was told.
            StoreUnavailableError: The provider is out of reach.
            ConfigurationError: ``always_tail_stream`` in Lambda; or the provider cannot tell what is new.
            BadRequestError: One of the handler's own callbacks has called it.
        """
        pulled = self._follower.pull.run(before=self._before, after=self._after)
        if pulled.error is not None:
            raise pulled.error
        return pulled.run

    def start(
        self, *, idle: float = _IDLE, longest_idle: float | None = None, after_error: float = _AFTER_ERROR
    ) -> None:
        """Poll in a daemon thread, which does not keep the process alive. Started twice is started once.

        Whatever is raised goes to the provider's ``on_error``, and the thread goes on.

        Args:
            idle: Seconds until it looks again after it has found nothing. Default: 1.
            longest_idle: The same, where it has found nothing several times: each pause is twice the one
                before, and no longer than this. So long an event waits at most, after a quiet time. Default:
                four times ``idle``.
            after_error: Seconds until what failed is tried again: an event, or the whole run where the
                provider or the read model is out of reach. Default: 10.

        Raises:
            ConfigurationError: This is Lambda, where the table's stream shows the handler what is new; or one
                of the pauses is none.
        """
        if is_in_lambda():
            msg = (
                f"handler {self._name}: a thread cannot poll in Lambda, which stands still between "
                "invocations; list it in EventModule(handlers=[...]), and the table's stream calls it"
            )
            raise ConfigurationError(msg)
        for name, seconds in (("idle", idle), ("longest_idle", longest_idle), ("after_error", after_error)):
            if seconds is None and name == "longest_idle":
                continue
            if not _is_seconds(seconds) or seconds < 0:
                msg = f"start({name}=) must be a number of seconds, 0 or more, got {seconds!r}"
                raise ConfigurationError(msg)
        longest = _LONGEST_IDLE * idle if longest_idle is None else max(idle, longest_idle)
        self._pauses, self._after_error = Pauses(idle, longest), after_error
        self._poller.start()

    def stop(self, *, timeout: float | None = None) -> bool:
        """Let the run in progress end, then stop. It can be started again.

        Args:
            timeout: Seconds to wait for that. Default: as long as it takes.

        Returns:
            Whether the run has ended. A callback that stops its own handler gets False: its run goes on to
            its end.
        """
        # The thread may wait for a run in which this is called, and so must not be waited for.
        return self._poller.stop(0 if self._follower.pull.is_run_here() else timeout)

    def reset(self) -> None:
        """Forget the position in memory: the next run reads it again, and goes on there.

        Nothing is shown again by that, as what was seen is kept by aggregate; for that, `build` another
        generation. A handler with a `MemoryBookmark` has nothing else that it could read: it begins anew; and
        one with ``always_tail_stream`` begins behind what is there.

        Raises:
            BadRequestError: One of the handler's own callbacks has called it.
        """
        self._follower.forget()

    def get_position(self) -> str:
        """Where the next run goes on reading; empty for the beginning. Opaque."""
        return self._follower.pull.position()

    def set_position(self, position: str) -> None:
        """Let the next run go on at a position, and keep it.

        An earlier one costs reads: what was seen is not shown again. A later one leaves out what lies
        between, until its aggregates move on, or a `rebuild`.

        Args:
            position: What `get_position` returned; empty for the beginning.

        Raises:
            InvalidInputError: It is no text.
            BadRequestError: One of the handler's own callbacks has called it.
        """
        if not isinstance(position, str):
            message = f"must be a text that get_position has returned, got {position!r}"
            raise InvalidInputError([FieldProblem("position", message)])
        self._follower.pull.move(position)

    # --- generations ------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """The generation that queries look at, at most 30 seconds old; a callback goes by its `EventMeta`."""
        current = self._follower.generations.current()
        return 1 if current is None else current.live

    @property
    def registration(self) -> Registration | None:
        """What is known of the handler as a whole, as it is now; None while it was never started."""
        return self._follower.generations.read()

    def build(self) -> int:
        """Begin the next generation beside the live one: from now on both are fed. Then `rebuild` it.

        Returns:
            Its number.

        Raises:
            BadRequestError: One is being built already, the one before was not retired, or this is a
                reaction.
        """
        return self._follower.begin_generation()

    def rebuild(
        self, *, segment: int = 0, total_segments: int = 1, resume_from: str | None = None
    ) -> Rebuilt:
        """Show one page of all aggregates, from the beginning, beside whatever comes in live.

        It is for the generation that is being built; without one for the live one, which is shown what it has
        not seen: what was there before the handler, or what a stream has lost. Segments may be done side by
        side.

        Example:
            >>> page = posts_model.rebuild()
            >>> while page.resume_token:
            ...     page = posts_model.rebuild(resume_from=page.resume_token)

        Args:
            segment: Which part of the store, 0 to ``total_segments`` - 1.
            total_segments: Into how many parts it is divided. Default: 1.
            resume_from: ``resume_token`` of the page before, of the same segment. Default: its first page.

        Returns:
            What became of the page. Where something failed on it, its token comes back: go on, and it is
            tried again, a little later each time.

        Raises:
            BadRequestError: The generation was begun less than a minute ago; it was retired meanwhile;
                ``resume_from`` is of another scan; or this is a reaction.
            InvalidInputError: An argument is out of range.
        """
        self._follower.refuse_reaction("rebuild")
        return self._follower.rebuild.page(segment, total_segments, resume_from)

    def switch(self, *, incomplete: bool = False) -> int:
        """Make the generation that was built the live one. The one before is fed until it is retired.

        Args:
            incomplete: Whether to switch although the generation is parked at aggregates, and so lacks what
                they say: for what makes no sense any more, and which nobody can restore. Default: refuse.

        Returns:
            Its number.

        Raises:
            BadRequestError: None is being built, its scan is not through, or it is parked somewhere.
        """
        return self._follower.switch(incomplete=incomplete)

    def retire(self, generation: int | None = None) -> None:
        """Stop feeding a generation. Its number is not used again.

        Args:
            generation: Which one. Default: the one that was live before. Name the one that is being built to
                give it up.

        Raises:
            BadRequestError: It is the live one, or there is none like that.
        """
        self._follower.generations.change(lambda found: found.retired(self._name, generation))

    # --- read your writes -------------------------------------------------------------------------

    def has_seen(self, stream: Aggregate[Any, Any] | str, loaded: Loaded[Any]) -> bool:
        """Whether the read model is at least at ``loaded``. Exact, and about this one aggregate.

        One read of its cursor; one more where the cursor is behind, since what is none of the handler's
        events does not move it.

        Args:
            stream: The aggregate, or the name of its stream.
            loaded: What a command has returned.

        Raises:
            ConfigurationError: The handler is not over the stream.
            InvalidInputError: ``loaded`` is of another stream, or none.
            ForbiddenError: It is another tenant's.
        """
        return self._follower.sight(self._key_of(stream, loaded), loaded.version).is_there

    def wait_for(
        self, stream: Aggregate[Any, Any] | str, loaded: Loaded[Any], *, timeout: float = 5.0
    ) -> None:
        """Wait until `has_seen`.

        Args:
            stream: The aggregate, or the name of its stream.
            loaded: What a command has returned.
            timeout: The longest to wait, in seconds. Default: 5.

        Raises:
            ReadModelBehindError: The time is up, or the handler is parked at the aggregate.
            ConfigurationError: The handler is not over the stream.
            InvalidInputError: ``loaded`` is of another stream, or none; or ``timeout`` is no number.
            ForbiddenError: It is another tenant's.
        """
        if not _is_seconds(timeout):
            message = f"must be a number of seconds, got {timeout!r}"
            raise InvalidInputError([FieldProblem("timeout", message)])
        key = self._key_of(stream, loaded)
        ends, pause = time.monotonic() + timeout, _FIRST_LOOK
        while not (seen := self._follower.sight(key, loaded.version)).is_there:
            left = ends - time.monotonic()
            if left <= 0 or seen.parked_version is not None:
                raise ReadModelBehindError(self._name, key.pk, loaded.version, seen.parked_version)
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_LOOK)

    def catch_up(
        self, stream: Aggregate[Any, Any] | str, aggregate_id: str, *, tenant: str | None = None
    ) -> Run:
        """Show the live generation what it has not seen of one aggregate, here and now.

        It takes the turn, so that nobody else shows the handler the same meanwhile.

        Args:
            stream: The aggregate, or the name of its stream.
            aggregate_id: Its id.
            tenant: Its tenant. Default: as everywhere, see `AggregateRepository.get_aggregate`.

        Returns:
            What was done. ``parked`` is 1 where the handler is parked at the aggregate, and nothing was done.

        Raises:
            Exception: What a callback raised, untouched.
            ContentionError: Somebody else has the turn, and keeps it.
            ConfigurationError: The handler is not over the stream.
            ForbiddenError: It is another tenant's.
        """
        name = self._callbacks.stream_of(stream)
        key = key_of(name, aggregate_id, tenant, self.context.default_tenant, write=False)
        rung = self._follower.catch_up(key)
        if rung.error is not None:
            raise rung.error
        return rung.run

    # --- repairs ----------------------------------------------------------------------------------

    def parked(self, *, generation: int | None = None, limit: int = 100) -> list[Key]:
        """The aggregates that the handler is parked at. It goes over all cursors that are there.

        In a request, those that its caller may read.

        Args:
            generation: Of which read model. Default: the live one.
            limit: Most aggregates to list. Default: 100.

        Raises:
            InvalidInputError: There is no such generation.
        """
        return [*filter(may_read, map(Key.of_pk, self._follower.parked(generation, limit)))]

    def redrive(
        self,
        stream: Aggregate[Any, Any] | str,
        aggregate_id: str,
        *,
        tenant: str | None = None,
        generation: int | None = None,
    ) -> Repaired:
        """Run the handler again where it is parked, from that event on, in order, to the last one.

        It is parked again at the event that fails. What a service runs, operators redrive with ``cqrs
        redrive``; this is for processes of your own, and for tests.

        Example:
            >>> for key in posts_model.parked():
            ...     posts_model.redrive(key.stream, key.aggregate_id, tenant=key.tenant)

        Args:
            stream: The aggregate, or the name of its stream.
            aggregate_id: Its id.
            tenant: Its tenant. Default: as everywhere, see `AggregateRepository.get_aggregate`.
            generation: Of which read model. Default: the live one.

        Returns:
            What was done; look at ``parked_version``.

        Raises:
            ItemNotFoundError: The handler has seen nothing of the aggregate, and is not parked.
            BadRequestError: The handler is not parked there.
            ContentionError: Somebody else is at work on it. It stays parked; repeat the call.
            ConfigurationError: The handler is not over the stream.
            InvalidInputError: There is no such generation.
            ForbiddenError: It is another tenant's.
        """
        return self._repair(stream, aggregate_id, tenant, generation, skipping=False)

    def skip(
        self,
        stream: Aggregate[Any, Any] | str,
        aggregate_id: str,
        *,
        tenant: str | None = None,
        generation: int | None = None,
    ) -> Repaired:
        """Pass over the event that the handler is parked at, and go on like `redrive`.

        The read model never gets that event; the cursor keeps its version, the time and the error.

        Args:
            stream: The aggregate, or the name of its stream.
            aggregate_id: Its id.
            tenant: Its tenant. Default: as everywhere, see `AggregateRepository.get_aggregate`.
            generation: Of which read model. Default: the live one.

        Returns:
            What was done; look at ``skipped`` and ``parked_version``.

        Raises:
            ItemNotFoundError: See `redrive`.
            BadRequestError: See `redrive`.
            ContentionError: See `redrive`.
            ConfigurationError: See `redrive`.
            InvalidInputError: See `redrive`.
            ForbiddenError: See `redrive`.
        """
        return self._repair(stream, aggregate_id, tenant, generation, skipping=True)

    def _repair(
        self,
        stream: Aggregate[Any, Any] | str,
        aggregate_id: str,
        tenant: str | None,
        generation: int | None,
        *,
        skipping: bool,
    ) -> Repaired:
        name = self._callbacks.stream_of(stream)
        key = key_of(name, aggregate_id, tenant, self.context.default_tenant, write=True)
        return self._follower.repair(key, generation, skipping=skipping)

    # --- what the feed, and the module, ask ---------------------------------------------------------

    def start_anew(self) -> None:
        """Forget all that was read: the provider is on other tables from now on, as in a test."""
        self._follower.start_anew()

    @property
    def attempts(self) -> int:
        """How often one event fails before its aggregate is parked."""
        return self._options.attempts

    @property
    def exclusive(self) -> bool:
        """Whether it claims its turns, so that no two at one aggregate overlap."""
        return self._options.exclusive

    @property
    def is_reaction(self) -> bool:
        """Whether it executes commands."""
        return self._options.reaction

    @property
    def since(self) -> datetime | None:
        """The time before which events are passed over, for an aggregate that is new to it; None for none."""
        return self._follower.since

    def cursors(self) -> Cursors:
        """Where its cursors are."""
        if self._memory is not None:
            return self._memory.cursors()
        return self._given_cursors or self.context.provider.cursors()

    def generations(self, at: datetime) -> Sequence[int]:
        """The generations that are fed. The first call of all registers the handler.

        Args:
            at: When it was started, if this is that call.

        Raises:
            ConfigurationError: What it is made with is only for processes that go on, and a stream calls it.
        """
        return self._follower.fed_by_stream(at)

    def minds(self, stream: str, types: Sequence[str] | None) -> bool:
        """Whether it has to do anything about a commit of a stream.

        Args:
            stream: The stream.
            types: Names of the commit's events; None for one that closes an erased aggregate.
        """
        if types is None:
            return self._callbacks.find_erased(stream) is not None
        return not self._callbacks.types(stream).isdisjoint(types)

    def show(self, commit: Commit, version: int, *, generation: int = 1) -> bool | None:
        """Show it one event of a commit; of a commit that closes an erased aggregate, that it was erased.

        Args:
            commit: The commit.
            version: Number of the event.
            generation: Of the read model that this is for.

        Returns:
            True where its callback has worked, False where it failed and is passed over, None where it has
            none.

        Raises:
            Exception: Whatever the callback raises, or that nothing reads the event. The provider was told.
        """
        return self._showing.show(commit, version, generation=generation)

    # --- its parts --------------------------------------------------------------------------------

    def _key_of(self, stream: object, loaded: Loaded[Any]) -> Key:
        name = self._callbacks.stream_of(stream)
        if not isinstance(loaded, Loaded):
            message = f"must be what a command or get_aggregate returned, got {loaded!r}"
            raise InvalidInputError([FieldProblem("loaded", message)])
        if loaded.key.stream != name:
            message = f"must be an aggregate of the stream {name!r}, got one of {loaded.key.stream!r}"
            raise InvalidInputError([FieldProblem("loaded", message)])
        check_access(loaded.key, write=False)
        return loaded.key

    def _before(self) -> None:
        if self.on_start is not None:
            self.on_start()

    def _after(self, run: Run) -> None:
        if self.on_end is not None:
            self.on_end(run)

    def _poll(self) -> float:
        """One run of the thread: how many seconds to wait before the next one."""
        try:
            pulled = self._follower.pull.run(
                before=self._before, after=self._after, retry_after=self._after_error, only_due=True
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
            self._showing.tell(error)
            return self._after_error
        # What callbacks raised was told one by one.
        if pulled.is_outage:
            return self._after_error
        due = self._follower.pull.seconds_until_due()
        pause = self._pauses.after(is_quiet=pulled.run == Run())
        return pause if due is None else min(pause, due)


def _is_seconds(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def create_handler(
    context: DomainContext,
    taken: MutableMapping[str, EventHandler],
    bookmark: str | MemoryBookmark,
    streams: Sequence[Aggregate[Any, Any] | str],
    options: HandlerOptions,
    *,
    cursors: Cursors | None = None,
) -> EventHandler:
    """A handler of a domain; see `Domain.create_handler`.

    Args:
        context: The domain.
        taken: The domain's handlers by their names; the new one is put there, unless it has a
            `MemoryBookmark`.
        bookmark: What its progress is kept under.
        streams: The aggregates whose events it is shown, or the names of their streams.
        options: How it goes about them.
        cursors: Where its progress is kept by aggregate. Default: where the provider keeps it.

    Raises:
        ConfigurationError: No streams, an unknown one, or a name that cannot be used or is taken.
    """
    if not isinstance(bookmark, MemoryBookmark) and checked_name(bookmark) in taken:
        msg = f"the domain has a handler {bookmark!r} already, and two would share their progress; rename one"
        raise ConfigurationError(msg)
    if isinstance(streams, str | Aggregate) or not isinstance(streams, Iterable):
        msg = f"handler {bookmark!r}: its streams must be a list, got {streams!r}"
        raise ConfigurationError(msg)
    types: dict[str, EventTypes | None] = {}
    for stream in streams:
        name = stream.stream if isinstance(stream, Aggregate) else stream
        known = context.aggregates.get(name) if isinstance(name, str) else None
        if known is None or (isinstance(stream, Aggregate) and known is not stream):
            msg = (
                f"handler {bookmark!r}: {name!r} is no stream of this domain, which has "
                f"{sorted(context.aggregates)}; give its aggregate to create_domain"
            )
            raise ConfigurationError(msg)
        types[known.stream] = known.types
    if not types:
        msg = f"handler {bookmark!r} is over no streams; name at least one, such as [post]"
        raise ConfigurationError(msg)
    handler = EventHandler(context, bookmark, types, options, cursors)
    if not isinstance(bookmark, MemoryBookmark):
        taken[bookmark] = handler
    return handler
