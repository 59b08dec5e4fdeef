"""A poison command, whose handler always fails, deployed: parked, told, healed or passed over."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.deployment import pk
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.deployment import Deployment
    from tests.e2e.inbox import Inbox

_POISON = {"fails": 1000}
_OTHERS = 5


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    return deployment.of_another_tenant()


@pytest.fixture
def sk() -> str:
    return f"P{uuid.uuid4().hex[:10]}"


@pytest.fixture
def alarms(deployment: Deployment) -> Iterator[Inbox]:
    with deployment.inbox("AlarmTopicArn") as inbox:
        yield inbox


def test_a_poison_command_is_parked_and_others_go_on(deployment: Deployment, alarms: Inbox, sk: str) -> None:
    deployment.publish("task", sk, attributes=_POISON | {"held": True})
    # It is tried again, and held there until everybody else is done: nobody waits for it.
    wait_until(lambda: deployment.tries(f"{sk}@1") == 2, seconds=30)
    deployment.publish("task", sk, 1)
    others = [f"{sk}o{number}" for number in range(_OTHERS)]
    for version in range(2):
        for other in others:
            assert deployment.publish("task", other, version).json() == {"version": version + 1}
    for other in others:
        deployment.wait_for("task", f"{other}@2")
        assert deployment.seen("FlakyStore", other) == [f"{other}@1", f"{other}@2"]
    wait_until(lambda: (deployment.row("task", "data", sk) or {}).get("version") == 2, seconds=30)
    assert deployment.tries(f"{sk}@1") == 2
    assert "parkedVersion" not in _cursor(deployment, sk)
    deployment.open_gate(f"{sk}@1")
    for version in (1, 2):
        deployment.wait_for("task", f"{sk}@{version}", "sync_data:FAILED")
    cursor = _cursor(deployment, sk)
    assert cursor["parkedVersion"] == 1
    assert "RuntimeError" in cursor["parkedError"]
    assert deployment.seen("FlakyStore", sk) == []
    assert deployment.seen("SteadyStore", sk) == [f"{sk}@1", f"{sk}@2"]
    # A version that comes later meets a parked handler; the data table goes on.
    deployment.publish("task", sk, 2)
    deployment.wait_for("task", f"{sk}@3", "sync_data:FAILED")
    assert (deployment.row("task", "data", sk) or {})["version"] == 3

    # The operators are told once, without the error's text.
    alarm = alarms.wait_until_told(f"{sk}@1", errorMessage="FlakyStore is parked: RuntimeError")
    assert alarm["action"] == "sfn-alarm"
    assert f"-{sk}-v1-" in alarm["content"]["sfnId"]
    assert [told["sk"] for told in alarms.told if sk in told["sk"]] == [f"{sk}@1"]
    counted = wait_until(lambda: _counted(deployment, "HandlersParked", sk), seconds=30)
    assert [(line["module"], line["HandlersParked"]) for line in counted] == [("task", [1.0])]

    with deployment.inbox() as inbox:
        deployment.heal(f"{sk}@1")
        healed = deployment.operate(
            "redrive", module="task", pk=pk("task", deployment.tenant), sk=sk, handler="FlakyStore"
        )
        assert (healed["done"], healed["skipped"], healed["parkedVersion"]) == ([1, 2, 3], None, None)
        for version in (1, 2, 3):
            deployment.wait_for("task", f"{sk}@{version}")
            inbox.wait_until_told(f"{sk}@{version}", status="finish:FINISHED")
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@1", f"{sk}@2", f"{sk}@3"]
    deployment.publish("task", sk, 3)
    deployment.wait_for("task", f"{sk}@4")
    assert deployment.seen("FlakyStore", sk)[-1] == f"{sk}@4"


def test_a_poison_command_is_passed_over(deployment: Deployment, sk: str) -> None:
    deployment.publish("task", sk)
    deployment.publish("task", sk, 1, attributes=_POISON)
    deployment.publish("task", sk, 2)
    for version in (2, 3):
        deployment.wait_for("task", f"{sk}@{version}", "sync_data:FAILED")
    answer = deployment.operate(
        "skip", module="task", pk=pk("task", deployment.tenant), sk=sk, handler="FlakyStore"
    )
    assert (answer["done"], answer["skipped"], answer["parkedVersion"]) == ([3], 2, None)
    cursor = _cursor(deployment, sk)
    assert (cursor["version"], "parkedVersion" in cursor) == (3, False)
    (entry,) = cursor["skipped"]
    assert entry["version"] == 2
    assert "RuntimeError" in entry["error"]
    for version in (1, 2, 3):
        deployment.wait_for("task", f"{sk}@{version}")
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@1", f"{sk}@3"]


def _cursor(deployment: Deployment, sk: str) -> dict[str, Any]:
    return deployment.row("task", "sync", f"FlakyStore#{sk}") or {}


def _counted(deployment: Deployment, metric: str, sk: str) -> list[dict[str, Any]]:
    """The lines of the worker's log that count ``metric`` for executions of one aggregate."""
    return [
        line
        for line in deployment.metrics("worker")
        if metric in line and any(f"-{sk}-v" in execution for execution in line.get("execution_ids", []))
    ]
