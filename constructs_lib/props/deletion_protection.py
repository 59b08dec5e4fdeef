"""Deletion protection goes where the removal policy goes, whoever changes that later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import Annotations, Aspects, CfnDeletionPolicy, IAspect, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb

if TYPE_CHECKING:
    from constructs import IConstruct

__all__ = ["let_protection_follow"]


def let_protection_follow(
    resource: dynamodb.TableV2 | cognito.UserPool, policy: RemovalPolicy, *, warning: str, message: str
) -> None:
    """Protect a table or a user pool from deletion as its removal policy says at the end.

    ``RemovalPolicies.of(scope).destroy()`` and ``apply_removal_policy`` change the policy alone, and
    what is protected cannot be deleted, nor can its stack.

    Args:
        resource: The table or user pool.
        policy: Its policy now; it is protected where that is RETAIN.
        warning: Id of the warning where it turns out that it is deleted with the stack.
        message: What that warning says.

    """
    follower = _ProtectionFollows(warning, message, protected=policy is RemovalPolicy.RETAIN)
    Aspects.of(resource.node.default_child or resource).add(follower)


@jsii.implements(IAspect)
class _ProtectionFollows:
    def __init__(self, warning: str, message: str, *, protected: bool) -> None:
        self._warning = warning
        self._message = message
        self._protected = protected

    def visit(self, node: IConstruct) -> None:
        if not isinstance(node, dynamodb.CfnGlobalTable | cognito.CfnUserPool):
            return
        policy = node.cfn_options.deletion_policy
        protected = policy is CfnDeletionPolicy.RETAIN
        if protected == self._protected:
            return
        self._protected = protected
        if isinstance(node, cognito.CfnUserPool):
            node.deletion_protection = "ACTIVE" if protected else "INACTIVE"
        else:
            for number in range(len(Stack.of(node).resolve(node.replicas))):
                node.add_property_override(f"Replicas.{number}.DeletionProtectionEnabled", protected)
        if policy is CfnDeletionPolicy.DELETE:
            Annotations.of(node).add_warning_v2(self._warning, self._message)
