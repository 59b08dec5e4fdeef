"""The rules of the command state machine, so that its tasks can be disturbed one by one.

What it does is what `constructs_lib.pipeline.command_workflow_definition` says: a task is
tried again three times, and one that waits for an earlier version ten times; then Apply's
error leads to Fail, that of a handler to Park, and any other one fails the execution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import PreviousVersionPending

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

__all__ = ["Execution"]

_ERROR_RETRIES = 3
_PENDING_RETRIES = 10


class TaskFailedError(Exception):
    """The retries of a task are used up."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = type(error).__name__


class Execution:
    """One execution: each `next` is one call of the worker, and says how long to wait for the next one.

    Args:
        reference: The execution's input.
        call: Calls the worker with an event; whatever it raises is the task's error.
    """

    def __init__(self, reference: dict[str, Any], call: Callable[[dict[str, Any]], Any]) -> None:
        self.status = "RUNNING"
        self._reference = reference
        self._call = call

    def run(self) -> Iterator[int]:
        try:
            yield from self._steps()
        except TaskFailedError:
            self.status = "FAILED"
        else:
            self.status = "SUCCEEDED"

    def _steps(self) -> Generator[int, None, None]:
        reference = self._reference
        try:
            handlers = (yield from self._task("apply", reference))["handlers"]
        except TaskFailedError as failure:
            yield from self._task("fail", reference | _error(failure))
            raise
        results = []
        for handler in handlers:
            item = reference | {"handler": handler}
            try:
                results.append((yield from self._task("handle", item)))
            except TaskFailedError as failure:
                results.append((yield from self._task("park", item | _error(failure))))
        if handlers:
            yield from self._task("finish", reference | {"results": results})

    def _task(self, action: str, given: dict[str, Any]) -> Generator[int, None, Any]:
        left = {True: _PENDING_RETRIES, False: _ERROR_RETRIES}
        while True:
            state = {"Name": action, "RetryCount": _PENDING_RETRIES + _ERROR_RETRIES - sum(left.values())}
            context = {"Execution": {"Id": "arn:x"}, "State": state, "StateMachine": {}}
            try:
                answer = self._call({"action": action, "input": given, "context": context})
            except Exception as error:
                waits = isinstance(error, PreviousVersionPending)
                left[waits] -= 1
                yield 2 ** (_PENDING_RETRIES - left[True]) if waits else 2
                if left[waits] < 0:
                    raise TaskFailedError(error) from error
            else:
                yield 0
                return answer


def _error(failure: TaskFailedError) -> dict[str, Any]:
    return {"error": failure.error, "cause": str(failure)}
