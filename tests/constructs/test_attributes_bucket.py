from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from constructs_lib import AttributesBucket, FailedRecords, InvalidPropsError
from tests.constructs.conftest import permissions, stable, warnings_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

BUCKET = "AWS::S3::Bucket"


@pytest.fixture
def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    AttributesBucket(stack, "Attributes")
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    AttributesBucket(
        stack,
        "Attributes",
        encryption_key=kms.Key(stack, "Key"),
        access_logs_bucket=s3.Bucket.from_bucket_name(stack, "Logs", "access-logs"),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot


def test_logical_ids_are_a_contract(stack: cdk.Stack) -> None:
    AttributesBucket(stack, "Attributes")
    assert set(Template.from_stack(stack).find_resources(BUCKET)) == {"AttributesBucket656950E7"}


def test_the_bucket_is_private_encrypted_and_kept(stack: cdk.Stack) -> None:
    AttributesBucket(stack, "Attributes")
    (bucket,) = Template.from_stack(stack).find_resources(BUCKET).values()
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert "AES256" in str(bucket["Properties"]["BucketEncryption"])
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert warnings_of(stack) == []


def test_only_tls_is_answered(stack: cdk.Stack) -> None:
    AttributesBucket(stack, "Attributes")
    refused = [{"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": 1.2}}]
    statements = [Match.object_like({"Effect": "Deny", "Condition": condition}) for condition in refused]
    Template.from_stack(stack).has_resource_properties(
        "AWS::S3::BucketPolicy", {"PolicyDocument": {"Statement": statements}}
    )


def test_unfinished_uploads_are_cleared_up_and_objects_never_expire(stack: cdk.Stack) -> None:
    AttributesBucket(stack, "Attributes")
    (bucket,) = Template.from_stack(stack).find_resources(BUCKET).values()
    assert bucket["Properties"]["LifecycleConfiguration"]["Rules"] == [
        {
            "Id": "AbortIncompleteUploads",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
    ]


@pytest.mark.parametrize(
    ("intent", "expected"),
    [("read", {"s3:GetObject"}), ("read_write", {"s3:GetObject", "s3:PutObject"})],
)
def test_grants_are_for_objects_only(
    stack: cdk.Stack, role: iam.Role, intent: str, expected: set[str]
) -> None:
    getattr(AttributesBucket(stack, "Attributes").grants, intent)(role).assert_success()
    assert permissions(stack) == {"AttributesBucket656950E7/*": expected}


def test_whoever_collects_may_also_list(stack: cdk.Stack, role: iam.Role) -> None:
    AttributesBucket(stack, "Attributes").grants.collect(role).assert_success()
    assert permissions(stack) == {
        "AttributesBucket656950E7": {"s3:ListBucket"},
        "AttributesBucket656950E7/*": {"s3:GetObject", "s3:DeleteObject"},
    }


def test_grants_include_the_use_of_the_buckets_key(stack: cdk.Stack, role: iam.Role) -> None:
    attributes = AttributesBucket(stack, "Attributes", encryption_key=kms.Key(stack, "Key"))
    attributes.grants.read_write(role)
    (key_actions,) = [actions for name, actions in permissions(stack).items() if name.startswith("Key")]
    assert {"kms:Decrypt", "kms:GenerateDataKey"} < key_actions


def test_an_existing_bucket_is_used_as_it_is(stack: cdk.Stack, role: iam.Role) -> None:
    bucket = s3.Bucket.from_bucket_name(stack, "Old", "old-attributes")
    AttributesBucket(stack, "Attributes", bucket=bucket).grants.read(role)
    assert Template.from_stack(stack).find_resources(BUCKET) == {}
    (name,) = permissions(stack)
    assert name.endswith(":s3:::old-attributes/*")


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"auto_delete_objects": True}, "auto_delete_objects has no effect .* bucket brings, got True"),
        ({"removal_policy": cdk.RemovalPolicy.DESTROY}, "removal_policy has no effect .*, got DESTROY"),
    ],
)
def test_configuring_an_existing_bucket_is_refused(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    bucket = s3.Bucket.from_bucket_name(stack, "Old", "old-attributes")
    with pytest.raises(InvalidPropsError, match=message):
        AttributesBucket(stack, "Attributes", bucket=bucket, **props)


def test_objects_are_not_deleted_from_a_bucket_that_stays(stack: cdk.Stack) -> None:
    with pytest.raises(
        InvalidPropsError, match="auto_delete_objects needs removal_policy=DESTROY, got RETAIN"
    ):
        AttributesBucket(stack, "Attributes", auto_delete_objects=True)


def test_a_throw_away_bucket_can_be_emptied_with_its_stack(stack: cdk.Stack) -> None:
    AttributesBucket(stack, "Attributes", auto_delete_objects=True, removal_policy=cdk.RemovalPolicy.DESTROY)
    FailedRecords(stack, "Failed", auto_delete_objects=True, removal_policy=cdk.RemovalPolicy.DESTROY)
    template = Template.from_stack(stack)
    template.resource_count_is("Custom::S3AutoDeleteObjects", 2)
    assert warnings_of(stack) == ["cqrs:destroyableBucket"] * 2
    # It works while the stack goes: Lambda's own log group would be left.
    ((log_group, content),) = template.find_resources("AWS::Logs::LogGroup").items()
    assert content["DeletionPolicy"] == "Delete"
    ((_, function),) = template.find_resources("AWS::Lambda::Function").items()
    assert function["Properties"]["LoggingConfig"] == {"LogGroup": {"Ref": log_group}}


def test_failed_records_are_not_deleted_from_a_bucket_that_stays(stack: cdk.Stack) -> None:
    message = "auto_delete_objects needs removal_policy=DESTROY, got RETAIN"
    with pytest.raises(InvalidPropsError, match=message):
        FailedRecords(stack, "Failed", auto_delete_objects=True)
    bucket = s3.Bucket.from_bucket_name(stack, "Old", "old-records")
    with pytest.raises(InvalidPropsError, match="auto_delete_objects has no effect"):
        FailedRecords(stack, "Brought", bucket=bucket, auto_delete_objects=True)
