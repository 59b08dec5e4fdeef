"""Publishing many commands in few calls: their bases are read together, and transactions hold many of them.

Each command stands for itself all the same. Where it is not the plain case, or a condition of it
fails, it is published alone, and that says what becomes of it. A `Tally` goes along with them: what
it counts is read with the bases, and written with the commands.
"""

from __future__ import annotations

from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias

from runtime.backoff import back_off
from runtime.clients.notifications import waited_for
from runtime.commands.base import read_base, read_many
from runtime.commands.publish_record import publish_once
from runtime.errors import ContentionError, CqrsError, StoreRefusedError, VersionConflictError
from runtime.generics import AttributesT
from runtime.model.keys import VERSION_LATEST
from runtime.model.rows import PUBLISH_ID
from runtime.pipeline.transactions import COMMAND
from runtime.store.item_size import item_size
from runtime.store.port import ConditionFailedError, Put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runtime.commands.base import Base, Found
    from runtime.commands.command_row import Draft
    from runtime.commands.options import PublishOptions
    from runtime.commands.plan import Plan, Request
    from runtime.commands.publish import Publisher
    from runtime.commands.tally import Tally
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandInputModel, CommandModel
    from runtime.module_context import ModuleContext
    from runtime.store.once import Once
    from runtime.store.values import Row

__all__ = ["PackItem", "PackOutcome", "PackPublisher", "Packed"]

_MAX_WRITES: Final = 100
#: Of the 4 MB that a transaction may have; the size of a row is only known to about a hundredth.
_MAX_BYTES: Final = 3_800_000
#: What a write takes that has no row, its condition included.
_OF_A_CHECK: Final = 2_000
#: Between the number of a plan in its pack and the label of a write.
_OF: Final = ": "
#: In place of that number for what a tally writes.
_OF_TALLY: Final = "tally"
#: How often others may be at an item or a counter first, and the waits between, in seconds.
_ATTEMPTS: Final = 40
_FIRST_WAIT: Final = 0.02
_LONGEST_WAIT: Final = 0.5

_Pack: TypeAlias = "list[tuple[Packed, Plan]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackItem(Generic[AttributesT]):
    """One of many publishes.

    Attributes:
        command: The whole next state, and the version that it builds on. Or a function, as in
            `CommandService.publish_with_retry`: it gets the latest command, or None, and returns the
            whole next state, or None to leave it. It may be called several times: it is called again
            where others are faster, up to 40 times, with waits of half a second at most.
        key: ``(pk, sk)`` of what a function is about; None with a command.
        options: See `PublishOptions`.
    """

    command: (
        CommandInputModel[AttributesT]
        | Mapping[str, Any]
        | Callable[[CommandModel[AttributesT] | None], Mapping[str, Any] | None]
    )
    key: tuple[str, str] | None = None
    options: PublishOptions


@dataclass(frozen=True, slots=True)
class PackOutcome(Generic[AttributesT]):
    """What became of one of many publishes.

    Attributes:
        command: The command as stored; None where nothing would change, and where there is an error.
        error: What stood in the way. Its ``written`` says whether the command is there. It is a
            `VersionConflictError` only where a version was named; who names none and has others before
            them all the time gets a `ContentionError`: nothing was written, and it may be sent again.
    """

    command: CommandModel[AttributesT] | None = None
    error: Exception | None = None

    @property
    def kind(self) -> Literal["created", "updated", "unchanged", "failed"]:
        """What it is in a word."""
        if self.error is not None:
            return "failed"
        if self.command is None:
            return "unchanged"
        return "created" if self.command.version == 1 else "updated"


@dataclass(slots=True, kw_only=True, eq=False)
class Packed:
    """A publish on its way into a transaction with others.

    Attributes:
        request: The publish.
        draft: Makes the caller's part of the row, given the version it builds on; None for none.
        done: The command that came of it; None where nothing would change.
        error: What stood in the way.
        plan: What is to be written of it together with others.
        is_written: Whether it was.
        is_settled: Whether ``done`` or ``error`` says what became of it.
        is_plain: Whether it goes into a transaction with others.
    """

    request: Request
    draft: Callable[[Base], Draft | None]
    done: Draft | None = None
    error: Exception | None = None
    plan: Plan | None = None
    is_written: bool = False
    is_settled: bool = False
    is_plain: bool = True

    def settle(self, publish: Callable[[], Draft | None]) -> None:
        """Do the last thing that is to be done about it."""
        try:
            self.done = publish()
        except Exception as error:  # noqa: BLE001 - one publish must not take the others with it
            self.error = error
        self.is_settled = True

    def fail(self, error: Exception) -> None:
        """Settle it with an error."""
        self.error, self.is_settled = error, True


class PackPublisher:
    """Publishes many commands of one module.

    Args:
        context: The module.
        publisher: Writes its commands.
        tally: Counters that go along with them.
    """

    def __init__(self, context: ModuleContext, publisher: Publisher, tally: Tally | None = None) -> None:
        self._context = context
        self._publisher = publisher
        self._tally = tally

    def publish(self, packed: Sequence[Packed]) -> None:
        """Publish them; those of one aggregate in their order.

        One read for 100 rows (a data row each, and a record with a publish id), and one transaction for
        100 rows that are written: 1 to 4 for each command. What is not the plain case takes what it
        takes alone: where commands are pending, the version is another one, or the publish is a repeat.
        """
        with waited_for():
            for turn in _turns(packed):
                attempt, left = 0, list(turn)
                while left:
                    if attempt:
                        back_off(attempt - 1, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
                    self._plan(left)
                    packs = deque(self._packs(left))
                    while packs:
                        packs.extendleft(reversed(self._write(packs.popleft())))
                    left = [
                        each for each in left if each.is_plain and not (each.is_written or each.is_settled)
                    ]
                    attempt += 1
                    if attempt == _ATTEMPTS:
                        for each in left:
                            each.fail(_contention())
                        break
                for each in turn:
                    if not each.is_settled:
                        each.settle(partial(self._finish, each))

    def _plan(self, turn: Sequence[Packed]) -> None:
        """Read what they build on, and decide."""
        onces: dict[DetailKey, Once] = {}
        for each in turn:
            request = each.request
            try:
                self._publisher.check(request)
                once = publish_once(self._context, request.key, request.publish_id)
            except CqrsError as error:
                each.fail(error)
                continue
            if once is not None:
                onces[request.key] = once
        asked = {each.request.key: each.request.version for each in turn if not each.is_settled}
        try:
            places = {key: once.place for key, once in onces.items()}
            found = read_many(self._context, asked, places, self._tally) if asked else {}
        except CqrsError as error:
            for each in turn:
                if not each.is_settled:
                    each.fail(error)
            return
        for each in turn:
            base = found.get(each.request.key)
            # A record, whatever it says, is looked into alone.
            each.is_plain = base is not None and base.also is None
            if not each.is_settled and base is not None and each.is_plain:
                self._plan_one(each, base, onces.get(each.request.key))

    def _plan_one(self, each: Packed, found: Found, once: Once | None) -> None:
        try:
            each.plan = self._publisher.planner.plan(each.request, found, each.draft, once=once)
        except Exception as error:  # noqa: BLE001 - the caller's code, and a model's, may raise anything
            each.fail(error)
            if self._tally is not None:
                self._tally.dropped(each.request.key)
        else:
            if each.plan is None:
                each.settle(partial(self._publisher.left, each.request, found.base()))

    def _write(self, pack: _Pack) -> list[_Pack]:
        """Write a pack; what of it is to be tried again."""
        keys = [each.request.key for each, _ in pack]
        writes = [
            replace(write, label=f"{number}{_OF}{write.label}")
            for number, (_, plan) in enumerate(pack)
            for write in plan.writes(self._context)
        ]
        counters = self._tally.writes(keys) if self._tally is not None else ()
        writes += [replace(write, label=f"{_OF_TALLY}{_OF}{n}") for n, write in enumerate(counters)]
        try:
            self._context.store.write(*writes)
        except ConditionFailedError as failure:
            again = self._again(pack, failure)
            if again is not None:
                return again
            # An earlier attempt has succeeded while its answer got lost.
        except (ContentionError, StoreRefusedError) as error:
            if len(pack) > 1:  # less of it may be small enough, or in nobody's way
                half = len(pack) // 2
                return [pack[:half], pack[half:]]
            pack[0][0].fail(error)
            return []
        except Exception as error:  # noqa: BLE001 - what signs a call may raise any
            for each, _ in pack:
                each.fail(error)
            return []
        for each, _ in pack:
            each.is_written = True
        if self._tally is not None:
            self._tally.written(keys)
        return []

    def _again(self, pack: _Pack, failure: ConditionFailedError) -> list[_Pack] | None:
        """What of a pack is to be tried again, of which a condition failed; None where it is written."""
        commands = [failure.rows.get(f"{number}{_OF}{COMMAND}") for number in range(len(pack))]
        if all(_is_own(row, plan) for row, (_, plan) in zip(commands, pack, strict=True)):
            return None
        # Those that a condition fails of are published alone.
        failed = {label.partition(_OF)[0] for label in failure.rows}
        for number, (each, _) in enumerate(pack):
            each.is_plain = str(number) not in failed
        if _OF_TALLY in failed:  # the others are decided anew
            return []
        rest = [found for found in pack if found[0].is_plain]
        return [rest] if rest else []

    def _finish(self, each: Packed) -> Draft | None:
        if each.plan is None or not each.is_written:
            return self._alone(each)
        self._publisher.written(each.plan)
        return each.plan.draft

    def _alone(self, each: Packed) -> Draft | None:
        """Publish one by itself, with what goes along with it, as often as others are faster."""
        context, publisher, request, tally = self._context, self._publisher, each.request, self._tally
        once = publish_once(context, request.key, request.publish_id)
        for attempt in range(_ATTEMPTS):
            if attempt:
                back_off(attempt - 1, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
            if tally is not None:
                tally.begin(context.store.batch_get(tally.places))
            found = read_base(context, request.key, request.version, once.place if once else None)
            if (first := publisher.repeated_by(request, found.also)) is not None:
                return first.draft
            plan = publisher.planner.plan(request, found, each.draft, once=once)
            if plan is None:
                return publisher.left(request, found.base(), found.also)
            with suppress(_OutdoneError):
                return self._write_alone(plan)
        raise _contention()

    def _write_alone(self, plan: Plan) -> Draft | None:
        """Write a plan with what goes along with it.

        Raises:
            VersionConflictError: The version that the caller has named is taken.
            _OutdoneError: Others were faster, at what the caller has named no version of.
        """
        tally, request = self._tally, plan.request
        also = () if tally is None else tally.writes([request.key])
        try:
            done = self._publisher.write(plan, also)
        except VersionConflictError as conflict:
            if request.version != VERSION_LATEST:
                raise
            raise _OutdoneError from conflict
        except ConditionFailedError as failure:
            raise _OutdoneError from failure
        if tally is not None:
            tally.written([request.key])
        return done

    def _packs(self, planned: Iterable[Packed]) -> list[_Pack]:
        """The plans in as few transactions as they fit into."""
        packs: list[_Pack] = []
        keys: list[DetailKey] = []
        count, size = _MAX_WRITES, 0
        for each in planned:
            if (plan := each.plan) is None or each.is_settled or not each.is_plain:
                continue
            writes = plan.writes(self._context)
            own = sum(item_size(write.row) if isinstance(write, Put) else _OF_A_CHECK for write in writes)
            keys.append(each.request.key)
            counters = len(self._tally.writes(keys)) if self._tally is not None else 0
            if (
                count + len(writes) + counters > _MAX_WRITES
                or size + own + counters * _OF_A_CHECK > _MAX_BYTES
            ):
                packs.append([])
                count = size = 0
                keys = keys[-1:]
            packs[-1].append((each, plan))
            count, size = count + len(writes), size + own
        return packs


class _OutdoneError(Exception):
    """Others were faster: it may be decided anew."""


def _contention() -> ContentionError:
    msg = "others were at the same item or counter for as long as this call tried; try again"
    return ContentionError(msg)


def _is_own(row: Row | None, plan: Plan) -> bool:
    return row is not None and row.get(PUBLISH_ID) == plan.row[PUBLISH_ID]


def _turns(packed: Iterable[Packed]) -> list[list[Packed]]:
    """The publishes by turns: no two of one aggregate in one, and those of one in their order."""
    turns: list[list[Packed]] = []
    seen: Counter[DetailKey] = Counter()
    for each in packed:
        number = seen[each.request.key]
        seen[each.request.key] += 1
        if number == len(turns):
            turns.append([])
        turns[number].append(each)
    return turns
