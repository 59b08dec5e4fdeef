"""The bucket of the stream records that could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Annotations, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from constructs_lib.props.acknowledge import acknowledge, acknowledge_wildcard
from constructs_lib.props.grants import READ_WITH_KEY, allow_key, combined

if TYPE_CHECKING:
    from constructs import Construct

__all__ = ["allow_replay", "failed_records_bucket"]


def failed_records_bucket(
    scope: Construct, construct_id: str, removal_policy: RemovalPolicy = RemovalPolicy.RETAIN
) -> s3.Bucket:
    """Make a private bucket for records that could not be processed, kept for 90 days."""
    bucket = s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        encryption=s3.BucketEncryption.S3_MANAGED,
        lifecycle_rules=[
            s3.LifecycleRule(
                id="Expire",
                expiration=Duration.days(90),
                abort_incomplete_multipart_upload_after=Duration.days(7),
            )
        ],
        removal_policy=removal_policy,
    )
    acknowledge(
        bucket,
        "only Lambda writes it, and only when processing failed: the mapping's metrics tell when",
        "AwsSolutions-S1",
    )
    if removal_policy is RemovalPolicy.DESTROY:
        Annotations.of(bucket).add_warning_v2(
            "cqrs:destroyableBucket", "the bucket of failed records is deleted with the stack"
        )
    return bucket


def allow_replay(grantee: iam.IGrantable, bucket: s3.IBucket) -> iam.Grant:
    """Let ``grantee`` list the records in ``bucket``, read them, and delete those that are done."""

    def allow(resource: str, *actions: str) -> iam.Grant:
        return iam.Grant.add_to_principal_or_resource(
            grantee=grantee, actions=list(actions), resource_arns=[resource], resource=bucket
        )

    objects = bucket.arn_for_objects("*")
    acknowledge_wildcard(grantee, objects, "Lambda makes the names of the records' objects")
    return combined(
        allow(bucket.bucket_arn, "s3:ListBucket"),
        allow(objects, "s3:GetObject", "s3:DeleteObject"),
        *allow_key(grantee, bucket.encryption_key, *READ_WITH_KEY),
    )
