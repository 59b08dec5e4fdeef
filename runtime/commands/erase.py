"""Erasing an aggregate for good: the right to be forgotten.

It follows what the rows refer to, and is written so that a call which was interrupted is simply
made again: the stores of the handlers first, while the last command is still there to tell them,
and a mark on it that they were told; then the large attributes, while the rows still say where
they are; then the rows, and the one with the mark last.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr, Key

from runtime import clock
from runtime.commands.publish_record import PREFIX
from runtime.errors import BadRequestError, InvalidInputError, ItemNotFoundError, VersionConflictError
from runtime.identity.checked_key import checked_key
from runtime.model.keys import KEY_SEPARATOR, add_sort_key_version
from runtime.model.rows import LIFE, life_of, version_of
from runtime.model.status import HANDLERS_STARTED
from runtime.module_context import context_of
from runtime.pipeline.creations import creation_place
from runtime.pipeline.cursors import Cursor
from runtime.pipeline.versions import version_rows
from runtime.queries.sessions import SessionService
from runtime.store.bucket import object_prefix
from runtime.store.codec import isoformat
from runtime.store.port import ConditionFailedError, Delete, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.module_context import HasContext, ModuleContext
    from runtime.store.values import Row

__all__ = ["Erased", "erase"]

_MAX_WRITES: Final = 100
_TOLD: Final = "erasedFromHandlersAt"
"""Column of the last command, or the data row: the handlers were told, and the row goes last."""
_COLUMNS: Final = ("pk", "sk", "version", "status", "attributes", "createdBy", "updatedBy", LIFE, _TOLD)


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took away.

    Attributes:
        handlers: Handlers whose `DataSyncHandler.down` was called.
        rows: Rows of the module's tables and of the session table.
        objects: Large attributes in the bucket.
    """

    handlers: tuple[str, ...]
    rows: int
    objects: int


def erase(module: HasContext, key: tuple[str, str], *, invoke_context: InvokeContext | None = None) -> Erased:
    """Delete an aggregate for good, with its history and whatever its handlers made of it.

    First each handler's `DataSyncHandler.down` gets the last command. Then everything goes that
    is about the aggregate: large attributes, wherever its rows say that they are and whoever wrote
    them; commands, history and data row; cursors, those of handlers that are gone among them;
    records of publish ids; and the sessions of the users whom its rows name. Interrupted, it is
    called again. Nothing must be published to the aggregate meanwhile.

    It reads all cursors of the aggregate's partition, to find those of handlers that are gone.
    It needs to query and delete in every table of the module, which no function of the
    stack may; `CqrsTable.grants.erase` gives it to a person or function of its own.

    Args:
        module: Module of the aggregate.
        key: ``(pk, sk)``; the sort key without a version.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Raises:
        ItemNotFoundError: There is nothing left of such an aggregate.
        BadRequestError: A version is still on its way through the pipeline. Nothing was done.
        VersionConflictError: It was published to meanwhile. Erase it again.
        InvalidInputError: The key cannot be one.
        ForbiddenError: The key belongs to another tenant.
        ModuleMismatchError: The stack says that the module has handlers, and the code has none to tell.
        Exception: Whatever a handler raises. No row was deleted.
    """
    context = context_of(module)
    # A function of one's own need not have them, and what they have made would stay.
    context.check_handlers()
    return _Erasure(context, checked_key(key, invoke_context, context.settings, write=True)).run()


class _Erasure:
    def __init__(self, context: ModuleContext, key: DetailKey) -> None:
        self._context = context
        self._store = context.store
        self._tables = context.tables
        self._key = key

    def run(self) -> Erased:
        commands = version_rows(self._context, self._tables.command, self._key, columns=_COLUMNS)
        history = version_rows(self._context, self._tables.history, self._key, columns=_COLUMNS)
        data = self._store.get(self._context.data_place(self._key))
        others = [*self._cursors(), *self._records()]
        rows = [*commands, *history, *([data] if data else [])]
        objects = self._objects([*rows, *(row for _, row in others)])
        sessions = self._sessions(rows)
        if not rows and not others and not objects and not sessions:
            msg = "there is nothing to erase: no such aggregate"
            raise ItemNotFoundError(msg)
        self._check_settled(commands, version_of(data))
        told = self._take_down(commands, data)
        self._context.large_attributes.delete(objects)
        self._delete(self._places(self._tables.history, history))
        self._delete(place for place, _ in others)
        self._delete(sessions)
        # While the row with the mark is there, an erasure that is resumed does not tell the handlers again.
        self._delete(self._places(self._tables.command, commands[:-1]))
        if data:
            self._delete_data(data)
        self._delete(self._places(self._tables.command, commands[-1:]))
        return Erased(told, len(rows) + len(others) + len(sessions), len(objects))

    def _check_settled(self, commands: Sequence[Row], applied: int) -> None:
        """Refuse while the pipeline may still write: it would bring back what is erased."""
        # Of an erasure that is resumed, only what was published since it broke off is new.
        new = list(takewhile(lambda command: _TOLD not in command, reversed(commands)))
        for command in reversed(new):
            status = command.get("status")
            pending = version_of(command) > applied if self._context.keeps_data else self._context.handlers
            if (status is None and pending) or (
                status == HANDLERS_STARTED and self._waits_for_a_handler(command)
            ):
                msg = (
                    f"version {version_of(command)} is still on its way through the pipeline; "
                    "erase the aggregate when it is finished"
                )
                raise BadRequestError(msg)

    def _waits_for_a_handler(self, command: Row) -> bool:
        """Whether an applied command will get its final status.

        It never does under a key that a handler can have no cursor for: earlier releases took such
        keys. Then the handlers that have one decide.
        """
        places, is_settled_by_all = [], True
        for name in self._context.handler_names:
            try:
                places.append(self._context.cursor_place(self._key, name))
            except InvalidInputError:
                is_settled_by_all = False
        if is_settled_by_all:
            return True
        rows = self._store.batch_get(places) if places else {}
        cursors = [Cursor.of(rows.get(place), life_of(command)) for place in places]
        version = version_of(command)
        return any(not c.has_seen(version) and c.parked_version is None for c in cursors)

    def _take_down(self, commands: Sequence[Row], data: Row | None) -> tuple[str, ...]:
        """Tell the handlers, unless an erasure that broke off has; the names of those that were told."""
        if not self._context.handlers:
            return ()
        place = self._context.data_place(self._key)
        last = data
        if commands:
            place = Place(self._tables.command, commands[-1]["pk"], commands[-1]["sk"])
            last = self._store.get(place)
        elif data:
            # The commands have expired, or are erased already: the data row says the same.
            last = data | {"sk": add_sort_key_version(self._key.sk, version_of(data))}
        if last is None or _TOLD in last:
            return ()
        command = self._context.rows.any_command(last)
        for reference in self._context.handlers:
            reference.down(command)
        try:
            self._store.write(
                Set(place=place, columns={_TOLD: isoformat(clock.now())}, condition=Attr("pk").exists())
            )
        except ConditionFailedError as failure:
            raise VersionConflictError(*self._key, version_of(last)) from failure
        return self._context.handler_names

    def _cursors(self) -> list[tuple[Place, Row]]:
        """Every handler's cursor for the aggregate, and the last command that is kept beside them."""
        if not self._tables.has_sync_table:
            return []
        found = self._query(self._tables.sync, Key("pk").eq(self._key.pk))
        # A handler's name has no separator, so the first one ends it.
        mine = [row for row in found if row["sk"].partition(KEY_SEPARATOR)[2] == self._key.sk]
        return [(Place(self._tables.sync, row["pk"], row["sk"]), row) for row in mine]

    def _records(self) -> list[tuple[Place, Row]]:
        """The records of publish ids."""
        condition = Key("pk").eq(self._key.pk) & Key("sk").begins_with(f"{self._key.sk}{PREFIX}")
        found = self._query(self._tables.command, condition)
        return [(Place(self._tables.command, row["pk"], row["sk"]), row) for row in found]

    def _query(self, table: str, key: ConditionBase) -> Iterable[Row]:
        start: Row | None = None
        while True:
            page = self._store.query(table, key, start=start, columns=("pk", "sk", "attributes"))
            yield from page.rows
            start = page.next
            if start is None:
                return

    def _sessions(self, rows: Iterable[Row]) -> list[Place]:
        users = {row[name] for row in rows for name in ("createdBy", "updatedBy") if row.get(name)}
        settings = self._context.settings
        created = (creation_place(self._context.name, settings, self._key, row) for row in rows)
        places = [
            *SessionService(self._context).places_of(sorted(users), self._key),
            *dict.fromkeys(place for place in created if place),
        ]
        return list(self._store.batch_get(places)) if places else []

    def _objects(self, rows: Iterable[Row]) -> list[str]:
        """Keys of the aggregate's objects: those that its rows refer to, and those in its own folder."""
        bucket = self._context.large_attributes
        referred = {key for row in rows if (key := bucket.object_key_of(row))}
        prefix = object_prefix(self._tables.command, *self._key)
        own = {found.key for found in bucket.objects(prefix)}
        return sorted(referred | own)

    @staticmethod
    def _places(table: str, rows: Iterable[Row]) -> list[Place]:
        return [Place(table, row["pk"], row["sk"]) for row in rows]

    def _delete(self, places: Iterable[Place]) -> None:
        deletes = [Delete(place=place) for place in places]
        for start in range(0, len(deletes), _MAX_WRITES):
            self._store.write(*deletes[start : start + _MAX_WRITES])

    def _delete_data(self, data: Row) -> None:
        condition = None
        if "version" in data:
            condition = Attr("pk").not_exists() | Attr("version").eq(data["version"])
        try:
            self._store.write(Delete(place=self._context.data_place(self._key), condition=condition))
        except ConditionFailedError as failure:
            raise VersionConflictError(*self._key, version_of(data)) from failure
