"""Log groups of the constructs: each with a retention, none created by a service on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Aws, CfnResource, Fn, Names, RemovalPolicy, Stack
from aws_cdk import aws_logs as logs

from constructs_lib.props.service_keys import let_logs_use

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = ["log_group_of_emptying", "vended_log_group"]

#: What CDK calls the one function of a stack that empties buckets, see `s3.Bucket`.
_EMPTYING: Final = "Custom::S3AutoDeleteObjectsCustomResourceProvider"
_LOG_GROUP: Final = "EmptyBucketsLogGroup"


def vended_log_group(
    scope: Construct,
    service: str,
    *,
    retention: logs.RetentionDays,
    encryption_key: kms.IKey | None,
    removal_policy: RemovalPolicy,
) -> logs.LogGroup:
    """Make the log group ``LogGroup`` for a service that delivers logs by itself, such as API Gateway.

    Outside ``/aws/vendedlogs`` each such group adds a statement to one policy per account
    and region, which is full after some ten groups. The name ends in a part of the stack's
    id, so that a stack made anew does not meet the group that its predecessor left.
    """
    let_logs_use(scope, encryption_key)
    name = Names.unique_resource_name(scope, max_length=200)
    stack_part = Fn.select(4, Fn.split("-", Fn.select(2, Fn.split("/", Aws.STACK_ID))))
    return logs.LogGroup(
        scope,
        "LogGroup",
        log_group_name=f"/aws/vendedlogs/{service}/{name}-{stack_part}",
        retention=retention,
        encryption_key=encryption_key,
        removal_policy=removal_policy,
    )


def log_group_of_emptying(scope: Construct) -> None:
    """Give the function that empties the buckets of a stack a log group that goes with the stack.

    It works while the stack is being deleted: a log group that Lambda made then would stay for ever.
    The function is made by the first bucket with ``auto_delete_objects``, so call this after that.
    """
    stack = Stack.of(scope)
    provider = stack.node.try_find_child(_EMPTYING)
    if provider is None or stack.node.try_find_child(_LOG_GROUP) is not None:
        return
    log_group = logs.LogGroup(
        stack, _LOG_GROUP, retention=logs.RetentionDays.ONE_WEEK, removal_policy=RemovalPolicy.DESTROY
    )
    function = provider.node.find_child("Handler")
    if isinstance(function, CfnResource):
        function.add_property_override("LoggingConfig", {"LogGroup": log_group.log_group_name})
