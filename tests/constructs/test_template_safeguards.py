"""What keeps a resource, or what is in it, does not go in an update without a word."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from constructs_lib.local.template_safeguards import safeguards_lost

RECOVERED_LESS = "loses point-in-time recovery, or days of it"
REF = {"Ref": "Parameter"}
RECOVERY = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35}
REPLICA = {
    "Region": {"Ref": "AWS::Region"},
    "DeletionProtectionEnabled": True,
    "PointInTimeRecoverySpecification": RECOVERY,
    "SSESpecification": {"KMSMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}},
}
KEY = {"Fn::GetAtt": ["Key", "Arn"]}
KEY_LOST = "loses its customer managed key"
FULL: dict[str, dict[str, Any]] = {
    "AWS::DynamoDB::GlobalTable": {
        "Replicas": [REPLICA],
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "GlobalSecondaryIndexes": [{"IndexName": "open"}],
    },
    "AWS::DynamoDB::Table": {
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": "true"},
        "SSESpecification": {"SSEEnabled": True, "KMSMasterKeyId": KEY},
    },
    "AWS::Cognito::UserPool": {"DeletionProtection": "ACTIVE"},
    "AWS::RDS::DBCluster": {"DeletionProtection": True, "BackupRetentionPeriod": 7},
    "AWS::S3::Bucket": {
        "VersioningConfiguration": {"Status": "Enabled"},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}}
            ]
        },
        "PublicAccessBlockConfiguration": {"BlockPublicPolicy": True},
        "LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "ExpirationInDays": 90}]},
    },
    "AWS::KMS::Key": {"EnableKeyRotation": True},
    "AWS::Kinesis::Stream": {"RetentionPeriodHours": 48, "StreamEncryption": {"KeyId": KEY}},
    "AWS::Logs::LogGroup": {"RetentionInDays": 30, "KmsKeyId": KEY},
    "AWS::SQS::Queue": {"RedrivePolicy": {}, "KmsMasterKeyId": KEY},
    "AWS::Lambda::EventSourceMapping": {"DestinationConfig": {"OnFailure": {"Destination": REF}}},
    "AWS::SNS::Topic": {"KmsMasterKeyId": KEY},
    "AWS::SecretsManager::Secret": {"KmsKeyId": KEY},
    "AWS::StepFunctions::StateMachine": {"EncryptionConfiguration": {"KmsKeyId": KEY}},
}
#: What is set where, and what is said then. None removes it.
TAKEN = [
    (
        "AWS::DynamoDB::GlobalTable",
        "Replicas.0.DeletionProtectionEnabled",
        False,
        "loses deletion protection",
    ),
    ("AWS::DynamoDB::GlobalTable", "Replicas.0.DeletionProtectionEnabled", None, "loses deletion protection"),
    ("AWS::DynamoDB::GlobalTable", "Replicas.0.PointInTimeRecoverySpecification", None, RECOVERED_LESS),
    (
        "AWS::DynamoDB::GlobalTable",
        "Replicas.0.PointInTimeRecoverySpecification.RecoveryPeriodInDays",
        7,
        RECOVERED_LESS,
    ),
    ("AWS::DynamoDB::GlobalTable", "StreamSpecification", None, "loses its stream of NEW_IMAGE"),
    (
        "AWS::DynamoDB::GlobalTable",
        "StreamSpecification.StreamViewType",
        "KEYS_ONLY",
        "loses its stream of NEW_IMAGE",
    ),
    ("AWS::DynamoDB::GlobalTable", "TimeToLiveSpecification", None, "loses its TTL by ttl"),
    ("AWS::DynamoDB::GlobalTable", "TimeToLiveSpecification.Enabled", "false", "loses its TTL by ttl"),
    ("AWS::DynamoDB::GlobalTable", "TimeToLiveSpecification.AttributeName", "other", "loses its TTL by ttl"),
    ("AWS::DynamoDB::GlobalTable", "GlobalSecondaryIndexes", None, "loses its index open"),
    ("AWS::DynamoDB::GlobalTable", "SSESpecification", None, "loses its encryption"),
    ("AWS::DynamoDB::Table", "DeletionProtectionEnabled", False, "loses deletion protection"),
    ("AWS::DynamoDB::Table", "PointInTimeRecoverySpecification", None, RECOVERED_LESS),
    (
        "AWS::DynamoDB::Table",
        "PointInTimeRecoverySpecification.RecoveryPeriodInDays",
        34,
        RECOVERED_LESS,
    ),
    ("AWS::Cognito::UserPool", "DeletionProtection", "INACTIVE", "loses deletion protection"),
    ("AWS::RDS::DBCluster", "DeletionProtection", None, "loses deletion protection"),
    ("AWS::RDS::DBCluster", "BackupRetentionPeriod", 1, "keeps backups for a shorter time"),
    ("AWS::S3::Bucket", "VersioningConfiguration.Status", "Suspended", "loses its versions"),
    (
        "AWS::S3::Bucket",
        "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm",
        "AES256",
        KEY_LOST,
    ),
    ("AWS::S3::Bucket", "BucketEncryption.ServerSideEncryptionConfiguration", [], KEY_LOST),
    ("AWS::DynamoDB::GlobalTable", "Replicas.0.SSESpecification", None, KEY_LOST),
    ("AWS::DynamoDB::Table", "SSESpecification.KMSMasterKeyId", None, KEY_LOST),
    ("AWS::Kinesis::Stream", "StreamEncryption.KeyId", "alias/aws/kinesis", KEY_LOST),
    ("AWS::Logs::LogGroup", "KmsKeyId", None, KEY_LOST),
    ("AWS::SNS::Topic", "KmsMasterKeyId", None, KEY_LOST),
    ("AWS::SQS::Queue", "KmsMasterKeyId", None, KEY_LOST),
    ("AWS::SecretsManager::Secret", "KmsKeyId", None, KEY_LOST),
    ("AWS::StepFunctions::StateMachine", "EncryptionConfiguration", None, KEY_LOST),
    ("AWS::S3::Bucket", "PublicAccessBlockConfiguration", None, "loses BlockPublicPolicy"),
    ("AWS::S3::Bucket", "LifecycleConfiguration.Rules.0.ExpirationInDays", 30, "deletes objects earlier"),
    ("AWS::KMS::Key", "EnableKeyRotation", False, "loses its rotation"),
    ("AWS::KMS::Key", "Enabled", False, "is switched off"),
    ("AWS::KMS::Key", "PendingWindowInDays", 7, "is deleted sooner"),
    ("AWS::Kinesis::Stream", "RetentionPeriodHours", None, "keeps records for a shorter time"),
    ("AWS::Logs::LogGroup", "RetentionInDays", "7", "keeps logs for a shorter time"),
    ("AWS::SQS::Queue", "MessageRetentionPeriod", 60, "keeps messages for a shorter time"),
    ("AWS::SQS::Queue", "RedrivePolicy", None, "loses its dead-letter queue"),
    ("AWS::Lambda::EventSourceMapping", "Enabled", False, "is switched off"),
    ("AWS::Lambda::EventSourceMapping", "DestinationConfig", None, "loses its on-failure destination"),
]


def resource(kind: str) -> dict[str, Any]:
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    return {"Type": kind, **kept, "Properties": deepcopy(FULL[kind])}


def put(properties: Any, path: str, value: Any) -> None:
    *parents, last = (int(name) if name.isdigit() else name for name in path.split("."))
    for name in parents:
        properties = properties[name]
    properties[last] = value
    if value is None:
        del properties[last]


@pytest.mark.parametrize(("kind", "path", "value", "said"), TAKEN)
def test_what_is_taken_away_is_said(kind: str, path: str, value: Any, said: str) -> None:
    before, after = resource(kind), resource(kind)
    put(after["Properties"], path, value)
    assert safeguards_lost(before, after) == [said]
    # What is added is nothing that is lost.
    assert safeguards_lost(after, before) in (
        [],
        ["loses its TTL by other"],
        ["loses its stream of KEYS_ONLY"],
    )


@pytest.mark.parametrize("kind", FULL)
def test_what_stays_is_not_mentioned(kind: str) -> None:
    before, after = resource(kind), resource(kind)
    after["DeletionPolicy"] = "RetainExceptOnCreate"
    assert safeguards_lost(before, after) == safeguards_lost(after, before) == []


@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
@pytest.mark.parametrize("kind", FULL)
def test_every_type_speaks_when_it_is_not_retained_any_more(kind: str, policy: str) -> None:
    gone, destroyed = resource(kind), resource(kind)
    del gone[policy]
    destroyed[policy] = "Delete"
    is_snapshot = (kind, policy) == ("AWS::RDS::DBCluster", "DeletionPolicy")  # where nothing is said
    for after in (destroyed,) if is_snapshot else (gone, destroyed):
        assert safeguards_lost(resource(kind), after) == [f"{policy} becomes Delete"]


def test_what_only_the_deployment_knows_counts_as_kept() -> None:
    before, after = resource("AWS::DynamoDB::GlobalTable"), resource("AWS::DynamoDB::GlobalTable")
    after["Properties"]["Replicas"][0] |= {
        "DeletionProtectionEnabled": REF,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": REF},
    }
    assert safeguards_lost(before, after) == []


def test_a_replica_that_goes_is_named_by_its_region() -> None:
    before, after = resource("AWS::DynamoDB::GlobalTable"), resource("AWS::DynamoDB::GlobalTable")
    before["Properties"]["Replicas"] = [REPLICA | {"Region": name} for name in ("eu-west-1", "us-east-1")]
    after["Properties"]["Replicas"] = [REPLICA | {"Region": "us-east-1"}]
    assert safeguards_lost(before, after) == ["loses its replica in eu-west-1"]
    after["Properties"]["Replicas"] = [
        REPLICA | {"Region": "eu-west-1"},
        REPLICA | {"Region": "us-east-1", "DeletionProtectionEnabled": False},
    ]
    assert safeguards_lost(before, after) == ["loses deletion protection in us-east-1"]


def test_a_database_that_says_nothing_leaves_a_snapshot() -> None:
    silent, kept, deleted = (resource("AWS::RDS::DBCluster") for _ in range(3))
    del silent["DeletionPolicy"]
    kept["DeletionPolicy"], deleted["DeletionPolicy"] = "Snapshot", "Delete"
    assert safeguards_lost(kept, silent) == safeguards_lost(silent, kept) == []
    assert safeguards_lost(silent, deleted) == ["DeletionPolicy becomes Delete"]
    instance = resource("AWS::RDS::DBCluster") | {"Type": "AWS::RDS::DBInstance"}
    of_cluster = {**instance, "Properties": instance["Properties"] | {"DBClusterIdentifier": REF}}
    del of_cluster["DeletionPolicy"]
    assert safeguards_lost(of_cluster, of_cluster | {"DeletionPolicy": "Delete"}) == []


def either(value: Any) -> dict[str, Any]:
    return {"Fn::If": ["Condition", value, {"Ref": "AWS::NoValue"}]}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("AWS::DynamoDB::GlobalTable", path)
        for path in (
            *("Replicas", "Replicas.0", "Replicas.0.SSESpecification", "GlobalSecondaryIndexes"),
            *("GlobalSecondaryIndexes.0", "StreamSpecification", "TimeToLiveSpecification"),
            *("SSESpecification", "Replicas.0.PointInTimeRecoverySpecification"),
        )
    ]
    + [
        ("AWS::S3::Bucket", path)
        for path in (
            *("BucketEncryption", "LifecycleConfiguration", "LifecycleConfiguration.Rules"),
            *("LifecycleConfiguration.Rules.0", "VersioningConfiguration", "PublicAccessBlockConfiguration"),
        )
    ]
    + [("AWS::SQS::Queue", "KmsMasterKeyId")],
)
def test_what_a_condition_decides_counts_as_kept(kind: str, path: str) -> None:
    before, after = resource(kind), resource(kind)
    value: Any = before["Properties"]
    for name in path.split("."):
        value = value[int(name) if name.isdigit() else name]
    put(after["Properties"], path, either(value))
    assert safeguards_lost(before, after) == safeguards_lost(after, before) == []


def test_the_region_of_a_stack_that_gets_to_know_its_own_is_the_same() -> None:
    before, after = resource("AWS::DynamoDB::GlobalTable"), resource("AWS::DynamoDB::GlobalTable")
    unprotected = REPLICA | {"DeletionProtectionEnabled": False}
    after["Properties"]["Replicas"] = [
        unprotected | {"Region": "us-east-1"},
        REPLICA | {"Region": "eu-west-1"},
    ]
    assert safeguards_lost(before, after) == []
    assert safeguards_lost(after, before) == ["loses its replica in us-east-1"]
    after["Properties"]["Replicas"][1] = unprotected | {"Region": "eu-west-1"}
    assert safeguards_lost(before, after) == ['loses deletion protection in {"Ref": "AWS::Region"}']
