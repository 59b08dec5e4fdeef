"""Running one data sync handler for one version, in its turn."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runtime.errors import PreviousVersionPending
from runtime.model.keys import add_sort_key_version
from runtime.model.status import FINISHED
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.store.dynamodb import Read

if TYPE_CHECKING:
    from runtime.model.handlers import HandlerReference
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["Outcome", "run_handler"]


class Outcome(StrEnum):
    """How a handler's turn ended."""

    DONE = "done"
    PARKED = "parked"


def run_handler(
    module: CommandModule[Any],
    reference: HandlerReference,
    key: DetailKey,
    version: int,
    command: Item | None = None,
) -> Outcome:
    """Let one handler see one version, unless it has, or is parked before it.

    One read, the handler, one write of its cursor.

    Args:
        module: Module of the aggregate.
        reference: The handler.
        key: Key of the aggregate; the sort key without a version.
        version: Version to see.
        command: The command row, where the caller has it.

    Raises:
        PreviousVersionPending: An earlier version comes first. Try again later.
        Exception: Whatever the handler raises; the cursor stays.
    """
    turn = _Turn(module, reference, key, version)
    cursor, command = turn.read(command)
    if cursor.version is not None and cursor.version >= version:
        return Outcome.DONE
    if cursor.parked_version is not None:
        return Outcome.PARKED
    turn.check_order(cursor)
    if command is not None:
        reference.handler.up(module.rows.command(command))
    turn.done()
    return Outcome.DONE


class _Turn:
    def __init__(
        self, module: CommandModule[Any], reference: HandlerReference, key: DetailKey, version: int
    ) -> None:
        self._dynamodb = module.resources.dynamodb
        self._table = module.tables.command
        self._cursors = CursorStore(self._dynamodb, module.tables.sync)
        self._handler = reference.name
        self._key = key
        self._version = version

    def read(self, command: Item | None) -> tuple[Cursor, Item | None]:
        cursor = self._cursors.read(self._key, self._handler)
        own = self._command(self._version)
        rows = self._dynamodb.batch_get([cursor] if command else [cursor, own])
        return Cursor.of(rows.get(cursor)), command or rows.get(own)

    def check_order(self, cursor: Cursor) -> None:
        """Raise unless every earlier version that still exists was seen."""
        if self._version == 1 or cursor.version == self._version - 1:
            return
        # Versions between may be gone (expired, migrated): only those that exist count.
        first = self._version - 1 if cursor.version is None else cursor.version + 1
        between = self._dynamodb.batch_get(self._command(v) for v in range(first, self._version))
        # Without a cursor the handler is new to the aggregate, unless the version before is
        # still on its way: then this handler is to see it first.
        unseen = [
            row
            for row in between.values()
            if cursor.version is not None or row.get("status", {}).get("S") != FINISHED
        ]
        if unseen:
            msg = f"{self._handler} has to see an earlier version than {self._version} first"
            raise PreviousVersionPending(msg)

    def done(self) -> None:
        self._cursors.advance(self._key, self._handler, self._version)

    def _command(self, version: int) -> Read:
        return Read(self._table, self._key.pk, add_sort_key_version(self._key.sk, version))
