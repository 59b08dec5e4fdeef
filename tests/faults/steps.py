"""How each step of the stateful test is taken, in the real tables and in the model."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from hypothesis.stateful import RuleBasedStateMachine

from runtime import (
    BadRequestError,
    CqrsError,
    HandlersPendingError,
    ItemNotFoundError,
    PreviousVersionPending,
    reconcile,
    redrive,
    skip,
)
from runtime.entry.stream import StreamProcessor
from runtime.entry.worker import Worker
from runtime.model.keys import add_sort_key_version
from runtime.model.status import FINISHED
from tests.faults.model import Aggregate, State
from tests.faults.state_machine import Execution
from tests.runtime.test_stream import as_json
from tests.support.checker import Accepted, Seen, check_invariants
from tests.support.service import PK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import CommandModel
    from tests.faults.memory_store import MemoryStore
    from tests.support.service import Service

__all__ = ["Refusal", "Steps", "World"]

_NUMBERS = itertools.count()
_EVERYWHERE = json.dumps([{"tenant": "", "role": "system_admin"}])


class World:
    """What all examples share.

    Attributes:
        service: The module with its real tables.
        stores: The module's handlers, by name.
        steps: Number of steps taken so far, and of what they met.
    """

    def __init__(self, service: Service, stores: dict[str, MemoryStore]) -> None:
        self.service = service
        self.stores = stores
        self.steps: Counter[str] = Counter()
        self.examples = 0


class Refusal:
    """Around a call: whether it was refused, and that it was refused only where it has to be."""

    def __init__(self, expected: type[Exception] | None) -> None:
        self._expected = expected
        self._refused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if error is None:
            assert self._expected is None, f"not refused: {self._expected}"
            return False
        if not isinstance(error, CqrsError):
            return False
        assert kind is self._expected, f"{error!r}, and not {self._expected}"
        self._refused = True
        return True

    def __bool__(self) -> bool:
        return self._refused


class Steps(RuleBasedStateMachine):
    """Two aggregates, of which one has a sort key with the separator in it; no rules yet."""

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

    def come_to_the_end(self) -> None:
        for store in self.world.stores.values():
            store.fails = False
        for aggregate in self.aggregates:
            if aggregate.waiting:
                self.ring(aggregate, sorted(aggregate.waiting, reverse=True))
        self.sweep()
        while self.running:
            for key in sorted(self.running):
                self.step(key)
        for aggregate in self.aggregates:
            for handler in sorted(aggregate.parked):
                self.mend(aggregate, handler, skipping=False)
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

    def clean(self) -> None:
        client, tables = self.service.client, self.service.tables
        for table in (tables.command, tables.data, tables.history, tables.sync):
            for row in client.scan(TableName=table)["Items"]:
                client.delete_item(TableName=table, Key={"pk": row["pk"], "sk": row["sk"]})

    def base_version(self, aggregate: Aggregate, base: str) -> int:
        numbers = {"right": aggregate.latest, "latest": -1, "stale": max(0, aggregate.latest - 1)}
        return numbers.get(base, aggregate.latest + 1)

    def write(
        self,
        method: Callable[..., CommandModel[Any] | None],
        command: dict[str, Any],
        aggregate: Aggregate,
        version: int,
        state: State | None,
        *,
        user: str,
        sync: bool,
        publish_id: str | None = None,
        partial: bool = False,
    ) -> None:
        context = self.service.user(user)
        known = aggregate.ids.get(publish_id or "")
        refusal = None if known else aggregate.refusal(version, partial=partial)
        before, pending = aggregate.latest, False
        written: CommandModel[Any] | None = None
        with Refusal(refusal) as refused:
            try:
                written = method(command, invoke_context=context, publish_id=publish_id)
            except HandlersPendingError:
                pending = True
                sk = add_sort_key_version(aggregate.sk, before + 1)
                written = self.module.commands.get_item((PK, sk), invoke_context=context)
        if refused:
            return
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
        assert self.accept(aggregate, written, state, user, sync=sync) == pending
        if pending:
            self.start(aggregate, before + 1)

    def accept(
        self, aggregate: Aggregate, written: CommandModel[Any] | None, state: State, user: str, *, sync: bool
    ) -> bool:
        assert written
        assert written.version == aggregate.latest + 1
        assert written.created_at
        self.accepted.append(Accepted.of(written))
        return aggregate.publish(state, user, written.created_at, self.failing, sync=sync)

    def image(self, aggregate: Aggregate, version: int) -> Any:
        return self.service.image(version, aggregate.sk) or {}

    def ring(self, aggregate: Aggregate, versions: list[int]) -> None:
        table = self.service.tables.command
        records = [
            {
                "eventName": "INSERT",
                "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/x",
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "NewImage": as_json(self.image(aggregate, version)),
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
                self.start(aggregate, version)

    def start(self, aggregate: Aggregate, version: int) -> None:
        reference = {"module": "todo", "pk": PK, "sk": aggregate.sk, "version": version}
        execution = Execution(reference, lambda event: self._call(aggregate, event))
        self.started.add((aggregate.sk, version))
        self.running.setdefault((aggregate.sk, version), execution.run())

    def step(self, key: tuple[str, int]) -> None:
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
                self.world.steps["parked"] += 1
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

    def mend(self, aggregate: Aggregate, handler: str, *, skipping: bool) -> None:
        method = skip if skipping else redrive
        parked, known = handler in aggregate.parked, aggregate.cursors[handler] > 0
        refusal = None if parked else BadRequestError if known else ItemNotFoundError
        with Refusal(refusal) as refused:
            outcome = method(
                self.module, (PK, aggregate.sk), handler, invoke_context=self.service.user(roles=_EVERYWHERE)
            )
        if refused:
            return
        self.world.steps["skip" if skipping else "redrive"] += 1
        done, skipped, again = aggregate.repair(handler, self.failing, skipping=skipping)
        assert (list(outcome.done), outcome.skipped, outcome.parked_version) == (done, skipped, again)

    def sweep(self) -> None:
        token: str | None = None
        handed_over = 0
        while True:
            page = reconcile(
                self.module,
                older_than=timedelta(0),
                resume_from=token,
                limit=1000,
                invoke_context=self.service.user(roles=_EVERYWHERE),
            )
            assert page.failed == ()
            self.world.steps["reconciled"] += len(page.found)
            handed_over += page.handed_over
            if (token := page.resume_token) is None:
                break
        left = [(aggregate, v) for aggregate in self.aggregates for v in aggregate.reconcile(self.failing)]
        assert handed_over == len(left)
        self.world.steps["handed over"] += handed_over
        for aggregate, version in left:
            if (aggregate.sk, version) not in self.running:
                self.start(aggregate, version)
