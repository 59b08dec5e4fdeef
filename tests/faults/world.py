"""One aggregate's life: clients, the stream, the state machine and an operator, and one fault in it.

Everything that a process does is an *attempt*. The world repeats what AWS and clients
repeat: a request without an answer, a batch of the stream, a task, an operator's command.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from runtime import BadRequestError, HandlersPendingError, VersionConflictError
from runtime.keys import DetailKey
from runtime.pipeline.workflow import execution_name
from tests.faults.site import Crash, Process
from tests.faults.state_machine import Execution
from tests.runtime.test_stream import as_json
from tests.support.checker import Accepted, Seen, violations
from tests.support.rows import Rows, assert_same_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.zygote import Zygote

__all__ = ["DiedError", "Fault", "World"]

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
    """

    def __init__(
        self, process: Process, pk: str, fault: Fault | None = None, zygote: Zygote | None = None
    ) -> None:
        self.process = process
        self.pk = pk
        self.attempts: list[tuple[str, list[str]]] = []
        self.accepted: list[Accepted] = []
        self.executions: dict[int, Execution] = {}
        self._fault = fault
        self._zygote = zygote
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
                return self.process.perform(actor, payload)
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
        """Every place to die in what was done so far; with ``kinds``, in attempts of these only."""
        for number, (kind, names) in enumerate(self.attempts):
            if kinds and kind not in kinds:
                continue
            for position, name in enumerate(names):
                for moment in ("before", "after"):
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
        found = []
        table = self._service.tables.command
        for version in range(1, self._published + 1):
            image = self._service.raw("command", f"{SK}@{version}", self.pk)
            if image and "syncMode" not in image and str(version) not in self._delivered:
                found.append(
                    {
                        "eventName": "INSERT",
                        "eventSource": "aws:dynamodb",
                        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/x",
                        "dynamodb": {"SequenceNumber": str(version), "NewImage": as_json(image)},
                    }
                )
        return found

    def run(self) -> None:
        """Run the executions that were started, the newest first, each step by step in turn."""
        self._collect()
        waiting = [e for _, e in sorted(self.executions.items(), reverse=True) if e.status == "RUNNING"]
        running = [execution.run() for execution in waiting]
        while running:
            running = [steps for steps in running if next(steps, "ended") != "ended"]

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

    def seen(self) -> list[Seen]:
        return [
            sight._replace(pk=KNOWN_AS)
            for reference in self._service.module.handlers
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


def _crash() -> None:
    raise Crash
