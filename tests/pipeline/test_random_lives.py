"""Lives at random: erased, expired, created again, while records, tasks and repairs come late and twice."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from runtime import BadRequestError, CqrsError, HandlersPendingError, ItemNotFoundError, erase, heal, redrive
from runtime.model.status import FINISHED
from runtime.testing.state_machine import run_execution
from tests.faults.scale import COMPLETE
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = range(1000 if COMPLETE else 15)
STEPS = 60


class Story:
    """One aggregate through several lives, told by a random number generator."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a repeatable story
        self.lab = Lab(mode=self.chance.choice(["workflow", "inline"]), handlers=[One(), Two()])
        for kind, days in (("command", 60), ("data", 2), ("history", 60)):
            self.lab.keep_for(kind, days)
        self.life = 1
        self.before = 0  # last version of the life before, where its commands are still there
        self.version = 0
        self.old_records: list[dict[str, Any]] = []
        self.steps: list[Iterator[float]] = []
        self.began = {"One": 0, "Two": 0}

    def handler(self, name: str) -> Any:
        return self.lab.module.handler(name).handler

    def publish(self) -> None:
        name = f"life {self.life}, version {self.version + 1}"
        sync = self.chance.random() < 0.3
        version = self.version
        if self.version == self.before:
            version = self.chance.choice([0, -1, self.version])
        with suppress(HandlersPendingError):
            self.lab.publish(version, sync=sync, values={"name": name, "attributes": {"title": name}})
        self.version += 1

    def deliver(self) -> None:
        """Some new records, in any order; each may come again."""
        self.chance.shuffle(self.lab.records)
        count = self.chance.randint(0, len(self.lab.records))
        batch, self.lab.records = self.lab.records[:count], self.lab.records[count:]
        self.old_records += batch
        self.lab.deliver(batch, at_once=self.chance.random() < 0.5)

    def deliver_again(self) -> None:
        if self.old_records:
            again = self.chance.choices(self.old_records, k=self.chance.randint(1, 3))
            self.lab.deliver(again, at_once=self.chance.random() < 0.5)

    def work(self) -> None:
        """Some tasks of some executions."""
        known = len(self.steps)
        for execution in self.lab.resources.executions[known:]:
            self.steps.append(run_execution(execution, self.lab.work, "2026-01-01T00:00:00Z"))
        for _ in range(self.chance.randint(1, 5)):
            if self.steps:
                pause = next(self.chance.choice(self.steps), None)
                self.lab.clock.advance(seconds=pause or 0)

    def refuse(self) -> None:
        handler = self.handler(self.chance.choice(["One", "Two"]))
        handler.fails_at = set() if handler.fails_at else set(range(1, 100))

    def redrive(self) -> None:
        with suppress(BadRequestError, ItemNotFoundError):
            redrive(self.lab.module, KEY, self.chance.choice(["One", "Two"]), invoke_context=self.lab.user())

    def resync(self) -> None:
        """A parked handler is shown the state alone, in place of what it has missed: not here."""
        if any("parkedVersion" in self.lab.cursor(name) for name in self.began):
            return
        self.lab.module.commands.re_sync_data(invoke_context=self.lab.admin())

    def pass_time(self) -> None:
        self.lab.clock.advance(minutes=self.chance.randint(1, 12))
        heal(self.lab.module)

    def erase(self) -> None:
        try:
            erase(self.lab.module, KEY, invoke_context=self.lab.user())
        except (BadRequestError, ItemNotFoundError):
            return
        self.next_life()

    def expire(self) -> None:
        """Everything is finished, and its time is over."""
        self.settle()
        self.lab.clock.advance(days=61)
        self.lab.store.expire()
        if self.version:
            self.next_life()

    def expire_alone(self) -> None:
        """Everything is finished, and the time of the data row is over, but not that of its commands."""
        self.settle()
        self.lab.clock.advance(days=3)
        self.lab.store.expire()
        if self.version > self.before:
            self.next_life(self.version)

    def next_life(self, before: int = 0) -> None:
        self.life, self.before, self.version = self.life + 1, before, before
        self.began = {name: len(self.handler(name).seen) for name in self.began}

    def settle(self) -> None:
        """Everything under way comes to its end; operators repair what is parked."""
        for name in self.began:
            self.handler(name).fails_at = set()
        self.deliver_all()
        self.lab.clock.advance(minutes=11)
        heal(self.lab.module)
        for name in self.began:
            with suppress(BadRequestError, ItemNotFoundError):
                redrive(self.lab.module, KEY, name, invoke_context=self.lab.user())
        self.deliver_all()

    def deliver_all(self) -> None:
        self.old_records += self.lab.records
        self.lab.deliver()
        self.work()
        while self.steps and any(next(steps, None) is not None for steps in self.steps):
            self.lab.clock.advance(seconds=1)

    def check(self) -> None:
        """Everything is of this life, in order, and finished."""
        lab, life = self.lab, self.life
        first = self.before + 1
        versions = range(first, self.version + 1)
        rows = {version: lab.row("command", f"A1@{version}") for version in versions}
        data = lab.row("data")
        if self.version == self.before:
            assert data is None
            assert lab.row("command", f"A1@{first}") is None
            return
        assert data["version"] == self.version
        assert data["name"] == f"life {life}, version {self.version}"
        assert {row["lifeId"] for row in (data, *rows.values())} == {rows[first]["publishId"]}
        assert {row["status"] for row in rows.values()} == {FINISHED}
        for version in range(first, self.version):
            assert lab.row("history", f"A1@{version}")["name"] == f"life {life}, version {version}"
        assert lab.row("history", f"A1@{self.version}") is None
        for name, began in self.began.items():
            seen = [(version, text) for _, version, text in self.handler(name).seen[began:]]
            assert {text.partition(",")[0] for _, text in seen} == {f"life {life}"}, name
            assert list(dict.fromkeys(version for version, _ in seen)) == list(versions), name


STORY = (
    *["publish"] * 8,
    *["deliver"] * 6,
    *["work"] * 8,
    *["deliver_again"] * 4,
    *["refuse"] * 2,
    "redrive",
    "resync",
    "pass_time",
    *["erase"] * 2,
    "expire",
    *["expire_alone"] * 2,
)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_of_an_earlier_life_counts(seed: int) -> None:
    story = Story(seed)
    told: list[str] = []
    try:
        for _ in range(STEPS):
            told.append(story.chance.choice(STORY))
            getattr(story, told[-1])()
        story.settle()
        story.check()
    except (AssertionError, CqrsError) as error:
        error.add_note(f"seed {seed}, mode {story.lab.context.tables.mode}: {' '.join(told)}")
        raise
    finally:
        story.lab.clock.stop()
