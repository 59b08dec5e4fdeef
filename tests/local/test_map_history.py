from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from tests.support.functions import ROLE
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "Items": "{% ['a', 'b'] %}",
            "MaxConcurrency": 1,
            "ItemProcessor": {
                "StartAt": "First",
                "States": {
                    "First": {"Type": "Pass", "Next": "Last"},
                    "Last": {"Type": "Succeed"},
                },
            },
            "End": True,
        },
    },
}

ITERATION = [
    "MapIterationStarted",
    "PassStateEntered",
    "PassStateExited",
    "SucceedStateEntered",
    "SucceedStateExited",
    "MapIterationSucceeded",
]


def test_the_states_of_each_iteration_are_in_the_history(emulator: Emulator) -> None:
    events = _history(emulator)

    assert events[1:-2] == ["MapStateEntered", *ITERATION, *ITERATION]
    assert sum(event.endswith("StateEntered") for event in events) == 5


def test_gap_stock_says_nothing_of_what_happens_inside_a_map(stock: Emulator) -> None:
    assert _history(stock)[1:-2] == ["MapStateEntered"]


def _history(emulator: Emulator) -> list[str]:
    states = emulator.client("stepfunctions")
    machine = states.create_state_machine(
        name=f"map-{uuid.uuid4().hex[:8]}",
        definition=json.dumps(DEFINITION),
        roleArn=ROLE,
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    wait_until(lambda: states.describe_execution(executionArn=execution)["status"] == "SUCCEEDED")
    return [event["type"] for event in states.get_execution_history(executionArn=execution)["events"]]
