"""A table, a function that does as its records say, and a mapping between them."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.functions import Function
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator

HANDLER = """
    import json
    import os
    import time

    def name(record):
        return ("-" if record["eventName"] == "REMOVE" else "") + record["dynamodb"]["Keys"]["pk"]["S"]

    def handler(event, context):
        names = [name(record) for record in event["Records"]]
        with open(os.environ["CALLS"], "a") as calls:
            calls.write(json.dumps(names) + "\\\\n")
        if os.environ["SLOW"] in names:
            time.sleep(3)
        if "nonsense" in names:
            return {"batchItemFailures": [{"itemIdentifier": ""}]}
        if "raise" in names:
            raise ValueError("poison")
        failed = [record for record in event["Records"] if name(record) == "report"]
        return {
            "batchItemFailures": [
                {"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in failed
            ]
        }
""".replace("\\\\", "\\")


class Stream:
    """What is put into the table goes through the mapping to the function, which notes each call."""

    def __init__(self, emulator: Emulator, *, slow: str = "slow", **mapping: Any) -> None:
        self._calls = Path(tempfile.mkdtemp(dir=emulator.run_folder)) / "calls"
        self._calls.touch()
        self._dynamodb = emulator.client("dynamodb")
        self.function = Function(emulator, HANDLER, environment={"CALLS": str(self._calls), "SLOW": slow})
        self.table = f"t-{self.function.name}"
        described = self._dynamodb.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]
        self._mapping = {
            "EventSourceArn": described["LatestStreamArn"],
            "FunctionName": self.function.name,
            "StartingPosition": "TRIM_HORIZON",
            **mapping,
        }
        self.mapping = ""
        self.stream_label: str = described["LatestStreamLabel"]

    def connect(self) -> None:
        """Make the mapping; the records that are there already come in one batch."""
        created = self.function.client.create_event_source_mapping(**self._mapping)
        self.mapping = created["UUID"]

    def put(self, *names: str, **attributes: Any) -> None:
        for name in names:
            self._dynamodb.put_item(TableName=self.table, Item={"pk": {"S": name}, **attributes})

    def delete(self, name: str) -> None:
        self._dynamodb.delete_item(TableName=self.table, Key={"pk": {"S": name}})

    def calls(self) -> list[list[str]]:
        """The names in the records of each call, in order."""
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

    def wait_for(self, done: Callable[[list[str]], bool]) -> list[str]:
        """All names seen so far, as soon as they satisfy a condition."""

        def look() -> list[str] | None:
            names = [name for call in self.calls() for name in call]
            return names if done(names) else None

        return wait_until(look) or []

    def wait_for_call(self, *names: str) -> None:
        """Wait until the last call was for exactly these records."""
        wait_until(lambda: self.calls()[-1:] == [list(names)])

    def age(self) -> float:
        """Seconds since the last call."""
        return time.time() - self._calls.stat().st_mtime
