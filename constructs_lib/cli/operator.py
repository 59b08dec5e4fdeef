"""Asking the operator function."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.aws_errors import explained
from constructs_lib.cli.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from constructs_lib.cli.connection import Connection

__all__ = ["Operator"]


class Operator:
    """The operator function of a service. May be used by several threads.

    Args:
        connection: The way to AWS.
        function: Name or ARN of the function.
        at_once: How many calls may run at the same time.
    """

    def __init__(self, connection: Connection, function: str, *, at_once: int) -> None:
        self.function = function
        self._connection = connection
        self._at_once = at_once

    def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Run an operation that may be run twice. Arguments that are None are left out.

        Raises:
            RefusedError: The service refused it, or failed.
            UnreachableError: The function could not be called.
            UsageError: The region, the endpoint or the profile is wrong.
        """
        return self._call(self._patient, operation, arguments)

    def ask_once(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Run an operation that must not run twice: the request is sent once only.

        A skip whose answer was lost would pass over the next version as well.
        """
        return self._call(self._single, operation, arguments)

    @cached_property
    def _patient(self) -> LambdaClient:
        return self._connection.functions(again=True, at_once=self._at_once)

    @cached_property
    def _single(self) -> LambdaClient:
        return self._connection.functions(again=False, at_once=self._at_once)

    def _call(self, client: LambdaClient, operation: str, arguments: dict[str, object]) -> dict[str, Any]:
        event = {"operation": operation, **{name: v for name, v in arguments.items() if v is not None}}
        with explained(f"function {self.function!r}"):
            answer = client.invoke(FunctionName=self.function, Payload=json.dumps(event))
            payload = answer["Payload"].read()
        found = _decoded(payload)
        if "FunctionError" in answer:
            reason = f"{found.get('errorType', 'Error')}: {found.get('errorMessage', 'no message')}"
            message = f"{operation} failed in function {self.function!r} ({reason}); its log has the details"
            raise RefusedError(message, str(found.get("errorType", "FunctionError")))
        if not found:
            message = (
                f"function {self.function!r} gave no answer to {operation}; is it the operator function?"
            )
            raise RefusedError(message)
        if isinstance(found.get("error"), dict):  # of a repair it is a text: why the handler is parked again
            message = f"{operation}: {found['error']['message']}"
            raise RefusedError(message, found["error"]["type"])
        return found


def _decoded(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
