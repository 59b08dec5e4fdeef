"""Starting an execution twice.

AWS: "StartExecution is idempotent for STANDARD workflows. For a STANDARD workflow, if you
call StartExecution with the same name and input as a running execution, the call succeeds
and return the same response as the original request. If the execution is closed or if the
input is different, it returns a 400 ExecutionAlreadyExists error."
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html)

Stock answers every repeated name with the error.
"""

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions

from ..patching import replace

__all__ = ["apply"]


def apply() -> None:
    """Answer a repeated start with the execution that runs."""

    def start(data: dict[str, Any]) -> Any:
        running = _running(data)
        if running is not None:
            return stepfunctions.json_response(
                {"executionArn": running["executionArn"], "startDate": running["startDate"]},
            )
        return stock(data)

    stock = replace(
        stepfunctions,
        "_start_execution",
        start,
        holding=("if exec_arn in _executions:", '"ExecutionAlreadyExists"'),
    )


def _running(data: dict[str, Any]) -> dict[str, Any] | None:
    name, given = data.get("name"), data.get("input", "{}")
    arn = stepfunctions._resolve_state_machine_arn(str(data.get("stateMachineArn", "")).partition("#")[0])
    if not name or arn is None:
        return None
    machine = stepfunctions._state_machines[arn]
    if machine.get("type", "STANDARD") != "STANDARD":
        return None
    region, account = stepfunctions.get_region(), stepfunctions.get_account_id()
    execution: dict[str, Any] | None = stepfunctions._executions.get(
        f"arn:aws:states:{region}:{account}:execution:{machine['name']}:{name}",
    )
    if execution and execution["status"] == "RUNNING" and execution["input"] == given:
        return execution
    return None
