"""The states that a command goes through: apply, its handlers, finish; or apply alone.

Apply ── no handlers ──▶ Done
  │ └─── handlers ─────▶ RunHandlers (Map: RunHandler, or Park when it keeps failing) ──▶ Finish
  └─ an error that stays ──▶ ApplyFailed ──▶ Failed

For modules without handlers there is a state machine that ends with Apply: half of the transitions.

Park and Finish have no catch: where even they fail, the execution fails at that state, from
which Step Functions can redrive it.

The state machine's input is the command's key; each task sends it to the worker together
with ``action`` and the parts of the context object that the worker needs. Neither the
command nor what a handler returns travels through the states: the limit is 256 KiB.
A list in a JSONata expression is in brackets, as one with a single item would lose them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

from runtime import contract

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

    from constructs_lib.pipeline.retry_policy import RetryPolicy

__all__ = ["PREVIOUS_VERSION_PENDING", "ApplyOnlyDefinition", "CommandWorkflowDefinition", "WorkflowSteps"]

#: Class of the error that a handler's task raises while an earlier version is under way.
PREVIOUS_VERSION_PENDING: Final = "PreviousVersionPending"

_LAMBDA_ERRORS: Final = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
]

# A worker that has no call left, of its own reserve or of the account's: a burst of commands lasts for
# longer than what is worth trying again after an error.
_BUSY: Final = "Lambda.TooManyRequestsException"

# Enough to find the log line; the whole trace is in the worker's log.
_LONGEST_CAUSE: Final = 1000

# One expression instead of one per field: a field that the service leaves out stays out.
_CONTEXT: Final = (
    '{% {"Execution": {"Id": $states.context.Execution.Id, "Name": $states.context.Execution.Name, '
    '"StartTime": $states.context.Execution.StartTime}, '
    '"State": {"Name": $states.context.State.Name, "RetryCount": $states.context.State.RetryCount}, '
    '"StateMachine": {"Id": $states.context.StateMachine.Id, "Name": $states.context.StateMachine.Name}} %}'
)
_INPUT: Final = "{% $states.input %}"
_PAYLOAD: Final = "{% $states.result.Payload %}"
_INPUT_WITH_ERROR: Final = (
    '{% $merge([$states.input, {"error": $states.errorOutput.Error, '
    f'"cause": $substring("" & $states.errorOutput.Cause, 0, {_LONGEST_CAUSE})}}]) %}}'
)


class WorkflowSteps:
    """Makes the states that call the worker.

    Args:
        scope: Construct that the states are made in.
        worker: Function that does every step.
        task_timeout: How long one call of the worker may take.
        outage_retry: Schedule for an error that says that something is busy or out of reach.
        error_retry: Schedule for every other error.

    """

    def __init__(
        self,
        scope: Construct,
        *,
        worker: lambda_.IFunction,
        task_timeout: Duration,
        outage_retry: RetryPolicy,
        error_retry: RetryPolicy,
    ) -> None:
        self.scope = scope
        self._worker = worker
        self._task_timeout = task_timeout
        self._outage_retry = outage_retry
        self._error_retry = error_retry

    def apply(self, outputs: str) -> tuple[tasks.LambdaInvoke, tasks.LambdaInvoke]:
        """Give ``Apply``, and the state that reports what could not be applied and ends in ``Failed``."""
        failed = sfn.Fail.jsonata(
            self.scope, "Failed", error="{% $states.input.error %}", cause="{% $states.input.cause %}"
        )
        apply_failed = self.task("ApplyFailed", contract.Action.FAIL, outputs=_INPUT)
        # Whether or not the report got through, the execution fails with the first error.
        apply_failed.add_catch(failed, outputs=_INPUT)
        apply_failed.next(failed)
        apply = self.task("Apply", contract.Action.APPLY, outputs=outputs)
        apply.add_catch(apply_failed, outputs=_INPUT_WITH_ERROR)
        return apply, apply_failed

    def task(
        self,
        construct_id: str,
        action: str,
        *,
        outputs: str | None = None,
        first_retry: tuple[list[str], RetryPolicy] | None = None,
    ) -> tasks.LambdaInvoke:
        """Give the state that asks the worker for ``action``."""
        task = tasks.LambdaInvoke.jsonata(
            self.scope,
            construct_id,
            lambda_function=self._worker,
            payload=sfn.TaskInput.from_object({"action": action, "input": _INPUT, "context": _CONTEXT}),
            task_timeout=sfn.Timeout.duration(self._task_timeout),
            # Ours below instead: the default has neither throttling nor jitter.
            retry_on_service_exceptions=False,
            outputs=outputs,
        )
        if first_retry:
            _add_retry(task, *first_retry)
        _add_retry(task, [*contract.UNAVAILABLE_ERRORS, _BUSY], self._outage_retry)
        _add_retry(task, _LAMBDA_ERRORS, self._error_retry)
        _add_retry(task, [sfn.Errors.ALL], self._error_retry)
        return task


class ApplyOnlyDefinition:
    """Builds the states for modules without data sync handlers.

    What finds a handler after all, in the midst of a deployment, ends here as well: the command is
    applied, and unfinished, and gets its turns with the next version or from whoever looks for what
    nobody has finished.

    Args:
        steps: Makes them.

    """

    def __init__(self, steps: WorkflowSteps) -> None:
        self.apply, self.apply_failed = steps.apply(_PAYLOAD)
        self.body = sfn.DefinitionBody.from_chainable(self.apply)


class CommandWorkflowDefinition:
    """Builds the states of a `CommandWorkflow` and keeps them, for escape hatches.

    Args:
        steps: Makes those that call the worker.
        pending_retry: Schedule for a handler that waits for an earlier version.
        max_concurrency: Handlers of one command that run at the same time.

    """

    def __init__(self, steps: WorkflowSteps, *, pending_retry: RetryPolicy, max_concurrency: int) -> None:
        scope = steps.scope
        done = sfn.Succeed.jsonata(scope, "Done")
        self.apply, self.apply_failed = steps.apply(
            '{% {"command": $states.input, "handlers": [$states.result.Payload.handlers]} %}'
        )

        self.park = steps.task("Park", contract.Action.PARK, outputs=_PAYLOAD)
        self.run_handler = steps.task(
            "RunHandler",
            contract.Action.HANDLE,
            outputs=_PAYLOAD,
            first_retry=([PREVIOUS_VERSION_PENDING], pending_retry),
        )
        self.run_handler.add_catch(self.park, outputs=_INPUT_WITH_ERROR)

        self.run_handlers = sfn.Map.jsonata(
            scope,
            "RunHandlers",
            items=sfn.ProvideItems.jsonata("{% $states.input.handlers %}"),
            jsonata_item_selector=(
                '{% $merge([$states.input.command, {"handler": $states.context.Map.Item.Value}]) %}'
            ),
            max_concurrency=max_concurrency,
            outputs='{% $merge([$states.input.command, {"results": [$states.result]}]) %}',
        )
        self.run_handlers.item_processor(self.run_handler)

        self.finish = steps.task("Finish", contract.Action.FINISH, outputs=_PAYLOAD)

        has_handlers = sfn.Choice.jsonata(scope, "HasHandlers")
        has_handlers.when(
            sfn.Condition.jsonata("{% $count($states.input.handlers) > 0 %}"),
            # The last state itself: one more to say so would be one more transition for each command.
            self.run_handlers.next(self.finish),
        ).otherwise(done)
        self.body = sfn.DefinitionBody.from_chainable(self.apply.next(has_handlers))


def _add_retry(task: tasks.LambdaInvoke, errors: list[str], policy: RetryPolicy) -> None:
    task.add_retry(
        errors=errors,
        max_attempts=policy.max_attempts,
        interval=policy.interval,
        backoff_rate=policy.backoff_rate,
        max_delay=policy.max_delay,
        jitter_strategy=sfn.JitterType.FULL,
    )
