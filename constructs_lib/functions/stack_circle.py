"""A function of another stack that gets its rights there, though that stack is needed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import jsii
from aws_cdk import Aspects, IAspect
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.environments import is_made_here
from constructs_lib.props.stack_order import deployed_with, is_referred_to

if TYPE_CHECKING:
    from aws_cdk import Stack
    from aws_cdk import aws_lambda as lambda_
    from constructs import IConstruct

__all__ = ["note_user"]

_ID: Final = "CqrsUsers"


def note_user(function: lambda_.IFunction, part: Construct) -> None:
    """Note that ``function`` has its rights on ``part`` in its own stack, which so waits for the part's.

    Where that one waits for the function's stack, too, synthesis ends before CDK finds the circle, and
    the error says the way out. It is CDK's own, with the text of an `InvalidPropsError`.
    """
    if is_made_here(function) and deployed_with(function) is not deployed_with(part):
        known = function.node.try_find_child(_ID)
        users = known if isinstance(known, _Users) else _Users(function)
        users.parts.append(part)


class _Users(Construct):
    """Parts of other stacks. A child of the function, so that each part finds what others noted."""

    def __init__(self, function: lambda_.IFunction) -> None:
        super().__init__(function, _ID)  # type: ignore[arg-type]
        self.function = function
        self.parts: list[Construct] = []
        Aspects.of(self).add(_NoCircle(self))


@jsii.implements(IAspect)
class _NoCircle:
    def __init__(self, users: _Users) -> None:
        self._users = users

    def visit(self, node: IConstruct) -> None:  # noqa: ARG002 - jsii asks for this name
        function = self._users.function
        theirs = deployed_with(function)
        checked: list[Stack] = []
        for part in self._users.parts:
            stack = deployed_with(part)
            if any(stack is known for known in checked):
                continue
            checked.append(stack)
            # What was imported by its name may need nothing of the part's stack.
            if is_referred_to(function, stack) and is_referred_to(part, theirs):
                msg = (
                    f"function must be of a stack that {stack.node.path} does not wait for, got "
                    f"{function.node.path}, which uses {part.node.path}: {theirs.node.path} would wait for "
                    f"{stack.node.path}, which refers to {theirs.node.path}; make {stack.node.path} depend "
                    f"on {theirs.node.path} (Stack.add_dependency) before it is connected, so that rights "
                    f"are made in {stack.node.path}, or make the function there"
                )
                raise InvalidPropsError(msg)
