from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.assertions import Template

from constructs_lib import CommandWorkflow, InvalidPropsError, RetryPolicy, WorkflowType
from constructs_lib.pipeline.command_workflow_definition import PREVIOUS_VERSION_PENDING
from runtime.errors import PreviousVersionPending
from tests.constructs.conftest import permissions, stable
from tests.constructs.functions import imported_function, new_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

MACHINE = "AWS::StepFunctions::StateMachine"
LAMBDA_ERRORS = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
}


def workflow(stack: cdk.Stack, **props: Any) -> CommandWorkflow:
    worker = props.pop("worker", None) or new_function(stack, timeout=cdk.Duration.seconds(30))
    return CommandWorkflow(stack, "Workflow", worker=worker, **props)


def machine(stack: cdk.Stack, *, only_applies: bool = False) -> dict[str, Any]:
    """The first state machine, or that of modules without handlers."""
    found = Template.from_stack(stack).find_resources(MACHINE)
    assert {"ApplyOnly" in name for name in found} == {True, False}
    (properties,) = (of["Properties"] for name, of in found.items() if ("ApplyOnly" in name) is only_applies)
    return dict(properties)


def definition(stack: cdk.Stack, *, only_applies: bool = False) -> dict[str, Any]:
    text = machine(stack, only_applies=only_applies)["DefinitionString"]
    parts = text["Fn::Join"][1] if isinstance(text, dict) else [text]
    found: dict[str, Any] = json.loads("".join(p if isinstance(p, str) else "aws" for p in parts))
    return found


def tasks(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    states = definition(stack)["States"]
    inner = states["RunHandlers"]["ItemProcessor"]["States"]
    return {name: state for name, state in {**states, **inner}.items() if state["Type"] == "Task"}


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    workflow(stack)
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    workflow(
        stack,
        type=WorkflowType.EXPRESS,
        timeout=cdk.Duration.minutes(4),
        task_timeout=cdk.Duration.seconds(40),
        previous_version_retry=RetryPolicy(max_attempts=4),
        outage_retry=RetryPolicy(max_attempts=5),
        error_retry=RetryPolicy(max_attempts=2, interval=cdk.Duration.seconds(1), backoff_rate=1.5),
        max_concurrency=3,
        log_retention=logs.RetentionDays.ONE_WEEK,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot


def test_where_a_module_has_no_handlers_there_is_one_state(stack: cdk.Stack) -> None:
    workflow(stack)
    found, whole = definition(stack, only_applies=True), definition(stack)
    assert found["StartAt"] == "Apply"
    apply = found["States"].pop("Apply")
    assert (apply.pop("End"), "Next" in apply) == (True, False)
    # All else is as it is in the other one: payload, timeout, retries, and what comes of an error.
    expected = whole["States"]["Apply"]
    for of in (apply, expected):
        of.pop("Output")
    assert expected.pop("Next") == "HasHandlers"
    assert apply == expected
    assert found["States"] == {name: whole["States"][name] for name in ("ApplyFailed", "Failed")}
    assert {**found, "States": {}} == {**whole, "States": {}}


@pytest.mark.parametrize(
    "props", [{}, {"type": WorkflowType.EXPRESS, "log_level": sfn.LogLevel.ALL, "tracing": False}]
)
def test_both_state_machines_run_log_and_trace_alike(stack: cdk.Stack, props: dict[str, Any]) -> None:
    workflow(stack, **props)
    whole, short = machine(stack), machine(stack, only_applies=True)
    assert whole.pop("DefinitionString") != short.pop("DefinitionString")
    assert short == whole


def test_a_module_that_may_have_handlers_is_asked_for_them(stack: cdk.Stack) -> None:
    workflow(stack)
    found = definition(stack)
    states = found["States"]
    assert found["StartAt"] == "Apply"
    assert states["Apply"]["Next"] == "HasHandlers"
    assert states["HasHandlers"]["Default"] == "Done"
    assert states["Done"]["Type"] == "Succeed"


def test_handlers_run_in_a_map_and_then_the_command_is_finished(stack: cdk.Stack) -> None:
    workflow(stack)
    states = definition(stack)["States"]
    (choice,) = states["HasHandlers"]["Choices"]
    assert choice["Next"] == "RunHandlers"
    assert states["RunHandlers"]["Next"] == "Finish"
    assert (states["Finish"]["End"], "Next" in states["Finish"]) == (True, False)
    assert states["RunHandlers"]["MaxConcurrency"] == 10
    assert states["RunHandlers"]["ItemProcessor"]["StartAt"] == "RunHandler"


def test_each_task_tells_the_worker_what_to_do(stack: cdk.Stack) -> None:
    workflow(stack)
    actions = {name: task["Arguments"]["Payload"]["action"] for name, task in tasks(stack).items()}
    assert actions == {
        "Apply": "apply",
        "ApplyFailed": "fail",
        "Finish": "finish",
        "Park": "park",
        "RunHandler": "handle",
    }
    assert definition(stack)["QueryLanguage"] == "JSONata"


def test_the_context_is_a_few_names_and_never_the_input_again(stack: cdk.Stack) -> None:
    workflow(stack)
    for task in tasks(stack).values():
        context = task["Arguments"]["Payload"]["context"]
        assert "Execution.Input" not in context
        assert "$states.context," not in context
        for name in ("Execution.Id", "State.Name", "State.RetryCount", "StateMachine.Name"):
            assert f"$states.context.{name}" in context


def test_every_task_has_a_timeout_beyond_the_workers_and_retries_with_jitter(stack: cdk.Stack) -> None:
    workflow(stack)
    for name, task in tasks(stack).items():
        assert task["TimeoutSeconds"] == 35, name
        assert {error for retry in task["Retry"] for error in retry["ErrorEquals"]} >= {
            *LAMBDA_ERRORS,
            "States.ALL",
        }
        assert {retry["JitterStrategy"] for retry in task["Retry"]} == {"FULL"}
        assert task["Retry"][-1]["ErrorEquals"] == ["States.ALL"]


def test_a_handler_waits_longest_for_an_earlier_version(stack: cdk.Stack) -> None:
    workflow(stack)
    first = tasks(stack)["RunHandler"]["Retry"][0]
    assert first == {
        "ErrorEquals": ["PreviousVersionPending"],
        "IntervalSeconds": 2,
        "MaxAttempts": 10,
        "BackoffRate": 2,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    }


OUTAGES = [
    "ReadModelUnavailableError",
    "StoreUnavailableError",
    "ContentionError",
    "OutcomeUnknownError",
    "Lambda.TooManyRequestsException",
]


def outage_retry(stack: cdk.Stack, state: str = "RunHandler") -> dict[str, Any]:
    (found,) = (retry for retry in tasks(stack)[state]["Retry"] if retry["ErrorEquals"] == OUTAGES)
    return found


def waits(retry: dict[str, Any]) -> int:
    delays = (
        retry["IntervalSeconds"] * retry["BackoffRate"] ** attempt for attempt in range(retry["MaxAttempts"])
    )
    return round(sum(min(delay, retry["MaxDelaySeconds"]) for delay in delays))


@pytest.mark.parametrize("state", ["Apply", "ApplyFailed", "RunHandler", "Park", "Finish"])
def test_what_is_out_of_reach_is_tried_for_half_an_hour(stack: cdk.Stack, state: str) -> None:
    workflow(stack)
    retry = outage_retry(stack, state)
    assert (retry["MaxAttempts"], retry["MaxDelaySeconds"]) == (20, 120)
    assert waits(retry) == 1806
    assert tasks(stack)[state]["Retry"].index(retry) < 2  # before the one that matches every error


@pytest.mark.parametrize(
    ("props", "least", "most"),
    [
        ({"type": WorkflowType.EXPRESS}, 120, 180),
        ({"timeout": cdk.Duration.minutes(15)}, 240, 489),
        ({"timeout": cdk.Duration.seconds(35 + 362 + 14)}, 14, 14),
        ({"outage_retry": RetryPolicy(max_attempts=2)}, 6, 6),
    ],
    ids=["express", "15 minutes", "no room", "given"],
)
def test_an_outage_is_given_what_the_timeout_leaves(
    stack: cdk.Stack, props: dict[str, Any], least: int, most: int
) -> None:
    workflow(stack, **props)
    assert least <= waits(outage_retry(stack)) <= most


def test_the_state_machine_matches_the_name_of_the_runtimes_error() -> None:
    assert PreviousVersionPending.__name__ == PREVIOUS_VERSION_PENDING


def test_a_handler_that_keeps_failing_is_parked_with_a_short_cause(stack: cdk.Stack) -> None:
    workflow(stack)
    (catch,) = tasks(stack)["RunHandler"]["Catch"]
    assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "Park")
    assert '$substring("" & $states.errorOutput.Cause, 0, 1000)' in catch["Output"]
    assert '"error": $states.errorOutput.Error' in catch["Output"]


def test_a_command_that_cannot_be_applied_is_reported_and_fails_with_its_own_error(stack: cdk.Stack) -> None:
    workflow(stack)
    states = definition(stack)["States"]
    assert [catch["Next"] for catch in states["Apply"]["Catch"]] == ["ApplyFailed"]
    assert states["ApplyFailed"]["Next"] == "Failed"
    # The report's own answer, or failure, must not replace the error.
    assert states["ApplyFailed"]["Output"] == "{% $states.input %}"
    assert [catch["Output"] for catch in states["ApplyFailed"]["Catch"]] == ["{% $states.input %}"]
    assert states["Failed"]["Error"] == "{% $states.input.error %}"


def test_failures_are_logged_without_data_and_executions_traced(stack: cdk.Stack) -> None:
    workflow(stack)
    found = machine(stack)
    assert found["LoggingConfiguration"]["Level"] == "ERROR"
    assert found["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert found["TracingConfiguration"] == {"Enabled": True}
    Template.from_stack(stack).has_resource_properties("AWS::Logs::LogGroup", {"RetentionInDays": 30})


def test_every_state_is_logged_where_that_is_asked_for(stack: cdk.Stack) -> None:
    workflow(stack, log_level=sfn.LogLevel.ALL)
    assert machine(stack)["LoggingConfiguration"]["Level"] == "ALL"


def test_without_tracing_there_are_no_traces_and_no_right_to_them(stack: cdk.Stack) -> None:
    workflow(stack, tracing=False)
    assert machine(stack)["TracingConfiguration"] == {"Enabled": False}
    roles = Template.from_stack(stack).find_resources("AWS::IAM::Role")
    (policy,) = next(r for name, r in roles.items() if name.startswith("Workflow"))["Properties"]["Policies"]
    assert not [s for s in policy["PolicyDocument"]["Statement"] if "xray" in str(s)]


def test_the_role_may_call_the_worker_and_no_version_of_it(stack: cdk.Stack) -> None:
    workflow(stack)
    roles = Template.from_stack(stack).find_resources("AWS::IAM::Role")
    (policy,) = next(r for name, r in roles.items() if name.startswith("Workflow"))["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    invoke = [s for s in statements if s["Action"] == "lambda:InvokeFunction"]
    assert [s["Resource"] for s in invoke] == [{"Fn::GetAtt": ["Function76856677", "Arn"]}]
    assert permissions(stack) == {}


def test_express_ends_within_five_minutes(stack: cdk.Stack) -> None:
    workflow(stack, type=WorkflowType.EXPRESS)
    assert machine(stack)["StateMachineType"] == "EXPRESS"
    assert definition(stack)["TimeoutSeconds"] == 300
    assert tasks(stack)["RunHandler"]["Retry"][0]["MaxAttempts"] == 6


def test_an_alias_of_the_worker_is_called_as_such(stack: cdk.Stack) -> None:
    alias = lambda_.Alias(stack, "Live", alias_name="live", version=new_function(stack).current_version)
    workflow(stack, worker=alias)
    (policy,) = (
        r["Properties"]["Policies"]
        for name, r in Template.from_stack(stack).find_resources("AWS::IAM::Role").items()
        if name.startswith("Workflow")
    )
    (live,) = Template.from_stack(stack).find_resources("AWS::Lambda::Alias")
    assert policy[0]["PolicyDocument"]["Statement"][0]["Resource"] == {"Ref": live}


def test_start_is_all_that_a_grantee_gets(stack: cdk.Stack) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    workflow(stack).grants.start(role)
    found = permissions(stack)
    assert list(found.values()) == [{"states:StartExecution"}] * 2
    assert {name[1:-9] for name in found} == {"WorkflowStateMachine", "WorkflowApplyOnlyStateMachine"}


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("started", "ExecutionsStarted"),
        ("succeeded", "ExecutionsSucceeded"),
        ("failed", "ExecutionsFailed"),
        ("timed_out", "ExecutionsTimedOut"),
        ("throttled", "ExecutionThrottled"),
    ],
)
def test_metrics_are_of_both_state_machines(stack: cdk.Stack, what: str, name: str) -> None:
    made = workflow(stack)
    metric = getattr(made, f"metric_{what}")(period=cdk.Duration.minutes(1))
    found = metric.to_metric_config().math_expression
    assert found.period == 60
    shown = [stack.resolve(of.to_metric_config().metric_stat) for of in found.using_metrics.values()]
    assert [of["metricName"] for of in shown] == [name, name]
    machines = [of["dimensions"][0]["value"]["Ref"][:-8] for of in shown]
    assert machines == ["WorkflowStateMachine", "WorkflowApplyOnlyStateMachine"]


def test_metrics_of_a_brought_state_machine_are_its_own(stack: cdk.Stack) -> None:
    brought = sfn.StateMachine.from_state_machine_name(stack, "Brought", "orders")
    metric = CommandWorkflow(stack, "Workflow", state_machine=brought).metric_failed()
    found = metric.to_metric_config().metric_stat
    assert found is not None
    assert (found.metric_name, found.period.to_seconds()) == ("ExecutionsFailed", 300)


def test_an_existing_state_machine_is_used_as_it_is(stack: cdk.Stack) -> None:
    brought = sfn.StateMachine.from_state_machine_name(stack, "Brought", "orders")
    made = CommandWorkflow(stack, "Workflow", state_machine=brought)
    assert made.state_machine is brought
    assert made.apply_only is None
    Template.from_stack(stack).resource_count_is(MACHINE, 0)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"timeout": cdk.Duration.hours(1)}, "timeout has no effect on a resource that state_machine brings"),
        ({"type": WorkflowType.EXPRESS}, "type has no effect .* got 'express'"),
        ({"max_concurrency": 2}, "max_concurrency has no effect .* got 2"),
    ],
)
def test_props_of_an_existing_state_machine_are_refused(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    brought = sfn.StateMachine.from_state_machine_name(stack, "Brought", "orders")
    with pytest.raises(InvalidPropsError, match=message):
        CommandWorkflow(stack, "Workflow", state_machine=brought, **props)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        (
            {"type": WorkflowType.EXPRESS, "timeout": cdk.Duration.minutes(6)},
            "timeout must be from 1 second to 5 minutes, got 6 minutes",
        ),
        (
            {"type": WorkflowType.EXPRESS, "previous_version_retry": RetryPolicy(max_attempts=10)},
            "timeout must leave room for the retries of a handler, got 5 minutes for 376 seconds",
        ),
        (
            {"task_timeout": cdk.Duration.seconds(10)},
            "task_timeout must be from 30 seconds to 1 hour, got 10",
        ),
        ({"type": "fast"}, r"type must be one of \['standard', 'express'\], got 'fast'"),
        ({"max_concurrency": 41}, "max_concurrency must be from 1 to 40, got 41"),
    ],
)
def test_times_that_cannot_work_are_refused(stack: cdk.Stack, props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        workflow(stack, **props)


def test_a_workflow_without_a_worker_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="worker must be given, got None"):
        CommandWorkflow(stack, "Workflow")


def test_a_worker_of_unknown_timeout_gets_a_minute(stack: cdk.Stack) -> None:
    workflow(stack, worker=imported_function(stack, "worker"))
    assert tasks(stack)["Apply"]["TimeoutSeconds"] == 65


def test_the_longest_wait_is_the_sum_of_the_delays() -> None:
    policy = RetryPolicy(max_attempts=10, max_delay=cdk.Duration.seconds(60))
    assert policy.longest_wait.to_seconds() == 2 + 4 + 8 + 16 + 32 + 5 * 60
    assert RetryPolicy(max_attempts=0).longest_wait.to_seconds() == 0
    assert RetryPolicy(max_attempts=3, backoff_rate=1).longest_wait.to_seconds() == 6


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": -1},
        {"backoff_rate": 0.5},
        {"interval": cdk.Duration.millis(10)},
        {"interval": cdk.Duration.seconds(10), "max_delay": cdk.Duration.seconds(5)},
    ],
    ids="-".join,
)
def test_a_retry_policy_that_step_functions_refuses_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidPropsError, match=next(reversed(options))):
        RetryPolicy(**options)
