"""What the template says of resources, before there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Stack, TreeInspector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import CfnResource

__all__ = ["properties_of"]

_PROPERTIES: Final = "aws:cdk:cloudformation:props"


def properties_of(stack: Stack, resources: Sequence[CfnResource]) -> list[Mapping[str, Any]]:
    """Give the properties of ``resources``, where what is known at deployment is as CloudFormation says it.

    Their names begin with a small letter. What was overridden is not in them.
    """
    inspectors: list[TreeInspector] = []
    for resource in resources:
        # What is made up at synthesis only, such as variables, gets lost on the way of a property to Python.
        if callable(inspect := getattr(resource, "inspect", None)):
            inspectors.append(TreeInspector())
            inspect(inspectors[-1])
    resolved: list[dict[str, Any]] = stack.resolve(inspectors) if inspectors else []
    return [of["attributes"].get(_PROPERTIES) or {} for of in resolved]
