"""The executions of the command state machine, as far as Step Functions remembers them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from runtime.clients.workflow import execution_name
from runtime.store.codec import isoformat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_stepfunctions import SFNClient

    from runtime.clients.resources import Resources
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule

__all__ = ["Executions"]

_LATEST: Final = 10
_MOST_COUNTED: Final = 1000
#: Express executions can be neither listed nor described: they are in the log only.
_EXPRESS: Final = "StateMachineTypeNotSupported"
_NOT_THERE: Final = {"ExecutionDoesNotExist", "InvalidArn"}


class Executions:
    """Looks at executions.

    Args:
        resources: The client.
        state_machine_arn: ARN of the state machine.
    """

    def __init__(self, resources: Resources, state_machine_arn: str) -> None:
        self._resources = resources
        self._arn = state_machine_arn

    @classmethod
    def of(cls, resources: Resources) -> Executions | None:
        """Those of the deployment, or None where the function knows of no state machine."""
        arn = resources.settings.state_machine_arn
        return cls(resources, arn) if arn else None

    def of_version(self, module: CommandModule[Any], key: DetailKey, version: int) -> dict[str, Any] | None:
        """The execution that was started for one version of an aggregate, or None. One call."""
        name = execution_name(module.tables.command, key, version)
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            found = self._sfn.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] in {_EXPRESS, *_NOT_THERE}:
                return None
            raise
        return {"startedAt": isoformat(found["startDate"]), **_ended(found)}

    def troubles(self) -> dict[str, Any] | None:
        """How many executions failed or took too long, and the latest ones; None for express. Two calls.

        At most 1000 of each are counted, of those that ended within the last 90 days.
        """
        try:
            failed, timed_out = self._list("FAILED"), self._list("TIMED_OUT")
        except ClientError as error:
            if error.response["Error"]["Code"] == _EXPRESS:
                return None
            raise
        latest = sorted([*failed, *timed_out], key=_stopped, reverse=True)[:_LATEST]
        return {"failed": len(failed), "timedOut": len(timed_out), "latest": [_ended(e) for e in latest]}

    def _list(self, status: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - boto3's own literal
        found: list[Any] = self._sfn.list_executions(
            stateMachineArn=self._arn, statusFilter=status, maxResults=_MOST_COUNTED
        )["executions"]
        return found

    @cached_property
    def _sfn(self) -> SFNClient:
        client: SFNClient = self._resources.client("stepfunctions")
        return client


def _stopped(execution: Mapping[str, Any]) -> datetime:
    moment: datetime = execution.get("stopDate") or execution["startDate"]
    return moment


def _ended(execution: Mapping[str, Any]) -> dict[str, Any]:
    stopped = execution.get("stopDate")
    return {
        "name": execution["name"],
        "status": execution["status"],
        "stoppedAt": isoformat(stopped) if stopped else None,
    }
