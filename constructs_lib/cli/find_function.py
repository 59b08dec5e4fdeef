"""Finding the operator function: named, or by the output of its stack."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from constructs_lib.cli.aws_errors import explained
from constructs_lib.cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from constructs_lib.cli.connection import Connection

__all__ = ["FUNCTION_VARIABLE", "OUTPUT", "STACK_VARIABLE", "find_function"]

OUTPUT: Final = "OperatorFunctionName"
STACK_VARIABLE: Final = "CQRS_STACK"
FUNCTION_VARIABLE: Final = "CQRS_FUNCTION_NAME"


def find_function(connection: Connection, *, function: str | None, stack: str | None) -> str:
    """Find the name of the operator function: as given, or by one call of CloudFormation.

    An argument wins over a variable, and a function over a stack.

    Args:
        connection: The way to AWS.
        function: Name or ARN of the function, from the command line.
        stack: Name of the stack, from the command line.

    Raises:
        UsageError: Neither a function nor a stack is given.
        RefusedError: There is no such stack, or it has no such function.
    """
    if function and stack:
        message = "--function: leave out --stack, which finds the function by itself"
        raise UsageError(message)
    if not stack:
        function = function or os.environ.get(FUNCTION_VARIABLE)
    if function:
        return function
    stack = stack or os.environ.get(STACK_VARIABLE)
    if not stack:
        message = (
            f"--stack: name the service's stack (or set {STACK_VARIABLE}), "
            f"or its operator function with --function (or {FUNCTION_VARIABLE})"
        )
        raise UsageError(message)
    return _by_output(connection, stack)


def _by_output(connection: Connection, stack: str) -> str:
    client = connection.stacks()
    with explained(f"stack {stack!r}"):
        (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    for output in found.get("Outputs", []):
        if output.get("OutputKey") == OUTPUT:
            return output["OutputValue"]
    message = (
        f"stack {stack!r} has no output {OUTPUT}; deploy it with a version of cdk-cqrs that has "
        "operators' commands, or name the function with --function"
    )
    raise RefusedError(message)
