"""Protection and warnings go where the removal policy goes, whoever changes that later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import Annotations, Aspects, CfnDeletionPolicy, IAspect, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3

if TYPE_CHECKING:
    from constructs import Construct, IConstruct

__all__ = ["let_protection_follow", "let_warnings_follow"]

_EMPTY_FIRST = (
    "{}, but not emptied: with objects in it the deletion fails; give it removal_policy=DESTROY and "
    "auto_delete_objects=True where it is made"
)


def let_protection_follow(
    scope: Construct,
    resource: dynamodb.TableV2 | cognito.UserPool,
    policy: RemovalPolicy,
    *,
    warning: str,
    message: str,
) -> None:
    """Protect a table or a user pool from deletion as its removal policy says at the end, and warn.

    ``RemovalPolicies.of(scope).destroy()`` and ``apply_removal_policy`` change the policy alone, and
    what is protected cannot be deleted, nor can its stack. Whoever deletes what is protected is refused,
    CloudFormation too when it rolls back: so what a first deployment may take back again cannot be
    protected.

    Args:
        scope: What the warnings are about.
        resource: The table or user pool.
        policy: Its policy now; it is protected where that is RETAIN.
        warning: Id of the warning where it turns out that it is deleted with the stack.
        message: What that warning says.

    """
    follower = _ProtectionFollows(scope, warning, message, protected=policy is RemovalPolicy.RETAIN)
    Aspects.of(resource.node.default_child or resource).add(follower)


def let_warnings_follow(
    scope: Construct, bucket: s3.Bucket, *, message: str, auto_delete_objects: bool
) -> None:
    """Say of a bucket that it is deleted at the end, and whether it can be.

    One that is emptied and kept in the end CDK refuses.

    Args:
        scope: What the warnings are about.
        bucket: The bucket.
        message: What the warning says where it is deleted with the stack.
        auto_delete_objects: Whether its objects are deleted with the stack, which cannot be changed later.

    """
    Aspects.of(bucket.node.default_child or bucket).add(
        _WarningsFollow(scope, message, is_emptied=auto_delete_objects)
    )


@jsii.implements(IAspect)
class _ProtectionFollows:
    def __init__(self, scope: Construct, warning: str, message: str, *, protected: bool) -> None:
        self._scope = scope
        self._warning = warning
        self._message = message
        self._protected = protected

    def visit(self, node: IConstruct) -> None:
        if not isinstance(node, dynamodb.CfnGlobalTable | cognito.CfnUserPool):
            return
        policy = node.cfn_options.deletion_policy
        protected = policy is CfnDeletionPolicy.RETAIN
        if protected != self._protected:
            self._protected = protected
            _protect(node, protected=protected)
        if policy is CfnDeletionPolicy.DELETE:
            Annotations.of(self._scope).add_warning_v2(self._warning, self._message)
        elif not protected:
            Annotations.of(self._scope).add_warning_v2(
                "cqrs:unprotected",
                "what RETAIN_ON_UPDATE_OR_DELETE keeps is not protected from deletion, so that a first "
                "deployment can be rolled back; deploy with RETAIN once it is there",
            )


def _protect(node: dynamodb.CfnGlobalTable | cognito.CfnUserPool, *, protected: bool) -> None:
    if isinstance(node, cognito.CfnUserPool):
        node.deletion_protection = "ACTIVE" if protected else "INACTIVE"
        return
    for number in range(len(Stack.of(node).resolve(node.replicas))):
        node.add_property_override(f"Replicas.{number}.DeletionProtectionEnabled", protected)


@jsii.implements(IAspect)
class _WarningsFollow:
    def __init__(self, scope: Construct, message: str, *, is_emptied: bool) -> None:
        self._scope = scope
        self._message = message
        self._is_emptied = is_emptied

    def visit(self, node: IConstruct) -> None:
        if not isinstance(node, s3.CfnBucket):
            return
        if node.cfn_options.deletion_policy is CfnDeletionPolicy.DELETE:
            message = self._message if self._is_emptied else _EMPTY_FIRST.format(self._message)
            Annotations.of(self._scope).add_warning_v2("cqrs:destroyableBucket", message)
