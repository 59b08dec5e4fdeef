"""What to do where a service is too large for one stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.quotas.role_policies import coming_policies
from constructs_lib.quotas.stack_size import StackSize, check_stack_size, check_template_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import Stack
    from aws_cdk import aws_iam as iam

__all__ = ["check_stack"]

_NEST: Final = (
    "put the alarms of the modules into nested stacks (nested_alarms=True), or have none (monitoring=False)"
)
#: The CDK's own resource in each stack, which its command line asks for.
_METADATA: Final = "aws:cdk:version-reporting"
_SPLIT: Final = (
    "split the service by module: tables in stacks of their own (CqrsModule(name, table=...)), or several "
    "CqrsStacks with an app_name each, which share identity"
)
_OUTPUTS: Final = "leave those of the tables out (table_outputs=False), or make fewer of your own"


def check_stack(
    stack: Stack, roles: Sequence[iam.Role], *, watched: bool, nested: bool, indented: bool, whole: bool
) -> None:
    """Refuse a stack that is larger than CloudFormation takes.

    Args:
        stack: The stack.
        roles: Roles whose policies the CDK may have to split.
        watched: Whether it has alarms.
        nested: Whether those of the modules are in nested stacks.
        indented: Whether the template has line breaks and spaces.
        whole: Whether nothing more comes, so that the size of the template can be told.

    Raises:
        InvalidPropsError: It has too many resources, outputs or parameters, or too large a template.

    """
    way_out = _NEST if watched and not nested else _SPLIT
    coming = 0 if whole else sum(coming_policies(role) for role in roles)
    if not whole and stack.node.try_get_context(_METADATA):
        coming += 1
    size = StackSize.of(stack)  # every construct comes over from Node.js: once
    check_stack_size(stack, coming=coming, way_out=way_out, of_outputs=_OUTPUTS, size=size)
    if whole:
        check_template_size(stack, indented=indented, way_out=way_out, size=size)
