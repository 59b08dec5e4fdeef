"""Where a function runs: outside of any VPC, or in subnets of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_cdk import Arn, ArnComponents, ArnFormat, Resource, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.environments import check_environment
from constructs_lib.props.stack_order import must_wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs import Construct

__all__ = ["Network", "allow_network_interfaces", "network"]

_MOST_SUBNETS: Final = 16
_MOST_GROUPS: Final = 5
# What Lambda does in the name of the role, as AWS asks for it; AWSLambdaVPCAccessExecutionRole
# would also let the function write into the log of every other one.
_INTERFACES: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


@dataclass(frozen=True, slots=True)
class Network:
    """The part of a VPC that a function runs in.

    Attributes:
        vpc: The VPC.
        selection: Which of its subnets, as the user said it. None: CDK's choice.
        subnets: The subnets.
        security_groups: What guards the function. None: a new group.

    """

    vpc: ec2.IVpc
    selection: ec2.SubnetSelection | None
    subnets: Sequence[ec2.ISubnet]
    security_groups: Sequence[ec2.ISecurityGroup] | None


def network(
    scope: Construct,
    vpc: ec2.IVpc | bool | None,  # noqa: FBT001 - a prop
    vpc_subnets: ec2.SubnetSelection | None,
    security_groups: Sequence[ec2.ISecurityGroup] | None,
) -> Network | None:
    """Give where a function runs that was given these props; None outside of a VPC.

    Raises:
        InvalidPropsError: There are no such subnets, Lambda takes no function there, or a stack of
            another account, Region or stage makes them.

    """
    if vpc is True:
        msg = "vpc must be a VPC, or False for none, got True; pass the Vpc that the function is to be in"
        raise InvalidPropsError(msg)
    if vpc is None or vpc is False:
        for name, value in (("vpc_subnets", vpc_subnets), ("security_groups", security_groups)):
            if value is not None:
                msg = f"{name} needs vpc, got {name} without one; pass the vpc, or leave {name} out"
                raise InvalidPropsError(msg)
        return None
    if isinstance(vpc_subnets, dict):  # a struct, as CDK takes it, too
        vpc_subnets = ec2.SubnetSelection(**vpc_subnets)
    # Subnets that another account shares are imported, and of that account.
    check_environment("vpc", vpc, scope, account_may_differ=True)
    for group in security_groups or ():
        check_environment("security_groups", group, scope, account_may_differ=True)
    if Resource.is_owned_resource(vpc):
        must_wait(scope, vpc)
    if security_groups is not None and not 1 <= len(security_groups) <= _MOST_GROUPS:
        msg = (
            f"security_groups must be from 1 to {_MOST_GROUPS}, got {len(security_groups)}; "
            "leave them out for a new one"
        )
        raise InvalidPropsError(msg)
    return Network(vpc, vpc_subnets, _subnets(vpc, vpc_subnets), security_groups)


def allow_network_interfaces(role: iam.Role) -> None:
    """Let Lambda make the network interfaces of a function with this role; its code may not make any."""
    role.add_to_policy(iam.PolicyStatement(actions=[*_INTERFACES], resources=["*"]))
    functions = Arn.format(
        ArnComponents(
            service="lambda",
            resource="function",
            resource_name="*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        ),
        Stack.of(role),
    )
    role.add_to_policy(
        iam.PolicyStatement(
            sid="InterfacesByLambdaOnly",
            effect=iam.Effect.DENY,
            actions=[*_INTERFACES],
            resources=["*"],
            # Set where the code of a function calls, and not where Lambda does.
            conditions={"ArnLike": {"lambda:SourceFunctionArn": functions}},
        )
    )


def _subnets(vpc: ec2.IVpc, selection: ec2.SubnetSelection | None) -> Sequence[ec2.ISubnet]:
    wanted = selection or ec2.SubnetSelection()
    try:
        selected = vpc.select_subnets(
            availability_zones=wanted.availability_zones,
            one_per_az=wanted.one_per_az,
            subnet_filters=wanted.subnet_filters,
            subnet_group_name=wanted.subnet_group_name,
            subnets=wanted.subnets,
            subnet_type=wanted.subnet_type,
        )
    except RuntimeError as error:  # what CDK raises
        given = "these" if selection else "none"
        msg = (
            f"vpc_subnets must select subnets of {vpc.node.path}, got {given}: "
            f"{str(error).strip().splitlines()[0]}; choose others"
        )
        raise InvalidPropsError(msg) from error
    if selected.is_pending_lookup:
        return ()  # made up, until the CLI has looked
    if selected.has_public:
        msg = (
            f"vpc_subnets must be private or isolated, got public ones of {vpc.node.path}: a function gets "
            "no public address, so it reaches nothing outside from there; choose "
            "SubnetSelection(subnet_type=SubnetType.PRIVATE_WITH_EGRESS), or bring a function of your own "
            "that has allow_public_subnet"
        )
        raise InvalidPropsError(msg)
    if not 1 <= len(selected.subnets) <= _MOST_SUBNETS:
        msg = (
            f"vpc_subnets must be from 1 to {_MOST_SUBNETS} subnets of {vpc.node.path}, "
            f"got {len(selected.subnets)}; choose one for each availability zone"
        )
        raise InvalidPropsError(msg)
    return selected.subnets
