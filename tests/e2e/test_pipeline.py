"""A command's way through the deployed stack, from the HTTP request to the last row."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

#: Versions of one aggregate in quick succession.
BURST = 40
#: The states of an execution with two handlers that take what they are given.
NO_HANDLER = ("Apply", "HasHandlers", "Done")
ONE_HANDLER = ("Apply", "HasHandlers", "RunHandlers", "RunHandler", "Finish")
TWO_HANDLERS = ("Apply", "HasHandlers", "RunHandlers", "RunHandler", "RunHandler", "Finish")


@pytest.fixture
def sk() -> str:
    return f"S{uuid.uuid4().hex[:10]}"


def test_the_asynchronous_path(deployment: Deployment, sk: str) -> None:
    with deployment.inbox() as inbox:
        assert deployment.publish("note", sk).json() == {"version": 1}
        command = deployment.wait_for("note", f"{sk}@1")
        assert deployment.publish("note", sk, 1).json() == {"version": 2}
        deployment.wait_for("note", f"{sk}@2")
        told = inbox.wait_for(command["requestId"])
    # The service's own code, which reads a variable as it is imported, runs in the stream function and
    # in the notifier as well.
    wait_until(lambda: set(deployment.seen("told", sk)) == {f"{sk}@1", f"{sk}@2"}, seconds=30)
    data = deployment.row("note", "data", sk)
    history = deployment.row("note", "history", f"{sk}@1")
    assert data
    assert history
    assert (data["version"], data["name"], data["createdBy"]) == (2, "after 1", command["createdBy"])
    assert (history["version"], history["name"]) == (1, "after 0")
    assert (told["action"], told["sk"], told["content"]["status"]) == (
        "command-status",
        f"{sk}@1",
        "finish:FINISHED",
    )


def test_a_function_of_ones_own_reads_what_was_written(deployment: Deployment, sk: str) -> None:
    deployment.publish("note", sk, sync=True)
    question = {"tenant": "acme", "pk": "NOTE#acme", "sk": sk}
    answer = deployment.emulator.client("lambda").invoke(
        FunctionName=deployment.outputs["ReportFunctionName"], Payload=json.dumps(question)
    )
    assert json.loads(answer["Payload"].read()) == {"name": "after 0"}


def test_without_handlers_an_execution_takes_two_transitions_and_carries_a_reference(
    deployment: Deployment, sk: str
) -> None:
    deployment.publish("note", sk, attributes={"secret": "not in the input"})
    execution = deployment.execution(sk)
    assert execution["status"] == "SUCCEEDED"
    reference = {"module", "table", "pk", "sk", "version", "publishId", "requestId"}
    assert set(json.loads(execution["input"])) == reference
    # Step Functions bills the start as one transition, and one for each state entered.
    assert 1 + len(deployment.states_entered(execution["executionArn"])) == 2
    assert execution["stateMachineArn"] == deployment.outputs["ApplyStateMachineArn"]


def test_the_synchronous_path_starts_no_execution(deployment: Deployment, sk: str) -> None:
    assert deployment.publish("note", sk, sync=True).json() == {"version": 1}
    row = deployment.row("note", "data", sk)
    assert row
    assert row["version"] == 1
    # The stream keeps the order of its shard: once a later command is through, this one's
    # record has been looked at.
    later = f"{sk}later"
    deployment.publish("note", later)
    deployment.wait_for("note", f"{later}@1")
    assert deployment.executions(sk) == []
    assert len(deployment.executions(later)) == 1


def test_inline_needs_no_execution(deployment: Deployment, sk: str) -> None:
    with deployment.inbox() as inbox:
        for version in range(3):
            assert deployment.publish("memo", sk, version).json() == {"version": version + 1}
        command = deployment.wait_for("memo", f"{sk}@3")
        inbox.wait_for(command["requestId"])
    data = deployment.row("memo", "data", sk)
    assert data
    assert data["version"] == 3
    assert deployment.row("memo", "history", f"{sk}@2")
    assert deployment.executions(sk) == []


@pytest.mark.parametrize("module", ["note", "memo"])
def test_writers_see_their_writes_before_the_stream_has_caught_up(
    deployment: Deployment, module: str, sk: str
) -> None:
    other = deployment.sign_in("acme")
    with deployment.stream_held(module):
        deployment.publish(module, sk, name="mine")
        assert deployment.read(module, sk).json() == {"name": "mine", "version": 1}
        asked = {"pk": f"{module.upper()}#acme", "sk": sk}
        assert deployment.post(f"/{module}/read", asked, token=other).status_code == 404
        assert deployment.row(module, "data", sk) is None
    deployment.wait_for(module, f"{sk}@1")
    assert deployment.post(f"/{module}/read", asked, token=other).json() == {"name": "mine", "version": 1}


def test_a_handler_that_fails_twice_and_then_succeeds(deployment: Deployment, sk: str) -> None:
    deployment.publish("task", sk, attributes={"fails": 2})
    deployment.wait_for("task", f"{sk}@1")
    assert deployment.tries(f"{sk}@1") == 3
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@1"]
    assert deployment.seen("SteadyStore", sk) == [f"{sk}@1"]
    assert deployment.execution(sk)["status"] == "SUCCEEDED"


def test_handlers_see_versions_in_order_while_one_is_slow(deployment: Deployment, sk: str) -> None:
    deployment.publish("task", sk, attributes={"fails": 1})
    deployment.publish("task", sk, 1)
    deployment.publish("task", sk, 2)
    for version in (1, 2, 3):
        deployment.wait_for("task", f"{sk}@{version}")
    expected = [f"{sk}@{version}" for version in (1, 2, 3)]
    assert deployment.seen("FlakyStore", sk) == expected
    assert deployment.seen("SteadyStore", sk) == expected


def test_a_burst_of_versions_is_shown_in_order_and_parks_nothing(deployment: Deployment, sk: str) -> None:
    for version in range(BURST):
        assert deployment.publish("task", sk, version).json() == {"version": version + 1}
    for version in range(1, BURST + 1):
        deployment.wait_for("task", f"{sk}@{version}")
    expected = [f"{sk}@{version}" for version in range(1, BURST + 1)]
    for store in ("FlakyStore", "SteadyStore"):
        assert deployment.seen(store, sk) == expected
    for cursor in deployment.cursors("task", sk):
        assert cursor["version"] == BURST
        assert not {"parkedVersion", "failedVersion", "claim", "wanted"} & set(cursor)
    # One execution for each at most: versions of one batch have one together. None parks, or waits.
    arns = deployment.executions(sk)
    assert len(arns) <= BURST
    states = wait_until(lambda: deployment.states_of_ended(arns), seconds=30)
    # An execution that comes while another one has a handler's turn leaves its version to it.
    entered = {tuple(names) for names in states}
    assert TWO_HANDLERS in entered
    assert entered <= {TWO_HANDLERS, ONE_HANDLER, NO_HANDLER}


def test_a_burst_in_one_batch_is_one_execution(deployment: Deployment, sk: str) -> None:
    with deployment.stream_held("task"):
        for version in range(BURST):
            deployment.publish("task", sk, version)
    for version in range(1, BURST + 1):
        deployment.wait_for("task", f"{sk}@{version}")
    expected = [f"{sk}@{version}" for version in range(1, BURST + 1)]
    for store in ("FlakyStore", "SteadyStore"):
        assert deployment.seen(store, sk) == expected
    execution = deployment.execution(sk)
    assert execution["status"] == "SUCCEEDED"
    assert tuple(deployment.states_entered(execution["executionArn"])) == TWO_HANDLERS


def test_a_burst_inline(deployment: Deployment, sk: str) -> None:
    for version in range(BURST):
        assert deployment.publish("memo", sk, version).json() == {"version": version + 1}
    for version in range(1, BURST + 1):
        deployment.wait_for("memo", f"{sk}@{version}")
    for version in range(1, BURST):
        assert deployment.row("memo", "history", f"{sk}@{version}")
    data = deployment.row("memo", "data", sk)
    assert data
    assert data["version"] == BURST
    assert deployment.executions(sk) == []


def test_a_synchronous_publish_whose_handler_fails_is_taken_over(deployment: Deployment, sk: str) -> None:
    answer = deployment.publish("task", sk, sync=True, attributes={"fails": 1})
    assert answer.status_code == 500
    assert answer.json()["type"].endswith("handlers-pending")
    assert "version 1 is committed" in answer.json()["detail"]
    deployment.wait_for("task", f"{sk}@1")
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@1"]


def test_a_command_that_cannot_be_applied_fails_visibly(deployment: Deployment, sk: str) -> None:
    with deployment.stream_held("note"):
        deployment.publish("note", sk)
        deployment.spoil("note", sk)
    deployment.publish("note", f"{sk}next")
    deployment.wait_for("note", f"{sk}next@1")
    assert deployment.execution(sk)["status"] == "FAILED"
    deployment.wait_for("note", f"{sk}@1", "transform_data:FAILED")
    deployment.mend("note", sk)


def test_a_record_that_cannot_be_processed_is_kept_whole(deployment: Deployment, sk: str) -> None:
    with deployment.stream_held("memo"):
        deployment.publish("memo", sk)
        deployment.spoil("memo", sk)
    deployment.publish("memo", f"{sk}next")
    deployment.wait_for("memo", f"{sk}next@1")
    # Other tests have left theirs.
    (record,) = wait_until(
        lambda: [record for record in deployment.failed_records() if sk in json.dumps(record)], seconds=60
    )
    assert record["dynamodb"]["NewImage"]["sk"] == {"S": f"{sk}@1"}
    assert record["dynamodb"]["NewImage"]["attributes"] == {"M": {"step": {"N": "0"}}}
    deployment.mend("memo", sk)


def test_a_queue_of_ones_own(deployment: Deployment, sk: str) -> None:
    """A message is handled; one of the same batch that makes no sense stays, to end in the dead letters."""
    sqs = deployment.emulator.client("sqs")
    url = sqs.get_queue_url(QueueName="e2e-orders")["QueueUrl"]
    bodies = [json.dumps({"sk": sk}), f"{sk} is no JSON"]
    sqs.send_message_batch(
        QueueUrl=url,
        Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)],
    )
    assert wait_until(lambda: deployment.row("note", "data", sk), seconds=30)

    def left() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(number) for number in found.values())

    wait_until(lambda: left() == 1)
