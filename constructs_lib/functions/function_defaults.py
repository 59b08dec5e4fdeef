"""What several functions of a service have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from constructs_lib.props.strict_props import strict_dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_kms as kms

__all__ = ["FunctionDefaults"]


@strict_dataclass
@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDefaults:
    """What the functions of a service share, given once instead of to each of them.

    Example:
        >>> shared = FunctionDefaults(architecture=lambda_.Architecture.X86_64)
        >>> CqrsFunctions(self, "Functions", defaults=shared, ...)
        >>> CqrsFunction(self, "Report", defaults=shared, ...)

    Attributes:
        layers: Layers of each function, such as a `RuntimeLayer`'s. Defaults to none.
        environment: Environment variables of each function. Defaults to none.
        architecture: Processor of the functions; their layers must be built for the same.
            Defaults to ARM64.
        python_runtime: Lambda's Python. Defaults to the Python that synthesizes.
        log_retention: How long log lines are kept. Defaults to 1 month.
        removal_policy: What happens to the log groups when they leave the stack. Defaults
            to RETAIN.
        vpc: The VPC that the functions run in. Defaults to none, as False does.
        vpc_subnets: Which subnets of ``vpc``, private or isolated. Defaults to the private ones.
        security_groups: What guards the functions in ``vpc``, for all of them together. Defaults
            to a new group for each, which lets everything out and nothing in.
        encryption_key: Customer managed key of the log groups and of the environment variables;
            its policy gets what CloudWatch Logs needs. Defaults to the keys that AWS owns.
        tracing: Whether X-Ray traces a sample of the calls: the first one of each second, and 5 % of the
            others. At $5 a million traces that is most of what a small service costs: False saves it.
            Defaults to True.

    """

    layers: Sequence[lambda_.ILayerVersion] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    architecture: lambda_.Architecture = lambda_.Architecture.ARM_64
    python_runtime: lambda_.Runtime | None = None
    log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN
    vpc: ec2.IVpc | bool | None = None
    vpc_subnets: ec2.SubnetSelection | None = None
    security_groups: Sequence[ec2.ISecurityGroup] | None = None
    encryption_key: kms.IKey | None = None
    tracing: bool = True

    def but(self, **given: Any) -> FunctionDefaults:  # noqa: ANN401 - of as many types as there are fields
        """Give the same defaults with those of ``given`` that are not None.

        Another ``vpc`` has other subnets and security groups: those of these defaults are left out.
        """
        changed = {name: value for name, value in given.items() if value is not None}
        elsewhere = {"vpc_subnets": None, "security_groups": None} if "vpc" in changed else {}
        return replace(self, **{**elsewhere, **changed})

    def plus(
        self, *, layers: Sequence[lambda_.ILayerVersion] = (), environment: Mapping[str, str] | None = None
    ) -> FunctionDefaults:
        """Give the same defaults with more ``layers`` and variables behind their own."""
        return replace(
            self,
            layers=(*self.layers, *layers),
            environment={**self.environment, **(environment or {})},
        )
