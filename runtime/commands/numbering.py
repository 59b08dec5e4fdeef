"""Publishing commands that take a number with them, in one transaction with its counter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from runtime.backoff import back_off
from runtime.clients.notifications import waited_for
from runtime.commands.base import nothing_there, read_base
from runtime.commands.command_row import Draft
from runtime.errors import ContentionError, PublishIdReusedError, VersionConflictError
from runtime.model.keys import VERSION_FIRST, DetailKey
from runtime.model.rows import PUBLISH_ID
from runtime.store.port import ConditionFailedError
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.commands.base import Found
    from runtime.commands.numbered import Numbering
    from runtime.commands.plan import Plan, Request
    from runtime.commands.publish import Publisher
    from runtime.module_context import ModuleContext
    from runtime.store.once import Once
    from runtime.store.port import Write
    from runtime.store.values import Row

__all__ = ["NumberedPublish", "record_of"]

NumberT = TypeVar("NumberT")

_COMMAND_PK: Final = "commandPk"
_COMMAND_SK: Final = "commandSk"
_FIRST_WAIT: Final = 0.02  # seconds
_LONGEST_WAIT: Final = 0.5


def record_of(numbering: Numbering[Any]) -> Once | None:
    """The record of the publish id, as the publisher writes it."""
    once = numbering.record
    return None if once is None else replace(once, told_by=(PUBLISH_ID,))


@dataclass(slots=True, kw_only=True)
class NumberedPublish(Generic[NumberT]):
    """One call of ``publish_numbered``.

    Attributes:
        context: The module.
        publisher: Writes its commands.
        numbering: Where the number is from.
        make: Makes the command of a number: a publish without an id of its own, and its draft.
        once: The record of the publish id; None without one.
        fingerprint: Of the call.
        sync: Whether the command is applied before the call returns.
    """

    context: ModuleContext
    publisher: Publisher
    numbering: Numbering[NumberT]
    make: Callable[[NumberT], tuple[Request, Draft]]
    once: Once | None
    fingerprint: str
    sync: bool
    #: That there is nothing with the key of a new item is left to the write, until that says otherwise.
    _looks: bool = False

    def run(self, attempts: int) -> Draft:
        """The command that has the number.

        Raises:
            ContentionError: Each attempt met somebody else at the counter.
        """
        with waited_for():
            for attempt in range(max(1, attempts)):
                if attempt:
                    back_off(attempt - 1, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
                done = self._attempt()
                if done is not None:
                    return done
        msg = "others took numbers of the same counter for as long as this call tried; try again"
        raise ContentionError(msg)

    def _attempt(self) -> Draft | None:
        """The command; None where another attempt is due."""
        once, numbering = self.once, self.numbering
        rows = self.context.store.batch_get([*numbering.places, *([once.place] if once else [])])
        record = rows.get(once.place) if once else None
        earlier = self._repeated(record)
        if earlier is not None:
            return earlier
        numbered = numbering.next(rows)
        try:
            plan = self._planned(*self.make(numbered.number))
        except VersionConflictError:
            if not self._has_moved(rows):
                raise
            return None  # whoever took the number since the counter was read has made that command
        command = DetailKey(plan.row["pk"], plan.row["sk"])
        also: list[Write] = [*numbered.writes(command)]
        if once is not None:
            own = {_COMMAND_PK: command.pk, _COMMAND_SK: command.sk, PUBLISH_ID: plan.row[PUBLISH_ID]}
            also.append(once.write(self.fingerprint, {**numbered.outcome, **own}, record))
        try:
            return self.publisher.write(plan, also)
        except ConditionFailedError as failure:
            # The very same call, made at the same time, may have won.
            earlier = self._repeated(failure.rows.get(once.label)) if once else None
            if earlier is not None:
                return earlier
            labels = {write.label for write in also}
            of_number = {label: row for label, row in failure.rows.items() if label in labels}
            # With another number it may be another item.
            self._looks = not of_number
            numbered.check_again(of_number)
            return None

    def _has_moved(self, rows: Mapping[Place, Row]) -> bool:
        """Whether somebody was at the counter since its rows were read."""
        places = self.numbering.places
        now = self.context.store.batch_get(places)
        return any(now.get(place) != rows.get(place) for place in places)

    def _planned(self, request: Request, draft: Draft) -> Plan:
        self.publisher.check(request)
        found: Found | None = None
        if request.version == VERSION_FIRST and not self._looks:
            found = nothing_there(self.context, request.key)
        if found is None:
            found = read_base(self.context, request.key, request.version)
        plan = self.publisher.planner.plan(request, found, lambda _base: draft, even_unchanged=True)
        assert plan is not None  # noqa: S101 - there is a draft, and it is written though it says the same
        return plan

    def _repeated(self, row: Row | None) -> Draft | None:
        """The command of an earlier call with the same id; None without one, or where it is gone."""
        done = self.once.done(row) if self.once else None
        if done is None:
            return None
        done.check_same_call(self.fingerprint)
        if _COMMAND_PK not in done.row:  # the id was that of a number alone
            raise PublishIdReusedError
        place = Place(self.context.tables.command, done.row[_COMMAND_PK], done.row[_COMMAND_SK])
        command = self.context.store.get(place)
        if command is None or command.get(PUBLISH_ID) != done.row[PUBLISH_ID]:
            return None  # erased since, or of an earlier life
        self.publisher.finish_repeated(command, sync=self.sync)
        return Draft(command)
