"""The bucket for attributes that are too large for a DynamoDB item."""

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
from constructs_lib.props.grants import READ_WITH_KEY, WRITE_WITH_KEY, allow_key, combined
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.private_bucket import imported_bucket, new_private_bucket
from runtime.contract import Env, FunctionKind

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.parts import ServiceFunctions

__all__ = ["AttributesBucket", "AttributesBucketGrants"]


class AttributesBucket(Construct):
    """One private S3 bucket that holds the attributes of large items.

    A DynamoDB item holds 400 KB. The runtime puts larger attributes here and leaves a
    reference in the item. An object is written once under a name of its own and never
    overwritten, so the bucket keeps no versions. It is encrypted, answers over TLS 1.2 or
    newer only, and clears up uploads that were not finished within 7 days.

    Example:
        >>> attributes = AttributesBucket(self, "Attributes")
        >>> attributes.grants.read_write(worker_function)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical id of the bucket.
        bucket: An existing bucket to use. Defaults to a new bucket.
        encryption_key: Customer managed key of the new bucket; the grants include its use.
            Defaults to the key that S3 manages.
        access_logs_bucket: Bucket that receives the new bucket's server access logs.
            Defaults to no access logs.
        auto_delete_objects: Whether the objects are deleted together with the bucket, by a
            function that CDK adds to the stack. Needs ``removal_policy`` DESTROY. Otherwise a
            stack with objects in the bucket cannot be deleted. Defaults to False.
        removal_policy: What happens to the new bucket when it leaves the stack. Defaults to
            RETAIN.

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
        encryption_key: kms.IKey | None = None,
        access_logs_bucket: s3.IBucket | None = None,
        auto_delete_objects: bool = False,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        check_removal_policy("removal_policy", removal_policy)
        if bucket is not None:
            refuse_props_of_brought(
                "bucket",
                encryption_key=encryption_key,
                access_logs_bucket=access_logs_bucket,
                auto_delete_objects=auto_delete_objects,
                removal_policy=None if removal_policy is RemovalPolicy.RETAIN else removal_policy,
            )
        check_auto_delete(removal_policy, auto_delete_objects=auto_delete_objects)
        check_key(self, encryption_key)
        if access_logs_bucket is not None:
            check_environment("access_logs_bucket", access_logs_bucket, self)
        self.bucket: s3.IBucket = bucket or self._new_bucket(
            encryption_key=encryption_key,
            access_logs_bucket=access_logs_bucket,
            auto_delete_objects=auto_delete_objects,
            removal_policy=removal_policy,
        )
        self.grants = AttributesBucketGrants(self.bucket)

    @classmethod
    @strict_props
    def from_bucket_name(
        cls,
        scope: Construct,
        construct_id: str,
        bucket_name: str,
        *,
        encryption_key: kms.IKey | None = None,
    ) -> AttributesBucket:
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
        """Let api put large attributes here, and worker, where there is one, and operator read them.

        So does projector with large events, and both it and operator then put them here as well, as an event
        handler may execute commands. A function of your own may do both, for all tenants.
        """
        if is_own_function(functions):
            check_environment("bucket", self.bucket, functions, account_may_differ=True)
            own = own_function(self, functions)
            self.grants.read_write(own.function)
            own.set_variable(Env.S3_BUCKET_NAME, self.bucket.bucket_name)
            return
        check_environment("bucket", self.bucket, functions.api, account_may_differ=True)
        api = functions.data_access(functions.api)
        self.grants.read_write(api.grantee, *api.own_objects)
        if api.common_objects:
            self.grants.read(api.grantee, *api.common_objects)
        worker = functions.find(FunctionKind.WORKER)
        users = [functions.api, *([worker] if worker else []), functions.operator]
        if worker is not None:
            self.grants.read(worker)
        if functions.projector is None:
            self.grants.read(functions.operator)
        else:
            users.append(functions.projector)
            for function in (functions.operator, functions.projector):
                self.grants.read_write(function)
        functions.set_variable(Env.S3_BUCKET_NAME, self.bucket.bucket_name, *users)

    def _new_bucket(
        self,
        *,
        encryption_key: kms.IKey | None,
        access_logs_bucket: s3.IBucket | None,
        auto_delete_objects: bool,
        removal_policy: RemovalPolicy,
    ) -> s3.Bucket:
        if access_logs_bucket is None:
            acknowledge(
                self,
                "only functions of this app read or write it; access_logs_bucket turns logs on",
                "AwsSolutions-S1",
                *of_compliance_packs(LOGGING),
            )
        return new_private_bucket(
            self,
            "Bucket",
            what="the attributes bucket",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="AbortIncompleteUploads", abort_incomplete_multipart_upload_after=Duration.days(7)
                )
            ],
            encryption_key=encryption_key,
            auto_delete_objects=auto_delete_objects,
            removal_policy=removal_policy,
            access_logs_bucket=access_logs_bucket,
        )


class AttributesBucketGrants:
    """Least-privilege permissions on the objects of an `AttributesBucket`.

    Only `collect` lists the bucket; for whoever has not that, S3 answers 403, not 404, for an
    object that is missing.
    """

    def __init__(self, bucket: s3.IBucket) -> None:
        self._bucket = bucket

    def read(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let ``grantee`` read attributes: all, or those in objects with these names."""
        return self._allow(grantee, ["s3:GetObject"], READ_WITH_KEY, names)

    def read_write(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let ``grantee`` read and write attributes: all, or those in objects with these names."""
        return self._allow(grantee, ["s3:GetObject", "s3:PutObject"], WRITE_WITH_KEY, names)

    def collect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` remove objects that no row refers to: list, read and delete."""
        bucket = self._bucket.bucket_arn
        listing = iam.Grant.add_to_principal_or_resource(
            grantee=grantee, actions=["s3:ListBucket"], resource_arns=[bucket], resource=self._bucket
        )
        return combined(self._allow(grantee, ["s3:GetObject", "s3:DeleteObject"], READ_WITH_KEY), listing)

    def _allow(
        self,
        grantee: iam.IGrantable,
        actions: list[str],
        key_actions: tuple[str, ...],
        names: tuple[str, ...] = (),
    ) -> iam.Grant:
        objects = [self._bucket.arn_for_objects(name) for name in names or ("*",)]
        grant = iam.Grant.add_to_principal_or_resource(
            grantee=grantee, actions=actions, resource_arns=objects, resource=self._bucket
        )
        for arn in objects:
            acknowledge_wildcard(grantee, arn, "the names of the objects are made at run time")
        return combined(grant, *allow_key(grantee, self._bucket.encryption_key, *key_actions))
