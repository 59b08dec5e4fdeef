"""A module on the store in memory, its stream and its state machine, each step at the test's will."""

from __future__ import annotations

import random
from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, ClassVar

from runtime import CommandModule, DataSyncHandler, InvokeContext, Settings
from runtime.entry.stream import StreamProcessor
from runtime.entry.worker import Worker
from runtime.model.keys import DetailKey, get_sort_key_version, remove_sort_key_version
from runtime.store.codec import encoded
from runtime.store.memory import MemoryStore
from runtime.store.values import Place
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from runtime.testing.state_machine import run_execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtime import CommandModel
    from runtime.store.memory import Change
    from runtime.testing.clients import Execution

__all__ = ["KEY", "Lab", "One", "Recorder", "Two"]

KEY = DetailKey("TODO#acme", "A1")
_TABLES = "arn:aws:dynamodb:us-east-1:000000000000:table"
_ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:lab"
_APPLY_ARN = f"{_ARN}-apply"


class Recorder(DataSyncHandler):
    """A read model that notes what it is shown."""

    seen: ClassVar[list[tuple[str, int, str]]]

    def __init__(self) -> None:
        self.seen = []  # type: ignore[misc]
        self.fails_at: set[int] = set()
        self.down_for: list[str] = []
        self.before: Callable[[CommandModel[Any]], None] = lambda _command: None

    def up(self, command: CommandModel[Any]) -> None:
        self.before(command)
        if get_sort_key_version(command.sk) in self.fails_at:
            message = "the store is down"
            raise RuntimeError(message)
        version = get_sort_key_version(command.sk)
        self.seen.append((remove_sort_key_version(command.sk), version, command.name or ""))

    def down(self, command: CommandModel[Any]) -> None:
        self.down_for.append(remove_sort_key_version(command.sk))

    def versions(self, sk: str = "A1") -> list[int]:
        return [version for seen, version, _ in self.seen if seen == sk]


class One(Recorder):
    """A first handler."""


class Two(Recorder):
    """A second one."""


class Lab:
    """One module.

    Args:
        mode: ``workflow`` or ``inline``.
        handlers: Its handlers.
        keeps_data: False for a module without data rows.
    """

    def __init__(
        self, *, mode: str = "workflow", handlers: Iterable[Any] = (), keeps_data: bool = True
    ) -> None:
        handlers = list(handlers)
        self.clock = Clock()
        self.clock.start()
        self.store = MemoryStore(clock=self.clock.seconds)
        self.store.on_change(self._note)
        settings = Settings(
            node_env="local",
            app_name="lab",
            modules={"todo": {"mode": mode, "sync": bool(handlers)}},
            state_machine_arn=_ARN,
            apply_machine_arn=_APPLY_ARN,
            topic_arn="arn:aws:sns:us-east-1:000000000000:status",
            alarm_topic_arn="arn:aws:sns:us-east-1:000000000000:alarm",
            bucket_name="attributes",
            ryw_session_seconds=300,
            master_data_override="master-data",
        )
        self.resources = MemoryResources(settings, self.store, self.clock)
        self.records: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.module: CommandModule[Any] = CommandModule(
            "todo",
            data_sync_handlers=handlers,
            disable_default_handler=not keeps_data,
            resources=self.resources,
        )

    def deploy(self, *, data_sync: bool) -> None:
        """Let the stack say that the module has, or has not, data sync handlers, to a function of its own."""
        (entry,) = (self.resources.settings.modules or {}).values()
        modules = {"todo": {**entry, "sync": data_sync}}
        self.resources.settings = replace(self.resources.settings, modules=modules, function="api")

    def redeployed(
        self, *, mode: str, state_machine: str = _ARN, handlers: Iterable[Any] | None = None
    ) -> CommandModule[Any]:
        """The same module, as functions see it that another deployment has told otherwise."""
        if handlers is None:
            handlers = [reference.handler for reference in self.module.handlers]
        handlers = list(handlers)
        settings = replace(
            self.resources.settings,
            modules={"todo": {"mode": mode, "sync": bool(handlers)}},
            state_machine_arn=state_machine,
        )
        resources = MemoryResources(settings, self.store, self.clock)
        # What is told, started and stored is the same, whoever does it.
        vars(resources).update(_shared(self.resources))
        return CommandModule(
            "todo",
            data_sync_handlers=handlers,
            resources=resources,
        )

    @property
    def context(self) -> Any:
        return self.module.context

    def user(self, user_id: str = "ann", **claims: str) -> InvokeContext:
        return InvokeContext(claims={"sub": user_id, "custom:tenant": "acme", **claims}, request_id="req-1")

    def admin(self) -> InvokeContext:
        return self.user("root", **{"custom:roles": '[{"tenant": "", "role": "system_admin"}]'})

    def command(self, version: int = 0, sk: str = "A1", **values: Any) -> dict[str, Any]:
        return {
            "pk": KEY.pk,
            "sk": sk,
            "code": sk,
            "name": f"after {version}",
            "type": "TODO",
            "version": version,
            "attributes": {"title": f"t{version}"},
        } | values

    def publish(self, version: int = 0, sk: str = "A1", *, sync: bool = False, **options: Any) -> Any:
        commands = self.module.commands
        method = commands.publish_sync if sync else commands.publish_async
        values = options.pop("values", {})
        return method(self.command(version, sk, **values), **{"invoke_context": self.user(), **options})

    def deliver(self, records: Iterable[dict[str, Any]] | None = None, *, at_once: bool = True) -> list[str]:
        """Give the stream function records, by default all that are new; what failed."""
        if records is None:
            records, self.records = self.records, []
        batches = [list(records)] if at_once else [[record] for record in records]
        stream = StreamProcessor({self.context.tables.command: self.module})
        failed = []
        for batch in batches:
            answer = stream.process(batch) if batch else {"batchItemFailures": []}
            failed += [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        return failed

    def running(self) -> list[Execution]:
        return [execution for execution in self.resources.executions if execution.status == "RUNNING"]

    def run(self, *, seed: int | None = None, executions: list[Execution] | None = None) -> None:
        """Run executions side by side, each step by step in turn, until nothing is under way."""
        while waiting := (executions or self.running()):
            self._run(waiting, seed)
            if executions:
                break

    def work(self, event: dict[str, Any]) -> Any:
        """One call of the worker."""
        self.calls.append(event["action"])
        return Worker({"todo": self.module}).run(event)

    def settle(self, **options: Any) -> None:
        self.deliver()
        self.run(**options)

    def row(self, table: str, sk: str = "A1") -> Any:
        return self.store.get(Place(getattr(self.context.tables, table), KEY.pk, sk))

    def status(self, version: int, sk: str = "A1") -> str | None:
        row = self.row("command", f"{sk}@{version}")
        return row.get("status") if row else None

    def cursor(self, handler: str, sk: str = "A1") -> Any:
        return self.row("sync", f"{handler}#{sk}") or {}

    def left(self) -> dict[str, list[str]]:
        """Sort keys of every row that there is, by table."""
        found = {table: [row["sk"] for row in self.store.rows(table)] for table in self.store.tables}
        return {table: sort_keys for table, sort_keys in found.items() if sort_keys}

    def keep_for(self, kind: str, days: int) -> None:
        self.module.ttl.set_ttl_configuration(kind, days, "acme")

    def alarms(self) -> list[str]:
        return [
            message.content["content"]["errorMessage"]
            for message in self.resources.messages
            if message.content["action"] == "sfn-alarm"
        ]

    def notified(self) -> list[tuple[str, str]]:
        return [
            (message.content["sk"], message.content["content"]["status"])
            for message in self.resources.messages
            if message.content["action"] == "command-status"
        ]

    def _run(self, executions: list[Execution], seed: int | None) -> None:
        chance = random.Random(seed)  # noqa: S311 - a repeatable order
        queue: list[tuple[float, int, Iterator[float]]] = [
            (float(number), number, run_execution(execution, self.work, "2026-01-01T00:00:00Z"))
            for number, execution in enumerate(executions)
        ]
        started = self.clock.seconds()
        while queue:
            moment, number, steps = heappop(queue)
            if started + moment > self.clock.seconds():
                self.clock.advance(seconds=started + moment - self.clock.seconds())
            pause = next(steps, None)
            if pause is not None:
                spread = 0.01 if seed is None else chance.uniform(0.001, 2.0)
                heappush(queue, (moment + pause + spread, number, steps))

    def _note(self, change: Change) -> None:
        if change.place.table != self.context.tables.command or change.old is not None:
            return
        if change.new is None or "syncMode" in change.new:
            return
        number = str(len(self.records) + 1)
        self.records.append(
            {
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "eventSourceARN": f"{_TABLES}/{change.place.table}/stream/x",
                "dynamodb": {"SequenceNumber": number, "NewImage": encoded(change.new)},
            }
        )


def _shared(resources: MemoryResources) -> dict[str, Any]:
    names = ("messages", "queues", "emails", "executions", "objects", "object_events", "pushes", "_clients")
    return {name: getattr(resources, name) for name in names}
