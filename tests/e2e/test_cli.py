"""The operators' command line against the deployed stack: the real program, in a process of its own."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.deployment import pk
from tests.support.polling import wait_until
from tests.support.program import Program
from tests.support.service import plain

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

TASK = ["--module", "task", "--handler", "FlakyStore"]


@pytest.fixture
def sk() -> str:
    return f"C{uuid.uuid4().hex[:10]}"


@pytest.fixture
def cqrs(deployment: Deployment) -> Program:
    function = deployment.outputs["OperatorFunctionName"]
    return Program({**deployment.emulator.environment, "CQRS_FUNCTION_NAME": function})


def rows(deployment: Deployment, module: str, sk: str) -> list[dict[str, Any]]:
    """Whatever the module's tables hold about an aggregate."""
    found = []
    for kind in ("command", "data", "history", *(["sync"] if module == "task" else [])):
        pages = deployment.emulator.client("dynamodb").get_paginator("scan")
        for page in pages.paginate(TableName=deployment.table(module, kind), ConsistentRead=True):
            found += [plain(item) for item in page["Items"] if sk in item["sk"]["S"]]
    return found


def line_of(screen: str, *words: str) -> str | None:
    """The line of a table that begins with these words: how wide columns are depends on other tests."""
    return next((line for line in screen.splitlines() if line.split()[: len(words)] == list(words)), None)


def of(entries: list[dict[str, Any]], sk: str) -> list[dict[str, Any]]:
    """Those of an aggregate: other tests leave theirs."""
    return [entry for entry in entries if entry["sk"] == sk]


def test_what_is_parked_is_seen_and_healed(deployment: Deployment, cqrs: Program, sk: str) -> None:
    key = [pk("task"), sk]
    deployment.publish("task", sk, attributes={"fails": 4})
    deployment.wait_for("task", f"{sk}@1", "sync_data:FAILED")
    deployment.publish("task", sk, 1)
    deployment.wait_for("task", f"{sk}@2", "sync_data:FAILED")
    before = rows(deployment, "task", sk)

    status = cqrs("status", "--json", "--module", "task", "--stack", "EndToEnd", code=1).document
    assert status["function"] == deployment.outputs["OperatorFunctionName"]
    (task,) = status["modules"]
    (parked,) = of(task["parked"], sk)
    assert parked["handler"] == "FlakyStore"
    assert parked["parkedVersion"] == 1
    assert parked["error"].startswith("RuntimeError: try ")
    assert "stackTrace" not in parked["error"]
    assert status["attention"][0]["what"] == "parked"
    screen = cqrs("status", "--module", "task", code=1).out
    assert line_of(screen, "task", "TASK#acme", sk, "FlakyStore")
    assert "handlers are parked: cqrs redrive --all" in screen

    (planned,) = cqrs("redrive", *key, *TASK, "--dry-run", "--json").document["results"]
    assert (planned["done"], planned["parkedVersion"], planned["dryRun"]) == ([1, 2], 1, True)
    assert rows(deployment, "task", sk) == before
    assert deployment.seen("FlakyStore", sk) == []

    healed = cqrs("redrive", *key, *TASK).out
    assert line_of(healed, "task", "TASK#acme", sk, "FlakyStore", "1-2")
    deployment.wait_for("task", f"{sk}@1")
    deployment.wait_for("task", f"{sk}@2")
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@1", f"{sk}@2"]

    again = cqrs("redrive", *key, *TASK, "--json", code=4)
    assert again.document["error"]["type"] == "BadRequestError"
    assert again.err.startswith("cqrs: error: redrive: ")


def test_what_can_never_pass_is_skipped(deployment: Deployment, cqrs: Program, sk: str) -> None:
    key = [pk("task"), sk]
    deployment.publish("task", sk, attributes={"fails": 1000})
    deployment.wait_for("task", f"{sk}@1", "sync_data:FAILED")

    # Other tests may have left something parked: only this one is looked at.
    all_of_them = cqrs("redrive", "--all", *TASK, "--json", code=1).document
    (result,) = of(all_of_them["results"], sk)
    assert (result["done"], result["parkedVersion"]) == ([], 1)
    assert all_of_them["parkedAgain"] >= 1
    before = rows(deployment, "task", sk)

    refused = cqrs("skip", *key, *TASK, code=2)
    assert "--yes: a version that is skipped never reaches the handler" in refused.err
    (planned,) = cqrs("skip", *key, *TASK, "--dry-run", "--json").document["results"]
    assert (planned["skipped"], planned["done"]) == (1, [])
    assert rows(deployment, "task", sk) == before

    (skipped,) = cqrs("skip", *key, *TASK, "--yes", "--json").document["results"]
    assert (skipped["skipped"], skipped["parkedVersion"], skipped["error"]) == (1, None, None)
    deployment.wait_for("task", f"{sk}@1")
    (flaky,) = [row for row in rows(deployment, "task", sk) if row["sk"].startswith("FlakyStore#")]
    assert [entry["version"] for entry in flaky["skipped"]] == [1]
    shown = cqrs("show", *key, "--module", "task", "--json").document
    assert [(c["handler"], c["version"], len(c["skipped"])) for c in shown["cursors"]] == [
        ("FlakyStore", 1, 1),
        ("SteadyStore", 1, 0),
    ]


def test_what_a_removed_handler_has_left_is_seen_and_dropped(
    deployment: Deployment, cqrs: Program, sk: str
) -> None:
    deployment.publish("task", sk)
    deployment.wait_for("task", f"{sk}@1")
    deployment.forget_handler("task", sk, "OldStore", parked_version=1)
    before = rows(deployment, "task", sk)

    status = cqrs("status", "--json", "--module", "task", code=1).document
    (task,) = status["modules"]
    (gone,) = of(task["gone"], sk)
    assert (gone["handler"], gone["latestVersion"], gone["parkedVersion"]) == ("OldStore", 1, 1)
    assert of(task["parked"], sk) == of(task["behind"], sk) == []
    assert {"what": "gone", "count": task["goneParked"], "command": "cqrs drop"} in status["attention"]
    assert line_of(cqrs("status", "--module", "task", code=1).out, "task", "TASK#acme", sk, "OldStore")

    words = ["drop", pk("task"), sk, "--module", "task"]
    refused = cqrs(*words, "--handler", "FlakyStore", code=4).err
    assert "FlakyStore is a handler of task; use redrive or skip" in refused
    planned = cqrs(*words, "--handler", "OldStore", "--dry-run", "--json").document
    assert (planned["parkedVersion"], planned["error"]) == (1, "ValueError: no name")
    assert rows(deployment, "task", sk) == before
    assert "Dropped" in cqrs(*words, "--handler", "OldStore").out
    deployment.wait_for("task", f"{sk}@1")
    assert [cursor["sk"] for cursor in deployment.cursors("task", sk)] == [
        f"FlakyStore#{sk}",
        f"SteadyStore#{sk}",
    ]


def lose(deployment: Deployment, sk: str) -> None:
    """A command whose stream record was lost: a copy of another one, that no function was told of."""
    deployment.publish("note", f"{sk}first")
    deployment.wait_for("note", f"{sk}first@1")
    client, table = deployment.emulator.client("dynamodb"), deployment.table("note", "command")
    key = {"pk": {"S": pk("note")}, "sk": {"S": f"{sk}first@1"}}
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    lost = item | {"sk": {"S": f"{sk}@1"}, "code": {"S": sk}, "syncMode": {"S": "SYNC"}}
    lost.pop("status")
    client.put_item(TableName=table, Item=lost)
    key = {"pk": lost["pk"], "sk": lost["sk"]}
    client.update_item(TableName=table, Key=key, UpdateExpression="REMOVE syncMode")


def test_a_lost_record_is_found_and_its_command_applied(
    deployment: Deployment, cqrs: Program, sk: str
) -> None:
    lose(deployment, sk)
    words = ["reconcile", "--module", "note", "--older-than", "0"]
    before = rows(deployment, "note", sk)

    (note,) = cqrs(*words, "--dry-run", "--json", "--segments", "3").document["modules"]
    (found,) = of(note["found"], sk)
    assert (found["version"], found["problem"], found["status"]) == (1, "notApplied", None)
    assert (note["applied"], note["failedTotal"]) == (0, 0)
    assert rows(deployment, "note", sk) == before
    lagging = cqrs("status", "--module", "note", "--older-than", "0", code=1).out
    assert "commands were not processed to their end: cqrs reconcile" in lagging

    applied = cqrs(*words).out
    assert line_of(applied, "NOTE#acme", sk, "1", "notApplied")
    data = deployment.row("note", "data", sk)
    assert data
    assert (data["version"], data["code"]) == (1, sk)
    deployment.wait_for("note", f"{sk}@1")
    (note,) = cqrs(*words, "--json").document["modules"]
    assert of(note["found"], sk) == []


def test_failed_records_are_replayed(deployment: Deployment, cqrs: Program, sk: str) -> None:
    client, table = deployment.emulator.client("dynamodb"), deployment.table("memo", "data")
    broken = {"pk": {"S": pk("memo")}, "sk": {"S": sk}}
    with deployment.stream_held("memo"):
        deployment.publish("memo", sk)
        client.put_item(TableName=table, Item={**broken, "version": {"S": "one"}})

    def failed() -> bool:
        return sk in json.dumps(deployment.failed_records())

    wait_until(failed, seconds=60)
    assert "cqrs replay-dlq --only records" in cqrs("status", "--quick", code=1).out
    words = ["replay-dlq", "--only", "records", "--json"]
    planned = cqrs(*words, "--dry-run").document
    assert planned["records"]["replayed"] >= 1
    assert planned["notifications"] is None
    assert failed()
    # It fails as long as its cause is there, and nothing is lost meanwhile.
    assert cqrs(*words, code=1).document["records"]["failedTotal"] >= 1
    assert failed()

    client.delete_item(TableName=table, Key=broken)
    cqrs("replay-dlq", "--only", "records")
    wait_until(lambda: not failed(), seconds=10)
    data = deployment.row("memo", "data", sk)
    assert data
    assert data["version"] == 1


def test_undelivered_notifications_are_replayed(deployment: Deployment, cqrs: Program, sk: str) -> None:
    sqs = deployment.emulator.client("sqs")
    queue = deployment.outputs["NotificationQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    arn = json.loads(policy["RedrivePolicy"])["deadLetterTargetArn"]
    dead_letters = sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
    body = {"action": "command-status", "id": sk, "table": "note", "pk": pk("note"), "sk": f"{sk}@1"}
    sqs.send_message(QueueUrl=dead_letters, MessageBody=json.dumps({**body, "content": {}}))

    def waiting() -> int:
        name = "ApproximateNumberOfMessages"
        found = sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=[name])["Attributes"]
        return int(found[name])

    assert "cqrs replay-dlq --only notifications" in cqrs("status", "--quick", code=1).out
    planned = cqrs("replay-dlq", "--only", "notifications", "--dry-run", "--json").document
    assert planned["notifications"] == {"moved": waiting(), "left": 0}
    assert waiting() >= 1
    moved = cqrs("replay-dlq", "--only", "notifications", "--json").document
    assert moved["notifications"] == planned["notifications"]
    assert waiting() == 0


def test_a_store_is_filled_again(deployment: Deployment, cqrs: Program, sk: str) -> None:
    deployment.publish("task", sk)
    deployment.wait_for("task", f"{sk}@1")
    # Only the handler that never fails: other tests leave rows that the other one refuses.
    words = ["resync", "--handler", "SteadyStore"]
    before = rows(deployment, "task", sk)

    (task,) = cqrs(*words, "--dry-run", "--json").document["modules"]
    assert task["module"] == "task"
    assert task["rows"] >= 1
    assert deployment.seen("SteadyStore", sk) == [f"{sk}@1"]
    assert rows(deployment, "task", sk) == before
    assert "given to handlers" in cqrs(*words).out
    assert deployment.seen("SteadyStore", sk) == [f"{sk}@1"] * 2

    deployment.publish("task", f"{sk}bad", attributes={"fails": 1000})
    deployment.wait_for("task", f"{sk}bad@1", "sync_data:FAILED")
    (task,) = cqrs("resync", "--handler", "FlakyStore", "--json", code=1).document["modules"]
    (failed,) = of(task["failed"], f"{sk}bad")
    assert (failed["handler"], failed["error"]) == ("FlakyStore", "RuntimeError")
    assert task["failedTotal"] >= 1
    assert deployment.seen("FlakyStore", sk) == [f"{sk}@1"] * 2


def test_the_timeline_of_an_aggregate(deployment: Deployment, cqrs: Program, sk: str) -> None:
    for version in range(2):
        deployment.publish("note", sk, version, attributes={"secret": "not for operators"})
        command = deployment.wait_for("note", f"{sk}@{version + 1}")
    shown = cqrs("show", pk("note"), sk, "--module", "note", "--json")
    assert shown.document["data"]["version"] == 2
    versions = [(v["version"], v["status"], v["history"]) for v in shown.document["versions"]]
    assert versions == [(1, "finish:FINISHED", True), (2, "finish:FINISHED", False)]
    screen = cqrs("show", pk("note"), sk, "--module", "note").out
    assert "at version 2 since " in screen
    assert command["requestId"] in screen
    assert "SUCCEEDED" in screen
    assert "not for operators" not in screen + shown.out

    absent = cqrs("show", pk("note"), f"{sk}no", "--module", "note", "--json", code=4)
    assert absent.document["error"]["type"] == "ItemNotFoundError"
    assert absent.err == f"cqrs: error: {absent.document['error']['message']}\n"
