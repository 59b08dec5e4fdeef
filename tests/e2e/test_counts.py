"""What one command takes of every service beside the tables, counted in the deployed stack.

`tests/runtime/test_budgets.py` and `tests/cost` count the calls of tables. What the bill says of executions,
calls of the worker and messages is held against the same here.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from constructs_lib.cost.bill import bill, transitions
from constructs_lib.cost.workload import Mode, Workload
from runtime.contract import Env
from runtime.store.bucket import object_prefix
from tests.e2e.deployment import pk
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

#: A request may have 102 400 bytes, and a row, which says more: it goes to the bucket.
LARGE = {"text": "x" * 102_000}


class Taken(NamedTuple):
    """What a command took.

    Attributes:
        messages: Status messages at the topic.
        executions: Executions that were started.
        transitions: State transitions that are billed.
        tasks: Calls of the worker.
        objects: Objects in the bucket for large attributes.
    """

    messages: int
    executions: int
    transitions: int
    tasks: int
    objects: int


def taken_by(deployment: Deployment, module: str, **values: Any) -> Taken:
    """Publish two commands in a row, and count what the first one has taken when all is over."""
    first, second = (f"C{uuid.uuid4().hex[:10]}" for _ in range(2))
    with deployment.inbox() as inbox:
        for sk in (first, second):
            assert deployment.publish(module, sk, **values).json() == {"version": 1}
            deployment.wait_for(module, f"{sk}@1")
            inbox.wait_until_told(f"{sk}@1", status="finish:FINISHED")
        messages = [body for body in inbox.told if body["sk"].startswith(first)]
    arns = deployment.executions(first)
    wait_until(lambda: deployment.states_of_ended(arns) is not None, seconds=30)
    history = [event for arn in arns for event in deployment.events_of(arn)]
    return Taken(
        messages=len(messages),
        executions=len(arns),
        transitions=len(arns) + sum(event["type"].endswith("StateEntered") for event in history),
        tasks=sum(event["type"] in {"LambdaFunctionScheduled", "TaskScheduled"} for event in history),
        objects=len(objects_of(deployment, module, first)),
    )


def objects_of(deployment: Deployment, module: str, sk: str) -> list[str]:
    """The objects of an aggregate: its command, data and history refer to the same ones."""
    bucket = deployment.function_environment("api")[Env.S3_BUCKET_NAME]
    prefix = object_prefix(deployment.table(module, "command"), pk(module), sk)
    pages = (
        deployment.emulator.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix=prefix)
    )
    return [found["Key"] for page in pages for found in page.get("Contents", ())]


@pytest.mark.parametrize(
    ("module", "handlers", "values"),
    [("note", 0, {}), ("task", 2, {}), ("note", 0, {"attributes": LARGE})],
    ids=["no handlers", "two handlers", "large attributes"],
)
def test_a_command_takes_one_execution_and_one_message(
    deployment: Deployment, module: str, handlers: int, values: dict[str, Any]
) -> None:
    assert taken_by(deployment, module, **values) == Taken(
        messages=1,
        executions=1,
        transitions=transitions(handlers),
        tasks=1 + (handlers + 1 if handlers else 0),
        objects=1 if values else 0,
    )


def test_inline_a_command_takes_one_message(deployment: Deployment) -> None:
    assert taken_by(deployment, "memo") == Taken(1, 0, 0, 0, 0)


@pytest.mark.parametrize("handlers", [0, 2])
def test_the_bill_has_what_was_counted(handlers: int) -> None:
    """Of a command: a call of the api, of the stream and notifier a tenth each, and each task."""
    items = {
        one.what: one.amount
        for one in bill(Workload(commands_per_month=10, handlers=handlers), Mode.WORKFLOW).items
    }
    assert items["Lambda: calls"] == 10 + 2 + 10 * (1 + (handlers + 1 if handlers else 0))
    assert items["Step Functions: state transitions"] == 10 * transitions(handlers)
    assert items["SNS: a status each"] == 10
