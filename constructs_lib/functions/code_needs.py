"""What has to be there before the code of a function is asked: its way out, and its rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsii
from aws_cdk import Aspects, CfnResource, IAspect
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from constructs_lib.props.environments import stack_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs import IConstruct

    from constructs_lib.functions.cqrs_functions import CqrsFunctions

__all__ = ["CodeNeeds"]


@jsii.implements(IAspect)
class CodeNeeds:
    """Makes a resource wait for what the import of the functions' code may need, as the tree then is.

    That is, of its own stack: endpoints of their VPCs, routes of their subnets, rules of, or for, their
    security groups, and policies of their roles that stand elsewhere. Functions wait for none of these.

    Args:
        resource: What waits.
        functions: The functions.

    """

    def __init__(self, resource: CfnResource, functions: CqrsFunctions) -> None:
        self._resource = resource
        self._functions = functions
        Aspects.of(resource).add(self)

    def visit(self, node: IConstruct) -> None:
        """Let it wait, once the tree is complete."""
        if node is self._resource:
            for needed in self._needed():
                self._resource.add_dependency(needed)

    def _needed(self) -> Iterator[CfnResource]:
        stack = stack_of(self._resource)
        roles = self._roles()
        vpcs = {network.vpc.vpc_id for network in self._functions.networks}
        subnets = [subnet for network in self._functions.networks for subnet in network.subnets]
        tables = {subnet.route_table.route_table_id for subnet in subnets}
        groups = [stack.resolve(group) for group in self._security_groups()]
        for found in stack.node.find_all():
            if isinstance(found, iam.CfnPolicy | iam.CfnManagedPolicy):
                is_needed = self._is_for(found, roles)
            elif isinstance(found, ec2.CfnVPCEndpoint):
                is_needed = found.vpc_id in vpcs
            elif isinstance(found, ec2.CfnRoute):
                is_needed = found.route_table_id in tables
            elif isinstance(found, ec2.CfnSecurityGroupIngress):
                ends = (found.group_id, found.source_security_group_id)
                is_needed = any(stack.resolve(end) in groups for end in ends if end)
            elif isinstance(found, ec2.CfnSecurityGroupEgress):
                ends = (found.group_id, found.destination_security_group_id)
                is_needed = any(stack.resolve(end) in groups for end in ends if end)
            else:
                continue
            if is_needed and stack_of(found) is stack:
                yield found

    def _roles(self) -> dict[str, Any]:
        """The names of the roles, by what the paths of their own policies begin with."""
        resolve = stack_of(self._resource).resolve
        return {f"{role.node.path}/": resolve(role.role_name) for role in self._functions.roles}

    def _is_for(self, policy: iam.CfnPolicy | iam.CfnManagedPolicy, roles: dict[str, Any]) -> bool:
        if policy.node.path.startswith(tuple(roles)):
            return False  # a role's own, for which the function waits
        named = stack_of(policy).resolve(policy.roles) or []
        return any(name in named for name in roles.values())

    def _security_groups(self) -> Iterator[str]:
        for function in self._functions.made.values():
            if isinstance(function, lambda_.Function) and function.is_bound_to_vpc:
                yield from (group.security_group_id for group in function.connections.security_groups)
