"""One customer managed key for all that a service keeps, and what everybody may do with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CqrsFunction,
    CqrsModule,
    CqrsTable,
    FailedRecords,
    InvalidPropsError,
    Notifications,
    Processing,
)
from tests.constructs.conftest import new_app, warnings_of
from tests.constructs.functions import CODE
from tests.constructs.test_connecting import said
from tests.constructs.test_stack_keywords import shop

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = cdk.Environment(account="111122223333", region="eu-west-1")
ARN = "arn:aws:kms:eu-west-1:111122223333:key/8c1b"
#: Where each kind of resource that keeps something names its key.
KEY_OF = {
    "AWS::DynamoDB::GlobalTable": ("Replicas", 0, "SSESpecification", "KMSMasterKeyId"),
    "AWS::S3::Bucket": (
        *("BucketEncryption", "ServerSideEncryptionConfiguration", 0),
        *("ServerSideEncryptionByDefault", "KMSMasterKeyID"),
    ),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::Lambda::Function": ("KmsKeyArn",),
}
#: In the name of what the stack of the key gives to the other one, however CDK hands it over.
OUTPUT = "FnGetAttKey"
READ = {"kms:Decrypt", "kms:DescribeKey"}
WRITE = {
    *READ,
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}


@pytest.fixture(scope="module")
def stacks() -> dict[str, dict[str, Any]]:
    """A service and the stack with its key, in this order: they are deployed in the other."""
    app = new_app()
    key = kms.Key(cdk.Stack(app, "Keys", env=HOME), "Key", enable_key_rotation=True)
    modules = [CqrsModule("order", data_sync=True), CqrsModule("note", processing=Processing.INLINE)]
    made = shop(
        app,
        env=HOME,
        encryption_key=key,
        modules=modules,
        master_data=True,
        realtime=True,
        tenant_sessions=True,
    )
    assert warnings_of(made) == []
    assembly = app.synth()
    assert [stack.id for stack in assembly.get_stack_by_name("Keys").dependencies] == ["Keys.assets"]
    return {name: assembly.get_stack_by_name(name).template["Resources"] for name in ("Shop", "Keys")}


def test_all_that_keeps_something_has_the_key(stacks: dict[str, dict[str, Any]]) -> None:
    without = []
    for name, resource in stacks["Shop"].items():
        value: Any = resource["Properties"]
        for part in KEY_OF.get(resource["Type"], ()):
            value = value[part] if isinstance(part, int) else value.get(part, {})
        if resource["Type"] in KEY_OF and OUTPUT not in json.dumps(value):
            without.append(name)
    assert without == []
    assert {r["Type"] for r in stacks["Shop"].values()} >= set(KEY_OF)


def test_the_keys_policy_names_services_of_the_account_and_nothing_of_the_service(
    stacks: dict[str, dict[str, Any]],
) -> None:
    (key,) = stacks["Keys"].values()
    statements = key["Properties"]["KeyPolicy"]["Statement"]
    found = {s["Sid"]: s for s in statements if "Sid" in s}
    assert len(statements) == 1 + len(found)  # each once, and the account's own
    assert {sid: s["Principal"]["Service"] for sid, s in found.items()} == {
        "CloudWatchAlarms": "cloudwatch.amazonaws.com",
        "CloudWatchLogs": "logs.eu-west-1.amazonaws.com",
        "TopicsToQueues": "sns.amazonaws.com",
    }
    assert found["CloudWatchAlarms"]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }
    assert ":logs:eu-west-1:111122223333:log-group:*" in str(found["CloudWatchLogs"]["Condition"])
    assert ":sns:eu-west-1:111122223333:*" in str(found["TopicsToQueues"]["Condition"])


def test_each_function_may_use_the_key_as_far_as_its_work_needs(stacks: dict[str, dict[str, Any]]) -> None:
    may: dict[str, set[str]] = {}
    for resource in stacks["Shop"].values():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
            if OUTPUT in json.dumps(statement["Resource"]):
                actions = statement["Action"]
                for role in resource["Properties"]["Roles"]:
                    may.setdefault(role["Ref"].rstrip("0123456789ABCDEF"), set()).update(
                        [actions] if isinstance(actions, str) else actions
                    )
    assert may == {
        "FunctionsApiRole": {"kms:Decrypt", "kms:GenerateDataKey"},
        "FunctionsTenantSessionsRole": WRITE,
        "FunctionsStreamRole": WRITE,
        "FunctionsWorkerRole": WRITE,
        "FunctionsNotifierRole": {"kms:Decrypt"},
        "FunctionsOperatorRole": WRITE,
        "CodeCheckAskingRole": {"kms:Decrypt"},
    }


def test_a_queue_that_gets_a_key_keeps_its_subscription() -> None:
    def subscriptions(key: kms.IKey | None) -> set[str]:
        stack = cdk.Stack(new_app(), "Test", env=HOME)
        own = kms.Key.from_key_arn(stack, "Key", ARN) if key is None else None
        Notifications(stack, "Notifications", encryption_key=own, alarm_emails=["on-call@example.com"])
        return set(Template.from_stack(stack).find_resources("AWS::SNS::Subscription"))

    assert subscriptions(None) == subscriptions(kms.Key(cdk.Stack(new_app(), "Keys"), "Key"))


def test_topics_of_another_account_may_use_the_key_of_the_queues() -> None:
    stack = cdk.Stack(new_app(), "Test", env=HOME)
    key = kms.Key(stack, "Key")
    theirs = [
        sns.Topic.from_topic_arn(stack, name, f"arn:aws:sns:eu-west-1:{account}:{name}")
        for name, account in (("status", "222222222222"), ("alarms", "333333333333"), ("more", HOME.account))
    ]
    imported = kms.Key.from_key_arn(stack, "Imported", ARN)
    for number, (topic, used) in enumerate([(theirs[0], key), (theirs[2], key), (theirs[0], imported)]):
        Notifications(
            stack, f"Notifications{number}", topic=topic, alarm_topic=theirs[1], encryption_key=used
        )
    (made,) = Template.from_stack(stack).find_resources("AWS::KMS::Key").values()
    sources = {
        s["Sid"]: s["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1][-1]
        for s in made["Properties"]["KeyPolicy"]["Statement"]
        if s["Principal"].get("Service") == "sns.amazonaws.com"
    }
    assert sources == {
        "TopicsToQueues": ":sns:eu-west-1:111122223333:*",
        "TopicsOf222222222222ToQueues": ":sns:eu-west-1:222222222222:*",
        "TopicsOf333333333333ToQueues": ":sns:eu-west-1:333333333333:*",
    }
    (text,) = said(stack, "cqrs:keyPolicy:TopicsOf222222222222ToQueues")
    assert "has to let sns.amazonaws.com of the account 222222222222 do kms:Decrypt" in text


def test_what_an_imported_key_has_to_allow_is_said_once() -> None:
    stack = cdk.Stack(new_app(), "Test", env=HOME)
    key = kms.Key.from_key_arn(stack, "Key", ARN)
    for name in "AB":
        CqrsFunction(stack, name, code=CODE, handler="main.app", encryption_key=key)
    Notifications(stack, "Notifications", encryption_key=key, alarm_emails=["on-call@example.com"])
    assert sorted(warnings_of(stack)) == [
        "cqrs:keyPolicy:CloudWatchAlarms",
        "cqrs:keyPolicy:CloudWatchLogs",
        "cqrs:keyPolicy:TopicsToQueues",
    ]


def test_a_key_of_another_region_is_refused() -> None:
    app = new_app()
    stack = cdk.Stack(app, "Test", env=cdk.Environment(region="us-east-1"))
    key = kms.Key.from_key_arn(stack, "Key", ARN)
    with pytest.raises(
        InvalidPropsError,
        match=r"must be in the account and Region of Test, .*us-east-1, got Test/Key in .*eu-west-1; make",
    ):
        CqrsTable(stack, "Orders", encryption_key=key)
    with pytest.raises(InvalidPropsError, match=r"encryption_key needs a stack with a known region, .* env="):
        shop(app, encryption_key=key)


@pytest.mark.parametrize(
    "part",
    [
        CqrsTable,
        AttributesBucket,
        FailedRecords,
        Notifications,
        lambda stack, name, **key: CqrsFunction(stack, name, code=CODE, handler="main.app", **key),
    ],
)
def test_an_alias_is_not_a_key(part: Callable[..., object]) -> None:
    stack = cdk.Stack(new_app(flags=False), "Test", env=HOME)
    by_name = kms.Alias.from_alias_name(stack, "ByName", "alias/shop")
    by_arn = kms.Key.from_key_arn(stack, "ByArn", ARN.replace("key/", "alias/"))
    for name, alias in {"One": by_name, "Two": by_arn}.items():
        with pytest.raises(InvalidPropsError, match=r"encryption_key must be a key, got the alias .*_lookup"):
            part(stack, name, encryption_key=alias)
    # One of the app is as good as its key: CDK knows which that is.
    own = kms.Key(stack, "Key").add_alias("alias/own")
    part(stack, "Three", encryption_key=own)
