"""What one of the service's functions has for itself: its size, its network, its variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration

from constructs_lib.props.strict_props import strict_dataclass
from runtime.contract import FunctionKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_ec2 as ec2

__all__ = ["TIMEOUTS", "FunctionOptions"]

#: How long one call of each function may take, where nothing else is given.
TIMEOUTS: Final = {
    FunctionKind.API: Duration.seconds(29),
    FunctionKind.STREAM: Duration.minutes(1),
    FunctionKind.WORKER: Duration.minutes(1),
    FunctionKind.NOTIFIER: Duration.seconds(30),
    FunctionKind.OPERATOR: Duration.minutes(15),
    FunctionKind.PROJECTOR: Duration.minutes(1),
}


@strict_dataclass
@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """What is different with one function. What is left out keeps the default of that function.

    Example:
        >>> CqrsStack(app, "Shop", ..., worker=FunctionOptions(memory_size=1024))
        >>> CqrsStack(app, "Shop", ..., vpc=vpc, notifier=FunctionOptions(vpc=False))

    Attributes:
        memory_size: Memory in MiB, from 128 to 10240; CPU grows with it. Defaults to 512.
        timeout: How long one call may take. Defaults to 29 seconds for api, as API Gateway
            waits for 30 seconds, 1 minute for stream, worker and projector, 30 seconds
            for notifier, and 15 minutes for operator.
        reserved_concurrency: Calls at the same time that are set aside for, and are the
            limit of, the function: what comes beyond it waits, or fails. Defaults to the
            account's shared pool.
        environment: Variables of this function, beside those of all. Defaults to none.
        vpc: The VPC that this function runs in; False for none where the others are in one. Its
            subnets and security groups are those given here. Defaults to that of all functions.
        vpc_subnets: Which subnets of the VPC, private or isolated. Defaults to those of all
            functions, or to the private ones of a ``vpc`` that is given here.
        security_groups: What guards this function in the VPC. Defaults to those of all functions,
            or to a new group.

    """

    memory_size: int = 512
    timeout: Duration | None = None
    reserved_concurrency: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    vpc: ec2.IVpc | bool | None = None
    vpc_subnets: ec2.SubnetSelection | None = None
    security_groups: Sequence[ec2.ISecurityGroup] | None = None
