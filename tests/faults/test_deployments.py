"""A deployed stack is destroyed and deployed again, and switched while it works: nothing is lost."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from constructs_lib.local import Emulator
from tests.e2e.deployment import cdk_of, deploy
from tests.support.emulator import FOLDER, WAIT_SCALE
from tests.support.listing import listed
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.deployment import Deployment

MODULES = ("note", "memo", "task")
#: A request may have one of these, and an item two, of which only the bucket takes care.
PART = "x" * 70_000


@pytest.fixture
def own_emulator() -> Iterator[Emulator]:
    """The shared one has a stack of the same name."""
    with Emulator(folder=FOLDER, wait_scale=WAIT_SCALE, iam=True) as running:
        yield running


@pytest.mark.parametrize("imported", [False, True], ids=["by props", "tables imported"])
def test_a_stack_takes_back_what_it_has_left(
    own_emulator: Emulator, tmp_path: Path, *, imported: bool
) -> None:
    store = tmp_path / "store.db"
    first = deploy(own_emulator, store, removal="RETAIN")
    write_large(first)
    for module in MODULES:
        for version in range(2):
            first.publish(module, "old", version)
            first.wait_for(module, f"old@{version + 1}")
    retained = left_of(own_emulator, first)
    if imported:
        retained = {name: retained[name] for name in ("attributes_bucket_name", "user_pool_id")}

    cdk_of(own_emulator, store, removal="RETAIN").destroy()
    assert not own_emulator.client("lambda").list_functions()["Functions"]

    again = deploy(
        own_emulator,
        store,
        import_existing=imported,
        removal="RETAIN",
        retained=json.dumps(retained),
    )
    tables = own_emulator.client("cloudformation").list_stack_resources(StackName="EndToEnd")
    kinds = [one["ResourceType"] for one in tables["StackResourceSummaries"]]
    assert ("AWS::DynamoDB::GlobalTable" in kinds) is imported
    assert again.outputs["AttributesBucketName"] == first.outputs["AttributesBucketName"]
    assert again.outputs["UserPoolId"] == first.outputs["UserPoolId"]
    large = again.request("GET", "/notes/large")
    assert (large.status_code, large.json()["attributes"]) == (200, {"text": PART, "more": PART})
    change = {"attributes": {"last": PART}}
    assert again.request("PATCH", "/notes/large", json=change, headers={"if-match": '"2"'}).status_code == 202
    again.wait_for("note", "large@3")
    for module in MODULES:
        assert again.read(module, "old").json() == {"name": "after 1", "version": 2}
        again.publish(module, "old", 2)
        again.wait_for(module, "old@3")
    for name in ("FlakyStore", "SteadyStore"):
        assert list(dict.fromkeys(again.seen(name, "old"))) == ["old@1", "old@2", "old@3"]
    assert again.operate("parked", module="task", limit=1000)["parked"] == []


def test_nothing_is_left_of_a_stack_that_is_destroyed(own_emulator: Emulator, tmp_path: Path) -> None:
    kinds = Kinds(own_emulator)
    store = tmp_path / "store.db"
    cdk_of(own_emulator, store).bootstrap()
    before = kinds.all()
    made = deploy(own_emulator, store)
    write_large(made)
    assert all(len(kinds.all()[kind]) > len(before[kind]) for kind in before)
    cdk_of(own_emulator, store).destroy()
    left = kinds.all()
    # The app's own function has no log group in the stack: Lambda makes it one.
    left["logs"] = [name for name in left["logs"] if made.outputs["ReportFunctionName"] not in name]
    assert left == before


def test_a_switch_of_modes_and_of_the_workflow_loses_nothing(own_emulator: Emulator, tmp_path: Path) -> None:
    """Workflow becomes inline, inline workflow, and standard express, while commands come in."""
    store = tmp_path / "store.db"
    before = deploy(own_emulator, store)
    accepted: list[tuple[str, str]] = []
    problems: list[str] = []
    is_over = threading.Event()

    def write(module: str) -> None:
        number = 0
        while not is_over.is_set():
            sk = f"s{number}"
            answer = before.publish(module, sk)
            if answer.status_code == 200:
                accepted.append((module, sk))
            else:
                problems.append(f"{module} {answer.status_code} {answer.text[:200]}")
            number += 1
            is_over.wait(0.05)

    writers = [threading.Thread(target=write, args=[module]) for module in MODULES]
    for writer in writers:
        writer.start()
    try:
        after = deploy(own_emulator, store, switched="true")
    finally:
        is_over.set()
        for writer in writers:
            writer.join()
    assert len(accepted) > 60
    for module in MODULES:
        of_module = [sk for name, sk in accepted if name == module]
        left = unfinished(after, module, of_module)
        if not wait_until_finished(after, module, left):
            # Ten minutes pass: what a replaced state machine has left is there to be healed.
            heal(after, module, unfinished(after, module, left))
            assert wait_until_finished(after, module, left)
    assert after.operate("parked", module="task", limit=1000)["parked"] == []
    assert problems == []


def write_large(deployment: Deployment) -> None:
    state = {"sk": "large", "code": "large", "name": "large", "version": 0, "attributes": {"text": PART}}
    assert deployment.request("POST", "/notes", json=state).status_code == 202
    deployment.wait_for("note", "large@1")
    change = {"attributes": {"more": PART}}
    answer = deployment.request("PATCH", "/notes/large", json=change, headers={"if-match": '"1"'})
    assert answer.status_code == 202
    deployment.wait_for("note", "large@2")
    bucket = deployment.outputs["AttributesBucketName"]
    assert deployment.emulator.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"]


def left_of(emulator: Emulator, deployment: Deployment) -> dict[str, Any]:
    dynamodb = emulator.client("dynamodb")

    def stream(module: str, kind: str = "command") -> str:
        table = dynamodb.describe_table(TableName=deployment.table(module, kind))["Table"]
        return str(table["LatestStreamArn"])

    outputs = deployment.outputs
    return {
        "command_table_streams": {module: stream(module) for module in MODULES},
        "events_table_streams": {"library": stream("library", "events")},
        "session_table_name": outputs["SessionTableName"],
        "attributes_bucket_name": outputs["AttributesBucketName"],
        "user_pool_id": outputs["UserPoolId"],
    }


def unfinished(deployment: Deployment, module: str, keys: list[str]) -> list[str]:
    rows = ((sk, deployment.row(module, "command", f"{sk}@1")) for sk in keys)
    return [sk for sk, row in rows if row is None or row.get("status") != "finish:FINISHED"]


def wait_until_finished(deployment: Deployment, module: str, keys: list[str]) -> bool:
    try:
        return bool(wait_until(lambda: not unfinished(deployment, module, keys), seconds=60))
    except AssertionError:
        return False


def heal(deployment: Deployment, module: str, keys: list[str]) -> None:
    for sk in keys:
        deployment.age(module, sk, 1, timedelta(minutes=15))
    deployment.operate("heal")


#: For each kind: the service, what lists it, where the answer has it, and what it is called there.
_KINDS: Final[dict[str, tuple[str, str, str, str | None]]] = {
    "tables": ("dynamodb", "list_tables", "TableNames", None),
    "buckets": ("s3", "list_buckets", "Buckets", "Name"),
    "pools": ("cognito-idp", "list_user_pools", "UserPools", "Id"),
    "functions": ("lambda", "list_functions", "Functions", "FunctionName"),
    "logs": ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "queues": ("sqs", "list_queues", "QueueUrls", None),
    "topics": ("sns", "list_topics", "Topics", "TopicArn"),
    "machines": ("stepfunctions", "list_state_machines", "stateMachines", "stateMachineArn"),
    "apis": ("apigatewayv2", "get_apis", "Items", "ApiId"),
    "alarms": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "rules": ("events", "list_rules", "Rules", "Name"),
    "roles": ("iam", "list_roles", "Roles", "RoleName"),
}


class Kinds:
    """What an account holds, by kind."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def all(self) -> dict[str, list[str]]:
        return {kind: sorted(self._names(kind)) for kind in _KINDS}

    def _names(self, kind: str) -> Iterator[str]:
        service, operation, key, name = _KINDS[kind]
        of = {"MaxResults": 60} if kind == "pools" else {}
        for one in listed(self._emulator.client(service), operation, key, **of):
            yield one if name is None else one[name]
