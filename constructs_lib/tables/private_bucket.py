"""Buckets that nobody but the service reads: how each one is made, and how one that exists is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_s3 as s3

from constructs_lib.functions.log_groups import log_group_of_emptying
from constructs_lib.props.acknowledge import acknowledge_all
from constructs_lib.props.compliance_packs import IN_ONE_REGION, REPLICATION, VERSIONING, of_compliance_packs
from constructs_lib.props.deletion_protection import let_warnings_follow
from constructs_lib.props.imported_names import check_bucket_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = ["imported_bucket", "new_private_bucket"]


def new_private_bucket(
    scope: Construct,
    construct_id: str,
    *,
    what: str,
    lifecycle_rules: Sequence[s3.LifecycleRule],
    encryption_key: kms.IKey | None,
    auto_delete_objects: bool,
    removal_policy: RemovalPolicy,
    access_logs_bucket: s3.IBucket | None = None,
) -> s3.Bucket:
    """Make a bucket that is encrypted, closed to the public, and answers over TLS 1.2 or newer only.

    Its objects are written once under names of their own, so it keeps no versions.

    Args:
        scope: Its construct, whose warnings follow what becomes of it.
        construct_id: Id within ``scope``.
        what: What it is, for the warning that it is deleted: "the attributes bucket".
        lifecycle_rules: What expires when.
        encryption_key: Customer managed key; None for the key that S3 manages.
        auto_delete_objects: Whether its objects are deleted with it.
        removal_policy: What happens to it when it leaves the stack.
        access_logs_bucket: Bucket that receives its server access logs; None for no access logs.

    """
    bucket = s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        encryption=s3.BucketEncryption.KMS if encryption_key else s3.BucketEncryption.S3_MANAGED,
        encryption_key=encryption_key,
        # One data key for the bucket instead of one for each object: far fewer calls to KMS.
        bucket_key_enabled=True if encryption_key else None,
        server_access_logs_bucket=access_logs_bucket,
        lifecycle_rules=list(lifecycle_rules),
        removal_policy=removal_policy,
        auto_delete_objects=auto_delete_objects,
    )
    if auto_delete_objects:
        log_group_of_emptying(scope)
    acknowledge_all(
        bucket,
        {
            IN_ONE_REGION: of_compliance_packs(REPLICATION),
            "an object is written once under a name of its own and never overwritten": of_compliance_packs(
                VERSIONING
            ),
        },
    )
    let_warnings_follow(
        scope,
        bucket,
        message=f"{what} is deleted with the stack",
        auto_delete_objects=auto_delete_objects,
    )
    return bucket


def imported_bucket(
    scope: Construct, construct_id: str, bucket_name: str, encryption_key: kms.IKey | None
) -> s3.IBucket:
    """Give a bucket that exists, for the construct ``construct_id`` within ``scope``.

    Raises:
        InvalidPropsError: ``bucket_name`` cannot be the name of a bucket.

    """
    check_bucket_name("bucket_name", bucket_name)
    return s3.Bucket.from_bucket_attributes(
        scope, f"Imported{construct_id}", bucket_name=bucket_name, encryption_key=encryption_key
    )
