"""Items of an external store, with the reader's own pending writes in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runtime.generics import AttributesT
from runtime.imports import check_done
from runtime.model.item_list import ItemList, field_of
from runtime.model.keys import generate_id
from runtime.model.rows import is_deleted, moment_in, version_of
from runtime.model.status import FINISHED
from runtime.queries.pending import has_been_applied, is_to_come

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel
    from runtime.module_context import ModuleContext
    from runtime.queries.sessions import Session
    from runtime.store.values import Place, Row

__all__ = ["Merge", "PendingCommand", "read_pending"]

ItemT = TypeVar("ItemT")


class PendingCommand(Generic[AttributesT]):
    """A command that the reader published, and that has handlers which are not done.

    Args:
        context: Its module.
        key: Key of the aggregate.
        row: The command row.
        data: The data row, as far as there is one.
        is_new: Whether the store cannot have the aggregate yet.
    """

    def __init__(
        self,
        context: ModuleContext,
        key: DetailKey,
        row: Row,
        data: Row | None,
        *,
        is_new: bool,
    ) -> None:
        self._context = context
        self._row = row
        self.is_new = is_new
        self.is_deleted = is_deleted(row)
        self.version = version_of(row)
        self.is_overtaken = version_of(data) > self.version
        self.created_at = moment_in(row, "createdAt")
        # The store may know it by an id of the caller's own making.
        self.ids = {generate_id(*key), row.get("id") or generate_id(*key)}

    @cached_property
    def command(self) -> CommandModel[AttributesT]:
        """The command, with its attributes in it wherever they are."""
        return self._context.rows.command(self._row)


def ids_of(listing: ItemList[Any]) -> list[str]:
    """The ids of a list's items."""
    return list(dict.fromkeys(str(field_of(item, "id")) for item in listing.items))


def behind(
    listing: ItemList[ItemT],
    sessions: Mapping[str, Session],
    version_of_item: Callable[[ItemT], int | None] | None,
) -> list[Session]:
    """The sessions that the items of a list have not come to, as far as the items tell.

    Args:
        listing: The list.
        sessions: Sessions by the id of their item.
        version_of_item: See `Merge`.
    """
    found: dict[str, Session] = {}
    for item in listing.items:
        session = sessions.get(str(field_of(item, "id")))
        if session is not None:
            version = (version_of_item or _version_in)(item)
            if version is None or version < session.version:
                found[session.item_id] = session
    return list(found.values())


def read_pending(
    context: ModuleContext, sessions: Iterable[Session], *, even_finished: bool = False
) -> list[PendingCommand[Any]]:
    """The commands of ``sessions`` whose handlers are not done.

    One call for 25 sessions, or more; one more where something was applied, and has no data row.

    Args:
        context: The module.
        sessions: Whose commands.
        even_finished: Return those whose handlers are done, too: for what was read before they were.
    """
    wanted = [(session, key) for session in sessions for key in session.keys]
    found = context.store.batch_get(
        place for session, key in wanted for place in _places(context, session, key)
    )
    unfinished = [
        (session, key, command)
        for session, key in wanted
        if (command := found.get(context.command_place(key, session.version))) is not None
        and session.is_about(command)
        and (even_finished or not _is_finished(command))
    ]
    # A batch is no snapshot: such a data row may just have been written, or else it has expired.
    applied = [context.data_place(key) for _, key, row in unfinished if has_been_applied(context, row)]
    missing = [place for place in applied if place not in found]
    found |= context.store.batch_get(missing) if missing else {}
    pending: dict[str, PendingCommand[Any]] = {}
    for session, key, command in unfinished:
        if session.item_id in pending:
            continue  # an id that can be split in several ways
        _, first, previous, data = (found.get(place) for place in _places(context, session, key))
        if not is_to_come(command, data) or (data is None and has_been_applied(context, command)):
            continue  # its life is over
        is_new = _is_new(session.version, first, previous, data, in_data=context.keeps_data)
        pending[session.item_id] = PendingCommand(context, key, command, data, is_new=is_new)
    return list(pending.values())


@dataclass(frozen=True, slots=True)
class Merge(Generic[ItemT, AttributesT]):
    """How pending commands get into a list.

    Attributes:
        transform: Makes an item of a command, and of the store's item where there is one.
        matches: Whether an item is one that the query is about.
        version_of: Version of an item of the store's; None where the caller gave no way to tell.
        first_page: Whether new items are shown.
    """

    transform: Callable[[CommandModel[AttributesT], ItemT | None], ItemT]
    matches: Callable[[ItemT], bool]
    version_of: Callable[[ItemT], int | None] | None
    first_page: bool

    def merged(self, listing: ItemList[ItemT], pending: list[PendingCommand[AttributesT]]) -> ItemList[ItemT]:
        """``listing`` as its reader expects it."""
        by_id = {item_id: command for command in pending for item_id in command.ids}
        seen: set[str] = set()
        items: list[ItemT] = []
        for item in listing.items:
            item_id = str(field_of(item, "id"))
            seen.add(item_id)
            command = by_id.get(item_id)
            items += [item] if command is None or self._has(item, command) else self._changed(item, command)
        change = len(items) - len(listing.items)
        new = list(self._new(pending, seen))
        total = None if listing.total is None else max(0, listing.total + change + len(new))
        return ItemList([*(new if self.first_page else []), *items], total)

    def _has(self, item: ItemT, pending: PendingCommand[AttributesT]) -> bool:
        """Whether the store's item is as new as the reader's own write."""
        version = (self.version_of or _version_in)(item)
        return pending.is_overtaken if version is None else version >= pending.version

    def _changed(self, item: ItemT, pending: PendingCommand[AttributesT]) -> list[ItemT]:
        if pending.is_deleted:
            return []
        after = self._item(pending.command, item)
        return [after] if self._is_listed(after) else []

    def _new(self, pending: list[PendingCommand[AttributesT]], seen: set[str]) -> Iterator[ItemT]:
        for command in sorted(pending, key=lambda command: command.created_at, reverse=True):
            if not command.is_new or command.is_deleted or command.is_overtaken or command.ids & seen:
                continue
            item = self._item(command.command, None)
            if self._is_listed(item):
                yield item

    def _item(self, command: CommandModel[AttributesT], stored: ItemT | None) -> ItemT:
        item = self.transform(command, stored)
        check_done(item, "transform_command")
        return item

    def _is_listed(self, item: ItemT) -> bool:
        is_listed = self.matches(item)
        if is_listed is not True:  # a coroutine would be true, too
            check_done(is_listed, "matches_filter")
        return is_listed


def _places(context: ModuleContext, session: Session, key: DetailKey) -> tuple[Place, ...]:
    """Of the command, the first one of the aggregate, the one before, and the data row."""
    versions = (session.version, 1, max(1, session.version - 1))
    return (*(context.command_place(key, version) for version in versions), context.data_place(key))


def _is_new(
    version: int, first: Row | None, previous: Row | None, data: Row | None, *, in_data: bool
) -> bool:
    """Whether the store cannot show the aggregate yet: no version before was handled."""
    if data is None and in_data:
        return True
    if data is not None and is_deleted(data) and version_of(data) < version:
        return True  # of a deleted aggregate the store shows nothing
    # Handlers see versions in order. The first may have been parked and passed over long ago.
    return all(command is not None and not _is_finished(command) for command in (first, previous))


def _is_finished(command: Row) -> bool:
    return bool(command.get("status") == FINISHED)


def _version_in(item: object) -> int | None:
    version = field_of(item, "version")
    return None if version is None or isinstance(version, bool | str) else int(version)
