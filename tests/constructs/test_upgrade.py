"""An upgrade from the last release keeps everything that holds something, in stacks as users write them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from constructs_lib import CqrsModule
from constructs_lib.local import KEPT_TYPES, assert_nothing_replaced, losses
from tests.constructs.released.stacks import FOLDER, STACKS, shop, template

#: What each released template has to have of it for the comparison to say anything.
HELD = {
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::DynamoDB::GlobalTable",
    "AWS::KMS::Key",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::StepFunctions::StateMachine",
}


def held(content: dict[str, Any]) -> set[str]:
    return {r["Type"] for r in content["Resources"].values()} & KEPT_TYPES


def released(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", STACKS)
def test_nothing_of_the_last_release_is_replaced_or_removed(name: str) -> None:
    assert held(released(name)) >= HELD
    assert_nothing_replaced(FOLDER / f"{name}.json", template(STACKS[name]))


def test_other_names_are_other_tables() -> None:
    """The comparison sees what a user would do by a change of a prop."""
    before = released("shop")
    after = template(shop, env_name="stg", modules=[CqrsModule("orders", data_sync=True)])
    found = {loss.logical_id.rstrip("0123456789ABCDEF"): loss.impact for loss in losses(before, after)}
    wanted = {
        "MasterDataTable": "replace",
        "SessionsTable": "replace",
        "StreamsorderMapping": "destroy",
        "StreamsordernoteMapping": "destroy",
        **dict.fromkeys(["orderCommand", "orderData", "orderHistory", "orderSync"], "orphan"),
        **dict.fromkeys(["ordernoteCommand", "ordernoteData", "ordernoteHistory"], "orphan"),
    }
    assert found == wanted


#: A change of a property for each type, and what comes of it.
CHANGES = {
    "AWS::Cognito::UserPool": ("UsernameAttributes", ["phone_number"], "cannot change UsernameAttributes"),
    "AWS::Cognito::UserPoolClient": ("GenerateSecret", True, "replace"),
    "AWS::DynamoDB::GlobalTable": ("KeySchema", [{"AttributeName": "id", "KeyType": "HASH"}], "replace"),
    "AWS::KMS::Key": ("KeySpec", "RSA_2048", "cannot change KeySpec"),
    "AWS::Logs::LogGroup": ("LogGroupName", "other", "replace"),
    "AWS::S3::Bucket": ("BucketName", "other", "replace"),
    "AWS::SNS::Topic": ("TopicName", "other", "replace"),
    "AWS::SQS::Queue": ("QueueName", "other", "replace"),
    "AWS::StepFunctions::StateMachine": ("StateMachineType", "EXPRESS", "replace"),
    "AWS::ApiGatewayV2::Api": ("ProtocolType", "WEBSOCKET", "replace"),
}


def test_the_failure_names_each_changed_property_and_lets_pass_what_is_allowed() -> None:
    before = released("apart")
    after, wanted = deepcopy(before), {}
    for name, resource in after["Resources"].items():
        if resource["Type"] in CHANGES:
            field, value, wanted[name] = CHANGES[resource["Type"]]
            resource["Properties"][field] = value
        elif resource["Type"] == "AWS::Lambda::EventSourceMapping":
            wanted[name] = "replace"  # its table or queue is
    bared = next(name for name in wanted if "History" in name)
    resource = after["Resources"][bared] = deepcopy(before["Resources"][bared])
    resource["DeletionPolicy"] = "Delete"
    resource["Properties"]["Replicas"][0]["DeletionProtectionEnabled"] = False
    wanted[bared] = "DeletionPolicy becomes Delete"
    allowed = next(name for name in wanted if "Topic" in name)
    with pytest.raises(AssertionError) as failure:
        assert_nothing_replaced(before, after, allowed=[allowed])
    lines = str(failure.value).splitlines()
    assert lines[0] == "the update would not keep:"
    types = {name: resource["Type"] for name, resource in before["Resources"].items()}
    del wanted[allowed]
    expected = [f"{name} ({types[name]}): {wanted[name]}" for name in sorted(wanted)]
    place = next(i for i, line in enumerate(expected) if line.startswith(bared))
    expected.insert(place + 1, f"{bared} ({types[bared]}): loses deletion protection")
    assert [line.strip() for line in lines[1:-1]] == expected
