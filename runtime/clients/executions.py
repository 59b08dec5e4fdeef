"""The executions of the command state machines, as far as Step Functions remembers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from runtime.aws_errors import error_code
from runtime.clients.calls import Calls
from runtime.clients.workflow import execution_name
from runtime.store.codec import isoformat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_stepfunctions import SFNClient

    from runtime.clients.resources import Resources
    from runtime.model.keys import DetailKey
    from runtime.settings import Settings

__all__ = ["Executions"]

_LATEST: Final = 10
_MOST_COUNTED: Final = 1000
#: Express executions can be neither listed nor described: they are in the log only.
_EXPRESS: Final = "StateMachineTypeNotSupported"
_NOT_THERE: Final = {"ExecutionDoesNotExist", "InvalidArn"}


class Executions:
    """Looks at executions.

    Every method raises `StoreUnavailableError` where Step Functions is busy or out of reach, and
    `StoreRefusedError` where it refuses the call.

    Args:
        calls: Calls of Step Functions.
        settings: The ARNs of the state machines.
    """

    def __init__(self, calls: Calls[SFNClient], settings: Settings) -> None:
        self._calls = calls
        self._settings = settings

    @classmethod
    def of(cls, resources: Resources) -> Executions | None:
        """Those of the deployment, or None where the function knows of no state machine."""
        calls: Calls[SFNClient] = Calls("Step Functions", lambda: resources.client("stepfunctions"))
        return cls(calls, resources.settings) if resources.settings.state_machines else None

    def of_version(
        self, module: str, table: str, key: DetailKey, version: int, publish_id: str | None
    ) -> dict[str, Any] | None:
        """The execution that was started for one command, or None.

        One call where the module's own state machine has it; one more where it may be in the other one, as
        the module has got, or lost, its handlers since.

        Args:
            module: Logical name of the module.
            table: Physical name of the command table.
            key: Key of the aggregate.
            version: Version of the command.
            publish_id: The command's publish id, or None where it has none.
        """
        name = execution_name(table, key, version, publish_id)
        machines = self._settings.state_machines_of(module)
        return next((found for arn in machines if (found := self._described(arn, name))), None)

    def _described(self, state_machine_arn: str, name: str) -> dict[str, Any] | None:
        arn = f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        with self._calls.reading() as sfn:
            try:
                found = sfn.describe_execution(executionArn=arn)
            except ClientError as error:
                if error_code(error) in {_EXPRESS, *_NOT_THERE}:
                    return None
                raise
        return {"startedAt": isoformat(found["startDate"]), **_ended(found)}

    def troubles(self) -> dict[str, Any] | None:
        """How many executions failed or took too long, and the latest ones; None for express.

        Two calls a state machine. At most 1000 of each are counted in each, of those that ended within
        the last 90 days.
        """
        with self._calls.reading() as sfn:
            try:
                failed, timed_out = self._list(sfn, "FAILED"), self._list(sfn, "TIMED_OUT")
            except ClientError as error:
                if error_code(error) == _EXPRESS:
                    return None
                raise
        latest = sorted([*failed, *timed_out], key=_stopped, reverse=True)[:_LATEST]
        return {"failed": len(failed), "timedOut": len(timed_out), "latest": [_ended(e) for e in latest]}

    def _list(self, sfn: SFNClient, status: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - boto3's own literal
        found: list[Any] = []
        for arn in self._settings.state_machines:
            answer = sfn.list_executions(stateMachineArn=arn, statusFilter=status, maxResults=_MOST_COUNTED)
            found += answer["executions"]
        return found


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
