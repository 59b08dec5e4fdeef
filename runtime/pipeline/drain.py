"""Drain: let one handler see every version of one aggregate that it has not seen, in order.

A doorbell says that the aggregate has come to a version; the cursor says what the handler has
done. Whoever hears the doorbell takes the turn, shows what is missing, and lets the turn go. Turns
never overlap: who comes while one is taken leaves the version on the cursor's row, and whoever
has the turn goes on to it before letting go. So a burst of versions is one turn.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.errors import CqrsError, PreviousVersionPending
from runtime.log import logger
from runtime.model.keys import get_sort_key_version
from runtime.model.rows import LIFE, PUBLISH_ID, is_deleted, is_of_life, is_same_life, life_of, version_of
from runtime.model.status import FINISHED
from runtime.pipeline.cursors import CursorRow, TurnLostError
from runtime.pipeline.transactions import is_command
from runtime.store.port import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.model.handlers import HandlerReference
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.pipeline.cursors import Cursor
    from runtime.store.values import Row

__all__ = ["MOVED_ON", "Outcome", "Turn", "drain", "is_late", "read_commands", "unmoved"]

MOVED_ON: Final = "data row"
"""Label of the check that no later version was applied."""

_WINDOW: Final = 25
_MAX_ROUNDS: Final = 50
#: What a turn leaves unused of its function's time: enough to write down how far it has come.
_RESERVE: Final = 3.0
#: How long a turn that failed is kept for the same execution to try again; its retries are faster.
_HOLD: Final = 300.0


class Outcome(StrEnum):
    """How a call of `drain` ended."""

    DONE = "done"
    """The handler has seen the version."""
    PARKED = "parked"
    """The handler is parked at this version or an earlier one."""
    LEFT = "left"
    """Somebody else has the turn, and will come to the version."""


def drain(
    context: ModuleContext,
    reference: HandlerReference,
    key: DetailKey,
    version: int,
    *,
    owner: str,
    command: Row | None = None,
    publish_id: str | None = None,
    hold: bool = False,
    shown: list[Row] | None = None,
) -> Outcome:
    """Bring a handler to ``version`` of an aggregate, or beyond.

    One or two reads and two writes, beside the handler's own work, however many versions it is
    behind; one read where there is nothing to do.

    Args:
        context: Module of the aggregate.
        reference: The handler.
        key: Key of the aggregate; the sort key without a version.
        version: Version that the doorbell rang for.
        owner: Who takes the turn: the same text each time that the same task is tried again.
        command: The command of that version, where the caller has it.
        publish_id: Publish id of that command, where the caller knows it: another life of the
            aggregate has doorbells of its own.
        hold: Whether ``owner`` tries again by itself when the handler fails: others wait for that.
        shown: Gets the commands that the handler has seen now, in order, also where it fails then.

    Raises:
        PreviousVersionPending: An earlier try may still be at work, or the time is up before the
            handler has seen all. Call again: what it has seen is noted.
        Exception: Whatever the handler raises; the cursor keeps it.
    """
    turn = Turn(context, reference, key, owner, shown)
    command = turn.read(version, command)
    for _ in range(_MAX_ROUNDS):
        cursor = turn.cursor
        if command is None or turn.is_late(command):
            return Outcome.DONE
        if cursor.has_seen(version) and not (turn.is_to_try_again() or cursor.is_abandoned()):
            return Outcome.DONE
        if publish_id is not None and command.get(PUBLISH_ID) != publish_id:
            return Outcome.DONE
        if cursor.parked_version is not None:
            return Outcome.PARKED
        if turn.is_free():
            if turn.claim(command):
                return turn.run(version, command, hold=hold)
        elif turn.is_of_earlier_try():
            msg = f"an earlier try of {reference.name} may still be at work"
            raise PreviousVersionPending(msg)
        elif turn.row.leave(version):
            return Outcome.LEFT
        turn.reread()
    msg = f"others were faster at the cursor of {reference.name} for as long as this call tried"
    raise PreviousVersionPending(msg)


class Turn:
    """One handler's turn at one aggregate.

    Args:
        context: Module of the aggregate.
        reference: The handler.
        key: Key of the aggregate.
        owner: See `drain`.
        shown: See `drain`.
    """

    row: CursorRow

    def __init__(
        self,
        context: ModuleContext,
        reference: HandlerReference,
        key: DetailKey,
        owner: str,
        shown: list[Row] | None = None,
    ) -> None:
        self._context = context
        self._store = context.store
        self._reference = reference
        self._key = key
        self._owner = owner
        self.token = f"{owner}/{uuid4().hex}"
        self.shown: list[Row] = [] if shown is None else shown
        self.data: Row | None = None

    @property
    def cursor(self) -> Cursor:
        """Where the handler was when its row was read last."""
        return self.row.cursor

    def read(self, version: int, command: Row | None = None) -> Row | None:
        """Read the cursor, the data row and the command, in one call; the command, if it exists."""
        cursor = self._context.cursor_place(self._key, self._reference.name)
        data, own = self._context.data_place(self._key), self._context.command_place(self._key, version)
        places = [cursor, *([data] if self._context.keeps_data else []), *([] if command else [own])]
        rows = self._store.batch_get(places)
        self.data = rows.get(data)
        command = command or rows.get(own)
        life = life_of(command, self.data)
        self.row = CursorRow(self._store, cursor, life, rows.get(cursor))
        return command

    def read_state(self) -> Row | None:
        """Read the cursor and the data row, in one call; the data row, if it exists."""
        cursor = self._context.cursor_place(self._key, self._reference.name)
        place = self._context.data_place(self._key)
        rows = self._store.batch_get([cursor, place])
        self.data = rows.get(place)
        self.row = CursorRow(self._store, cursor, life_of(self.data), rows.get(cursor))
        return self.data

    def is_late(self, command: Row) -> bool:
        """Whether a command is of an earlier life than the aggregate's present one, or its last one."""
        return is_late(self._context, self._key, command, self.data, self.row)

    def reread(self) -> None:
        """Read the cursor anew."""
        self.row.read()

    def is_free(self) -> bool:
        """Whether the turn can be taken: nobody has it, or the same owner was to try again."""
        cursor = self.cursor
        if not cursor.is_claimed() or cursor.claim == self.token:
            return True
        return self.is_to_try_again()

    def is_to_try_again(self) -> bool:
        """Whether the handler failed in an earlier try of the same owner, who has kept the turn."""
        return self.cursor.failed_version is not None and self._is_own(self.cursor)

    def is_of_earlier_try(self) -> bool:
        """Whether an earlier try of the same owner has the turn, and may still be at work."""
        return self._is_own(self.cursor)

    def claim(self, command: Row | None) -> bool:
        """Take the turn, for as long as the function has left; False when somebody was faster.

        Args:
            command: The command that the turn is about; None for the state in the data row.
        """
        if self.cursor.claim == self.token:
            return True  # it was taken, and the answer got lost
        if command is not None:
            place = self._context.command_place(self._key, get_sort_key_version(command["sk"]))
            witness = Check(place=place, condition=is_command(command), label="witness")
        else:
            witness = Check(
                place=self._context.data_place(self._key), condition=Attr("pk").exists(), label="witness"
            )
        return self.row.claim(self.token, clock.seconds_left(), witness)

    def run(self, version: int, command: Row, *, hold: bool) -> Outcome:
        """Show what the handler has not seen, then let the turn go."""
        cursor = self.cursor
        last = max(version, cursor.wanted or 0, cursor.failed_version or 0, self._applied_version(command))
        done = self.cursor.version
        if done is None:
            done = self.first_version(last, {version: command} if version == last else None) - 1 or None
        try:
            return self.show_up_to(done, last, command, known={version: command}, hold=hold)
        except TurnLostError:
            # Slower than it said, or the aggregate was erased: whoever has the turn now goes by the row.
            logger.warning("turn lost", handler=self._reference.name)
            return Outcome.LEFT

    def show_up_to(
        self,
        done: int | None,
        last: int,
        command: Row,
        *,
        known: dict[int, Row] | None = None,
        hold: bool = False,
    ) -> Outcome:
        """Show the handler what is behind ``done``, up to ``last`` and what others want meanwhile.

        Args:
            done: Last version that the handler has seen.
            last: Last version to show.
            command: A row of the life that the turn is about.
            known: Commands that need not be read.
            hold: See `drain`.

        Raises:
            TurnLostError: The turn took longer than it was claimed for.
            PreviousVersionPending: The time is up. What the handler has seen is noted.
            Exception: Whatever the handler raises; the turn is over then.
        """
        ends = clock.seconds() + max(clock.seconds_left() - _RESERVE, 1.0)
        while True:
            for number, found in self.commands((done or 0) + 1, last, known):
                if clock.seconds() > ends:
                    # Somebody may want even more than ``last``; they find the turn free.
                    self.row.let_go(self.token, done)
                    msg = f"{self._reference.name} has more versions to see than there is time for"
                    raise PreviousVersionPending(msg)
                if found is not None and is_same_life(found, command):
                    self._show(found, number, done, hold=hold)
                done = number
            if self.row.release(self.token, done or last):
                return Outcome.DONE
            last = max(last, self.cursor.wanted or 0)

    def commands(
        self, first: int, last: int, known: dict[int, Row] | None = None
    ) -> Iterator[tuple[int, Row | None]]:
        """The commands of these versions; None for one that is gone."""
        return read_commands(self._context, self._key, first, last, known)

    def up(self, command: Row) -> None:
        """Show the handler one command.

        Raises:
            Exception: Whatever it raises.
        """
        rows = self._context.rows
        # Of what is deleted a read model wants the key: it must go, whatever the model has become.
        shown = rows.any_command(command) if is_deleted(command) else rows.command(command)
        self._reference.handler.up(shown)
        self.shown.append(command)

    def _show(self, command: Row, version: int, done: int | None, *, hold: bool) -> None:
        try:
            self.up(command)
        except Exception as error:
            try:
                self.row.fail(self.token, done, version, error, _HOLD if hold else 0)
            except CqrsError as problem:  # the handler's own error is the one that counts
                logger.warning("failure not noted", error=type(problem).__name__)
            raise

    def first_version(self, last: int, known: dict[int, Row] | None = None) -> int:
        """First version for a handler that is new to the aggregate.

        It starts behind the last command that was finished without it; single ones that are
        gone are passed over.

        Args:
            last: The last version that it may be shown.
            known: Commands that need not be read.
        """
        first = last
        for end in range(last, 0, -_WINDOW):
            rows = dict(self.commands(max(1, end - _WINDOW + 1), end, known))
            for version in sorted(rows, reverse=True):
                row = rows[version]
                if row is None:
                    continue
                if row.get("status") == FINISHED and version < last:
                    return first
                first = version
            if not any(rows.values()):
                break  # expired, and so finished
        return first

    def _applied_version(self, command: Row) -> int:
        return version_of(self.data) if self.data and is_of_life(command, self.data) else 0

    def _is_own(self, cursor: Cursor) -> bool:
        return (cursor.claim or "").startswith(f"{self._owner}/")


def is_late(context: ModuleContext, key: DetailKey, command: Row, data: Row | None, row: CursorRow) -> bool:
    """Whether a command is of an earlier life than the aggregate's present one, or its last one.

    Commands may be kept for longer than their life lasts, and a task of theirs may come late. One
    call where the data row has expired and the handler has been further in another life, else none.

    Args:
        context: Module of the aggregate.
        key: Key of the aggregate.
        command: The command.
        data: The data row, or None without one.
        row: A handler's cursor row, read for the life of the command.
    """
    if not context.keeps_data:
        return False  # without data rows, no life ends but by erasure
    if data is not None or not row.is_foreign:
        return not is_of_life(command, data)
    seen = version_of(row.row)
    if seen <= get_sort_key_version(command["sk"]):
        return False
    last = context.store.get(context.command_place(key, seen))
    return last is not None and row.row is not None and is_same_life(last, row.row)


def unmoved(context: ModuleContext, key: DetailKey, data: Row) -> Check:
    """The check that the data row is still ``data``: no later version has met a parked handler."""
    version, life = version_of(data), life_of(data)
    same_version = Attr("version").eq(version) if version else Attr("version").not_exists()
    same_life = Attr(LIFE).eq(life) if life is not None else Attr(LIFE).not_exists()
    same = same_version & same_life
    return Check(place=context.data_place(key), condition=same, label=MOVED_ON)


def read_commands(
    context: ModuleContext, key: DetailKey, first: int, last: int, known: dict[int, Row] | None = None
) -> Iterator[tuple[int, Row | None]]:
    """The commands of some versions, in order; None for one that is gone. One call for 25 of them.

    Args:
        context: Module of the aggregate.
        key: Key of the aggregate.
        first: The first version.
        last: The last one.
        known: Commands that need not be read, by version.
    """
    known = known or {}
    for start in range(first, last + 1, _WINDOW):
        window = range(start, min(start + _WINDOW, last + 1))
        places = {v: context.command_place(key, v) for v in window if v not in known}
        rows: dict[Any, Row] = context.store.batch_get(places.values()) if places else {}
        yield from ((v, known.get(v) or rows.get(places[v]) if v in places else known[v]) for v in window)
