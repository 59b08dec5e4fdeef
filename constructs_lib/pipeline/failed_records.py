"""The bucket of the stream records that could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import own_function
from constructs_lib.props.acknowledge import acknowledge, acknowledge_wildcard
from constructs_lib.props.checks import (
    check_auto_delete,
    check_key,
    check_removal_policy,
    refuse_props_of_brought,
)
from constructs_lib.props.compliance_packs import LOGGING, of_compliance_packs
from constructs_lib.props.environments import check_environment
from constructs_lib.props.grants import READ_WITH_KEY, allow_key, combined
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.private_bucket import imported_bucket, new_private_bucket
from runtime.contract import Env

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["FailedRecords", "FailedRecordsGrants"]


class FailedRecords(Construct):
    """A private S3 bucket for stream records that could not be processed, kept for 90 days.

    Lambda writes a batch here once it has given it up, and operators send it again with
    ``cqrs replay-dlq``. The bucket is encrypted and answers over TLS 1.2 or newer only.

    Example:
        >>> failed = FailedRecords(self, "FailedRecords")
        >>> StreamProcessing(self, "Orders", ..., on_failure_bucket=failed.bucket)
        >>> failed.connect(functions)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical id of the bucket.
        bucket: An existing bucket to use. Defaults to a new bucket.
        auto_delete_objects: Whether the records are deleted together with the bucket, by a
            function that CDK adds to the stack. Needs ``removal_policy`` DESTROY. Otherwise a
            stack with records in the bucket cannot be deleted. Defaults to False.
        removal_policy: What happens to the new bucket when it leaves the stack. Defaults
            to RETAIN.
        encryption_key: Customer managed key of the new bucket; the grants include its use.
            Defaults to the key that S3 manages.

    Raises:
        InvalidPropsError: ``bucket`` is given together with a property that configures it,
            or ``auto_delete_objects`` without DESTROY.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket | None = None,
        auto_delete_objects: bool = False,
        removal_policy: RemovalPolicy | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if bucket is not None:
            refuse_props_of_brought(
                "bucket",
                auto_delete_objects=auto_delete_objects,
                removal_policy=removal_policy,
                encryption_key=encryption_key,
            )
        removal_policy = removal_policy or RemovalPolicy.RETAIN
        check_removal_policy("removal_policy", removal_policy)
        check_auto_delete(removal_policy, auto_delete_objects=auto_delete_objects)
        check_key(self, encryption_key)
        self.bucket: s3.IBucket = bucket or self._new_bucket(
            removal_policy, encryption_key, auto_delete_objects=auto_delete_objects
        )
        self.grants = FailedRecordsGrants(self.bucket)

    @classmethod
    @strict_props
    def from_bucket_name(
        cls,
        scope: Construct,
        construct_id: str,
        bucket_name: str,
        *,
        encryption_key: kms.IKey | None = None,
    ) -> FailedRecords:
        """Use a bucket that exists: one of another app, or one that a deleted stack has left.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            bucket_name: Its name.
            encryption_key: Its customer managed key; the grants include its use. Defaults to none.

        Raises:
            InvalidPropsError: ``bucket_name`` cannot be the name of a bucket.

        """
        bucket = imported_bucket(scope, construct_id, bucket_name, encryption_key)
        return cls(scope, construct_id, bucket=bucket)

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Let operator, or a function of your own, look at the records and send them again."""
        if is_own_function(functions):
            check_environment("bucket", self.bucket, functions, account_may_differ=True)
            own = own_function(self, functions)
            self.grants.replay(own.function)
            own.set_variable(Env.FAILED_RECORDS_BUCKET_NAME, self.bucket.bucket_name)
            return
        check_environment("bucket", self.bucket, functions.operator, account_may_differ=True)
        self.grants.replay(functions.operator)
        functions.set_variable(Env.FAILED_RECORDS_BUCKET_NAME, self.bucket.bucket_name, functions.operator)

    def _new_bucket(
        self, removal_policy: RemovalPolicy, encryption_key: kms.IKey | None, *, auto_delete_objects: bool
    ) -> s3.Bucket:
        bucket = new_private_bucket(
            self,
            # An id that logical ids leave out: the bucket once stood where this construct stands.
            "Default",
            what="the bucket of failed records",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="Expire",
                    expiration=Duration.days(90),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            encryption_key=encryption_key,
            auto_delete_objects=auto_delete_objects,
            removal_policy=removal_policy,
        )
        acknowledge(
            bucket,
            "only Lambda writes it, and only when processing failed: the mapping's metrics tell when",
            "AwsSolutions-S1",
            *of_compliance_packs(LOGGING),
        )
        return bucket


class FailedRecordsGrants:
    """Least-privilege permissions on the bucket of `FailedRecords`."""

    def __init__(self, bucket: s3.IBucket) -> None:
        self._bucket = bucket

    def replay(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` list the records, read them, and delete those that are done."""
        bucket = self._bucket

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
