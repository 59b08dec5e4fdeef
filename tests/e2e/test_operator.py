"""What operators see and repair, through the deployed operator function."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.listing import listed

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment


@pytest.fixture
def sk() -> str:
    return f"O{uuid.uuid4().hex[:10]}"


def test_operators_see_what_is_there(deployment: Deployment, sk: str) -> None:
    modules = {module["name"]: module for module in deployment.operate("modules")["modules"]}
    assert modules["memo"]["mode"] == "inline"
    assert modules["task"]["handlers"] == ["FlakyStore", "SteadyStore"]
    deployment.publish("note", sk, attributes={"secret": "not for operators"})
    deployment.wait_for("note", f"{sk}@1")
    deployment.execution(sk)
    shown = deployment.operate("show", module="note", pk="NOTE#acme", sk=sk)
    assert [(v["version"], v["status"], v["applied"]) for v in shown["versions"]] == [
        (1, "finish:FINISHED", True)
    ]
    assert [(e["version"], e["status"]) for e in shown["executions"]] == [(1, "SUCCEEDED")]
    assert "not for operators" not in json.dumps(shown)
    health = deployment.operate("health")
    assert health["deadLetters"] == 0
    assert set(health) == {"deadLetters", "notificationQueue", "failedRecords", "executions"}
    assert health["executions"]["failed"] >= 0


def test_the_code_was_found_to_fit_before_the_deployment_ended(deployment: Deployment) -> None:
    assert deployment.operate("check") == {"problems": []}
    pages = deployment.emulator.client("cloudformation").get_paginator("list_stack_resources")
    resources = [
        one for page in pages.paginate(StackName="EndToEnd") for one in page["StackResourceSummaries"]
    ]
    (check,) = [one for one in resources if one["ResourceType"] == "Custom::CqrsCodeCheck"]
    assert check["ResourceStatus"] == "CREATE_COMPLETE"


def test_other_functions_do_nothing_for_operators(deployment: Deployment) -> None:
    client = deployment.emulator.client("lambda")
    names = [f["FunctionName"] for f in listed(client, "list_functions", "Functions")]
    names = [name for name in names if name.startswith("EndToEnd-")]  # other tests deploy here, too
    others = [n for n in names if "FunctionsWorker" in n or "FunctionsStream" in n or "FunctionsApi" in n]
    assert len(others) == 3
    for name in others:
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"operation": "modules"}))
        assert answer["FunctionError"] == "Unhandled"
        assert json.loads(answer["Payload"].read())["errorType"] == "UnknownTriggerError"


def test_a_parked_handler_is_listed(deployment: Deployment, sk: str) -> None:
    deployment.publish("task", sk, attributes={"fails": 1000})
    deployment.wait_for("task", f"{sk}@1", "sync_data:FAILED")
    listed = deployment.operate("parked", module="task", limit=1000)["parked"]
    (entry,) = [entry for entry in listed if entry["sk"] == sk]
    assert (entry["pk"], entry["handler"], entry["parkedVersion"]) == ("TASK#acme", "FlakyStore", 1)
    assert "RuntimeError" in entry["error"]


def test_redrive_heals_a_parked_handler(deployment: Deployment, sk: str) -> None:
    deployment.publish("task", sk, attributes={"fails": 4})  # one try more than an execution makes
    deployment.publish("task", sk, 1)
    for version in (1, 2):
        deployment.wait_for("task", f"{sk}@{version}", "sync_data:FAILED")
    key = {"module": "task", "pk": "TASK#acme", "sk": sk, "handler": "FlakyStore"}
    assert deployment.operate("redrive", **key, dryRun=True)["done"] == [1, 2]
    assert deployment.seen("FlakyStore", sk) == []
    healed = deployment.operate("redrive", **key)
    assert (healed["done"], healed["parkedVersion"]) == ([1, 2], None)
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@1", f"{sk}@2"]
    for version in (1, 2):
        deployment.wait_for("task", f"{sk}@{version}")


def test_commands_whose_records_were_lost_are_found_and_finished(deployment: Deployment, sk: str) -> None:
    """The stream was down for longer than it remembers: nobody was ever told of these commands."""
    with deployment.stream_lost("task", f"{sk}bad"):
        for version in range(3):
            deployment.publish("task", sk, version)
        deployment.publish("task", f"{sk}bad", attributes={"fails": 1})
    deployment.publish("task", f"{sk}later")  # the stream works again, from here on
    deployment.wait_for("task", f"{sk}later@1")
    assert deployment.row("task", "data", sk) is None

    def lost(**more: Any) -> list[tuple[str, int, str]]:
        page = deployment.operate("reconcile", module="task", olderThan=0, limit=1000, **more)
        assert page["resumeToken"] is None
        assert [one for one in page["failed"] if one["sk"].startswith(sk)] == []
        return sorted(
            (one["sk"], one["version"], one["problem"]) for one in page["found"] if one["sk"].startswith(sk)
        )

    expected = [(sk, version, "notApplied") for version in (1, 2, 3)] + [(f"{sk}bad", 1, "notApplied")]
    assert lost(dryRun=True) == expected
    assert deployment.row("task", "data", sk) is None
    assert lost() == expected
    for version in (1, 2, 3):
        deployment.wait_for("task", f"{sk}@{version}")
    data = deployment.row("task", "data", sk)
    assert data
    assert data["version"] == 3
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@{version}" for version in (1, 2, 3)]
    # A handler that fails is left to an execution, which tries it again.
    deployment.wait_for("task", f"{sk}bad@1")
    assert deployment.tries(f"{sk}bad@1") == 2
    assert deployment.execution(f"{sk}bad")["status"] == "SUCCEEDED"
    assert lost(dryRun=True) == []


def test_a_synchronous_publish_that_died_is_finished_by_heal(deployment: Deployment, sk: str) -> None:
    """The process dies between its commit and its handlers; the stack looks for such commands by itself."""

    def heal() -> dict[str, Any]:
        (task,) = [one for one in deployment.operate("heal")["modules"] if one["name"] == "task"]
        return task

    heal()  # what other tests have left
    answer = deployment.publish("task", sk, sync=True, attributes={"dies": 1})
    assert answer.status_code >= 500
    committed, data = deployment.row("task", "command", f"{sk}@1"), deployment.row("task", "data", sk)
    assert committed
    assert data
    assert (data["version"], committed["syncMode"], "open" in committed) == (1, "SYNC", True)
    # No record tells anybody of it, and it is too young to be taken for left behind.
    before = heal()
    assert deployment.row("task", "command", f"{sk}@1") == committed
    assert deployment.seen("SteadyStore", sk) == []

    deployment.age("task", sk, 1, timedelta(minutes=11))
    healed = heal()
    assert healed == {
        "name": "task",
        "lookedAt": before["lookedAt"] + 1,
        "healed": before["healed"] + 1,
        "failed": before["failed"],
    }
    assert "open" not in deployment.wait_for("task", f"{sk}@1")
    for store in ("FlakyStore", "SteadyStore"):
        assert deployment.seen(store, sk) == [f"{sk}@1"]
    assert deployment.executions(sk) == []
    assert heal() == before


def test_a_cursor_of_a_handler_that_is_gone_is_listed_and_dropped(deployment: Deployment, sk: str) -> None:
    """Its module has had it before a deployment: a cursor is all that tells of it."""
    deployment.publish("task", sk)
    deployment.wait_for("task", f"{sk}@1")
    deployment.forget_handler("task", sk, "OldStore", parked_version=1)

    def gone() -> list[dict[str, Any]]:
        page = deployment.operate("behind", module="task", limit=1000)
        assert page["resumeToken"] is None
        return [one for one in page["behind"] if one["sk"] == sk]

    (found,) = gone()
    assert found["isGone"]
    assert (found["handler"], found["latestVersion"], found["parkedVersion"]) == ("OldStore", 1, 1)
    key = {"module": "task", "pk": "TASK#acme", "sk": sk, "handler": "OldStore"}
    assert deployment.operate("drop", **key, dryRun=True)["parkedVersion"] == 1
    assert len(gone()) == 1
    assert deployment.operate("drop", **key)["parkedVersion"] == 1
    assert gone() == []
    assert deployment.row("task", "command", f"{sk}@1")["status"] == "finish:FINISHED"
