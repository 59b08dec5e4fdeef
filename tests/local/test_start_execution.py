from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.functions import ROLE, Function
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.local import Emulator

WAITS = {"Type": "Wait", "Seconds": 600, "End": True}
ENDS = {"Type": "Succeed"}


def test_starting_the_execution_that_runs_again_gives_that_execution(emulator: Emulator) -> None:
    start, _ = _machine(emulator, WAITS)

    first, second = start("one", {"n": 1}), start("one", {"n": 1})

    assert second["executionArn"] == first["executionArn"]
    assert second["startDate"] == first["startDate"]
    assert second["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_the_same_name_with_another_input_is_refused(emulator: Emulator) -> None:
    start, _ = _machine(emulator, WAITS)
    start("one", {"n": 1})

    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start("one", {"n": 2})


def test_the_name_of_an_execution_that_has_ended_is_refused(emulator: Emulator) -> None:
    start, status = _machine(emulator, ENDS)
    execution = start("one", {})["executionArn"]
    wait_until(lambda: status(execution) == "SUCCEEDED")

    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start("one", {})


def test_gap_stock_refuses_the_name_of_a_running_execution(stock: Emulator) -> None:
    start, _ = _machine(stock, WAITS)
    start("one", {"n": 1})

    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start("one", {"n": 1})


def test_the_wait_before_a_retry_has_its_limit(emulator: Emulator, tmp_path: Path) -> None:
    first, second = _waits(emulator, tmp_path)

    assert 0.1 <= first < 0.7
    assert 0.2 <= second < 0.8


def test_gap_stock_does_not_know_the_limit_of_a_wait(stock: Emulator, tmp_path: Path) -> None:
    _, second = _waits(stock, tmp_path)

    assert second >= 1


def _machine(emulator: Emulator, state: dict[str, Any]) -> tuple[Any, Any]:
    states = emulator.client("stepfunctions")
    arn = states.create_state_machine(
        name=f"m-{uuid.uuid4().hex[:8]}",
        definition=json.dumps({"StartAt": "Only", "States": {"Only": state}}),
        roleArn=ROLE,
    )["stateMachineArn"]

    def start(name: str, given: dict[str, Any]) -> Any:
        return states.start_execution(stateMachineArn=arn, name=name, input=json.dumps(given))

    def status(execution: str) -> Any:
        return states.describe_execution(executionArn=execution)["status"]

    return start, status


def _waits(emulator: Emulator, folder: Path) -> tuple[float, float]:
    """How long a state waited before its first and second retry: 1 s and at most 2 s, both scaled."""
    calls = folder / "calls"
    function = Function(
        emulator,
        """
        import os
        import time

        def handler(event, context):
            with open(os.environ["CALLS"], "a") as calls:
                calls.write(f"{time.time()}\\n")
            raise ValueError
        """,
        environment={"CALLS": str(calls)},
    )
    retry = {
        "ErrorEquals": ["States.TaskFailed"],
        "IntervalSeconds": 1,
        "BackoffRate": 10,
        "MaxDelaySeconds": 2,
        "MaxAttempts": 2,
    }
    task = {"Type": "Task", "Resource": function.arn, "Retry": [retry], "End": True}
    start, status = _machine(emulator, task)
    execution = start("one", {})["executionArn"]
    wait_until(lambda: status(execution) == "FAILED")
    first, second, third = (float(line) for line in calls.read_text().split())
    return second - first, third - second
