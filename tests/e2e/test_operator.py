"""What operators see and repair, through the deployed operator function."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.polling import wait_until

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


def test_other_functions_do_nothing_for_operators(deployment: Deployment) -> None:
    client = deployment.emulator.client("lambda")
    names = [f["FunctionName"] for f in client.list_functions()["Functions"]]
    others = [n for n in names if "FunctionsWorker" in n or "FunctionsStream" in n or "FunctionsApi" in n]
    assert len(others) == 3
    for name in others:
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"operation": "modules"}))
        assert answer["FunctionError"] == "Unhandled"
        assert json.loads(answer["Payload"].read())["errorType"] == "UnknownEventError"


def test_a_parked_handler_is_listed(deployment: Deployment, sk: str) -> None:
    deployment.publish("task", sk, attributes={"fails": 1000})
    deployment.wait_for("task", f"{sk}@1", "sync_data:FAILED")
    listed = deployment.operate("parked", module="task", limit=1000)["parked"]
    (entry,) = [entry for entry in listed if entry["sk"] == sk]
    assert (entry["pk"], entry["handler"], entry["parkedVersion"]) == ("TASK#acme", "FlakyStore", 1)
    assert "ConnectionError" in entry["error"]
    wait_until(lambda: deployment.operate("health")["executions"], seconds=10)
