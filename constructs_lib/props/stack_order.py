"""Which stack of the app waits for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnElement, CfnOutput, CfnResource, Stack

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.environments import stack_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from constructs import IConstruct

__all__ = ["deployed_with", "is_referred_to", "must_wait", "waits_for"]


def deployed_with(construct: IConstruct) -> Stack:
    """Give the stack that ``construct`` is deployed with: of a nested one, the outermost that nests it."""
    stack = stack_of(construct)
    while (parent := stack.nested_stack_parent) is not None:
        stack = parent
    return stack


def must_wait(construct: IConstruct, other: IConstruct) -> None:
    """Have the stack of ``construct`` wait for that of ``other``, so that whoever asks knows it by now.

    It would in the end, by a reference; CDK finds those only when it synthesizes.

    Raises:
        InvalidPropsError: The other stack waits for this one.

    """
    ours, theirs = deployed_with(construct), deployed_with(other)
    if ours is not theirs:
        if waits_for(theirs, ours):
            msg = (
                f"{other.node.path} must be of a stack that does not wait for {ours.node.path}, where "
                f"{construct.node.path} uses it, got {theirs.node.path}, which does; make both in one stack, "
                f"or bring what {theirs.node.path} needs from a third one"
            )
            raise InvalidPropsError(msg)
        # The name that newer versions of the CDK warn without.
        add = getattr(ours, "add_stack_dependency", None) or ours.add_dependency
        add(theirs, f"{construct.node.path} uses {other.node.path}")


def waits_for(construct: IConstruct, other: IConstruct) -> bool:
    """Whether the stack of ``construct`` waits for that of ``other``, as far as it is known by now."""
    return _reaches(deployed_with(construct), deployed_with(other), lambda stack: stack.dependencies)


def is_referred_to(construct: IConstruct, stack: Stack) -> bool:
    """Whether ``stack`` refers to something of the stack of ``construct``, or of one that does.

    CDK knows that once it synthesizes; so this is for then, when all is there. It reads every resource.
    """
    everything = construct.node.root.node.find_all()
    outermost = [found for found in everything if Stack.is_stack(found) and deployed_with(found) is found]
    named = {other.node.path: _names(other) for other in outermost}

    def referred_to(source: Stack) -> list[Stack]:
        missing = _references(source) - named[source.node.path]
        return [*source.dependencies, *(other for other in outermost if missing & named[other.node.path])]

    return _reaches(stack, deployed_with(construct), referred_to)


def _reaches(start: Stack, wanted: Stack, following: Callable[[Stack], list[Stack]]) -> bool:
    seen: list[Stack] = []
    ahead = following(start)
    while ahead:
        stack = ahead.pop()
        if stack is wanted:
            return True
        if all(stack is not known for known in seen):
            seen.append(stack)
            ahead += following(stack)
    return False


def _elements(stack: Stack) -> list[CfnElement]:
    return [found for found in stack.node.find_all() if CfnElement.is_cfn_element(found)]  # type: ignore[misc]


def _names(stack: Stack) -> set[str]:
    return set(stack.resolve([element.logical_id for element in _elements(stack)]))


def _references(stack: Stack) -> set[str]:
    """The logical ids that the templates of a stack name; those of another stack among them."""
    said: list[Any] = [
        element._cfn_properties if isinstance(element, CfnResource) else element.value  # noqa: SLF001
        for element in _elements(stack)
        if isinstance(element, CfnResource | CfnOutput)
    ]
    found: set[str] = set()
    ahead: list[Any] = [stack.resolve(said)]
    while ahead:
        match ahead.pop():
            case {"Ref": str(name)}:
                found.add(name)
            case {"Fn::GetAtt": [str(name), *_]}:
                found.add(name)
            case dict() as mapping:
                ahead += mapping.values()
            case list() as items:
                ahead += items
    return found
