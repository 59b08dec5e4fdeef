"""The stateful test: whatever clients, the stream, executions and operators do, in any order.

One step is one call of the library, or one task of one execution; after each step every
row is compared with the model. Aggregates are new in each example, and their rows are
deleted after it, so that an example is small to shrink and does not depend on others.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime import (
    REMOVE,
    BadRequestError,
    CqrsError,
    HandlersPendingError,
    ItemNotFoundError,
    PreviousVersionPending,
    reconcile,
    redrive,
    skip,
)
from runtime.keys import add_sort_key_version, remove_sort_key_version
from runtime.pipeline.status import FINISHED
from runtime.pipeline.stream import StreamProcessor
from runtime.pipeline.worker import Worker
from runtime.storage.dynamodb import Read
from tests.faults.model import Aggregate, State
from tests.faults.state_machine import Execution
from tests.runtime.test_stream import as_json
from tests.support.checker import Accepted, Seen, check_invariants
from tests.support.rows import plain
from tests.support.service import PK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import CommandModel, DataModel
    from tests.faults.memory_store import MemoryStore
    from tests.support.service import Service

__all__ = ["Machine", "World"]

_NUMBERS = itertools.count()
_USERS = ("ann", "bob")
_EVERYWHERE = json.dumps([{"tenant": "", "role": "system_admin"}])

AGGREGATES = st.integers(0, 1)
BASES = st.sampled_from(["right", "right", "right", "latest", "latest", "stale", "ahead"])
CONTENTS = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from([False, False, True]))
CHANGES = st.sampled_from([{"name": "c"}, {"attributes": {"note": "n"}}, {"attributes": {"note": REMOVE}}])
IDS = st.sampled_from([None, None, None, "id-1", "id-2"])
USERS = st.sampled_from(_USERS)
PLACES = st.integers(0, 30)


class World:
    """What all examples share.

    Attributes:
        service: The module with its real tables.
        stores: The module's handlers, by name.
        steps: Number of steps taken so far, by rule.
    """

    def __init__(self, service: Service, stores: dict[str, MemoryStore]) -> None:
        self.service = service
        self.stores = stores
        self.steps: Counter[str] = Counter()
        self.examples = 0


class Machine(RuleBasedStateMachine):
    """Two aggregates, of which one has a sort key with the separator in it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.service = world.service
        self.module = world.service.module
        world.examples += 1
        number = next(_NUMBERS)
        names = tuple(world.stores)
        self.aggregates = [Aggregate(sk, names) for sk in (f"A{number}", f"u{number}@example.com")]
        self.running: dict[tuple[str, int], Iterator[None]] = {}
        self.started: set[tuple[str, int]] = set()
        self.accepted: list[Accepted] = []
        self.problem: AssertionError | None = None
        for store in world.stores.values():
            store.reset()

    @property
    def failing(self) -> set[str]:
        return {name for name, store in self.world.stores.items() if store.fails}

    # Clients

    @rule(a=AGGREGATES, base=BASES, content=CONTENTS, sync=st.booleans(), publish_id=IDS, user=USERS)
    def publish(
        self, a: int, base: str, content: tuple[str, str, bool], sync: bool, publish_id: str | None, user: str
    ) -> None:
        aggregate = self.aggregates[a]
        name, title, deleted = content
        state = State(name, {"title": title}, deleted)
        version = self._base(aggregate, base)
        command = self.service.command(
            aggregate.sk, version, name=name, attributes=state.attributes, isDeleted=deleted
        )
        commands = self.module.commands
        method = commands.publish_sync if sync else commands.publish_async
        self._publish(method, command, aggregate, version, state, sync, publish_id, user)

    @rule(a=AGGREGATES, base=BASES, change=CHANGES, sync=st.booleans(), user=USERS)
    def publish_partial(self, a: int, base: str, change: dict[str, Any], sync: bool, user: str) -> None:
        aggregate = self.aggregates[a]
        version = self._base(aggregate, base) or -1
        state = _changed(aggregate.states[-1], change) if aggregate.latest else None
        command = {"pk": PK, "sk": aggregate.sk, "version": version, **change}
        commands = self.module.commands
        method = commands.publish_partial_update_sync if sync else commands.publish_partial_update_async
        self._publish(method, command, aggregate, version, state, sync, None, user, partial=True)

    @rule(a=AGGREGATES, back=st.sampled_from([0, 0, 0, 1]), user=USERS)
    def duplicate(self, a: int, back: int, user: str) -> None:
        aggregate = self.aggregates[a]
        version = max(1, aggregate.latest - back)
        context = self.service.user(user)
        key = (PK, add_sort_key_version(aggregate.sk, version))
        refusal = aggregate.refusal(version) if aggregate.latest else BadRequestError
        try:
            written = self.module.commands.duplicate(key, invoke_context=context)
        except CqrsError as error:
            assert type(error) is refusal, (error, refusal)
            return
        assert refusal is None
        self._accept(aggregate, written, aggregate.states[-1], user, sync=False)

    # The stream

    @precondition(lambda self: any(aggregate.waiting for aggregate in self.aggregates))
    @rule(a=AGGREGATES, places=st.lists(PLACES, min_size=1, max_size=4), again=st.booleans())
    def deliver(self, a: int, places: list[int], again: bool) -> None:
        """Records in any order; some twice, or once more."""
        aggregate = self.aggregates[a]
        known = [
            v for v in range(1, aggregate.latest + 1) if self._image(aggregate, v).get("syncMode") is None
        ]
        pool = [v for v in known if v not in aggregate.lost] if again else sorted(aggregate.waiting)
        if pool:
            self._deliver(aggregate, [pool[place % len(pool)] for place in places])

    @precondition(lambda self: any(aggregate.waiting for aggregate in self.aggregates))
    @rule(a=AGGREGATES, place=PLACES)
    def lose(self, a: int, place: int) -> None:
        aggregate = self.aggregates[a]
        if aggregate.waiting:
            version = sorted(aggregate.waiting)[place % len(aggregate.waiting)]
            aggregate.waiting.remove(version)
            aggregate.lost.add(version)

    @precondition(lambda self: self.running)
    @rule(place=PLACES, tasks=st.integers(1, 6))
    def work(self, place: int, tasks: int) -> None:
        """Some tasks of one execution."""
        key = sorted(self.running)[place % len(self.running)]
        for _ in range(tasks):
            if key in self.running:
                self._step(key)

    # Operators

    @precondition(lambda self: self.world.stores)
    @rule(store=st.integers(0, 1), fails=st.booleans())
    def fail_or_heal(self, store: int, fails: bool) -> None:
        list(self.world.stores.values())[store].fails = fails

    @precondition(lambda self: self.world.stores)
    @rule(a=AGGREGATES, store=st.integers(0, 1), skipping=st.booleans())
    def repair(self, a: int, store: int, skipping: bool) -> None:
        self._repair(self.aggregates[a], list(self.world.stores)[store], skipping=skipping)

    @rule()
    def reconcile(self) -> None:
        self._reconcile()

    # Reads

    @rule(a=AGGREGATES, user=USERS)
    def read(self, a: int, user: str) -> None:
        """One's own writes are in it; those of others once they are applied."""
        aggregate = self.aggregates[a]
        found = self.module.repository.get_item((PK, aggregate.sk), invoke_context=self.service.user(user))
        version = max(aggregate.applied, aggregate.own.get(user, 0))
        _assert_is(found, aggregate, version)
        applied = self.module.data.get_item((PK, aggregate.sk), invoke_context=self.service.user(user))
        _assert_is(applied, aggregate, aggregate.applied)

    @rule(a=AGGREGATES, place=PLACES)
    def look_back(self, a: int, place: int) -> None:
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
                ("data", 0): Read(tables.data, PK, aggregate.sk),
                **{("cursor", h): Read(tables.sync, PK, f"{h}#{aggregate.sk}") for h in aggregate.handlers},
                **{
                    ("command", v): Read(tables.command, PK, add_sort_key_version(aggregate.sk, v))
                    for v in range(1, aggregate.latest + 1)
                },
            }
            rows = self.service.quiet.batch_get(places.values())
            found = {place: plain(rows[read]) for place, read in places.items() if read in rows}
            assert found.get(("data", 0), {}).get("version", 0) == aggregate.applied
            statuses = [found["command", v].get("status") for v in range(1, aggregate.latest + 1)]
            assert statuses == aggregate.statuses, aggregate.sk
            for handler in aggregate.handlers:
                row = found.get(("cursor", handler), {})
                assert row.get("version", 0) == aggregate.cursors[handler]
                assert row.get("parkedVersion") == aggregate.parked.get(handler)
                assert [s["version"] for s in row.get("skipped", [])] == aggregate.skipped[handler]
                assert self.world.stores[handler].seen[aggregate.sk] == aggregate.seen[handler]
        self.world.steps["all"] += 1

    def teardown(self) -> None:
        """Let everything come to its end and check all of it, then clean up."""
        try:
            if sys.exc_info()[0] is None:
                self._come_to_the_end()
        finally:
            self._clean()

    def _come_to_the_end(self) -> None:
        for store in self.world.stores.values():
            store.fails = False
        for aggregate in self.aggregates:
            if aggregate.waiting:
                self._deliver(aggregate, sorted(aggregate.waiting, reverse=True))
        self._reconcile()
        while self.running:
            for key in sorted(self.running):
                self._step(key)
        for aggregate in self.aggregates:
            for handler in sorted(aggregate.parked):
                self._repair(aggregate, handler, skipping=False)
        self.rows_are_as_modelled()
        assert all(status == FINISHED for aggregate in self.aggregates for status in aggregate.statuses)
        seen = [
            Seen(name, PK, sk, version)
            for name, store in self.world.stores.items()
            for sk, versions in store.seen.items()
            for version in versions
        ]
        check_invariants(
            self.service, accepted=self.accepted, seen=seen if self.world.stores else None, all_known=True
        )

    def _clean(self) -> None:
        client, tables = self.service.client, self.service.tables
        for table in (tables.command, tables.data, tables.history, tables.sync):
            for row in client.scan(TableName=table)["Items"]:
                client.delete_item(TableName=table, Key={"pk": row["pk"], "sk": row["sk"]})

    # How each thing is done, and what the model says of it

    def _base(self, aggregate: Aggregate, base: str) -> int:
        numbers = {"right": aggregate.latest, "latest": -1, "stale": max(0, aggregate.latest - 1)}
        return numbers.get(base, aggregate.latest + 1)

    def _publish(
        self,
        method: Callable[..., CommandModel[Any] | None],
        command: dict[str, Any],
        aggregate: Aggregate,
        version: int,
        state: State | None,
        sync: bool,
        publish_id: str | None,
        user: str,
        *,
        partial: bool = False,
    ) -> None:
        context = self.service.user(user)
        known = aggregate.ids.get(publish_id or "")
        refusal = None if known else aggregate.refusal(version, partial=partial)
        before, pending = aggregate.latest, False
        written: CommandModel[Any] | None = None
        try:
            written = method(command, invoke_context=context, publish_id=publish_id)
        except HandlersPendingError:
            pending = True
            sk = add_sort_key_version(aggregate.sk, before + 1)
            written = self.module.commands.get_item((PK, sk), invoke_context=context)
        except CqrsError as error:
            assert type(error) is refusal, (error, refusal)
            return
        assert refusal is None, f"not refused: {refusal}"
        if known:
            assert written
            assert written.version == known
            return
        assert state
        if before and state == aggregate.states[-1]:
            assert written is None, "it changes nothing"
            return
        if publish_id:
            aggregate.ids[publish_id] = before + 1
        assert self._accept(aggregate, written, state, user, sync=sync) == pending
        if pending:
            self._start(aggregate, before + 1)

    def _accept(
        self, aggregate: Aggregate, written: CommandModel[Any] | None, state: State, user: str, *, sync: bool
    ) -> bool:
        assert written
        assert written.version == aggregate.latest + 1
        assert written.created_at
        self.accepted.append(Accepted.of(written))
        return aggregate.publish(state, user, written.created_at, self.failing, sync=sync)

    def _image(self, aggregate: Aggregate, version: int) -> Any:
        return self.service.image(version, aggregate.sk) or {}

    def _deliver(self, aggregate: Aggregate, versions: list[int]) -> None:
        table = self.service.tables.command
        records = [
            {
                "eventName": "INSERT",
                "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/x",
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "NewImage": as_json(self._image(aggregate, version)),
                },
            }
            for number, version in enumerate(versions)
        ]
        answer = StreamProcessor({table: self.module}).process(records)
        assert answer == {"batchItemFailures": []}
        aggregate.waiting -= set(versions)
        if not self.module.handlers:
            aggregate.apply(max(versions))
            return
        for version in versions:
            if (aggregate.sk, version) not in self.started:
                self._start(aggregate, version)

    def _start(self, aggregate: Aggregate, version: int) -> None:
        reference = {"module": "todo", "pk": PK, "sk": aggregate.sk, "version": version}
        execution = Execution(reference, lambda event: self._call(aggregate, event))
        self.started.add((aggregate.sk, version))
        self.running.setdefault((aggregate.sk, version), execution.run())

    def _step(self, key: tuple[str, int]) -> None:
        if next(self.running[key], "ended") == "ended":
            del self.running[key]
        if self.problem:
            raise self.problem

    def _call(self, aggregate: Aggregate, event: dict[str, Any]) -> Any:
        """One task; an execution would take a difference for a failure of the task."""
        given = event["input"]
        version, handler = given["version"], given.get("handler", "")
        expected = "done"
        match event["action"]:
            case "apply":
                aggregate.apply(version)
            case "handle":
                expected = aggregate.turn(handler, version, self.failing)
            case "park":
                expected = "parked"
                aggregate.park(handler, version)
            case "finish":
                parked = [result["handler"] for result in given["results"] if result["outcome"] == "parked"]
                aggregate.finish(version, parked)
        try:
            answer = Worker({"todo": self.module}).run(event)
        except PreviousVersionPending:
            self._expect(expected, "early")
            raise
        except ConnectionError:
            self._expect(expected, "fails")
            raise
        self._expect(expected, answer.get("outcome", "done"))
        return answer

    def _expect(self, expected: str, found: str) -> None:
        if expected != found:
            self.problem = AssertionError(f"the task ended as {found!r}, and not as {expected!r}")

    def _repair(self, aggregate: Aggregate, handler: str, *, skipping: bool) -> None:
        method = skip if skipping else redrive
        parked, known = handler in aggregate.parked, aggregate.cursors[handler] > 0
        refusal = None if parked else BadRequestError if known else ItemNotFoundError
        try:
            outcome = method(
                self.module, (PK, aggregate.sk), handler, invoke_context=self.service.user(roles=_EVERYWHERE)
            )
        except CqrsError as error:
            assert type(error) is refusal, (error, refusal)
            return
        assert refusal is None
        done, skipped, again = aggregate.repair(handler, self.failing, skipping=skipping)
        assert (list(outcome.done), outcome.skipped, outcome.parked_version) == (done, skipped, again)

    def _reconcile(self) -> None:
        token: str | None = None
        while True:
            page = reconcile(
                self.module,
                older_than=timedelta(0),
                resume_from=token,
                limit=1000,
                invoke_context=self.service.user(roles=_EVERYWHERE),
            )
            assert page.failed == ()
            if (token := page.resume_token) is None:
                break
        for aggregate in self.aggregates:
            for version in aggregate.reconcile(self.failing):
                if (aggregate.sk, version) not in self.running:
                    self._start(aggregate, version)


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
