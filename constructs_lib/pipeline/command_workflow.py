"""The state machines that take a command from the stream to its final status."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from aws_cdk import Arn, ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import is_own_function
from constructs_lib.functions.function_elsewhere import WHERE_IT_RUNS, original_of, own_function
from constructs_lib.functions.log_groups import vended_log_group
from constructs_lib.functions.reserved_concurrency import warn_if_few_for_handlers
from constructs_lib.pipeline.command_workflow_definition import (
    ApplyOnlyDefinition,
    CommandWorkflowDefinition,
    WorkflowSteps,
)
from constructs_lib.pipeline.command_workflow_role import state_machine_role
from constructs_lib.pipeline.command_workflow_times import (
    LONGEST_EXPRESS,
    check_times,
    outage_retry_within,
    task_timeout_of,
)
from constructs_lib.pipeline.retry_policy import RetryPolicy
from constructs_lib.props.acknowledge import NOT_TRACED, acknowledge, acknowledge_wildcard
from constructs_lib.props.checks import check_range, refuse_props_of_brought
from constructs_lib.props.environments import check_environment, is_made_here
from constructs_lib.props.grants import combined
from constructs_lib.props.imported_names import check_state_machine_arn
from constructs_lib.props.metric_sums import sum_of
from constructs_lib.props.stack_order import must_wait
from constructs_lib.props.strict_props import strict_props
from runtime.contract import Env

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_kms as kms

    from constructs_lib.parts import ServiceFunctions

__all__ = ["CommandWorkflow", "CommandWorkflowGrants", "WorkflowType"]


class WorkflowType(StrEnum):
    """Which kind of state machine processes the commands."""

    STANDARD = "standard"
    """Billed per transition; runs once per command, up to a year; its history can be looked at."""

    EXPRESS = "express"
    """Billed per request and duration, far cheaper; at most 5 minutes, at least once per
    command, and its history is in the log only."""


class CommandWorkflow(Construct):
    """A state machine that applies one command, runs its handlers and finishes it.

    Every step is a call of the worker, with a timeout, with retries that spread out, and
    with a catch: a handler that keeps failing is parked, so that the command is finished
    for the others, and a command that cannot be applied is reported. What is only out of
    reach, such as a handler's database, is tried for longer.

    Modules without data sync handlers have a second state machine, `apply_only`, which does no
    more than to apply: an execution is two billed transitions, half of what it is with the first one.

    Example:
        >>> workflow = CommandWorkflow(self, "Workflow", worker=worker)
        >>> workflow.grants.start(stream_function)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        worker: Function that does the steps: a `CqrsApp` of the runtime. Needed unless
            ``state_machine`` is given. Defaults to none.
        state_machine: An existing state machine to use, for all modules. Defaults to new ones.
        type: Standard, or express for cheap and short. Defaults to standard.
        timeout: How long an execution may take. Defaults to 1 hour, or 5 minutes for
            express, which is its limit.
        task_timeout: How long one call of the worker may take; not less than the worker's
            own timeout. Defaults to that and 5 seconds more, or to 65 seconds where it is
            not known.
        previous_version_retry: Schedule for a handler that has to see an earlier version
            first. Defaults to 10 attempts in up to 6 minutes, or for express to 6
            attempts in up to 1 minute.
        outage_retry: Schedule for an error that says that something is busy or out of reach:
            the tables, a handler's own store, or the worker. Defaults to 20 attempts in up to 30 minutes,
            or to as many of them as ``timeout`` leaves room for.
        error_retry: Schedule for every other error of a step. Defaults to 3 attempts in up
            to 14 seconds.
        max_concurrency: Handlers of one command that run at the same time. Defaults to 10.
        log_level: What the log of executions has. ERROR is of failures alone; ALL is of each state that is
            entered, 4 KB an execution, at $0.50 a GB. Of a standard execution Step Functions keeps the
            history for 90 days in any case, free of charge; of an express one the log has all there is.
            Defaults to ERROR.
        log_retention: How long that log is kept. Defaults to 1 month.
        removal_policy: What happens to the log group when it leaves the stack. Defaults to
            RETAIN.
        encryption_key: Customer managed key of the log of executions; its policy gets what CloudWatch Logs
            needs. Defaults to the key that CloudWatch Logs owns.
        tracing: Whether X-Ray traces a sample of the executions. Defaults to True.

    Raises:
        InvalidPropsError: A duration does not fit the type, or the retries do not fit
            into ``timeout``, or a property configures a state machine that was brought.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        worker: lambda_.IFunction | None = None,
        state_machine: sfn.IStateMachine | None = None,
        type: WorkflowType = WorkflowType.STANDARD,  # noqa: A002 - the word of AWS, and only a keyword
        timeout: Duration | None = None,
        task_timeout: Duration | None = None,
        previous_version_retry: RetryPolicy | None = None,
        outage_retry: RetryPolicy | None = None,
        error_retry: RetryPolicy | None = None,
        max_concurrency: int | None = None,
        log_level: sfn.LogLevel | None = None,
        log_retention: logs.RetentionDays | None = None,
        removal_policy: RemovalPolicy | None = None,
        encryption_key: kms.IKey | None = None,
        tracing: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        self._worker = worker
        if state_machine is not None:
            refuse_props_of_brought(
                "state_machine",
                worker=worker,
                type=str(type) if type != WorkflowType.STANDARD else None,
                timeout=timeout,
                task_timeout=task_timeout,
                previous_version_retry=previous_version_retry,
                outage_retry=outage_retry,
                error_retry=error_retry,
                max_concurrency=max_concurrency,
                log_level=log_level,
                log_retention=log_retention,
                removal_policy=removal_policy,
                encryption_key=encryption_key,
                tracing=None if tracing else tracing,
            )
            self.state_machine: sfn.IStateMachine = state_machine
            self.apply_only: sfn.IStateMachine | None = None
            self.grants = CommandWorkflowGrants(state_machine)
            return
        if worker is None:
            msg = "worker must be given, got None; pass the function that runs the steps, or a state_machine"
            raise InvalidPropsError(msg)
        check_environment("worker", worker, self, hint=WHERE_IT_RUNS)
        if is_made_here(original_of(worker)):
            must_wait(self, original_of(worker))
        express = _workflow_type(type) is WorkflowType.EXPRESS
        timeout = timeout or (LONGEST_EXPRESS if express else Duration.hours(1))
        task_timeout = task_timeout or task_timeout_of(worker)
        previous_version_retry = previous_version_retry or _pending_retry(express=express)
        error_retry = error_retry or RetryPolicy()
        others = (previous_version_retry, error_retry)
        outage_retry = outage_retry or outage_retry_within(timeout, task_timeout, others)
        retries = others if outage_retry is error_retry else (*others, outage_retry)
        check_times(timeout, task_timeout, worker, express=express, retries=retries)
        check_range("max_concurrency", max_concurrency, minimum=1, maximum=40, hint="one by one is 1")
        warn_if_few_for_handlers(worker, max_concurrency or 10)
        steps_in = partial(
            WorkflowSteps,
            worker=worker,
            task_timeout=task_timeout,
            outage_retry=outage_retry,
            error_retry=error_retry,
        )
        self.definition = CommandWorkflowDefinition(
            steps_in(self), pending_retry=previous_version_retry, max_concurrency=max_concurrency or 10
        )
        self.log_group = vended_log_group(
            self,
            "states",
            retention=log_retention or logs.RetentionDays.ONE_MONTH,
            encryption_key=encryption_key,
            removal_policy=removal_policy or RemovalPolicy.RETAIN,
        )
        self.role = state_machine_role(self, worker, tracing=tracing)

        def state_machine_of(scope: Construct, body: sfn.DefinitionBody) -> sfn.StateMachine:
            made = sfn.StateMachine(
                scope,
                "StateMachine",
                definition_body=body,
                query_language=sfn.QueryLanguage.JSONATA,
                state_machine_type=sfn.StateMachineType.EXPRESS if express else sfn.StateMachineType.STANDARD,
                timeout=timeout,
                role=self.role.without_policy_updates(),
                logs=sfn.LogOptions(
                    destination=self.log_group,
                    level=log_level or sfn.LogLevel.ERROR,
                    include_execution_data=False,
                ),
                tracing_enabled=tracing,
            )
            if log_level is not sfn.LogLevel.ALL:
                acknowledge(
                    made,
                    "what goes well stands in the history of a standard execution, and in the command's row: "
                    "log_level=ALL logs it too",
                    "AwsSolutions-SF1",
                )
            if not tracing:
                acknowledge(made, NOT_TRACED, "AwsSolutions-SF2", "Serverless-StepFunctionStateMachineXray")
            return made

        self.state_machine = state_machine_of(self, self.definition.body)
        without_handlers = Construct(self, "ApplyOnly")
        self.apply_only_definition = ApplyOnlyDefinition(steps_in(without_handlers))
        self.apply_only = state_machine_of(without_handlers, self.apply_only_definition.body)
        self.grants = CommandWorkflowGrants(self.state_machine, self.apply_only)

    @classmethod
    @strict_props
    def from_state_machine_arn(
        cls, scope: Construct, construct_id: str, state_machine_arn: str
    ) -> CommandWorkflow:
        """Use a state machine that exists, which a `CommandWorkflow` elsewhere has made.

        It serves all modules, those without handlers too: there is no `apply_only`.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            state_machine_arn: Its ARN, without a version. It must be in the account and Region of the
                functions that start it.

        Raises:
            InvalidPropsError: ``state_machine_arn`` cannot be the ARN of a state machine.

        """
        check_state_machine_arn("state_machine_arn", state_machine_arn)
        machine = sfn.StateMachine.from_state_machine_arn(scope, f"Imported{construct_id}", state_machine_arn)
        return cls(scope, construct_id, state_machine=machine)

    def connect(self, functions: ServiceFunctions | lambda_.IFunction) -> None:
        """Let api, stream and operator start executions, and operator look at them.

        The api function starts those of commands with handlers, in the one state machine that is for all.

        A function of your own may start them, as a publish does where handlers follow.

        Raises:
            InvalidPropsError: The worker is one of those: it would depend on the state machine, which
                depends on it.

        """
        if is_own_function(functions):
            check_environment("state_machine", self.state_machine, functions)
            own = own_function(self, functions)
            self._check_not_worker(own.function)
            self.grants.start(own.function)
            for name, machine in self._machines.items():
                own.set_variable(name, machine.state_machine_arn)
            return
        check_environment("state_machine", self.state_machine, functions.api)
        starters = (functions.api, functions.stream, functions.operator)
        for function in starters:
            self._check_not_worker(function)
        self.state_machine.grant_start_execution(functions.api)  # it hands over what has handlers alone
        for function in starters[1:]:
            self.grants.start(function)
        for name, machine in self._machines.items():
            told = starters if name == Env.SFN_COMMAND_ARN else starters[1:]
            functions.set_variable(name, machine.state_machine_arn, *told)
        self.grants.inspect(functions.operator)

    @property
    def _machines(self) -> dict[str, sfn.IStateMachine]:
        """The state machines, by the variables that tell of them."""
        machines = {Env.SFN_COMMAND_ARN: self.state_machine}
        return machines | ({Env.SFN_APPLY_ARN: self.apply_only} if self.apply_only is not None else {})

    def _check_not_worker(self, function: lambda_.IFunction) -> None:
        made = original_of(function)
        is_worker = self._worker is not None and made is original_of(self._worker)
        if is_worker and isinstance(made, lambda_.Function) and Stack.of(made) is Stack.of(self):
            msg = (
                f"worker must be another function than those that start executions, got {function.node.path} "
                "for both: it would depend on the state machine, which depends on it; bring two functions "
                "with the same code"
            )
            raise InvalidPropsError(msg)

    def metric_started(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Executions that were started, in both state machines, summed over ``period`` (5 minutes)."""
        return sum_of(
            "started",
            [machine.metric_started(period=period) for machine in self._machines.values()],
            period=period,
        )

    def metric_succeeded(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Executions that ended well, in both state machines, summed over ``period`` (5 minutes)."""
        return sum_of(
            "succeeded",
            [machine.metric_succeeded(period=period) for machine in self._machines.values()],
            period=period,
        )

    def metric_failed(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Executions that failed, in both state machines, summed over ``period`` (5 minutes)."""
        return sum_of(
            "failed",
            [machine.metric_failed(period=period) for machine in self._machines.values()],
            period=period,
        )

    def metric_timed_out(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Executions that took too long, in both state machines, summed over ``period`` (5 minutes)."""
        return sum_of(
            "timed out",
            [machine.metric_timed_out(period=period) for machine in self._machines.values()],
            period=period,
        )

    def metric_throttled(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Transitions that had to wait, in both state machines, summed over ``period`` (5 minutes)."""
        return sum_of(
            "throttled",
            [machine.metric_throttled(period=period) for machine in self._machines.values()],
            period=period,
        )


class CommandWorkflowGrants:
    """Permissions on a `CommandWorkflow`: on each of its state machines."""

    def __init__(self, *state_machines: sfn.IStateMachine) -> None:
        self._machines = state_machines

    def start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` start executions."""
        return combined(*(machine.grant_start_execution(grantee) for machine in self._machines))

    def inspect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` list executions and tell how each one ended."""
        return combined(*(_inspect(machine, grantee) for machine in self._machines))


def _inspect(machine: sfn.IStateMachine, grantee: iam.IGrantable) -> iam.Grant:
    name = (
        machine.state_machine_name
        if isinstance(machine, sfn.StateMachine)
        else Arn.extract_resource_name(machine.state_machine_arn, "stateMachine")
    )
    executions = machine.stack.format_arn(
        service="states",
        resource="execution",
        resource_name=f"{name}:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    acknowledge_wildcard(grantee, executions, "the names of executions are made of the commands' keys")
    return combined(
        machine.grant(grantee, "states:ListExecutions"),
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["states:DescribeExecution"], resource_arns=[executions]
        ),
    )


def _workflow_type(value: WorkflowType | str) -> WorkflowType:
    try:
        return WorkflowType(value)
    except ValueError:
        msg = f"type must be one of {[str(t) for t in WorkflowType]}, got {value!r}; use a WorkflowType"
        raise InvalidPropsError(msg) from None


def _pending_retry(*, express: bool) -> RetryPolicy:
    if express:
        return RetryPolicy(max_attempts=6, interval=Duration.seconds(1), max_delay=Duration.seconds(30))
    return RetryPolicy(max_attempts=10, interval=Duration.seconds(2), max_delay=Duration.seconds(60))
