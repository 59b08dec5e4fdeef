"""One aggregate's life: clients, the stream, the state machine and an operator, and one fault in it.

Everything that a process does is an *attempt*. The world repeats what AWS and clients
repeat: a request without an answer, a batch of the stream, a task, an operator's command. Time
passes in no time: waits between tries, and the turn at a handler of a process that died.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from runtime import (
    BadRequestError,
    ContentionError,
    HandlersPendingError,
    ItemNotFoundError,
    VersionConflictError,
)
from runtime.testing.clients import Execution
from runtime.testing.state_machine import run_execution
from tests.faults.scale import COMPLETE
from tests.faults.site import Crash, Process
from tests.support.checker import Accepted, Seen, violations
from tests.support.clock import CLOCK
from tests.support.rows import Rows, assert_same_end
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.zygote import Zygote
    from tests.support.service import Service

__all__ = ["LONGEST_TURN", "SK", "DiedError", "Fault", "World", "stream_record"]

SK = "A1"
KNOWN_AS = "TODO#acme"
LONGEST_TURN = 130
"""Seconds after which a turn of a process that died is free again: 120 for one without a deadline."""
_BETWEEN_HEALS = 900
_MOST_ATTEMPTS = 5


class DiedError(Exception):
    """The process ended in the middle of what it did."""


@dataclass(frozen=True)
class Fault:
    """Where a process dies: at a call of an attempt, both counted from 0."""

    attempt: int
    call: int
    moment: str
    name: str = ""

    def __str__(self) -> str:
        return f"attempt {self.attempt}, {self.moment} call {self.call} ({self.name})"


class World:
    """What happens to one aggregate.

    Args:
        process: Where the functions run.
        pk: Partition key, which no other world has.
        fault: Where a process dies. Default: nowhere.
        zygote: Makes the process that dies, if it is to be killed. Default: an exception.
        echo: The answer of each function's call is lost, and the call is repeated.
    """

    def __init__(
        self,
        process: Process,
        pk: str,
        fault: Fault | None = None,
        zygote: Zygote | None = None,
        *,
        echo: bool = False,
    ) -> None:
        self.process = process
        self.pk = pk
        self.attempts: list[tuple[str, list[str]]] = []
        self.accepted: list[Accepted] = []
        self.executions: dict[str, Execution] = {}
        self.healed = 0
        self._fault = fault
        self._death = fault
        self._has_died = False
        self._zygote = zygote
        self._echo = echo
        self._service = process.service
        self._published = 0
        self._delivered: set[str] = set()
        self._end: Rows | None = None

    def attempt(self, actor: str, payload: Any) -> Any:
        """Let a process do something.

        Raises:
            DiedError: This is where it dies.
        """
        number, fault = len(self.attempts), self._fault
        self._end = None
        kind = str(payload.get("action", "stream")) if actor == "function" else actor
        if fault is None or fault.attempt != number:
            self.attempts.append((kind, []))
            try:
                answer = self.process.perform(actor, payload)
                return self.process.perform(actor, payload) if self._echo and actor == "function" else answer
            finally:
                self.attempts[number] = (kind, self.process.wire.names())
        self.attempts.append((kind, [f"died {fault}"]))
        self._has_died = True
        if self._zygote:
            code = self._zygote.die(self.process.site, actor, payload, fault.call, fault.moment)
            assert code == -9, f"{fault} was not reached: the process ended with {code}"
        else:
            try:
                self.process.dying(actor, payload, fault.call, fault.moment, _crash)
            except Crash:
                pass
            else:
                message = f"{fault} was not reached"
                raise AssertionError(message)
        raise DiedError(str(fault))

    def faults(self, *kinds: str) -> Iterator[Fault]:
        """Every place to die in what was done so far; with ``kinds``, in attempts of these only.

        The short form dies after each call only. Before the next one is the same to everybody
        but the process itself.
        """
        for number, (kind, names) in enumerate(self.attempts):
            if kinds and kind not in kinds:
                continue
            for position, name in enumerate(names):
                for moment in ("before", "after") if COMPLETE else ("after",):
                    yield Fault(number, position, moment, f"{kind}, {name}")

    def publish(
        self,
        *,
        sync: bool = False,
        publish_id: str | None = None,
        name: str = "after",
        on: int | None = None,
    ) -> None:
        """A client, which knows the version and repeats a request that got no answer.

        Args:
            sync: Whether synchronously.
            publish_id: Id of the publish.
            name: What it says, beside the version.
            on: Version that the client gives. Default: the last one.
        """
        version = self._published
        self._published += 1
        own = {"pk": self.pk, "code": self.pk, "name": f"{name} {version}"}
        command = self._service.command(SK, version if on is None else on) | own
        payload = {"command": command, "publish_id": publish_id}
        for _ in range(_MOST_ATTEMPTS):
            try:
                self.attempt("publish_sync" if sync else "publish_async", payload)
            except DiedError:
                continue
            except VersionConflictError:
                break  # its own first attempt was the winner: the end shows it
            except HandlersPendingError:
                pass
            self.accepted.append(Accepted(KNOWN_AS, SK, version + 1, command["name"]))
            break
        self._collect()

    def deliver(self, *, one_by_one: bool = False) -> None:
        """The stream function gets what it has not had, until it reports no failure.

        Args:
            one_by_one: Each record is a batch of its own. Default: one batch.
        """
        for _ in range(_MOST_ATTEMPTS):
            records = self.records()
            if not records:
                break
            for batch in [[record] for record in records] if one_by_one else [records]:
                try:
                    answer = self.attempt("function", {"Records": batch})
                except DiedError:
                    continue
                failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
                self._delivered |= {record["dynamodb"]["SequenceNumber"] for record in batch} - failed
        assert not self.records(), "the stream function keeps failing"
        self._collect()

    def forget(self) -> None:
        """The stream was down for longer than it keeps records."""
        self._delivered |= {record["dynamodb"]["SequenceNumber"] for record in self.records()}

    def records(self) -> list[dict[str, Any]]:
        """Records of the commands that the stream function has not had yet."""
        versions = [v for v in range(1, self._published + 1) if str(v) not in self._delivered]
        images = {v: self._service.item("command", f"{SK}@{v}", self.pk) for v in versions}
        return [
            stream_record(self._service, image, version)
            for version, image in images.items()
            if image and "syncMode" not in image
        ]

    def run(self, *, seed: int | None = None, times: int = 1) -> None:
        """Run the executions that were started, the newest first, each step by step in turn.

        Args:
            seed: Makes the order a random one, and the same one each time.
            times: How often each is run, side by side.
        """
        chance = random.Random(seed)  # noqa: S311 - a repeatable order
        while waiting := self._waiting():
            twins = [
                replace(execution, name=f"{execution.name}-{twin}")
                for twin in range(1, times)
                for execution in waiting
            ]
            queue = [(float(n), n, self._steps(one)) for n, one in enumerate([*waiting, *twins])]
            started = CLOCK.seconds()
            while queue:
                now, number, steps = heappop(queue)
                CLOCK.advance(max(0.0, started + now - CLOCK.seconds()))
                pause = next(steps, None)
                if pause is not None:
                    spread = 1.0 if seed is None else chance.uniform(0.1, 5.0)
                    heappush(queue, (now + pause + spread, number, steps))

    def _waiting(self) -> list[Execution]:
        """Executions that are to run, the one of the latest version first."""
        self._collect()
        waiting = [execution for execution in self.executions.values() if execution.status == "RUNNING"]
        return sorted(waiting, key=lambda execution: -int(execution.input["version"]))

    def _steps(self, execution: Execution) -> Iterator[float]:
        return run_execution(execution, lambda event: self.attempt("function", event), "2026-01-01T00:00:00Z")

    def refuse(self, handler: str, *, refused: bool) -> None:
        """A handler's store goes down, or comes back."""
        self._service.module.handler(handler).handler.refuse(self.pk, refused=refused)  # type: ignore[attr-defined]

    def redrive(self, handler: str) -> None:
        """An operator, who repeats a command that broke off."""
        for _ in range(_MOST_ATTEMPTS):
            try:
                self.attempt("redrive", {"pk": self.pk, "sk": SK, "handler": handler})
            except (DiedError, ContentionError):
                CLOCK.advance(LONGEST_TURN)
                continue
            except BadRequestError:
                pass  # not parked any more: it had come to its end
            break

    def reconcile(self) -> None:
        """An operator's sweep, repeated when it breaks off."""
        self._repair("reconcile")

    def heal(self) -> None:
        """What the stack does every now and then."""
        self._repair("heal")

    def _repair(self, actor: str) -> None:
        for _ in range(_MOST_ATTEMPTS):
            CLOCK.advance(_BETWEEN_HEALS)
            try:
                self.attempt(actor, {})
            except DiedError:
                continue
            break
        self.run()

    def erase(self) -> None:
        """An operator forgets the aggregate, and repeats what broke off. Its next life begins."""
        for _ in range(_MOST_ATTEMPTS):
            try:
                self.attempt("erase", {"pk": self.pk, "sk": SK})
            except DiedError:
                continue
            except BadRequestError:
                assert self._has_died  # else everything has come to its end
                self.heal()
                continue
            except ItemNotFoundError:
                pass  # it had come to its end
            break
        self._published = 0
        self.accepted.clear()
        self._delivered.clear()

    def expire(self) -> None:
        """DynamoDB deletes the data row, whose time is over. The commands are kept for longer.

        Nobody waits for a time to live here: the commands that were applied say that it was in 1970.
        """
        key = {"pk": {"S": self.pk}, "sk": {"S": SK}}
        self._service.client.delete_item(TableName=self._service.tables.data, Key=key)
        for _, sk in self.rows().command:
            with suppress(self._service.client.exceptions.ConditionalCheckFailedException):
                self._service.client.update_item(
                    TableName=self._service.tables.command,
                    Key={"pk": {"S": self.pk}, "sk": {"S": sk}},
                    UpdateExpression="SET appliedTtl = :one",
                    ConditionExpression="attribute_exists(appliedTtl)",
                    ExpressionAttributeValues={":one": {"N": "1"}},
                )

    def be_late(self, records: list[dict[str, Any]], executions: Iterable[Execution]) -> None:
        """Records and tasks of an earlier life come once more."""
        tasks = [
            {"action": action, "input": {**execution.input, "handler": "Ledger", "error": "E", "results": []}}
            for execution in executions
            for action in ("apply", *(("handle", "park") if self._handlers else ()), "finish", "fail")
        ]
        context = {"Execution": {"Id": "arn:late"}, "State": {"RetryCount": 1}, "StateMachine": {}}
        for event in ({"Records": records}, *(task | {"context": context} for task in tasks)):
            for _ in range(_MOST_ATTEMPTS):
                try:
                    self.attempt("function", event)
                except DiedError:
                    continue
                break

    def settle(self) -> None:
        """Everything that is under way comes to its end."""
        self.deliver()
        self.run()

    def _collect(self) -> None:
        """Note which executions were started: each runs once."""
        site, sfn = self.process.site, self.process.sfn
        mine = f"{self.pk.replace('#', '-')}-{SK}-v"
        for arn in (site.state_machine_arn, site.apply_machine_arn):
            pages = sfn.get_paginator("list_executions").paginate(stateMachineArn=arn)
            for found in (execution for page in pages for execution in page["executions"]):
                name = found["name"]
                if name.startswith(mine) and name not in self.executions:
                    given = json.loads(sfn.describe_execution(executionArn=found["executionArn"])["input"])
                    only_applies = arn == site.apply_machine_arn
                    self.executions[name] = Execution(arn, name, given, only_applies=only_applies)

    def end(self) -> Rows:
        """The rows when all is done, read once."""
        self._end = self._end or self.rows()
        return self._end

    def rows(self) -> Rows:
        return Rows.of_partition(self._service.client, self._service.tables, self.pk, KNOWN_AS)

    def seen(self, *names: str) -> list[Seen]:
        """What the handlers saw; with ``names``, only these."""
        return [
            sight._replace(pk=KNOWN_AS)
            for reference in self._service.module.handlers
            if not names or reference.name in names
            for sight in reference.handler.seen(self.pk)  # type: ignore[attr-defined]
        ]

    def stores(self) -> dict[str, Any]:
        return {
            reference.name: reference.handler.content(self.pk)  # type: ignore[attr-defined]
            for reference in self._service.module.handlers
        }

    def check(self, undisturbed: World | None = None) -> None:
        """I1 to I5, and I6 against a world without a fault.

        Where a process died, the stack itself heals what nobody has finished.
        """
        rows, problems = self._problems()
        if problems and self._has_died:
            self._fault = None
            self.heal()
            self.healed += 1
            rows, problems = self._problems()
        assert not problems, f"died: {self._death}\n" + "\n".join(problems)
        if undisturbed:
            assert_same_end(rows, undisturbed.end())
            assert self.stores() == undisturbed.stores(), f"I6 of the stores: {self._death}"

    def _problems(self) -> tuple[Rows, list[str]]:
        rows = self.rows()
        problems = violations(rows, accepted=self.accepted, seen=self.seen(), handlers=self._handlers)
        return rows, problems

    @property
    def _handlers(self) -> list[str]:
        return [reference.name for reference in self._service.module.handlers]


def stream_record(service: Service, image: Any, number: int) -> dict[str, Any]:
    """What the stream tells of a new command."""
    return {
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{service.tables.command}/stream/x",
        "dynamodb": {"SequenceNumber": str(number), "NewImage": event_image(image)},
    }


def _crash() -> None:
    raise Crash
