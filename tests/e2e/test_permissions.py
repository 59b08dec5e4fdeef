"""Each function's role against the calls of the deployed function: nothing is missing, nothing left over.

The emulator of these tests enforces IAM, so what is missing fails everywhere in this folder.
Here one tour makes each function do all that it is for; then every action that a policy
allows on a resource must have been used, or be in the list below with its reason.
"""

from __future__ import annotations

import json
import uuid
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.e2e.deployment import command, pk
from tests.e2e.shelves import LARGE, Shelves
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.deployment import Deployment

FUNCTIONS = ("Api", "Stream", "Worker", "Notifier", "Operator", "Projector")

#: Allowed, and not seen in a call of the function: action, function (* for all), resource, and why.
BY_LAMBDA = "Lambda itself does it with the function's role; the emulator does it with the account's key"
BY_SNS = "SNS does it in the publisher's name; the emulator does not encrypt"
ONE_BY_ONE = "a grant is an intent: who may read these rows in a batch may read one of them"
BEGUN_BEFORE = "executions that began before the module was inline go on"
REASONED = {
    ("logs:CreateLogStream", "*", "*"): BY_LAMBDA,
    ("logs:PutLogEvents", "*", "*"): BY_LAMBDA,
    ("xray:PutTraceSegments", "*", "*"): "tracing is the Lambda service's, which the emulator has not",
    ("xray:PutTelemetryRecords", "*", "*"): "tracing is the Lambda service's, which the emulator has not",
    **{
        (action, function, resource): BY_LAMBDA
        for function in ("Stream", "Projector")
        for action, resource in (
            ("dynamodb:DescribeStream", "*/stream/*"),
            ("dynamodb:GetRecords", "*/stream/*"),
            ("dynamodb:GetShardIterator", "*/stream/*"),
            ("dynamodb:ListStreams", "*/stream/*"),
            ("s3:PutObject", "*failedrecords*"),
            ("s3:ListBucket", "*failedrecords*"),
        )
    },
    ("sqs:*", "*", "*"): BY_LAMBDA,
    ("kms:Decrypt", "*", "*"): BY_SNS,
    ("kms:GenerateDataKey", "*", "*"): BY_SNS,
    (
        "states:StartExecution",
        "Operator",
        "*ApplyOnly*",
    ): "a module lost its handlers, not their cursors",
    # tests/contract/test_permissions.py shows the calls that need the following.
    **{
        ("dynamodb:DeleteItem", function, "*-session"): "whoever finishes a creation forgets that it is new"
        for function in ("Stream", "Worker", "Operator")
    },
    ("dynamodb:ConditionCheckItem", "Api", "*-data"): "a command of a life that has ended makes way",
    ("dynamodb:ConditionCheckItem", "Worker", "*-note-data"): "a command of a life that has ended makes way",
    ("dynamodb:Query", "Worker", "*-note-command"): "without a data row, the latest version is looked for so",
    ("dynamodb:Query", "Api", "*-command"): "without a data row, the latest version is looked for so",
    ("dynamodb:BatchGetItem", "Worker", "*-memo-command"): BEGUN_BEFORE,
    ("dynamodb:UpdateItem", "Worker", "*-memo-command"): BEGUN_BEFORE,
    ("dynamodb:ConditionCheckItem", "Worker", "*-memo-command"): BEGUN_BEFORE,
    ("dynamodb:BatchGetItem", "Worker", "*-memo-data"): BEGUN_BEFORE,
    ("dynamodb:PutItem", "Worker", "*-memo-data"): BEGUN_BEFORE,
    ("dynamodb:PutItem", "Worker", "*-memo-history"): BEGUN_BEFORE,
    ("dynamodb:BatchGetItem", "Stream", "*-memo-*"): "what a batch lacks, where records come out of order",
    ("dynamodb:GetItem", "Stream", "*-memo-command"): ONE_BY_ONE,
    ("dynamodb:GetItem", "Worker", "*-command"): ONE_BY_ONE,
    ("dynamodb:GetItem", "Worker", "*-data"): ONE_BY_ONE,
    (
        "dynamodb:GetItem",
        "Operator",
        "*-command",
    ): "where a data row is gone: whether another one follows",
    ("dynamodb:GetItem", "Operator", "*-data"): ONE_BY_ONE,
    (
        "s3:GetObject",
        "Operator",
        "*attributesbucket*",
    ): "a repaired handler sees large attributes",
    **{
        (action, function, resource): why
        for function in ("Projector", "Operator")
        for action, resource, why in (
            (
                "dynamodb:GetItem",
                "*-events",
                "a refused command of a reaction may have been done before",
            ),
            ("s3:PutObject", "*attributesbucket*", "a reaction may append what no row has room for"),
        )
    },
}

#: What a test attempts on a table of events, and is refused.
ATTEMPTS = {("Api", "dynamodb:UpdateItem"), ("Api", "dynamodb:DeleteItem")}
#: What no function may do to a commit: that a version is followed by the next one rests on that.
CHANGES = {"UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLUpdate", "PartiQLDelete", "PartiQLInsert"}
#: The only ones that may be given for every resource: they take none.
WITHOUT_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


class Right(NamedTuple):
    function: str
    action: str
    resource: str


@pytest.fixture
def sk() -> str:
    return f"T{uuid.uuid4().hex[:10]}"


def granted(deployment: Deployment) -> set[Right]:
    """What the deployed policies of the functions' roles allow."""
    iam = deployment.emulator.client("iam")
    rights = set()
    for role, function in roles(deployment).items():
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for statement in policy["Statement"]:
                assert statement["Effect"] == "Allow"
                for action in listed(statement["Action"]):
                    rights |= {Right(function, action, one) for one in listed(statement["Resource"])}
    return rights


def used(deployment: Deployment) -> set[Right]:
    """What the functions called, and what the emulator decided about it: all was allowed."""
    names = roles(deployment)
    decisions = [
        (names[role], decision)
        for decision in deployment.emulator.iam_decisions()
        if (role := decision["principal"].split("/")[1]) in names
    ]
    calls = {True: set[Right](), False: set[Right]()}
    for name, decision in decisions:
        calls[decision["allowed"]].add(Right(name, decision["action"], decision["resource"]))
    events = f"*:table/{deployment.table('library', 'events')}"
    assert not {
        call for call in calls[False] if not (call[:2] in ATTEMPTS and fnmatchcase(call.resource, events))
    }
    return calls[True]


def roles(deployment: Deployment) -> dict[str, str]:
    resources = deployment.emulator.client("cloudformation").describe_stack_resources(StackName="EndToEnd")
    return {
        resource["PhysicalResourceId"]: name
        for resource in resources["StackResources"]
        for name in FUNCTIONS
        if resource["ResourceType"] == "AWS::IAM::Role"
        and resource["LogicalResourceId"].startswith(f"Functions{name}Role")
    }


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def reasons(right: Right) -> Iterator[tuple[str, str, str]]:
    """The entries of the list that are about a right."""
    for action, function, resource in REASONED:
        if all(
            fnmatchcase(value, pattern)
            for value, pattern in zip(right, (function, action, resource), strict=True)
        ):
            yield action, function, resource


def take_the_tour(deployment: Deployment, sk: str) -> None:
    for module in ("note", "memo", "task"):
        answer = deployment.post(f"/{module}/tour", command(module, sk))
        assert answer.json() == {"version": 2}, answer.text
        deployment.wait_for(module, f"{sk}@2")
        with deployment.stream_held(module):
            deployment.publish(module, sk, 2)
            deployment.publish(module, sk, 3, sync=True)  # applies what is pending first
        deployment.wait_for(module, f"{sk}@4")
        # What is finished already is applied once more.
        restore_the_data_row(deployment, module, f"{sk}b1")
        deployment.publish(module, f"{sk}b1", 2)
        deployment.wait_for(module, f"{sk}b1@3")
        restore_the_data_row(deployment, module, f"{sk}b2")
        deployment.publish(module, f"{sk}b2", 2, sync=True)
        for restored in ("b1", "b2"):
            assert data_version(deployment, module, f"{sk}{restored}") == 3
    poison = f"{sk}poison"
    deployment.publish("task", poison, attributes={"fails": 1000})
    deployment.wait_for("task", f"{poison}@1", "sync_data:FAILED")
    pending = f"{sk}pending"
    deployment.publish("task", pending, sync=True, attributes={"fails": 1})
    deployment.wait_for("task", f"{pending}@1")
    for module in ("note", "task"):
        with deployment.stream_held(module):
            deployment.publish(module, f"{sk}spoilt")
            deployment.spoil(module, f"{sk}spoilt")
    for module in ("note", "task"):
        deployment.wait_for(module, f"{sk}spoilt@1", "transform_data:FAILED")
        deployment.mend(module, f"{sk}spoilt")
    queue = deployment.emulator.client("sqs")
    url = queue.get_queue_url(QueueName="e2e-orders")["QueueUrl"]
    queue.send_message(QueueUrl=url, MessageBody=json.dumps({"sk": f"{sk}order"}))
    wait_until(lambda: deployment.row("note", "data", f"{sk}order"), seconds=30)


def restore_the_data_row(deployment: Deployment, module: str, sk: str) -> None:
    """Version 2 of an aggregate whose data row is at version 1, as in a backup."""
    client, table = deployment.emulator.client("dynamodb"), deployment.table(module, "data")
    key = {"pk": {"S": pk(module)}, "sk": {"S": sk}}
    deployment.publish(module, sk, sync=True)
    older = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    deployment.publish(module, sk, 1, sync=True)
    client.put_item(TableName=table, Item=older)


def data_version(deployment: Deployment, module: str, sk: str) -> Any:
    return (deployment.row(module, "data", sk) or {}).get("version")


def take_the_tour_of_events(deployment: Deployment, sk: str) -> None:
    shelves = Shelves(deployment)
    shelves.do(f"readers/{sk}/join", {"idempotency-key": sk}, name="Ann")
    shelves.do(f"readers/{sk}/join", {"idempotency-key": sk}, name="Ann")
    shelves.acquire(sk, pages=LARGE)
    shelves.do(f"books/{sk}/lend-book", reader=sk, dies=1)
    shelves.wait_until_seen("catalogue", sk, 1, 2)
    wait_until(lambda: shelves.cursor(shelves.pk(sk), "loans@1").get("version") == 2, seconds=30)
    notice = {"version": 1, "notice": {"text": "Closed"}}
    deployment.request("POST", f"/notices/{sk}", json=notice)
    deployment.request("GET", "/catalogue", headers={"min-version": f"{sk}@2"})
    deployment.request("GET", f"/books/{sk}/events")
    deployment.request("GET", "/inventory")
    shelves.acquire(f"{sk}poison", fails=1000)
    shelves.wait_until_parked(f"{sk}poison")


def take_the_operators_tour_of_events(deployment: Deployment, sk: str) -> None:
    shelves = Shelves(deployment)
    shelves.acquire(sk, fails=1000)
    shelves.wait_until_parked(sk)
    module = {"module": "library"}
    for operation in ("parked", "behind", "listAggregates", "listHandlers", "verifyEvents"):
        deployment.operate(operation, **module)
    parked = {**module, "pk": shelves.pk(sk), "handler": "catalogue"}
    deployment.operate("redrive", **parked)
    deployment.operate("skip", **parked)
    # A reaction that runs again executes its command in the operator function.
    shelves.do(f"readers/{sk}/join", name="Ann")
    shelves.do(f"books/{sk}/lend-book", reader=sk, fails=1000)
    shelves.wait_until_parked(sk, "loans@1")
    deployment.heal(f"loans {shelves.pk(sk)}@2")
    assert deployment.operate("redrive", **parked | {"handler": "loans"})["done"] == [2]
    assert len(shelves.commits(shelves.pk(sk, "readers"))) == 2
    deployment.operate("rebuildHandler", **module, handler="catalogue")


def take_the_operators_tour(deployment: Deployment, sk: str) -> None:
    deployment.operate("modules")
    deployment.operate("health")
    for module in ("note", "memo", "task"):
        lose_a_record(deployment, module, f"{sk}lost")
        restore_the_data_row(deployment, module, f"{sk}restored")
        deployment.operate("reconcile", module=module, olderThan=0, limit=1000)
        deployment.wait_for(module, f"{sk}lost@2")
        assert data_version(deployment, module, f"{sk}restored") == 2
        deployment.operate("show", module=module, pk=pk(module), sk=f"{sk}lost")
    parked = {"module": "task", "pk": pk("task"), "sk": f"{sk}parked", "handler": "FlakyStore"}
    deployment.publish("task", f"{sk}parked", attributes={"fails": 1000})
    deployment.wait_for("task", f"{sk}parked@1", "sync_data:FAILED")
    deployment.operate("parked", module="task")
    deployment.operate("redrive", **parked)
    deployment.operate("skip", **parked)
    with deployment.stream_lost("task", f"{sk}poison"):
        deployment.publish("task", f"{sk}poison", attributes={"fails": 1})
    deployment.operate("reconcile", module="task", olderThan=0, limit=1000)  # hands it to an execution
    deployment.wait_for("task", f"{sk}poison@1")
    deployment.operate("behind", module="task")
    deployment.operate("heal", olderThan=0)
    deployment.forget_handler("task", f"{sk}poison", "OldStore", parked_version=1)
    deployment.operate("drop", **(parked | {"sk": f"{sk}poison", "handler": "OldStore"}))
    deployment.operate("resync", module="task", handlers=["SteadyStore"], limit=1000)
    deployment.operate("replayRecords", limit=1000)
    put_dead_letter(deployment, sk)
    deployment.operate("replayNotifications")


def lose_a_record(deployment: Deployment, module: str, sk: str) -> None:
    """Version 2 of an aggregate, of which no function is told: the stream leaves out what is synchronous."""
    deployment.publish(module, sk, sync=True)
    client, table = deployment.emulator.client("dynamodb"), deployment.table(module, "command")
    key = {"pk": {"S": pk(module)}, "sk": {"S": f"{sk}@1"}}
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    lost = item | {"sk": {"S": f"{sk}@2"}, "version": {"N": "2"}}
    lost.pop("status")
    client.put_item(TableName=table, Item=lost)
    key = {"pk": lost["pk"], "sk": lost["sk"]}
    client.update_item(TableName=table, Key=key, UpdateExpression="REMOVE syncMode")


def put_dead_letter(deployment: Deployment, sk: str) -> None:
    sqs, queue = deployment.emulator.client("sqs"), deployment.outputs["NotificationQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    name = json.loads(policy["RedrivePolicy"])["deadLetterTargetArn"].rsplit(":", 1)[1]
    body = {"action": "command-status", "id": sk, "table": "note", "pk": pk("note"), "sk": f"{sk}@1"}
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({**body, "content": {}}))


def test_each_role_allows_what_its_function_calls_and_nothing_else(deployment: Deployment, sk: str) -> None:
    take_the_tour(deployment, sk)
    take_the_operators_tour(deployment, f"{sk}o")
    take_the_tour_of_events(deployment, f"{sk}e")
    take_the_operators_tour_of_events(deployment, f"{sk}p")
    rights, calls = granted(deployment), used(deployment)
    assert {right.function for right in rights} == set(FUNCTIONS)
    uncovered = {
        call
        for call in calls
        if not any(call[:2] == right[:2] and fnmatchcase(call.resource, right.resource) for right in rights)
    }
    assert uncovered == set(), "called without a right to it"
    idle = {
        right
        for right in rights
        if not any(call[:2] == right[:2] and fnmatchcase(call.resource, right.resource) for call in calls)
    }
    assert sorted(right for right in idle if not any(reasons(right))) == [], "allowed and never called"
    assert set(REASONED) == {entry for right in rights for entry in reasons(right)}, "excused, not allowed"
    everywhere = {right.action for right in rights if right.resource == "*"}
    assert everywhere <= WITHOUT_RESOURCE
    assert not any("*" in right.action for right in rights)


def test_no_function_may_change_or_delete_a_commit(deployment: Deployment, sk: str) -> None:
    table = f":table/{deployment.table('library', 'events')}"
    rights = [right for right in granted(deployment) if table in right.resource]
    assert {right.function for right in rights} == {"Api", "Projector", "Operator"}
    assert not {right.action.removeprefix("dynamodb:") for right in rights} & CHANGES
    # What is not allowed is refused.
    shelves = Shelves(deployment)
    shelves.acquire(sk)
    (before,) = shelves.commits(shelves.pk(sk))
    key = {"pk": before["pk"], "sk": before["sk"]}
    for operation in ("update_item", "delete_item"):
        body = {"operation": operation, "table": deployment.table("library", "events"), **key}
        assert deployment.post("/tamper", body).json() == {"error": "AccessDeniedException"}
    assert shelves.commits(shelves.pk(sk)) == [before]
