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
    PublishIdReusedError,
    heal,
    reconcile,
    redrive,
    skip,
)
from runtime.entry.stream import StreamProcessor
from runtime.entry.worker import Worker
from runtime.model.keys import add_sort_key_version
from runtime.model.status import APPLY_FAILED, FINISHED, HANDLERS_FAILED
from runtime.testing.clients import Execution
from runtime.testing.state_machine import run_execution
from tests.faults.model import Aggregate, Call, State
from tests.support.checker import Accepted, Seen, check_invariants
from tests.support.clock import CLOCK
from tests.support.service import PK
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import CommandModel
    from tests.faults.memory_store import MemoryStore
    from tests.support.service import Service

__all__ = ["Refusal", "Steps", "World"]

FINAL = {FINISHED, HANDLERS_FAILED, APPLY_FAILED}
_NUMBERS = itertools.count()
_LONGEST_CLAIM = 310
"""Seconds after which nobody waits any more for an execution to try again, and sessions are over."""
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
        self.running: dict[str, Iterator[float]] = {}
        self.started: set[str] = set()
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
            for name in sorted(self.running):
                self.step(name)
        for aggregate in self.aggregates:
            for handler in sorted(aggregate.parked):
                self.mend(aggregate, handler, skipping=False)
        assert all(cursor.owner is None for a in self.aggregates for cursor in a.cursors.values())
        assert (heal(self.module, older_than=timedelta(0)).looked_at, self.sweep()) == (0, 0)
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
        cursors = [tables.sync] if tables.has_sync_table else []
        for table in (tables.command, tables.data, tables.history, *cursors):
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
        call = Call(method.__name__, command, user)
        if publish_id and publish_id in aggregate.ids:
            self.write_again(method, call, aggregate, publish_id)
            return
        refusal = aggregate.refusal(version, partial=partial)
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
        assert state
        if before and state == aggregate.states[-1]:
            assert written is None, "it changes nothing"
            if publish_id:
                aggregate.ids[publish_id] = (None, call)
            return
        if publish_id:
            aggregate.ids[publish_id] = (before + 1, call)
        assert self.accept(aggregate, written, state, user, sync=sync) == pending
        if pending:
            self.start(aggregate, before + 1)

    def write_again(
        self,
        method: Callable[..., CommandModel[Any] | None],
        call: Call,
        aggregate: Aggregate,
        publish_id: str,
    ) -> None:
        """What was published under an id: the same again, or something else."""
        version, first = aggregate.ids[publish_id]
        expected: type[Exception] | None = None if call == first else PublishIdReusedError
        context = self.service.user(call.user)
        if version is None:
            with Refusal(expected):
                assert method(call.command, invoke_context=context, publish_id=publish_id) is None
            return
        is_done = "sync" not in call.method.split("_") or aggregate.statuses[version - 1] in FINAL
        if expected is None and not is_done and not aggregate.run_handlers(version, self.failing):
            expected = HandlersPendingError
        with Refusal(expected) as refused:
            written = method(call.command, invoke_context=context, publish_id=publish_id)
            assert written
            assert written.version == version
        if refused and expected is HandlersPendingError:
            self.start(aggregate, version)

    def accept(
        self, aggregate: Aggregate, written: CommandModel[Any] | None, state: State, user: str, *, sync: bool
    ) -> bool:
        assert written
        assert written.version == aggregate.latest + 1
        assert written.created_at
        self.accepted.append(Accepted.of(written))
        return aggregate.publish(state, user, written.created_at, self.failing, sync=sync)

    def image(self, aggregate: Aggregate, version: int) -> Any:
        return self.service.item("command", add_sort_key_version(aggregate.sk, version)) or {}

    def ring(self, aggregate: Aggregate, versions: list[int]) -> None:
        table = self.service.tables.command
        records = [
            {
                "eventName": "INSERT",
                "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/x",
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "NewImage": event_image(self.image(aggregate, version)),
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
        self.start(aggregate, max(versions))

    def start(self, aggregate: Aggregate, version: int, *, again: bool = False) -> None:
        """An execution is started, once for each version unless it is asked for again."""
        name = f"{aggregate.sk}@{version}"
        if name in self.started:
            if not again:
                return
            name += f"-{len(self.started)}"
        self.started.add(name)
        given = {"module": "todo", "pk": PK, "sk": aggregate.sk, "version": version}
        execution = Execution("arn:stateMachine:x", name, given)
        self.running[name] = run_execution(
            execution, lambda event: self._call(aggregate, event), "2026-01-01"
        )

    def step(self, name: str) -> None:
        if next(self.running[name], None) is None:
            del self.running[name]
        if self.problem:
            raise self.problem

    def side_by_side(self) -> list[tuple[str, str]]:
        """The executions of one aggregate that run at the same time, two by two."""
        of_each = (
            sorted(name for name in self.running if name.startswith(f"{aggregate.sk}@"))
            for aggregate in self.aggregates
        )
        return [pair for names in of_each for pair in itertools.permutations(names, 2)]

    def is_holding(self, name: str) -> bool:
        """Whether an execution has a turn at a handler, which failed."""
        cursors = (cursor for aggregate in self.aggregates for cursor in aggregate.cursors.values())
        return any(cursor.is_held and (cursor.owner or "").endswith(f":{name}") for cursor in cursors)

    def wait(self) -> None:
        CLOCK.advance(_LONGEST_CLAIM)
        for aggregate in self.aggregates:
            aggregate.time_passes()

    def _call(self, aggregate: Aggregate, event: dict[str, Any]) -> Any:
        """One task; an execution would take a difference for a failure of the task."""
        given = event["input"]
        version, handler, owner = (
            given["version"],
            given.get("handler", ""),
            event["context"]["Execution"]["Id"],
        )
        expected: Any = "done"
        match event["action"]:
            case "apply":
                expected = aggregate.begin(version)
            case "handle":
                expected = aggregate.handle(handler, version, self.failing, owner=owner)
            case "park":
                expected = aggregate.park(handler, version, owner=owner)
            case "finish":
                aggregate.finish([version])
        try:
            answer = Worker({"todo": self.module}).run(event)
        except RuntimeError:
            self._expect(expected, "fails")
            raise
        if event["action"] in {"handle", "park"}:
            self.world.steps[str(answer["outcome"])] += 1
        self._expect(expected, answer.get("outcome", answer.get("handlers", "done")))
        return answer

    def _expect(self, expected: Any, found: Any) -> None:
        if expected != found:
            self.problem = AssertionError(f"the task ended as {found!r}, and not as {expected!r}")

    def mend(self, aggregate: Aggregate, handler: str, *, skipping: bool) -> None:
        method = skip if skipping else redrive
        parked, known = handler in aggregate.parked, aggregate.cursors[handler].version > 0
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

    def sweep(self) -> int:
        """How many commands were found."""
        token: str | None = None
        handed_over = found = 0
        while True:
            page = reconcile(
                self.module,
                older_than=timedelta(0),
                resume_from=token,
                limit=1000,
                invoke_context=self.service.user(roles=_EVERYWHERE),
            )
            assert page.failed == ()
            found += len(page.found)
            handed_over += page.handed_over
            if (token := page.resume_token) is None:
                break
        left = [(aggregate, v) for aggregate in self.aggregates for v in aggregate.reconcile(self.failing)]
        assert handed_over == len(left)
        self.world.steps["handed over"] += handed_over
        self.world.steps["reconciled"] += found
        for aggregate, version in left:
            self.start(aggregate, version, again=True)
        return found
