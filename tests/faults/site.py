"""A deployed module as another process can open it, too: tables, topics, two handlers and their stores."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from runtime import CqrsApp, erase, heal, reconcile, redrive
from tests.faults.stores import Journal, Ledger
from tests.support.service import Service, make_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from constructs_lib.local import Emulator
    from runtime import InvokeContext
    from tests.support.wire import Call

__all__ = ["TABLES", "Crash", "Site"]

TABLES = ("todo-command", "todo-data", "todo-history", "todo-sync", "session")
_NOTHING = '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'
_ROLE = "arn:aws:iam::000000000000:role/r"


class Crash(BaseException):
    """Stands for the end of a process, so nothing may catch it."""


@dataclass(frozen=True)
class Place:
    """What a service needs to know of an emulator."""

    endpoint_url: str
    region: str

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint_url, region_name=self.region)


@dataclass(frozen=True)
class Site:
    """Where a module is deployed: JSON can carry it to another process."""

    endpoint_url: str
    region: str
    app_name: str
    mode: str
    folder: str | None
    database_url: str | None
    topic_arn: str
    alarm_topic_arn: str
    alarm_queue_url: str
    state_machine_arn: str
    apply_machine_arn: str

    @classmethod
    def make(
        cls,
        emulator: Emulator,
        *,
        mode: str = "workflow",
        folder: Path | None = None,
        database_url: str | None = None,
    ) -> Site:
        """Make the tables, a topic and state machines that only note what was started.

        Args:
            emulator: The AWS.
            mode: ``workflow`` or ``inline``.
            folder: Where the handlers' stores are. Default: there are no handlers.
            database_url: The ledger's database. Default: one in the folder.
        """
        name = f"t{uuid.uuid4().hex[:8]}"
        make_tables(emulator, f"local-{name}", TABLES)
        sns, sqs = emulator.client("sns"), emulator.client("sqs")
        topic, alarm_topic = (sns.create_topic(Name=f"{name}-{kind}")["TopicArn"] for kind in "sa")
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(
            TopicArn=alarm_topic,
            Protocol="sqs",
            Endpoint=found["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        sfn = emulator.client("stepfunctions")
        whole, short = (
            sfn.create_state_machine(name=machine, definition=_NOTHING, roleArn=_ROLE)["stateMachineArn"]
            for machine in (name, f"{name}-apply")
        )
        return cls(
            emulator.endpoint_url,
            emulator.region,
            name,
            mode,
            str(folder) if folder else None,
            database_url,
            topic,
            alarm_topic,
            queue,
            whole,
            short,
        )

    @property
    def fields(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def place(self) -> Place:
        return Place(self.endpoint_url, self.region)

    def open(self) -> Process:
        return Process(self)


class Process:
    """A process that runs the module's functions."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._alarms: list[Any] = []
        folder = Path(site.folder) if site.folder else None
        handlers = [Ledger(folder, site.database_url), Journal(folder)] if folder else []
        self.service = Service(
            site.place,  # type: ignore[arg-type]
            site.app_name,
            handlers=handlers,
            modules={"todo": {"mode": site.mode, "sync": bool(handlers)}},
            topic_arn=site.topic_arn,
            alarm_topic_arn=site.alarm_topic_arn,
            state_machine_arn=site.state_machine_arn,
            apply_machine_arn=site.apply_machine_arn,
        )
        self.wire = self.service.wire
        for handler in handlers:
            handler.wire = self.wire
        self._actors: Mapping[str, Callable[[Any], Any]] = {
            "publish_async": self._publish(self.service.module.commands.publish_async),
            "publish_sync": self._publish(self.service.module.commands.publish_sync),
            "function": lambda event: self.app(event, None),
            "redrive": lambda key: redrive(
                self.service.module, (key["pk"], key["sk"]), key["handler"], invoke_context=self._user
            ),
            "erase": lambda key: erase(
                self.service.module, (key["pk"], key["sk"]), invoke_context=self._user
            ),
            "reconcile": self._reconcile,
            "heal": self._heal,
        }

    @cached_property
    def sfn(self) -> Any:
        """For the test itself: not counted."""
        return self.site.place.client("stepfunctions")

    @cached_property
    def _sqs(self) -> Any:
        return self.site.place.client("sqs")

    def alarms(self, pk: str) -> list[str]:
        """What the operators were told about a partition so far."""
        url = self.site.alarm_queue_url
        while batch := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            self._alarms += [json.loads(message["Body"]) for message in batch]
            for message in batch:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [alarm["content"]["errorMessage"] for alarm in self._alarms if alarm["pk"] == pk]

    @cached_property
    def app(self) -> CqrsApp:
        return CqrsApp(modules=[self.service.module])

    @property
    def _user(self) -> InvokeContext:
        return self.service.user()

    def _publish(self, method: Callable[..., Any]) -> Callable[[Any], Any]:
        def publish(payload: Any) -> Any:
            return method(payload["command"], invoke_context=self._user, publish_id=payload.get("publish_id"))

        return publish

    def _reconcile(self, _payload: Any) -> None:
        """A sweep over the whole table, with no regard for age."""
        admin = self.service.user(tenant="ops", roles='[{"tenant": "", "role": "system_admin"}]')
        token = None
        while True:
            page = reconcile(
                self.service.module,
                older_than=timedelta(0),
                resume_from=token,
                limit=1000,
                invoke_context=admin,
            )
            assert not page.failed
            token = page.resume_token
            if token is None:
                break

    def _heal(self, _payload: Any) -> None:
        assert not heal(self.service.module).failed

    def perform(self, actor: str, payload: Any) -> Any:
        """One invocation of a function, one request, or one command of an operator."""
        self.wire.clear()
        return self._actors[actor](payload)

    def dying(self, actor: str, payload: Any, call: int, moment: str, die: Callable[[], None]) -> Any:
        """The same, while ``die`` is called before or after its call number ``call``."""
        armed = [True]

        def hook(_call: Call) -> None:
            if armed and len(self.wire.calls) == call + 1:
                armed.clear()
                die()

        setattr(self.wire, moment, hook)
        try:
            return self.perform(actor, payload)
        finally:
            setattr(self.wire, moment, lambda _call: None)


def remove_tables(emulator: Emulator, site: Site) -> None:
    client = emulator.client("dynamodb")
    for name in TABLES:
        client.delete_table(TableName=f"local-{site.app_name}-{name}")
