"""One side of `bench.cpu`: reads a number of updates a line, does them, and prints what they took.

It uses nothing but what every revision has: the public API, and the environment of a function.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from typing import Any

import boto3

from runtime import CommandModule, CqrsApp, CqrsModel, InvokeContext

_PK = "TODO#acme"
_BODY = {
    "title": "x" * 330,
    "done": False,
    "count": 3,
    "tags": ["a", "b"],
    "owner": {"name": "Ann", "age": 7},
}


class Owner(CqrsModel):
    """A model in the model."""

    name: str
    age: int


class Attributes(CqrsModel):
    """What `_BODY` is."""

    title: str
    done: bool
    count: int
    tags: list[str]
    owner: Owner


class Worker:
    """Publishes and applies."""

    def __init__(self) -> None:
        typed = os.environ.get("BENCH_TYPED") == "1"
        self.module: CommandModule[Any] = (
            CommandModule("todo", attributes=Attributes) if typed else CommandModule("todo")
        )
        self.app = CqrsApp(modules=[self.module])
        self.client = boto3.client(
            "dynamodb",
            endpoint_url=os.environ["DYNAMODB_ENDPOINT"],
            region_name=os.environ["DYNAMODB_REGION"],
        )
        self.user = InvokeContext(
            claims={"sub": "u1", "custom:tenant": "acme"}, source_ip="192.0.2.1", request_id="req-1"
        )
        self.made = 0

    def block(self, count: int) -> dict[str, float]:
        """Milliseconds of CPU for one publish and one apply of ``count`` updates."""
        keys = [f"K{self.made + number:06}" for number in range(count)]
        self.made += count
        for sk in keys:
            self.publish(sk, 0)
            self.deliver(self.record(sk, 1))
        begin = time.process_time()
        for sk in keys:
            self.publish(sk, 1)
        published = time.process_time()
        records = [self.record(sk, 2) for sk in keys]
        ready = time.process_time()
        for record in records:
            self.deliver(record)
        applied = time.process_time()
        return {
            "publish": (published - begin) / count * 1000,
            "apply": (applied - ready) / count * 1000,
        }

    def publish(self, sk: str, version: int) -> None:
        """Publish the version after ``version``."""
        self.module.commands.publish_async(
            {
                "pk": _PK,
                "sk": sk,
                "code": sk,
                "name": f"after {version}",
                "version": version,
                "type": "TODO",
                "attributes": _BODY,
            },
            invoke_context=self.user,
        )

    def record(self, sk: str, version: int) -> dict[str, object]:
        """The stream record of a version."""
        table = f"local-{os.environ['APP_NAME']}-todo-command"
        key = {"pk": {"S": _PK}, "sk": {"S": f"{sk}@{version}"}}
        return {
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/x",
            "dynamodb": {
                "SequenceNumber": "1",
                "NewImage": self.client.get_item(TableName=table, Key=key)["Item"],
            },
        }

    def deliver(self, record: dict[str, object]) -> None:
        """Give the app a batch of one record."""
        with contextlib.redirect_stdout(io.StringIO()):  # its metrics
            answer = self.app({"Records": [record]}, None)
        if answer["batchItemFailures"]:
            message = "the record was not applied"
            raise RuntimeError(message)


def main() -> None:
    """Do blocks until the input ends."""
    worker = Worker()
    for line in sys.stdin:
        print(json.dumps(worker.block(int(line))), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
