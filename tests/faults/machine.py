"""The stateful test: whatever clients, the stream, executions and operators do, in any order.

One step is one call of the library, or some tasks of one execution; after each step every
row is compared with the model. Aggregates are new in each example, and their rows are
deleted after it, so that an example is small to shrink and does not depend on others.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from runtime import REMOVE, BadRequestError
from runtime.model.keys import add_sort_key_version, remove_sort_key_version
from runtime.store.codec import opened_row
from runtime.store.values import Place
from tests.faults.model import State
from tests.faults.steps import FINAL, Refusal, Steps
from tests.support.service import PK

if TYPE_CHECKING:
    from runtime import DataModel
    from tests.faults.model import Aggregate

__all__ = ["Machine"]

AGGREGATES = st.integers(0, 1)
BASES = st.sampled_from(["right", "right", "right", "latest", "latest", "stale", "ahead"])
CONTENTS = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from([False, False, True]))
CHANGES = st.sampled_from([{"name": "c"}, {"attributes": {"note": "n"}}, {"attributes": {"note": REMOVE}}])
IDS = st.sampled_from([None, None, "id-1"])
USERS = st.sampled_from(["ann", "bob"])
PLACES = st.integers(0, 30)


class Machine(Steps):
    """Every step as a rule."""

    @initialize(versions=st.lists(st.integers(0, 3), min_size=2, max_size=2), user=USERS)
    def begin(self, *, versions: list[int], user: str) -> None:
        """Some versions are published and delivered already."""
        for aggregate, count in zip(self.aggregates, versions, strict=True):
            for version in range(count):
                state = State(f"v{version}", {"title": "t"})
                command = self.service.command(
                    aggregate.sk, version, name=state.name, attributes=state.attributes
                )
                self.write(
                    self.module.commands.publish_async,
                    command, aggregate, version, state, user=user, sync=False,
                )  # fmt: skip
            if count:
                self.ring(aggregate, sorted(aggregate.waiting))

    # Clients

    @rule(a=AGGREGATES, base=BASES, content=CONTENTS, sync=st.booleans(), publish_id=IDS, user=USERS)
    def publish(
        self,
        *,
        a: int,
        base: str,
        content: tuple[str, str, bool],
        sync: bool,
        publish_id: str | None,
        user: str,
    ) -> None:
        aggregate = self.aggregates[a]
        name, title, deleted = content
        state = State(name, {"title": title}, deleted)
        version = self.base_version(aggregate, base)
        command = self.service.command(
            aggregate.sk, version, name=name, attributes=state.attributes, isDeleted=deleted
        )
        commands = self.module.commands
        method = commands.publish_sync if sync else commands.publish_async
        self.write(method, command, aggregate, version, state, user=user, sync=sync, publish_id=publish_id)

    @precondition(lambda self: any(aggregate.ids for aggregate in self.aggregates))
    @rule(a=AGGREGATES)
    def publish_again(self, *, a: int) -> None:
        """A client that got no answer repeats its request."""
        aggregate = self.aggregates[a]
        for publish_id, (_, call) in aggregate.ids.items():
            self.write_again(getattr(self.module.commands, call.method), call, aggregate, publish_id)

    @rule(a=AGGREGATES, base=BASES, change=CHANGES, sync=st.booleans(), user=USERS)
    def publish_partial(self, *, a: int, base: str, change: dict[str, Any], sync: bool, user: str) -> None:
        aggregate = self.aggregates[a]
        version = self.base_version(aggregate, base) or -1
        state = _changed(aggregate.states[-1], change) if aggregate.latest else None
        command = {"pk": PK, "sk": aggregate.sk, "version": version, **change}
        commands = self.module.commands
        method = commands.publish_partial_update_sync if sync else commands.publish_partial_update_async
        self.write(method, command, aggregate, version, state, user=user, sync=sync, partial=True)

    @rule(a=AGGREGATES, back=st.sampled_from([0, 0, 0, 1]), user=USERS)
    def duplicate(self, *, a: int, back: int, user: str) -> None:
        aggregate = self.aggregates[a]
        version = max(1, aggregate.latest - back)
        context = self.service.user(user)
        key = (PK, add_sort_key_version(aggregate.sk, version))
        refusal = aggregate.refusal(version) if aggregate.latest else BadRequestError
        with Refusal(refusal) as refused:
            written = self.module.commands.duplicate(key, invoke_context=context)
        if refused:
            return
        self.accept(aggregate, written, aggregate.states[-1], user, sync=False)

    # The stream

    @precondition(lambda self: any(aggregate.waiting for aggregate in self.aggregates))
    @rule(
        a=AGGREGATES,
        places=st.lists(PLACES, min_size=1, max_size=4),
        again=st.booleans(),
        split=st.booleans(),
    )
    def deliver(self, *, a: int, places: list[int], again: bool, split: bool) -> None:
        """Records in any order, in one batch or one by one; some twice, or once more."""
        aggregate = self.aggregates[a]
        known = [
            v for v in range(1, aggregate.latest + 1) if self.image(aggregate, v).get("syncMode") is None
        ]
        pool = [v for v in known if v not in aggregate.lost] if again else sorted(aggregate.waiting)
        if pool:
            chosen = [pool[place % len(pool)] for place in places]
            for batch in [[version] for version in chosen] if split else [chosen]:
                self.ring(aggregate, batch)

    @precondition(lambda self: any(aggregate.waiting for aggregate in self.aggregates))
    @rule(a=AGGREGATES, place=PLACES)
    def lose(self, *, a: int, place: int) -> None:
        aggregate = self.aggregates[a]
        if aggregate.waiting:
            version = sorted(aggregate.waiting)[place % len(aggregate.waiting)]
            aggregate.waiting.remove(version)
            aggregate.lost.add(version)

    @precondition(lambda self: self.running)
    @rule(place=PLACES, tasks=st.integers(1, 6))
    def work(self, *, place: int, tasks: int) -> None:
        """Some tasks of one execution."""
        name = sorted(self.running)[place % len(self.running)]
        for _ in range(tasks):
            if name in self.running:
                self.step(name)

    @precondition(lambda self: self.running)
    @rule(place=PLACES, store=st.integers(0, 1), heals=st.booleans())
    def give_up(self, *, place: int, store: int, heals: bool) -> None:
        """One execution to its end, while a handler fails."""
        name = sorted(self.running)[place % len(self.running)]
        broken = list(self.world.stores.values())[store]
        broken.fails = True
        while name in self.running:
            self.step(name)
        broken.fails = not heals

    @precondition(lambda self: self.running)
    @rule(place=PLACES, store=st.integers(0, 1))
    def stumble(self, *, place: int, store: int) -> None:
        """One execution until a handler fails, which keeps its turn to try again."""
        name = sorted(self.running)[place % len(self.running)]
        broken = list(self.world.stores.values())[store]
        broken.fails = True
        while name in self.running and not self.is_holding(name):
            self.step(name)
        broken.fails = False

    @precondition(lambda self: self.world.stores and self.side_by_side())
    @rule(place=PLACES, store=st.integers(0, 1))
    def meet(self, *, place: int, store: int) -> None:
        """A handler has failed in one execution, and keeps its turn, when another one comes to it."""
        pairs = self.side_by_side()
        first, second = pairs[place % len(pairs)]
        broken = list(self.world.stores.values())[store]
        broken.fails = True
        while first in self.running and not self.is_holding(first):
            self.step(first)
        broken.fails = False
        while second in self.running:
            self.step(second)

    @precondition(lambda self: any(c.is_held for a in self.aggregates for c in a.cursors.values()))
    @rule()
    def time_passes(self) -> None:
        """Executions that were to try again have not, for longer than anybody waits for them."""
        self.wait()

    # Operators

    @precondition(lambda self: self.world.stores)
    @rule(store=st.integers(0, 1), fails=st.booleans())
    def fail_or_heal(self, *, store: int, fails: bool) -> None:
        list(self.world.stores.values())[store].fails = fails

    @precondition(lambda self: self.world.stores)
    @rule(a=AGGREGATES, store=st.integers(0, 1), skipping=st.booleans())
    def repair(self, *, a: int, store: int, skipping: bool) -> None:
        self.mend(self.aggregates[a], list(self.world.stores)[store], skipping=skipping)

    @precondition(lambda self: any(aggregate.parked for aggregate in self.aggregates))
    @rule(place=PLACES, skipping=st.booleans())
    def repair_a_parked_one(self, *, place: int, skipping: bool) -> None:
        parked = [(aggregate, handler) for aggregate in self.aggregates for handler in aggregate.parked]
        self.mend(*parked[place % len(parked)], skipping=skipping)

    @rule()
    def reconcile(self) -> None:
        self.sweep()

    # Reads

    @rule(a=AGGREGATES, user=USERS)
    def read(self, *, a: int, user: str) -> None:
        """One's own writes are in it; those of others once they are applied."""
        aggregate = self.aggregates[a]
        found = self.module.repository.get_item((PK, aggregate.sk), invoke_context=self.service.user(user))
        version = max(aggregate.applied, aggregate.own.get(user, 0))
        _assert_is(found, aggregate, version)
        applied = self.module.data.get_item((PK, aggregate.sk), invoke_context=self.service.user(user))
        _assert_is(applied, aggregate, aggregate.applied)

    @rule(a=AGGREGATES, place=PLACES)
    def look_back(self, *, a: int, place: int) -> None:
        aggregate, user = self.aggregates[a], self.service.user()
        key, history = (PK, aggregate.sk), self.module.history
        kept = history.list_versions(key, invoke_context=user)
        assert [state.version for state in kept] == list(range(1, aggregate.applied))
        for state in kept:
            _assert_is(state, aggregate, state.version)
        version = 1 + place % (aggregate.latest + 1)
        then = history.as_of(key, version=version, invoke_context=user)
        _assert_is(then, aggregate, version if version <= aggregate.applied else 0)
        if version <= aggregate.latest:
            at = aggregate.moments[version - 1]
            before = [v for v, moment in enumerate(aggregate.moments[: aggregate.applied], 1) if moment <= at]
            _assert_is(history.as_of(key, at=at, invoke_context=user), aggregate, max(before, default=0))
        latest = self.module.commands.get_latest_item(key, invoke_context=user)
        assert (latest.version if latest else 0) == aggregate.latest

    @invariant()
    def rows_are_as_modelled(self) -> None:
        """Every data row, status and cursor."""
        for aggregate in self.aggregates:
            tables = self.service.tables
            places = {
                ("data", 0): Place(tables.data, PK, aggregate.sk),
                **{("cursor", h): Place(tables.sync, PK, f"{h}#{aggregate.sk}") for h in aggregate.handlers},
                **{
                    ("command", v): Place(tables.command, PK, add_sort_key_version(aggregate.sk, v))
                    for v in range(1, aggregate.latest + 1)
                },
            }
            rows = self.service.quiet.batch_get(places.values())
            found = {name: opened_row(rows[place]) for name, place in places.items() if place in rows}
            assert found.get(("data", 0), {}).get("version", 0) == aggregate.applied
            statuses = [found["command", v].get("status") for v in range(1, aggregate.latest + 1)]
            assert statuses == aggregate.statuses, aggregate.sk
            indexed = [v for v in range(1, aggregate.latest + 1) if "open" in found["command", v]]
            assert indexed == [v for v, status in enumerate(statuses, 1) if status not in FINAL]
            for handler, cursor in aggregate.cursors.items():
                row = found.get(("cursor", handler), {})
                assert row.get("version", 0) == cursor.version
                columns = ("parkedVersion", "failedVersion", "wanted")
                assert [row.get(name) for name in columns] == [cursor.parked, cursor.failed, cursor.wanted]
                assert row.get("claim", "").rpartition("/")[0] == (cursor.owner or "")
                assert [s["version"] for s in row.get("skipped", [])] == cursor.skipped
                assert self.world.stores[handler].seen[aggregate.sk] == cursor.seen
                self.world.steps["wanted"] += cursor.wanted is not None
        self.world.steps["all"] += 1

    def teardown(self) -> None:
        """Let everything come to its end and check all of it, then clean up."""
        try:
            if sys.exc_info()[0] is None:
                self.come_to_the_end()
                self.rows_are_as_modelled()
        finally:
            self.clean()


def _changed(state: State, change: dict[str, Any]) -> State:
    attributes = state.attributes | change.get("attributes", {})
    kept = {name: value for name, value in attributes.items() if value is not REMOVE}
    return State(change.get("name", state.name), kept, state.deleted)


def _assert_is(found: DataModel[Any] | None, aggregate: Aggregate, version: int) -> None:
    """``found`` is what the aggregate was at ``version``; 0 for nothing."""
    if version == 0:
        assert found is None
        return
    state = aggregate.states[version - 1]
    assert found
    assert remove_sort_key_version(found.sk) == aggregate.sk
    assert (found.version, found.name, found.attributes) == (version, state.name, state.attributes)
    assert bool(found.is_deleted) == state.deleted
