"""The command state machines in a test: the same states, retries and catches as the deployed ones."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from runtime.contract import UNAVAILABLE_ERRORS, Action
from runtime.errors import PreviousVersionPending

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from runtime.testing.clients import Execution

__all__ = ["run_execution"]

#: Of the retries that `constructs_lib` deploys: the longest wait before the first, in seconds, which is
#: doubled each time; the longest of all; and how many there are.
_ERROR: Final = (2.0, 60.0, 3)
#: While a handler's turn is somebody else's.
_PENDING: Final = (2.0, 60.0, 10)
#: While something that the task needs is busy or out of reach.
_OUTAGE: Final = (2.0, 120.0, 20)


class _TaskFailedError(Exception):
    """The retries of a task are used up."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.kind = type(error).__name__
        self.cause = json.dumps({"errorMessage": str(error), "errorType": self.kind})


def run_execution(
    execution: Execution, call: Callable[[dict[str, Any]], Any], started: str
) -> Iterator[float]:
    """Run an execution, one call of the worker a step.

    Args:
        execution: Which one. Its status is set at the end.
        call: Calls the function with an event.
        started: When it was started, as text.

    Yields:
        How many seconds to wait before the next step.
    """
    machine = _Machine(execution, call, started)
    try:
        yield from machine.run()
    except _TaskFailedError as failure:
        execution.status, execution.error = "FAILED", failure.kind
    else:
        execution.status = "SUCCEEDED"


class _Machine:
    def __init__(self, execution: Execution, call: Callable[[dict[str, Any]], Any], started: str) -> None:
        self._execution = execution
        self._call = call
        self._started = started

    def run(self) -> Generator[float, None, None]:
        command = self._execution.input
        try:
            handlers = (yield from self._task("Apply", Action.APPLY, command))["handlers"]
        except _TaskFailedError as failure:
            yield from self._task("ApplyFailed", Action.FAIL, command | _error(failure))
            raise
        if self._execution.only_applies:
            return
        results = []
        for name in handlers:
            item = command | {"handler": name}
            try:
                results.append((yield from self._task("RunHandler", Action.HANDLE, item)))
            except _TaskFailedError as failure:
                results.append((yield from self._task("Park", Action.PARK, item | _error(failure))))
        if handlers:
            yield from self._task("Finish", Action.FINISH, command | {"results": results})

    def _task(self, state: str, action: str, given: Mapping[str, Any]) -> Generator[float, None, Any]:
        tried: Counter[tuple[float, float, int]] = Counter()
        while True:
            try:
                answer = self._call(self._event(state, action, given, tried.total()))
            except Exception as error:
                schedule = _schedule(type(error).__name__, action)
                interval, longest, most = schedule
                if tried[schedule] == most:
                    raise _TaskFailedError(error) from error
                yield min(longest, interval * 2 ** tried[schedule])
                tried[schedule] += 1
            else:
                yield 0.0
                return json.loads(json.dumps(answer))  # only JSON comes out of a function

    def _event(self, state: str, action: str, given: Mapping[str, Any], retries: int) -> dict[str, Any]:
        execution = self._execution
        context = {
            "Execution": {"Id": execution.arn, "Name": execution.name, "StartTime": self._started},
            "State": {"Name": state, "RetryCount": retries},
            "StateMachine": {"Id": execution.state_machine, "Name": execution.state_machine.split(":")[-1]},
        }
        return {"action": action, "input": dict(given), "context": context}


def _schedule(error: str, action: str) -> tuple[float, float, int]:
    if error == PreviousVersionPending.__name__ and action == Action.HANDLE:
        return _PENDING
    return _OUTAGE if error in UNAVAILABLE_ERRORS else _ERROR


def _error(failure: _TaskFailedError) -> dict[str, str]:
    return {"error": failure.kind, "cause": failure.cause}
