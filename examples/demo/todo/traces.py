"""Where a command leaves its traces, and what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
from boto3.dynamodb.types import TypeDeserializer
from psycopg.rows import dict_row

from examples.demo.errors import DemoError

if TYPE_CHECKING:
    from examples.demo.place import Place

__all__ = ["Traces"]


class Traces:
    """Looks into the tables, the state machine, the database and a queue of its own.

    Attributes:
        transitions: State transitions of each execution that was seen to its end, as they are
            billed: its start, and each state.
    """

    def __init__(self, place: Place) -> None:
        self._outputs = place.outputs
        self._dynamodb = place.aws.client("dynamodb")
        self._workflow = place.aws.client("stepfunctions")
        self._sqs = place.aws.client("sqs")
        self._sql = psycopg.connect(place.database_url, autocommit=True, row_factory=dict_row)
        self._queue_url = self._subscribe(place)
        self._notifications: dict[str, dict[str, Any]] = {}
        self.transitions: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._sql.close()

    def row(self, table: str, pk: str, sk: str) -> dict[str, Any] | None:
        """A row of the command, data or history table, or None."""
        found = self._dynamodb.get_item(
            TableName=self._outputs[f"Todo{table.capitalize()}TableName"],
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            ConsistentRead=True,
        ).get("Item")
        decode = TypeDeserializer().deserialize
        return {name: decode(value) for name, value in found.items()} if found else None

    def sql_row(self, item_id: str) -> dict[str, Any] | None:
        """The row in PostgreSQL, or None."""
        return self._sql.execute("SELECT * FROM todo WHERE id = %s", [item_id]).fetchone()

    def execution(self, sk: str, version: int) -> list[str] | None:
        """The states that the execution for a version went through, once it has ended.

        Raises:
            DemoError: It failed.
        """
        listed = self._workflow.list_executions(stateMachineArn=self._outputs["StateMachineArn"])
        for found in listed["executions"]:
            arn = found["executionArn"]
            if found["status"] == "RUNNING" or arn in self.transitions:
                continue
            started_with = json.loads(self._workflow.describe_execution(executionArn=arn)["input"])
            if (started_with["sk"], started_with["version"]) != (sk, version):
                continue
            if found["status"] != "SUCCEEDED":
                msg = f"the execution for {sk}@{version} ended as {found['status']}: {arn}"
                raise DemoError(msg)
            states = self._states(arn)
            self.transitions[arn] = 1 + len(states)
            return states
        return None

    def notification(self, request_id: str) -> dict[str, Any] | None:
        """The notification with this id, once it has reached the queue."""
        received = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10)
        for message in received.get("Messages", ()):
            body = json.loads(message["Body"])
            self._notifications[body["id"]] = body
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return self._notifications.get(request_id)

    def _states(self, arn: str) -> list[str]:
        pages = self._workflow.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        return [e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e]

    def _subscribe(self, place: Place) -> str:
        queue_url = str(self._sqs.create_queue(QueueName="demo-inbox")["QueueUrl"])
        attributes = self._sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        place.aws.client("sns").subscribe(
            TopicArn=self._outputs["TopicArn"],
            Protocol="sqs",
            Endpoint=attributes["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        return queue_url
