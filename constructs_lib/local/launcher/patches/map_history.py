"""The history of what runs inside a Map or Parallel state.

AWS writes the states of each iteration and branch into the execution's history, as those
outside, and `MapIterationStarted` and `MapIterationSucceeded` or `MapIterationFailed` around
an iteration
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html). The
`…StateEntered` events are the state transitions, by which AWS bills.

Stock writes none of these, so a count of the transitions comes out too low.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from ministack.services import stepfunctions

from ..patching import replace

__all__ = ["apply"]

#: Their functions take the execution as well.
_WITH_EXECUTION = ("Task", "Parallel", "Map")


def apply() -> None:
    """Replace the walk through the states of an iteration or branch."""
    replace(
        stepfunctions,
        "_run_sub_machine",
        _run_sub_machine,
        holding=(
            "current_input = copy.deepcopy(input_data)",
            'ctx["State"] = {"Name": current_name, "EnteredTime": now_iso(), "RetryCount": 0}',
            'if state_type in ("Task", "Parallel", "Map"):',
        ),
    )


def _run_sub_machine(
    states: dict[str, Any],
    start_at: str,
    input_data: Any,
    execution: dict[str, Any],
    ctx: dict[str, Any],
) -> Any:
    # Only an iteration has an item of its own; a branch shares what is around it.
    index = ((ctx.get("Map") or {}).get("Item") or {}).get("Index")
    details = {"name": (ctx.get("State") or {}).get("Name", ""), "index": index}
    iteration = None if index is None else details
    _note(execution, "MapIterationStarted", iteration)
    try:
        output = _walk(states, start_at, copy.deepcopy(input_data), execution, ctx)
    except Exception:
        _note(execution, "MapIterationFailed", iteration)
        raise
    _note(execution, "MapIterationSucceeded", iteration)
    return output


def _walk(
    states: dict[str, Any],
    name: str | None,
    data: Any,
    execution: dict[str, Any],
    ctx: dict[str, Any],
) -> Any:
    while name:
        state = states.get(name)
        if state is None:
            error, cause = "States.Runtime", f"State '{name}' not found"
            raise stepfunctions._ExecutionError(error, cause)
        ctx["State"] = {"Name": name, "EnteredTime": stepfunctions.now_iso(), "RetryCount": 0}
        kind = state["Type"]
        _note(execution, f"{kind}StateEntered", {"name": name, "input": json.dumps(data)}, "stateEntered")
        if kind == "Fail":
            raise stepfunctions._ExecutionError(*stepfunctions._fail_state_error(state, data, ctx))
        data, following = _step(kind, state, data, execution, ctx)
        _note(execution, f"{kind}StateExited", {"name": name, "output": json.dumps(data)}, "stateExited")
        name = following
    return data


def _step(
    kind: str,
    state: dict[str, Any],
    data: Any,
    execution: dict[str, Any],
    ctx: dict[str, Any],
) -> tuple[Any, str | None]:
    if kind == "Succeed":
        data = stepfunctions._apply_input_path(state, data, ctx)
        return stepfunctions._apply_output_path(state, data, ctx), None
    run = getattr(stepfunctions, f"_execute_{kind.lower()}")
    arguments = (execution, ctx) if kind in _WITH_EXECUTION else (ctx,)
    output, following = run(state, data, *arguments)
    return output, following


def _note(
    execution: dict[str, Any],
    kind: str,
    details: dict[str, Any] | None,
    field: str | None = None,
) -> None:
    if details is not None:
        name = field or f"{kind[0].lower()}{kind[1:]}"
        stepfunctions._add_event(execution, kind, {f"{name}EventDetails": details})
