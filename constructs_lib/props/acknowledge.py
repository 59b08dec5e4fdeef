"""Findings of static checks that are right in general and do not apply here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.props.environments import stack_of
from constructs_lib.props.nag_metadata import acknowledge_in_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aws_cdk import aws_iam as iam
    from constructs import IConstruct

__all__ = ["NOT_TRACED", "acknowledge", "acknowledge_all", "acknowledge_wildcard", "flat"]

NOT_TRACED: Final = "whoever owns the stack has switched tracing off, which is billed by the trace"

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")


def acknowledge(construct: IConstruct, reason: str, *finding_ids: str) -> None:
    """Say why findings about ``construct``, or about what is inside it, are accepted.

    The ids are cdk-nag's. Without cdk-nag in the app this has no effect.
    """
    acknowledge_all(construct, {reason: finding_ids})


def acknowledge_all(construct: IConstruct, findings: Mapping[str, Sequence[str]]) -> None:
    """Do what `acknowledge` does for several reasons at once, which costs the synthesis what one does.

    Args:
        construct: What the findings are about.
        findings: The ids of the findings, by the reason why they are accepted.

    """
    if not hasattr(cdk, "Acknowledgment"):  # before CDK 2.257
        for reason, finding_ids in findings.items():
            acknowledge_in_metadata(construct, reason, *finding_ids)
        return
    validations = cdk.Validations.of(construct)
    acknowledged = [
        cdk.Acknowledgment(id=finding_id, reason=reason)
        for reason, finding_ids in findings.items()
        for finding_id in finding_ids
    ]
    try:
        validations.acknowledge(*acknowledged)
    except RuntimeError:  # up to CDK 2.269 an id with an ARN in it is refused, which cdk-nag's are
        _acknowledge_each(construct, validations, acknowledged)


def _acknowledge_each(
    construct: IConstruct, validations: cdk.Validations, acknowledged: Iterable[cdk.Acknowledgment]
) -> None:
    for one in acknowledged:
        try:
            validations.acknowledge(one)
        except RuntimeError:
            construct.node.add_metadata(cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY, {one.id: one.reason})


def acknowledge_wildcard(grantee: iam.IGrantable, resource: str, reason: str) -> None:
    """Say why the policy of ``grantee`` may name ``resource``, which has a wildcard in it.

    The id of such a finding contains the resource as the template writes it.
    """
    principal = grantee.grant_principal
    # An imported role is a construct, too, and none of Python's class.
    if Construct.is_construct(principal):
        role = cast("IConstruct", principal)
        shown = flat(stack_of(role).resolve(resource))
        acknowledge(role, reason, f"AwsSolutions-IAM5[Resource::{shown}]")


def flat(value: Any) -> str:  # noqa: ANN401 - any CloudFormation expression
    """Write a CloudFormation expression as cdk-nag does, such as ``<Bucket.Arn>/*``.

    A variable of a policy looks like one of CloudFormation's to cdk-nag: ``<aws:PrincipalTag/tenant>``.
    """
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [delimiter, parts]}:
            return str(delimiter).join(flat(part) for part in parts)
        case _:
            return _VARIABLE.sub(r"<\1>", str(value))
