"""What CDK knows of a resource that was brought: what the app itself says of it, if it makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constructs_lib.props.environments import stack_of

if TYPE_CHECKING:
    from aws_cdk import CfnResource
    from constructs import IConstruct

__all__ = ["known_properties"]


def known_properties(construct: IConstruct, *kinds: type[CfnResource]) -> dict[str, Any] | None:
    """Give the properties of the CloudFormation resource behind a construct; None of an imported one.

    Args:
        construct: The construct.
        kinds: Which resource it may be.

    """
    resource = construct.node.default_child
    if not isinstance(resource, kinds):
        return None
    # The public properties give structs, from which what was added later is lost.
    known: dict[str, Any] = stack_of(construct).resolve(resource._cfn_properties)  # noqa: SLF001
    return known
