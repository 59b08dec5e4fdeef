"""Starting executions of state machines, and answering those that wait."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from runtime.aws_errors import error_code
from runtime.clients.calls import Calls
from runtime.model.json_text import message_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["StepFunctionService"]

_NAME: Final = re.compile(r"[0-9A-Za-z_-]{1,80}")
_MAX_NAME: Final = 80
_DIGEST: Final = 20
_MAX_ERROR: Final = 256
_MAX_CAUSE: Final = 32768


class StepFunctionService:
    """Your own state machines. Commands need none of this: the pipeline starts itself.

    Example:
        >>> resources.step_functions.start_execution(arn, {"order": "A1"}, name="import-A1")

    Every method raises `StoreUnavailableError` where Step Functions is busy or out of reach,
    `StoreRefusedError` where it refuses the call, and `OutcomeUnknownError` where no answer
    came: it may have been done.

    Args:
        client: Makes the boto3 client.
    """

    def __init__(self, client: Callable[[], SFNClient]) -> None:
        self._calls = Calls("Step Functions", client)

    def start_execution(
        self,
        state_machine_arn: str,
        input: Any = None,  # noqa: A002, ANN401 - AWS's own name; whatever an HTTP answer can hold
        name: str | None = None,
    ) -> str | None:
        """Start an execution and return its ARN; None when one of this name has ended or has another input.

        Args:
            state_machine_arn: What to start.
            input: Input of the execution. Default: an empty object.
            name: Makes a repeated start one start, for 90 days after its end. A name that Step Functions
                does not take (over 80 characters, or with others than letters, digits, - and
                _) is shortened to one that it takes, with a digest of the whole at the end.
                Default: a random name.
        """
        named = {} if name is None else {"name": _valid_name(name)}
        text = _json(input, "input")
        with self._calls.writing() as sfn:
            try:
                answer = sfn.start_execution(stateMachineArn=state_machine_arn, input=text, **named)
            except ClientError as error:
                if error_code(error) != "ExecutionAlreadyExists":
                    raise
                return None
        return answer["executionArn"]

    def resume_execution(self, task_token: str, output: Any = None) -> None:  # noqa: ANN401 - whatever an HTTP answer can hold
        """Let an execution that waits for ``task_token`` go on.

        Args:
            task_token: What the waiting state was given.
            output: Output of that state. Default: an empty object.
        """
        text = _json(output, "output")
        with self._calls.writing() as sfn:
            sfn.send_task_success(taskToken=task_token, output=text)

    def send_task_failure(self, task_token: str, error: str, cause: str = "") -> None:
        """Let the state that waits for ``task_token`` fail.

        Args:
            task_token: What the waiting state was given.
            error: Name that Retry and Catch match on; cut after 256 characters.
            cause: What a person should read; cut after 32768 characters.
        """
        with self._calls.writing() as sfn:
            sfn.send_task_failure(taskToken=task_token, error=error[:_MAX_ERROR], cause=cause[:_MAX_CAUSE])


def _json(value: Any, field: str) -> str:  # noqa: ANN401 - whatever JSON can hold
    return message_text({} if value is None else value, field=field)


def _valid_name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    readable = re.sub(r"[^0-9A-Za-z_-]+", "-", name)
    return f"{readable[: _MAX_NAME - _DIGEST - 1]}-{digest}"
