"""How large a stack is: what its template declares."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import CfnOutput, CfnParameter, CfnResource, Stack

from constructs_lib.errors import InvalidPropsError
from constructs_lib.quotas.resolved import properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from constructs import IConstruct

__all__ = [
    "MOST_BYTES",
    "MOST_OUTPUTS",
    "MOST_RESOURCES",
    "StackSize",
    "check_stack_size",
    "check_template_size",
]

MOST_RESOURCES: Final = 500
MOST_OUTPUTS: Final = 200
MOST_PARAMETERS: Final = 200
#: As the CDK counts 1 MB.
MOST_BYTES: Final = 1_000_000

_RESOURCES_CONTEXT: Final = "@aws-cdk/core:stackResourceLimit"
#: Fewer resources than this hardly come near 1 MB, of which the CDK then warns, and to look takes a second.
_MANY: Final = 300
#: Of a resource, beside its properties: its id, type, policies and metadata.
_FRAME: Final = 350


@dataclass(frozen=True, slots=True)
class StackSize:
    """What a stack declares. A nested stack is one resource, whatever is in it."""

    resources: Sequence[CfnResource]
    outputs: int
    parameters: int

    @classmethod
    def of(cls, stack: Stack) -> StackSize:
        """Count what is in ``stack`` now."""
        own = [*_own(stack)]
        return cls(
            resources=[construct for construct in own if isinstance(construct, CfnResource)],
            outputs=sum(isinstance(construct, CfnOutput) for construct in own),
            parameters=sum(isinstance(construct, CfnParameter) for construct in own),
        )


def _own(stack: Stack) -> Iterator[IConstruct]:
    """What is in the template of ``stack`` itself: all but what is in other stacks in it."""
    found = stack.node.find_all()
    position = 0
    while position < len(found):
        construct = found[position]
        if position and isinstance(construct, Stack):
            # What is in it follows it.
            position += len(construct.node.find_all())
        else:
            yield construct
            position += 1


def check_stack_size(
    stack: Stack, *, coming: int, way_out: str, of_outputs: str, size: StackSize | None = None
) -> None:
    """Refuse a stack that CloudFormation would not take.

    Args:
        stack: The stack.
        coming: Resources that the CDK adds when it synthesizes.
        way_out: What to do about too many resources, or too large a template.
        of_outputs: What to do about too many outputs.
        size: What it declares. Defaults to counting it now.

    Raises:
        InvalidPropsError: It has too many resources, outputs or parameters, or its template is too large.

    """
    size = size or StackSize.of(stack)
    limit = stack.node.try_get_context(_RESOURCES_CONTEXT)
    most = MOST_RESOURCES if limit is None else int(limit)
    count = len(size.resources) + coming
    if 0 < most < count:
        _refuse(stack, "resources", most, count, way_out)
    if size.outputs > MOST_OUTPUTS:
        _refuse(stack, "outputs", MOST_OUTPUTS, size.outputs, of_outputs)
    if size.parameters > MOST_PARAMETERS:
        _refuse(stack, "parameters", MOST_PARAMETERS, size.parameters, way_out)


def check_template_size(stack: Stack, *, indented: bool, way_out: str, size: StackSize | None = None) -> None:
    """Refuse a stack whose template is larger than CloudFormation takes.

    Args:
        stack: The stack.
        indented: Whether the template has line breaks and spaces.
        way_out: What to do about it.
        size: What the stack declares. Defaults to counting it now.

    Raises:
        InvalidPropsError: It has too large a template.

    """
    resources = (size or StackSize.of(stack)).resources
    if len(resources) < _MANY:
        return
    written = sum(_FRAME + _bytes(of, indented=indented) for of in properties_of(stack, resources))
    if written > MOST_BYTES:
        _refuse(stack, "bytes in its template", MOST_BYTES, written, way_out)


def _bytes(properties: Mapping[str, Any], *, indented: bool) -> int:
    if indented:
        return len(json.dumps({"Resources": {"": {"Properties": properties}}}, indent=1))
    return len(json.dumps(properties, separators=(",", ":")))


def _refuse(stack: Stack, what: str, most: int, count: int, way_out: str) -> None:
    msg = f"{stack.node.path} must have at most {most} {what}, got {count}; {way_out}"
    raise InvalidPropsError(msg)
