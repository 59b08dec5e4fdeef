"""What the constructs set is what the runtime reads: names of variables, tables and states."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import (
    CommandWorkflow,
    CqrsModule,
    CqrsStack,
    CqrsTable,
    EventModule,
    EventStoreTable,
    Processing,
)
from constructs_lib.pipeline.command_workflow_definition import PREVIOUS_VERSION_PENDING
from runtime import PreviousVersionPending, Settings, errors
from runtime.contract import UNAVAILABLE_ERRORS, Action, Env, FunctionKind
from runtime.entry.worker import Worker
from runtime.testing import state_machine
from tests.constructs.conftest import new_app

if TYPE_CHECKING:
    from collections.abc import Iterator

STACK = "Shop"
FUNCTIONS = [
    FunctionKind.API,
    FunctionKind.STREAM,
    FunctionKind.WORKER,
    FunctionKind.NOTIFIER,
    FunctionKind.OPERATOR,
    FunctionKind.PROJECTOR,
]


class Watched(dict[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    app = new_app()
    stack = cdk.Stack(app, "Else")
    elsewhere = CqrsTable(stack, "Invoice", data_sync=True)
    audit = EventStoreTable(stack, "Audit", handlers=True)
    shop = CqrsStack(
        app,
        STACK,
        app_name="shop",
        modules=[
            CqrsModule("order", data_sync=True),
            CqrsModule("log", processing=Processing.INLINE),
            CqrsModule("invoice", table=elsewhere),
            EventModule("blog", pull_index=True, aggregates_index=True),
            EventModule("audit", table=audit),
        ],
        code=lambda_.Code.from_inline("app = None"),
        master=True,
        sequences=True,
        tenants=True,
        realtime=True,
        tenant_sessions=True,
        handler="index.app",
    )
    audit.claim_turns()
    document: dict[str, Any] = Template.from_stack(shop).to_json()
    return document


@pytest.fixture(scope="module")
def environments(template: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The variables of each function of the stack, with references written as text."""
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            variables = resource["Properties"].get("Environment", {}).get("Variables", {})
            # The function that checks the code at deployment runs none of it.
            if variables.get(Env.FUNCTION) in FUNCTIONS:
                found[variables[Env.FUNCTION]] = {name: text(value) for name, value in variables.items()}
    return found


def text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        joined: str = separator.join(text(part) for part in parts)
        return joined
    return "reference-" + "-".join(leaves(value))


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield str(value)


def test_each_kind_of_function_is_there_once(environments: dict[str, dict[str, str]]) -> None:
    assert sorted(environments) == sorted(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_variable_that_is_set_is_read(environments: dict[str, dict[str, str]], function: str) -> None:
    watched = Watched(environments[function])
    Settings.from_environment(watched)
    # Powertools reads its own variables; they are not part of the contract.
    own = {name for name in watched if not name.startswith("POWERTOOLS_")}
    unread = own - watched.asked - {Env.COGNITO_USER_POOL_ID, Env.COGNITO_USER_POOL_CLIENT_ID, Env.LOG_LEVEL}
    assert unread == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_tables_that_a_function_computes_are_the_deployed_ones(
    template: dict[str, Any], environments: dict[str, dict[str, str]], function: str
) -> None:
    settings = Settings.from_environment(environments[function])
    deployed = {
        resource["Properties"]["TableName"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::DynamoDB::GlobalTable"
    }
    order, log = settings.tables_of("order"), settings.tables_of("log")
    expected = {order.command, order.data, order.history, order.sync, log.command, log.data, log.history}
    blog, audit = settings.event_tables_of("blog"), settings.event_tables_of("audit")
    expected |= {blog.events, blog.sync, settings.sequences_table}
    master, tenant = settings.tables_of("master"), settings.tables_of("tenant")
    expected |= {master.command, master.history, tenant.command, tenant.data, tenant.history}
    assert deployed == expected | {"dev-shop-session", "dev-shop-master-data"}
    assert (blog.has_handlers, blog.has_feed_index, blog.has_aggregates_index) == (False, True, True)
    assert (audit.has_handlers, audit.has_feed_index, audit.has_aggregates_index) == (True, False, False)
    assert (blog.is_exclusive, audit.is_exclusive) == (False, True)
    assert "AuditEvents" in audit.events
    assert "AuditSync" in audit.sync
    assert (order.mode, order.has_sync_table) == ("workflow", True)
    assert (log.mode, log.has_sync_table) == ("inline", False)
    invoice = settings.tables_of("invoice")
    # By convention, and as the settings of a table from elsewhere say.
    assert all(tables.has_open_index for tables in (order, log, invoice))
    assert "Invoice" in invoice.command
    assert len({invoice.command, invoice.data, invoice.history, invoice.sync}) == 4


def test_the_api_function_finds_the_session_table(environments: dict[str, dict[str, str]]) -> None:
    settings = Settings.from_environment(environments[FunctionKind.API])
    assert settings.ryw_session_seconds == 300
    assert "Session" in settings.session_table


def test_the_functions_that_apply_commands_find_the_settings_of_tenants(
    environments: dict[str, dict[str, str]],
) -> None:
    found = {
        kind: table
        for kind, variables in environments.items()
        if (table := Settings.from_environment(variables).master_data_table)
    }
    assert set(found) == {FunctionKind.API, FunctionKind.STREAM, FunctionKind.WORKER, FunctionKind.OPERATOR}
    assert all("MasterData" in table for table in found.values())


def test_each_function_that_needs_one_knows_the_state_machine(
    environments: dict[str, dict[str, str]],
) -> None:
    known = {
        kind: len(machines)
        for kind, variables in environments.items()
        if (machines := Settings.from_environment(variables).state_machines)
    }
    # The api function hands over what has handlers alone.
    assert known == {FunctionKind.API: 1, FunctionKind.STREAM: 2, FunctionKind.OPERATOR: 2}


def test_the_operator_function_finds_what_was_set_aside(environments: dict[str, dict[str, str]]) -> None:
    settings = Settings.from_environment(environments[FunctionKind.OPERATOR])
    assert "DeadLetters" in str(settings.dead_letter_queue_url)
    assert "NotificationsQueue" in str(settings.queue_url)
    assert "FailedRecords" in str(settings.failed_records_bucket)
    assert set(environments[FunctionKind.WORKER]) - set(environments[FunctionKind.OPERATOR]) == {
        Env.SNS_ALARM_TOPIC_ARN
    }


def test_the_state_machines_ask_for_actions_that_the_worker_has(template: dict[str, Any]) -> None:
    asked = {
        "ApplyOnly" in name: actions_of(json.loads(text(resource["Properties"]["DefinitionString"])))
        for name, resource in template["Resources"].items()
        if "StateMachine" in resource["Type"]
    }
    known = set(Worker({})._actions)  # noqa: SLF001 - the other side of the contract
    assert asked[False] == known == {value for name, value in vars(Action).items() if name.isupper()}
    assert asked[True] == {Action.APPLY, Action.FAIL}


def actions_of(definition: dict[str, Any]) -> set[str]:
    """What the tasks of a state machine ask of the worker."""
    states = definition["States"]
    inner = [
        s for state in states.values() for s in state.get("ItemProcessor", {}).get("States", {}).values()
    ]
    return {
        state["Arguments"]["Payload"]["action"]
        for state in [*states.values(), *inner]
        if state["Type"] == "Task"
    }


def test_the_state_machine_waits_for_the_error_that_the_worker_raises() -> None:
    assert PreviousVersionPending.__name__ == PREVIOUS_VERSION_PENDING


def test_the_state_machine_knows_what_is_only_out_of_reach_by_the_runtimes_own_names() -> None:
    kinds = [getattr(errors, name) for name in UNAVAILABLE_ERRORS]
    assert [kind.__name__ for kind in kinds] == [*UNAVAILABLE_ERRORS]
    assert all(issubclass(kind, errors.CqrsError) and kind.status == 503 for kind in kinds)


def test_tests_in_memory_wait_like_the_deployed_state_machine() -> None:
    """The kit cannot ask the constructs: it is for functions, which have none."""
    stack = cdk.Stack()
    worker = lambda_.Function.from_function_name(stack, "Worker", "worker")
    task = CommandWorkflow(stack, "Workflow", worker=worker).definition.run_handler
    schedules = {
        retry["ErrorEquals"][0]: (retry["IntervalSeconds"], retry["MaxDelaySeconds"], retry["MaxAttempts"])
        for retry in task.to_state_json()["Retry"]
    }
    assert schedules == {
        "PreviousVersionPending": state_machine._PENDING,  # noqa: SLF001
        UNAVAILABLE_ERRORS[0]: state_machine._OUTAGE,  # noqa: SLF001
        "Lambda.ServiceException": state_machine._ERROR,  # noqa: SLF001
        "States.ALL": state_machine._ERROR,  # noqa: SLF001
    }
