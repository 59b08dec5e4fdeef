"""Drain: let one data sync handler see every command of one aggregate that it has not seen, in order.

How that is done is in `runtime.pipeline.catch_up`. Here is what a version is: a command, of the
life of the aggregate that the turn is about, which the handler is shown as its model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr

from runtime.model.keys import get_sort_key_version
from runtime.model.rows import LIFE, PUBLISH_ID, is_deleted, is_of_life, is_same_life, life_of, version_of
from runtime.model.status import FINISHED
from runtime.pipeline.catch_up import Outcome, Turn, catch_up
from runtime.pipeline.cursors import CursorRow
from runtime.pipeline.transactions import is_command
from runtime.store.port import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.model.handlers import HandlerReference
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Place, Row

__all__ = ["CommandVersions", "Outcome", "drain", "is_late", "read_commands", "unmoved"]

_WINDOW: Final = 25


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
    versions = CommandVersions(context, reference, key, shown=shown, publish_id=publish_id)
    if (command := versions.read(version, command)) is not None:
        versions.known = {version: command}
    return catch_up(Turn(reference.name, owner, versions), version, hold=hold)


class CommandVersions:
    """The commands of one aggregate, as one handler is to see them. Begin with a method that reads.

    Args:
        context: Module of the aggregate.
        reference: The handler.
        key: Key of the aggregate.
        shown: See `drain`.
        publish_id: See `drain`.

    Attributes:
        row: The handler's cursor row.
        data: The data row, or None without one.
        of: A row of the life that is to be seen.
        known: Commands that need not be read, by version.
        shown: The commands that the handler has seen.
    """

    row: CursorRow

    def __init__(
        self,
        context: ModuleContext,
        reference: HandlerReference,
        key: DetailKey,
        *,
        shown: list[Row] | None = None,
        publish_id: str | None = None,
    ) -> None:
        self._context = context
        self._reference = reference
        self._key = key
        self._publish_id = publish_id
        self._command: Row | None = None
        self.data: Row | None = None
        self.of: Row | None = None
        self.known: dict[int, Row] = {}
        self.shown: list[Row] = [] if shown is None else shown

    def read(self, version: int, command: Row | None = None) -> Row | None:
        """Read the cursor, the data row and the command, in one call; the command, if it exists."""
        data, own = self._context.data_place(self._key), self._context.command_place(self._key, version)
        rows = self._read([*([data] if self._context.keeps_data else []), *([] if command else [own])])
        self.data = rows.get(data)
        self._command = self.of = command or rows.get(own)
        self._take(rows, life_of(self.of, self.data))
        return self._command

    def read_state(self) -> Row | None:
        """Read the cursor and the data row, in one call; the data row, if it exists."""
        place = self._context.data_place(self._key)
        rows = self._read([place])
        self.data = self.of = rows.get(place)
        self._take(rows, life_of(self.data))
        return self.data

    def take_state(self, data: Row, cursor: Row | None) -> Row:
        """Go by rows that were read already; the data row.

        Args:
            data: The data row.
            cursor: The cursor row; None for none.
        """
        self.data = self.of = data
        place = self._context.cursor_place(self._key, self._reference.name)
        self.row = CursorRow(self._context.store, place, life_of(data), cursor)
        return data

    def _read(self, places: list[Place]) -> dict[Place, Row]:
        cursor = self._context.cursor_place(self._key, self._reference.name)
        return self._context.store.batch_get([cursor, *places])

    def _take(self, rows: dict[Place, Row], life: str | None) -> None:
        cursor = self._context.cursor_place(self._key, self._reference.name)
        self.row = CursorRow(self._context.store, cursor, life, rows.get(cursor))

    @property
    def witness(self) -> Check:
        """That the command exists, or the state where the turn is about that."""
        if self._command is None:
            place = self._context.data_place(self._key)
            return Check(place=place, condition=Attr("pk").exists(), label="witness")
        place = self._context.command_place(self._key, get_sort_key_version(self._command["sk"]))
        return Check(place=place, condition=is_command(self._command), label="witness")

    @property
    def last(self) -> int:
        """Version of the data row, in the life of the command."""
        is_mine = self.data and self._command and is_of_life(self._command, self.data)
        return version_of(self.data) if is_mine else 0

    @property
    def is_checked(self) -> bool:
        """Whether a repair is told of later versions: by the check of `unmoved`."""
        return True

    def is_over(self) -> bool:
        """Whether the command is gone, late, or another life's than the doorbell's."""
        command = self._command
        if command is None or self._publish_id not in {None, command.get(PUBLISH_ID)}:
            return True
        return self.is_late(command)

    def is_late(self, command: Row) -> bool:
        """Whether a command is of an earlier life than the aggregate's present one, or its last one."""
        return is_late(self._context, self._key, command, self.data, self.row)

    def behind(self, done: int, last: int) -> Iterator[tuple[int, Row | None]]:
        """The commands behind a version; None for one that is gone, or of another life."""
        for version, found in read_commands(self._context, self._key, done + 1, last, self.known):
            yield version, found if found is not None and is_same_life(found, self.of) else None

    def show(self, found: Row) -> None:
        """Show the handler one command.

        Raises:
            Exception: Whatever it raises.
        """
        self.up(found)
        self.shown.append(found)

    def up(self, row: Row) -> None:
        """Show the handler one command, or the state."""
        rows = self._context.rows
        # Of what is deleted a read model wants the key: it must go, whatever the model has become.
        self._reference.up(rows.any_command(row) if is_deleted(row) else rows.command(row))

    def resume(self, version: int) -> int | None:  # noqa: ARG002 - a command is a version of its own
        """Nothing: a command is never in the middle of a commit."""
        return None

    def first(self, last: int) -> int:
        """First version for a handler that is new to the aggregate.

        It starts behind the last command that was finished without it; single ones that are
        gone are passed over.
        """
        known = {last: self.known[last]} if last in self.known else None
        first = last
        for end in range(last, 0, -_WINDOW):
            rows = dict(read_commands(self._context, self._key, max(1, end - _WINDOW + 1), end, known))
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
    return Check(place=context.data_place(key), condition=same, label="data row")


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
