"""The role of the command state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_iam as iam

from constructs_lib.props.acknowledge import acknowledge
from constructs_lib.props.compliance_packs import NO_INLINE, OF_ONE_ROLE, of_compliance_packs

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

__all__ = ["state_machine_role"]

_LOG_DELIVERY: Final = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
_TRACING: Final = (
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
)


def state_machine_role(scope: Construct, worker: lambda_.IFunction, *, tracing: bool) -> iam.Role:
    """Make the role ``Role``, which may call ``worker``, log and, if asked for, trace, and nothing else.

    CDK's own would also allow every version of the worker.
    """

    def allow(resource: str, *actions: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(actions=list(actions), resources=[resource])

    role = iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        inline_policies={
            "Run": iam.PolicyDocument(
                statements=[
                    allow(worker.function_arn, "lambda:InvokeFunction"),
                    allow("*", *_LOG_DELIVERY),
                    *([allow("*", *_TRACING)] if tracing else []),
                ]
            )
        },
    )
    acknowledge(
        role,
        "the actions of log delivery and of X-Ray take no resource",
        "AwsSolutions-IAM5[Resource::*]",
    )
    acknowledge(role, OF_ONE_ROLE, *of_compliance_packs(NO_INLINE))
    return role
