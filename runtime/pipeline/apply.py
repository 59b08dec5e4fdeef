"""Apply: make sure that the data row has reached version N, in order, exactly once.

A stream record or a workflow execution is only a doorbell. Records come twice and in any
order, so nothing here trusts them: the data row's own version decides, in the same
transaction that advances it. Whoever comes first applies all that is missing, whoever
comes late finds it done.

An aggregate may live twice: it is erased, or expires, and is created again. A command of an
earlier life is never applied, even though its record still comes: the transaction holds only
while the command in the table is the very one that is applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime import clock, metrics
from runtime.backoff import back_off, pause
from runtime.errors import ContentionError, CorruptRowError
from runtime.model.keys import get_sort_key_version
from runtime.model.rows import (
    has_expired,
    is_first_of_life,
    is_left_behind,
    is_of_life,
    is_same_command,
    is_same_life,
    moment_in,
    version_of,
    was_applied,
)
from runtime.pipeline.creations import forget_creation
from runtime.pipeline.transactions import COMMAND, DATA, advance_writes, status_write
from runtime.store.port import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["Applied", "apply"]

_MAX_ROUNDS: Final = 20
_LOOKS: Final = 4  # how often the data row may stand still, before others are not waited for any more
_MAX_WAITS: Final = 12  # after that, a look is followed by a try, whether or not others are at work
_TURN: Final = 0.04  # seconds that another execution takes for its version, from its start
_LONGEST_PAUSE: Final = 0.4
_WINDOW: Final = 99  # commands read in one batch, beside the data row


@dataclass(frozen=True, slots=True)
class Applied:
    """What a call of `apply` found and did.

    Attributes:
        data: The data row as it is now, or None where there is none.
        commands: Command rows that this call applied, in order. Empty when it came late.
        command: The command of the version that was asked for, as it was read where it was not to be
            applied; None where it was not read, or is gone.
    """

    data: Row | None
    commands: tuple[Row, ...]
    command: Row | None = None

    @property
    def version(self) -> int:
        """Version of the data row now; 0 without one."""
        return version_of(self.data)


class _OvertakenError(Exception):
    """Somebody else advanced the data row after it was read."""


class _OthersTurnError(Exception):
    """Versions before this call's own are somebody else's to apply.

    Attributes:
        ahead: How many.
    """

    def __init__(self, ahead: int) -> None:
        super().__init__(ahead)
        self.ahead = ahead


def apply(
    context: ModuleContext,
    key: DetailKey,
    version: int,
    *,
    images: Mapping[int, Row] | None = None,
    rebuild: bool = False,
    first: int | None = None,
) -> Applied:
    """Bring the data row of one aggregate to ``version`` or beyond.

    Two calls when only that version is missing: one read of the data row and the command,
    one transaction (data row, history row of what it replaces, status of the command).

    Args:
        context: Module of the aggregate.
        key: Key of the aggregate; the sort key without a version.
        version: Version that the doorbell rang for.
        images: Command rows that the caller has at hand, by version.
        rebuild: Make a data row that is gone anew, even though its commands say that they were
            applied. By default such a row has expired, and stays away.
        first: First version that the caller's own doorbells rang for. Those before it have callers of
            their own, who get a moment to apply them: two at once cancel each other's transactions.
            Default: nobody else is waited for.

    Raises:
        ContentionError: Too many concurrent writers. Nothing is half done.
    """
    run, overtaken = _Run(context, key, version, dict(images or {}), rebuild=rebuild, first=first), 0
    for attempt in range(_MAX_ROUNDS):
        try:
            return run.round(may_wait=attempt < _MAX_WAITS)
        except _OthersTurnError as turn:
            # The further behind, the later the next look: so they do not all lose patience at once.
            pause(min(turn.ahead * _TURN, _LONGEST_PAUSE))
        except _OvertakenError:
            back_off(overtaken, base=_TURN, longest=0.5)
            overtaken += 1
    msg = f"{key.pk} {key.sk} was advanced by others {_MAX_ROUNDS} times while version {version} was applied"
    raise ContentionError(msg)


class _Run:
    """One call of `apply`."""

    def __init__(
        self,
        context: ModuleContext,
        key: DetailKey,
        version: int,
        images: dict[int, Row],
        *,
        rebuild: bool,
        first: int | None,
    ) -> None:
        self._context = context
        self._store = context.store
        self._key = key
        self._version = version
        self._images = images
        self._rebuild = rebuild
        self._gone: set[int] = set()
        self._applied: list[Row] = []
        self._first = first
        #: Version of the data row at the last look, where somebody else seems to be at work.
        self._seen: int | None = None
        #: How many looks in a row have found it where it was.
        self._looks = 0

    def round(self, *, may_wait: bool) -> Applied:
        """Read where the aggregate is, then apply what is missing, one by one.

        Args:
            may_wait: Whether to leave it to somebody else who goes on applying: both would cancel each
                other's transactions, version by version.
        """
        data = self._read_data()
        ahead = self._ahead(version_of(data))
        if ahead and may_wait:
            raise _OthersTurnError(ahead)
        for command in self._read_missing(data):
            data = self._advance(data, command)
            self._applied.append(command)
        if self._applied:
            metrics.count(metrics.COMMANDS_APPLIED, self._context.name, len(self._applied))
            metrics.observe(metrics.COMMAND_LAG, self._context.name, _lags(self._applied))
        return Applied(data, tuple(self._applied), self._images.get(self._version))

    def _ahead(self, version: int) -> int:
        """How many versions before this call's own somebody else goes on applying; 0 where nobody does."""
        seen, self._seen = self._seen, version
        ahead = (self._first or self._version) - version - 1
        if ahead <= 0 or (seen is None and self._first is None):
            return 0
        self._looks = self._looks + 1 if seen == version else 0
        return ahead if self._looks < _LOOKS else 0

    def _read_data(self) -> Row | None:
        place = self._context.data_place(self._key)
        if self._version in self._images or self._version in self._gone:
            return self._store.get(place)
        # One call for both rows: nearly always this command is the only one missing.
        command = self._context.command_place(self._key, self._version)
        rows = self._store.batch_get([place, command])
        if command in rows:
            self._images[self._version] = rows[command]
        else:
            self._gone.add(self._version)
        return rows.get(place)

    def _read_missing(self, data: Row | None) -> Iterator[Row]:
        """The commands to apply, in order: up to the version that the doorbell rang for."""
        last = self._images.get(self._version)
        if data is None:
            yield from reversed(list(self._read_back(last)) if last else [])
            return
        for versions in _windows(range(version_of(data) + 1, self._version + 1)):
            self._read(versions)
            for version in versions:
                command = self._images.pop(version, None)
                if command is not None and is_of_life(command, data) and self._follows(command, last):
                    yield command

    def _read_back(self, last: Row) -> Iterator[Row]:
        """Without a data row: the command that the doorbell rang for, and those before it, backwards.

        They end with the first of their life, before one that was applied, or where none is left: the
        data row that was made of it has expired, and does not come back. One that is gone is passed over.
        """
        is_newest = True  # of those that were applied: it says until when the data row was kept
        for versions in ([self._version], *_windows(range(self._version - 1, 0, -1))):
            self._read(versions)
            if not any(version in self._images for version in versions):
                return
            for version in versions:
                command = self._images.pop(version, None)
                if command is None:
                    continue
                if not self._follows(command, last):
                    return
                if was_applied(command):
                    if not self._rebuild or (is_newest and has_expired(command, clock.seconds())):
                        return
                    is_newest = False
                yield command
                if is_first_of_life(command):
                    return

    @staticmethod
    def _follows(command: Row, last: Row | None) -> bool:
        return not is_left_behind(command) and is_same_life(command, last)

    def _read(self, versions: Sequence[int]) -> None:
        """Read the commands that are not at hand."""
        unread = [v for v in versions if v not in self._images and v not in self._gone]
        if unread:
            rows = self._store.batch_get(self._context.command_place(self._key, v) for v in unread)
            self._images |= {get_sort_key_version(place.sk): row for place, row in rows.items()}

    def _advance(self, data: Row | None, command: Row) -> Row:
        """Write what ``command`` makes of ``data``, and return it."""
        writes = advance_writes(self._context, data, command)
        status = status_write(self._context, command, self._context.applied_status, writes[0].row)
        # With handlers to come, the command is not finished yet.
        forget = None if self._context.handlers else forget_creation(self._context, command)
        try:
            self._store.write(*writes, status, *([forget] if forget else []))
        except ConditionFailedError as failure:
            version = get_sort_key_version(command["sk"])
            self._seen = version_of(failure.rows[DATA]) if DATA in failure.rows else None
            # Where the data row has moved on as well, the next round reads anew what is missing.
            if COMMAND in failure.rows and DATA not in failure.rows:
                self._reread(version, command, failure.rows[COMMAND])
            raise _OvertakenError from failure
        return writes[0].row

    def _reread(self, version: int, command: Row, found: Row | None) -> None:
        """The image of a command was not what stands in the table: go by the table."""
        if found is None:
            self._gone.add(version)  # deleted after its image was taken
        elif is_same_command(found, command) and was_applied(found) == was_applied(command):
            return
        else:
            self._images[version] = found


def _windows(versions: range) -> Iterator[range]:
    for start in range(0, len(versions), _WINDOW):
        yield versions[start : start + _WINDOW]


def _lags(commands: list[Row]) -> Iterator[float]:
    """Milliseconds since each command was published; nothing for a row that does not tell."""
    now = clock.now()
    for command in commands:
        if "createdAt" not in command:
            continue
        try:
            published = moment_in(command, "createdAt")
        except CorruptRowError:
            continue
        yield max((now - published).total_seconds() * 1000, 0.0)
