"""Lives that overlap, at random: rows expire one by one, publishers interleave, records and tasks come late.

Each story is about one aggregate. Between two calls of the store anything else may happen: another publish,
a deletion by TTL, a record, a task. What is known of a command is its name, which no other one has.
"""

from __future__ import annotations

import random
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.conditions import Attr

from runtime import (
    BadRequestError,
    ContentionError,
    CqrsError,
    HandlersPendingError,
    InvalidVersionError,
    ItemNotFoundError,
    VersionConflictError,
    erase,
    heal,
    reconcile,
    redrive,
)
from runtime.model.rows import is_pending
from runtime.model.status import APPLY_FAILED, FINISHED, is_of_pipeline
from runtime.store.codec import image_row, isoformat, row_of
from runtime.store.port import ConditionFailedError, Delete, Put
from runtime.store.values import Place
from runtime.testing.state_machine import run_execution
from tests.faults.scale import scaled
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.store.memory import Change

SEEDS = range(scaled(12, 5000))
DAY = 86400


class _HeldError(BaseException):
    """A publisher has come to what they write."""


def _is_about_settings(asked: Any) -> bool:
    """Whether a call is for settings. Others wait for whoever asks for them: in the same thread, for ever."""
    places = asked if isinstance(asked, list) else [asked]
    return any(getattr(place, "table", None) == "master-data" for place in places)


class Story:
    """One aggregate, told by a random number generator."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a repeatable story
        handlers: list[Any] = self.chance.choice([[One(), Two()], [One()], []])
        self.lab = Lab(mode=self.chance.choice(["workflow", "inline"]), handlers=handlers)
        self.handlers: list[Any] = handlers
        for kind, days in (("command", (None, 1, 3)), ("data", (None, None, 2))):
            if (kept := self.chance.choice(days)) is not None:
                self.lab.keep_for(kind, kept)
        self.has_foreign = self.chance.random() < 0.3
        self.told: list[str] = []
        self.number = self.last = self.depth = 0
        self.old_records: list[dict[str, Any]] = []
        self.steps: list[Any] = []
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        self.written: set[str] = set()
        self.failed: set[str] = set()
        self.erased: set[str] = set()
        self.back: set[str] = set()
        self.held: list[tuple[str, tuple[Any, ...], float]] = []
        #: Name of what was applied, with the data row that it was applied to: one for each time it was gone.
        self.applied: list[tuple[int, str]] = []
        self.rows = 0
        self.lab.store.on_change(self._note)
        self._interrupt = self.chance.choice([0.0, 0.03, 0.1])
        self.interruptions = 0
        for name in ("get", "batch_get", "query", "write"):
            self._let_in(name)

    def _let_in(self, name: str) -> None:
        """Let something else happen before a call of the store."""
        call = getattr(self.lab.store, name)

        def interrupted(*arguments: Any, **options: Any) -> Any:
            if name == "batch_get":
                arguments = ([*arguments[0]],)
            # A batch is read row by row; what is at work may be interrupted, what interrupts it once more.
            can_be = 0 < self.depth < 3 and self.interruptions > 0 and not _is_about_settings(arguments[0])
            if can_be and self.chance.random() < self._interrupt:
                self.interruptions -= 1
                self.tell(self.chance.choice(MEANWHILE))
            return call(*arguments, **options)

        setattr(self.lab.store, name, interrupted)

    def tell(self, step: str) -> None:
        if not self.depth:
            self.interruptions = 3
        self.told.append("~" * self.depth + step)
        self.depth += 1
        try:
            getattr(self, step)()
        finally:
            self.depth -= 1

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        depth, self.depth = self.depth, 0
        try:
            yield
        finally:
            self.depth = depth

    def _note(self, change: Change) -> None:
        tables, row = self.lab.context.tables, change.new
        if change.place.table == tables.command and row is not None and "name" in row:
            self.written.add(row["name"])
            if row.get("status") == APPLY_FAILED:
                self.failed.add(row["name"])
        if change.place.table == tables.data:
            if row is None:
                self.rows += 1
            elif change.old is None or change.old["name"] != row["name"]:  # else an erasure marks it
                self.back |= {row["name"]} & (self.erased | {name for _, name in self.applied})
                self.applied.append((self.rows, row["name"]))

    def new_name(self) -> str:
        self.number += 1
        return f"n{self.number}"

    def publish(self) -> None:
        name, chance = self.new_name(), self.chance
        version = chance.choice([0, -1, -1, self.last, self.last, max(0, self.last - 1)])
        values: dict[str, Any] = {"name": name, "attributes": {"title": name}}
        if chance.random() < 0.6:
            values["ttl"] = int(self.lab.clock.seconds()) + chance.choice([60, 3600, 2 * DAY])
        is_sync = chance.random() < 0.25
        try:
            self.last = self.lab.publish(version, sync=is_sync, values=values).version
        except HandlersPendingError as pending:
            self.last = pending.version
        except (VersionConflictError, InvalidVersionError):
            self.refused.add(name)
            self.told.append(f"({name}: {version} refused)")
            return
        self.accepted.add(name)
        self.told.append(f"({name}: {version} to {self.last}{', sync' * is_sync})")

    def publish_slowly(self) -> None:
        """A publisher who has read and decided, and is to write later, while commands are still kept."""
        name, write = self.new_name(), self.lab.store.write

        def hold(*writes: Any) -> None:
            self.held.append((name, writes, self.lab.clock.seconds() + DAY / 2))
            raise _HeldError

        with self.undisturbed(), suppress(_HeldError, VersionConflictError, InvalidVersionError):
            self.lab.store.write = hold  # type: ignore[method-assign]
            try:
                self.lab.publish(self.chance.choice([0, -1, self.last]), values={"name": name})
            finally:
                self.lab.store.write = write  # type: ignore[method-assign]

    def write_late(self) -> None:
        if self.held:
            name, writes, until = self.held.pop()
            if self.lab.clock.seconds() > until:
                return
            try:
                self.lab.store.write(*writes)
            except ConditionFailedError:
                self.refused.add(name)
            else:
                self.accepted.add(name)
                self.told.append(f"({name})")

    def publish_elsewhere(self) -> None:
        """A service of the reference system shares the tables, and publishes what is new or next."""
        if not self.has_foreign or self.chance.random() < 0.5:
            return
        data = self.lab.row("data")
        if data is None and any(is_pending(row) for row in self.commands()):
            return  # see docs/adr/0022: of two such beginnings one is not applied
        name, place = self.new_name(), self.lab.context.command_place
        version = (data["version"] if data else 0) + 1
        now = isoformat(self.lab.clock.now())
        values = {"sk": place(KEY, version).sk, "tenantCode": "acme", "createdAt": now, "updatedAt": now}
        row = row_of(self.lab.command(version, name=name) | values)
        with suppress(ConditionFailedError):
            self.lab.store.write(
                Put(table=self.lab.context.tables.command, row=row, condition=Attr("pk").not_exists())
            )
            self.accepted.add(name)
            self.told.append(f"({name}: {version})")
            self.last = version

    def commands(self) -> list[dict[str, Any]]:
        return [row for row in self.lab.store.rows(self.lab.context.tables.command) if "name" in row]

    def deliver(self) -> None:
        """Some new records, in any order."""
        self.chance.shuffle(self.lab.records)
        count = self.chance.randint(0, len(self.lab.records))
        batch, self.lab.records = self.lab.records[:count], self.lab.records[count:]
        self._deliver(batch)

    def deliver_again(self) -> None:
        if self.old_records:
            self._deliver(self.chance.choices(self.old_records, k=self.chance.randint(1, 3)))

    def _deliver(self, batch: list[dict[str, Any]]) -> None:
        self.old_records += batch
        # Lives in one batch are worked on by threads; a story that is told again must be the same one.
        lives = {image_row(record["dynamodb"]["NewImage"]).get("lifeId") for record in batch}
        failed = self.lab.deliver(batch, at_once=len(lives) == 1 and self.chance.random() < 0.5)
        self.lab.records += [r for r in batch if r["dynamodb"]["SequenceNumber"] in failed]

    def work(self) -> None:
        """Some tasks of some executions."""
        self._take_executions()
        for _ in range(self.chance.randint(1, 5)):
            idle = [steps for steps in self.steps if not steps.gi_running]
            if idle:
                self.lab.clock.advance(seconds=next(self.chance.choice(idle), None) or 0)

    def _take_executions(self) -> None:
        self.steps += [
            run_execution(execution, self.lab.work, "2026-01-01T00:00:00Z")
            for execution in self.lab.resources.executions[self.taken :]
        ]
        self.taken = len(self.lab.resources.executions)

    taken = 0

    def own_status(self) -> None:
        if commands := self.commands():
            row = self.chance.choice(commands)
            with suppress(ItemNotFoundError):
                self.lab.module.commands.update_status(
                    (row["pk"], row["sk"]), "invoice:SENT", invoke_context=self.lab.user()
                )

    def refuse(self) -> None:
        if self.handlers:
            handler = self.chance.choice(self.handlers)
            handler.fails_at = set() if handler.fails_at else set(range(1, 100))

    def redrive(self) -> None:
        for reference in self.lab.context.handlers:
            # A contention: it took so long, by what came in between, that its function has no time left.
            with suppress(BadRequestError, ItemNotFoundError, ContentionError):
                redrive(self.lab.module, KEY, reference.name, invoke_context=self.lab.user())

    def heal(self) -> None:
        self.lab.clock.advance(minutes=self.chance.randint(1, 12))
        assert heal(self.lab.module).failed == ()

    def reconcile(self) -> None:
        assert reconcile(self.lab.module, invoke_context=self.lab.admin()).failed == ()

    def wait(self) -> None:
        """Long enough for what lives shortest to be over, as a function's call may take."""
        self.lab.clock.advance(minutes=2)

    def pass_time(self) -> None:
        self.lab.clock.advance(hours=self.chance.choice([0.02, 1, 1, 30, 70]))

    def expire_one(self) -> None:
        """DynamoDB deletes a row whose time is over, whichever it likes."""
        tables, now = self.lab.context.tables, self.lab.clock.seconds()
        due = [
            Place(table, row["pk"], row["sk"])
            for table in (tables.command, tables.data, tables.history)
            for row in self.lab.store.rows(table)
            if row.get("ttl", now) < now
        ]
        if due:
            place = self.chance.choice(due)
            self.told[-1] += f"({place.table.rpartition('-')[2]} {place.sk})"
            with self.undisturbed():
                self.lab.store.write(Delete(place=place))

    def expire(self) -> None:
        self.lab.store.expire()

    def erase(self) -> None:
        """Nothing is published meanwhile."""
        with self.undisturbed(), suppress(BadRequestError, ItemNotFoundError):
            before = set(self.written)
            erase(self.lab.module, KEY, invoke_context=self.lab.user())
            self.erased |= before
            self.held.clear()
            self.last = 0
            self.told[-1] += "(done)"

    def settle(self) -> None:
        """Everything under way comes to its end; operators repair what is parked."""
        for handler in self.handlers:
            handler.fails_at = set()
        while self.held:
            self.write_late()
        for _ in range(5):
            self.old_records += self.lab.records
            self.lab.deliver(at_once=False)
            self._take_executions()
            while any(next(steps, None) is not None for steps in self.steps):
                self.lab.clock.advance(seconds=1)
            self.lab.clock.advance(minutes=16)
            self.heal()
            self.reconcile()
            self.redrive()
            if not self.lab.records and not self.unsettled():
                break

    def unsettled(self) -> list[str]:
        """Names of the commands that somebody would have to be at work on."""
        rows = ((row["name"], row.get("status")) for row in self.commands())
        # A status of its user's own is theirs to change.
        return [
            name
            for name, status in rows
            if status not in {FINISHED, APPLY_FAILED} and (status is None or is_of_pipeline(status))
        ]

    def check(self) -> None:
        done = {name for _, name in self.applied}
        assert not self.written & self.refused, "what was refused is written"
        assert not self.back, f"back after the item was gone, or changed: {sorted(self.back)}"
        lost = self.accepted - done - self.failed - self.erased
        assert not lost, f"lost: {sorted(lost)}"
        assert self.unsettled() == []
        for row in self.lab.store.rows(self.lab.context.tables.history):
            assert row["name"] in done, f"{row['name']} is history, and never was there"
            assert row["name"] not in self.erased, f"{row['name']} is in the history, and was erased"
        self._check_handlers()

    def _check_handlers(self) -> None:
        order = {name: (row, number) for number, (row, name) in enumerate(self.applied)}
        present = {name for row, name in self.applied if row == self.rows} if self.lab.row("data") else set()
        for handler in self.handlers:
            seen = list(dict.fromkeys(name for _, _, name in handler.seen))
            assert set(seen) <= set(order), "a handler is shown what was not applied"
            assert present <= set(seen), f"a handler has not seen {sorted(present - set(seen))}"
            for row in range(self.rows + 1):
                mine = [order[name] for name in seen if order[name][0] == row]
                assert mine == sorted(mine), f"a handler sees {seen}"

    def go_on(self) -> None:
        """The aggregate can be published to, whatever was before, and be erased; and be made anew."""
        for version in (-1, None, 0):
            name = self.new_name()
            if version == 0:
                erase(self.lab.module, KEY, invoke_context=self.lab.user())
                self.erased |= self.written
                tables = self.lab.context.tables
                assert not {tables.command, tables.data, tables.history, tables.sync} & set(self.lab.left())
            given = self.last if version is None else version
            self.last = self.lab.publish(given, values={"name": name}).version
            self.accepted.add(name)
            self.settle()
            assert self.lab.row("data")["name"] == name
            assert self.lab.status(self.last) == FINISHED
            self.check()


MEANWHILE = (
    *["publish"] * 4,
    "publish_elsewhere",
    *["deliver"] * 2,
    *["work"] * 2,
    "wait",
    *["expire_one"] * 2,
    "expire",
    "deliver_again",
    "heal",
)
STEPS = (
    *["publish"] * 8,
    "publish_elsewhere",
    *["publish_slowly"] * 2,
    *["write_late"] * 2,
    *["deliver"] * 5,
    *["work"] * 6,
    *["deliver_again"] * 3,
    "refuse",
    "redrive",
    "heal",
    "reconcile",
    "own_status",
    *["pass_time"] * 2,
    *["expire_one"] * 3,
    "expire",
    "erase",
)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_command_is_lost_and_nothing_comes_back(seed: int) -> None:
    story = Story(seed)
    try:
        for _ in range(story.chance.randint(8, 40)):
            story.tell(story.chance.choice(STEPS))
        story.settle()
        story.check()
        story.go_on()
    except (AssertionError, CqrsError) as error:
        tables = story.lab.context.tables
        error.add_note(f"seed {seed}, {tables.mode}, {len(story.handlers)} handlers: {' '.join(story.told)}")
        raise
    finally:
        story.lab.clock.stop()
