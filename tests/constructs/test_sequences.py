from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsFunctions, CqrsMonitoring, InvalidPropsError, Notifications, Sequences
from runtime.contract import Env
from tests.constructs.conftest import permissions, stable, warnings_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

TABLE = "AWS::DynamoDB::GlobalTable"
LOOK_UP = {"dynamodb:GetItem", "dynamodb:BatchGetItem"}
WRITE = {"dynamodb:UpdateItem", "dynamodb:PutItem"}
CODE = lambda_.Code.from_inline("def handler(event, context): ...")


def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def functions(stack: cdk.Stack, **props: Any) -> CqrsFunctions:
    return CqrsFunctions(
        stack,
        "Functions",
        code=CODE,
        handler="index.handler",
        app_name="shop",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        **props,
    )


def variables(stack: cdk.Stack) -> list[dict[str, Any]]:
    found = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    return [function["Properties"]["Environment"]["Variables"] for function in found]


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    Sequences(stack, "Sequences")
    assert stable(stack) == template_snapshot


def test_everything(app: cdk.App, template_snapshot: SnapshotAssertion) -> None:
    stack = cdk.Stack(app, "Test", env=cdk.Environment(region="eu-west-1"))
    Sequences(
        stack,
        "Sequences",
        table_name="dev-shop-sequences",
        encryption_key=kms.Key(stack, "Key"),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot


def test_logical_ids_are_a_contract(stack: cdk.Stack) -> None:
    Sequences(stack, "Sequences")
    assert set(Template.from_stack(stack).find_resources(TABLE)) == {"SequencesTable97BE31A1"}


def test_counters_stay_and_can_be_restored_and_keys_expire(stack: cdk.Stack) -> None:
    Sequences(stack, "Sequences")
    (table,) = Template.from_stack(stack).find_resources(TABLE).values()
    (replica,) = table["Properties"]["Replicas"]
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert "StreamSpecification" not in table["Properties"]
    assert replica["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": True,
        "RecoveryPeriodInDays": 35,
    }
    assert replica["DeletionProtectionEnabled"] is True
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert warnings_of(stack) == []


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        ("issue", LOOK_UP | WRITE),
        ("read", {"dynamodb:GetItem", "dynamodb:Query"}),
        ("administer", LOOK_UP | WRITE | {"dynamodb:Query"}),
    ],
)
def test_an_intent_allows_exactly(stack: cdk.Stack, intent: str, expected: set[str]) -> None:
    getattr(Sequences(stack, "Sequences").grants, intent)(role(stack)).assert_success()
    assert list(permissions(stack).values()) == [expected]


def test_an_existing_table_is_used_as_it_is(stack: cdk.Stack) -> None:
    table = dynamodb.TableV2.from_table_name(stack, "Old", "old-sequences")
    Sequences(stack, "Sequences", table=table).grants.issue(role(stack))
    assert Template.from_stack(stack).find_resources(TABLE) == {}
    (name,) = permissions(stack)
    assert name.endswith("table/old-sequences")


def test_a_table_whose_rows_cannot_expire_is_refused(stack: cdk.Stack) -> None:
    keys: dict[str, Any] = {
        name: dynamodb.Attribute(name=kind, type=dynamodb.AttributeType.STRING)
        for name, kind in (("partition_key", "pk"), ("sort_key", "sk"))
    }
    with pytest.raises(InvalidPropsError, match=r"TTL attribute 'ttl', by which the rows of a sequences"):
        Sequences(stack, "Sequences", table=dynamodb.TableV2(stack, "Theirs", **keys))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dev-shop-sequences", {}),
        ("counters", {"table": "counters"}),
        (None, {"table": ["SequencesTable97BE31A1"]}),
    ],
)
def test_functions_are_told_what_they_cannot_know(
    stack: cdk.Stack, name: str | None, said: dict[str, Any]
) -> None:
    Sequences(stack, "Sequences", table_name=name).connect(functions(stack))
    told = [of[Env.FEATURES] for of in variables(stack)]
    assert len(told) == 5
    for text in told:
        if isinstance(text, str) and name is not None:
            assert json.loads(text)["sequence"].keys() == said.keys()
        else:
            assert "SequencesTable97BE31A1" in json.dumps(text)
        assert Env.SEQUENCES_TABLE_NAME not in json.dumps(text)


def test_a_table_that_was_there_under_its_usual_name_is_not_told(stack: cdk.Stack) -> None:
    Sequences.from_table_name(stack, "Sequences", "dev-shop-sequences").connect(functions(stack))
    assert {of[Env.FEATURES] for of in variables(stack)} == {'{"sequence":{}}'}


def test_each_function_may_do_what_it_is_for(stack: cdk.Stack) -> None:
    Sequences(stack, "Sequences").connect(functions(stack))
    allowed = {}
    for policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").values():
        (owner,) = (role["Ref"] for role in policy["Properties"]["Roles"])
        allowed[owner] = {
            action
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in statement["Action"]
            if action.startswith("dynamodb:")
        }
    found = {owner.removeprefix("Functions").partition("Role")[0]: of for owner, of in allowed.items()}
    issue, everything = LOOK_UP | WRITE, LOOK_UP | WRITE | {"dynamodb:Query"}
    assert {kind: of for kind, of in found.items() if of} == {
        "Api": everything,
        "Worker": issue,
        "Stream": issue,
        "Operator": everything,
    }


def test_a_function_of_ones_own_may_take_numbers_and_knows_where(stack: cdk.Stack) -> None:
    own = lambda_.Function(
        stack, "Own", code=CODE, handler="index.handler", runtime=lambda_.Runtime.PYTHON_3_13
    )
    Sequences(stack, "Sequences").connect(own)
    (told,) = variables(stack)
    assert told == {Env.SEQUENCES_TABLE_NAME: {"Ref": "SequencesTable97BE31A1"}}
    assert list(permissions(stack).values()) == [LOOK_UP | WRITE]


def test_a_second_table_of_counters_is_refused(stack: cdk.Stack) -> None:
    made = functions(stack)
    Sequences(stack, "Sequences", table_name="one").connect(made)
    with pytest.raises(InvalidPropsError, match="two constructs for the feature 'sequence'; connect one"):
        Sequences(stack, "Others", table_name="two").connect(made)


def test_an_alarm_watches_the_table(stack: cdk.Stack) -> None:
    notifications = Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"])
    monitoring = CqrsMonitoring(
        stack,
        "Monitoring",
        app_name="shop",
        notifications=notifications,
        sequences=Sequences(stack, "Sequences"),
    )
    alarm = monitoring.alarms["ThrottledSequences"]
    assert "WriteThrottleEvents" in str(stack.resolve(alarm.metric.to_metric_config()))
    dashboard = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard")
    assert "Tables: throttled" in json.dumps(dashboard)


def test_sequences_alone_are_something_to_watch(stack: cdk.Stack) -> None:
    topic = Notifications(stack, "Notifications").alarm_topic
    monitoring = CqrsMonitoring(
        stack, "Monitoring", app_name="shop", alarm_topic=topic, sequences=Sequences(stack, "Sequences")
    )
    assert list(monitoring.alarms) == ["ThrottledSequences"]


def test_a_service_of_events_takes_numbers_too(stack: cdk.Stack) -> None:
    Sequences(stack, "Sequences").connect(functions(stack, commands=False))
    assert len([of for of in variables(stack) if Env.FEATURES in of]) == len(variables(stack)) > 0
