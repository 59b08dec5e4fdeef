"""One aggregate's life: clients, the stream, the state machine and an operator, and one fault in it.

Everything that a process does is an *attempt*. The world repeats what AWS and clients
repeat: a request without an answer, a batch of the stream, a task, an operator's command.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from runtime import BadRequestError, HandlersPendingError, VersionConflictError
from runtime.clients.workflow import execution_name
from runtime.model.keys import DetailKey
from tests.faults.scale import COMPLETE
from tests.faults.site import Crash, Process
from tests.faults.state_machine import Execution
from tests.runtime.test_stream import as_json
from tests.support.checker import Accepted, Seen, violations
from tests.support.rows import Rows, assert_same_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.zygote import Zygote
    from tests.support.service import Service

__all__ = ["SK", "DiedError", "Fault", "World", "stream_record"]

SK = "A1"
KNOWN_AS = "TODO#acme"
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
        self.executions: dict[int, Execution] = {}
        self._fault = fault
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
        kind = str(payload.get("action", "stream")) if actor == "function" else actor
        if fault is None or fault.attempt != number:
            self.attempts.append((kind, []))
            try:
                answer = self.process.perform(actor, payload)
                return self.process.perform(actor, payload) if self._echo and actor == "function" else answer
            finally:
                self.attempts[number] = (kind, self.process.wire.names())
        self.attempts.append((kind, [f"died {fault}"]))
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

    def publish(self, *, sync: bool = False, publish_id: str | None = None) -> None:
        """A client, which knows the version and repeats a request that got no answer."""
        version = self._published
        self._published += 1
        command = self._service.command(SK, version) | {"pk": self.pk, "code": self.pk}
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

    def deliver(self) -> None:
        """The stream function gets what it has not had, until it reports no failure."""
        for _ in range(_MOST_ATTEMPTS):
            records = self.records()
            if not records:
                return
            try:
                answer = self.attempt("function", {"Records": records})
            except DiedError:
                continue
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            self._delivered |= {record["dynamodb"]["SequenceNumber"] for record in records} - failed
        assert not self.records(), "the stream function keeps failing"

    def records(self) -> list[dict[str, Any]]:
        """Records of the commands that the stream function has not had yet."""
        versions = [v for v in range(1, self._published + 1) if str(v) not in self._delivered]
        images = {v: self._service.raw("command", f"{SK}@{v}", self.pk) for v in versions}
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
        self._collect()
        clock = random.Random(seed)  # noqa: S311 - a repeatable order
        waiting = [e for _, e in sorted(self.executions.items(), reverse=True) if e.status == "RUNNING"]
        queue = [(float(n), n, steps.run()) for n, steps in enumerate(waiting * times)]
        while queue:
            now, number, steps = heappop(queue)
            pause = next(steps, None)
            if pause is not None:
                spread = 1.0 if seed is None else clock.uniform(0.1, 5.0)
                heappush(queue, (now + pause + spread, number, steps))

    def refuse(self, handler: str, *, refused: bool) -> None:
        """A handler's store goes down, or comes back."""
        self._service.module.handler(handler).handler.refuse(self.pk, refused=refused)  # type: ignore[attr-defined]

    def redrive(self, handler: str) -> None:
        """An operator, who repeats a command that broke off."""
        for _ in range(_MOST_ATTEMPTS):
            try:
                self.attempt("redrive", {"pk": self.pk, "sk": SK, "handler": handler})
            except DiedError:
                continue
            except BadRequestError:
                pass  # not parked any more: it had come to its end
            break

    def reconcile(self) -> None:
        """An operator's sweep, repeated when it breaks off."""
        for _ in range(_MOST_ATTEMPTS):
            try:
                self.attempt("reconcile", {})
            except DiedError:
                continue
            break

    def settle(self) -> None:
        """Everything that is under way comes to its end."""
        self.deliver()
        self.run()

    def _collect(self) -> None:
        """Note which executions were started: each runs once."""
        table, arn = self._service.tables.command, self.process.site.state_machine_arn
        for version in range(1, self._published + 1):
            if version not in self.executions:
                name = execution_name(table, DetailKey(self.pk, SK), version)
                try:
                    found = self.process.sfn.describe_execution(
                        executionArn=f"{arn.replace(':stateMachine:', ':execution:')}:{name}"
                    )
                except ClientError:
                    continue
                self.executions[version] = Execution(
                    json.loads(found["input"]), lambda event: self.attempt("function", event)
                )

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
        """I1 to I5, and I6 against a world without a fault."""
        rows = self.rows()
        names = [reference.name for reference in self._service.module.handlers]
        problems = violations(rows, accepted=self.accepted, seen=self.seen(), handlers=names)
        assert not problems, f"died: {self._fault}\n" + "\n".join(problems)
        if undisturbed:
            assert_same_end(rows, undisturbed.end())
            assert self.stores() == undisturbed.stores(), f"I6 of the stores: {self._fault}"


def stream_record(service: Service, image: Any, number: int) -> dict[str, Any]:
    """What the stream tells of a new command."""
    return {
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{service.tables.command}/stream/x",
        "dynamodb": {"SequenceNumber": str(number), "NewImage": as_json(image)},
    }


def _crash() -> None:
    raise Crash
