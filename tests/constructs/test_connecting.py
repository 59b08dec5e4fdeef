"""Parts connect themselves: each grants the functions what they do with it, and tells them where it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsFunction,
    CqrsFunctions,
    CqrsTable,
    FailedRecords,
    FunctionDefaults,
    Healing,
    Identity,
    InvalidPropsError,
    MasterDataTable,
    Notifications,
    Processing,
    RealtimeApi,
    Sequences,
    SessionTable,
)
from runtime import CommandModule, InvokeContext, ModuleMismatchError, Settings
from runtime.contract import OPEN_COLUMN, Env
from runtime.model.keys import DetailKey
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import CODE, imported_function, new_function
from tests.constructs.test_cqrs_functions import ALWAYS, KINDS, allowed, functions_of, variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import Construct

    from constructs_lib import Part


def functions(stack: cdk.Stack, **props: Any) -> CqrsFunctions:
    """Functions that are connected to nothing."""
    return CqrsFunctions(
        stack,
        "Functions",
        code=CODE,
        handler="index.handler",
        app_name="shop",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        **props,
    )


#: Each part, the functions that hear of it, and the variables that say where it is.
PARTS: dict[str, tuple[Callable[[Construct], Part], dict[str, set[str]]]] = {
    "sessions": (
        lambda scope: SessionTable(scope, "Sessions"),
        {
            "Api": {Env.SESSION_TABLE_NAME, Env.RYW_SESSION_TTL_MINUTES},
            "Worker": {Env.SESSION_TABLE_NAME},
            "Operator": {Env.SESSION_TABLE_NAME},
        },
    ),
    "settings of tenants": (
        lambda scope: MasterDataTable(scope, "MasterData"),
        {kind: {Env.MASTER_DATA_TABLE_NAME} for kind in ("Api", "Worker", "Operator")},
    ),
    "sequences": (
        lambda scope: Sequences(scope, "Sequences"),
        {kind: {Env.FEATURES} for kind in ("Api", "Stream", "Worker", "Notifier", "Operator")},
    ),
    "large attributes": (
        lambda scope: AttributesBucket(scope, "Attributes"),
        {kind: {Env.S3_BUCKET_NAME} for kind in ("Api", "Worker", "Operator")},
    ),
    "failed records": (
        lambda scope: FailedRecords(scope, "FailedRecords"),
        {"Operator": {Env.FAILED_RECORDS_BUCKET_NAME}},
    ),
    "notifications": (
        lambda scope: Notifications(scope, "Notifications", alarm_emails=["on-call@example.com"]),
        {
            "Api": {Env.SNS_TOPIC_ARN},
            "Worker": {Env.SNS_TOPIC_ARN, Env.SNS_ALARM_TOPIC_ARN},
            "Operator": {Env.SNS_TOPIC_ARN, Env.NOTIFICATION_QUEUE_URL, Env.DEAD_LETTER_QUEUE_URL},
        },
    ),
    "users": (
        lambda scope: Identity(scope, "Identity"),
        {"Api": {Env.COGNITO_USER_POOL_ID, Env.COGNITO_USER_POOL_CLIENT_ID}},
    ),
    "realtime": (
        lambda scope: RealtimeApi(scope, "Realtime", identity=Identity(scope, "Identity")),
        {"Notifier": {Env.APPSYNC_EVENTS_ENDPOINT, Env.APPSYNC_EVENTS_NAMESPACE}},
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_tells_where_it_is(stack: cdk.Stack, name: str) -> None:
    make, told = PARTS[name]
    make(stack).connect(functions(stack))
    found = {kind: set(variables(stack, kind)) - ALWAYS for kind in KINDS}
    assert {kind: names for kind, names in found.items() if names} == told
    # The user pool is told, and used by nobody.
    without_rights = {"users": {"Api"}}.get(name, set())
    for kind in set(told) - without_rights:
        assert "Allow" in allowed(stack, kind).replace("xray", "")


def test_a_workflow_connects_itself(stack: cdk.Stack) -> None:
    made = functions(stack)
    CommandWorkflow(stack, "Workflow", worker=made.worker).connect(made)
    starters = {Env.SFN_COMMAND_ARN: {"Api", "Stream", "Operator"}, Env.SFN_APPLY_ARN: {"Stream", "Operator"}}
    for name, kinds in starters.items():
        told = {kind for kind in KINDS if name in variables(stack, kind)}
        assert told == kinds
        # The right, too: a function is told of nothing that it may not use.
        for kind in told:
            assert variables(stack, kind)[name]["Ref"] in allowed(stack, kind)
    assert "states:DescribeExecution" in allowed(stack, "Operator")
    assert "states:DescribeExecution" not in allowed(stack, "Stream")


def test_without_parts_the_functions_know_of_no_module(stack: cdk.Stack) -> None:
    functions(stack)
    assert {variables(stack, kind)[Env.MODULES] for kind in KINDS} == {"{}"}


def test_every_function_hears_of_every_module(stack: cdk.Stack) -> None:
    made = functions(stack, env_name="prod")
    for name in ("order", "invoice"):
        CqrsTable(stack, name, table_name_prefix=f"prod-shop-{name}", data_sync=name == "order").connect(made)
    told = {variables(stack, kind)[Env.MODULES] for kind in KINDS}
    assert [json.loads(text) for text in told] == [{"order": {"sync": True}, "invoice": {}}]


@pytest.mark.parametrize("table_first", [True, False], ids=["table first", "table last"])
def test_the_order_in_which_parts_connect_does_not_matter(stack: cdk.Stack, *, table_first: bool) -> None:
    """An inline table makes the stream function one that applies: it needs the topic and the settings."""
    made = functions(stack)
    parts: list[Part] = [
        CqrsTable(stack, "Note", processing=Processing.INLINE),
        MasterDataTable(stack, "MasterData"),
        Notifications(stack, "Notifications", alarm_emails=["on-call@example.com"]),
    ]
    for part in parts if table_first else reversed(parts):
        part.connect(made)
    assert {Env.SNS_TOPIC_ARN, Env.MASTER_DATA_TABLE_NAME} < set(variables(stack, "Stream"))
    granted = allowed(stack, "Stream")
    assert "sns:Publish" in granted
    assert "dynamodb:PutItem" in granted
    assert "MasterDataTable" in granted


def test_a_second_inline_table_gives_the_stream_function_nothing_twice(stack: cdk.Stack) -> None:
    made = functions(stack)
    given: list[lambda_.IFunction] = []
    made.for_each_applier(given.append)
    for name in ("Note", "Log"):
        CqrsTable(stack, name, processing=Processing.INLINE).connect(made)
    assert given == [made.api, made.worker, made.operator, made.stream]


def test_failed_records_may_be_in_a_bucket_of_ones_own(stack: cdk.Stack) -> None:
    bucket = s3.Bucket(stack, "Mine")
    assert FailedRecords(stack, "FailedRecords", bucket=bucket).bucket is bucket
    with pytest.raises(InvalidPropsError, match="removal_policy has no effect"):
        FailedRecords(stack, "Others", bucket=bucket, removal_policy=cdk.RemovalPolicy.DESTROY)


def test_sessions_are_looked_for_as_long_as_the_table_says_or_the_functions(stack: cdk.Stack) -> None:
    SessionTable(stack, "Sessions", read_your_writes=cdk.Duration.seconds(90)).connect(functions(stack))
    assert variables(stack, "Api")[Env.RYW_SESSION_TTL_MINUTES] == "1.5"
    other = cdk.Stack(new_app(), "Other")
    sessions = SessionTable(other, "Sessions", read_your_writes=cdk.Duration.seconds(90))
    functions(other, session_table=sessions, read_your_writes=cdk.Duration.minutes(2))
    assert variables(other, "Api")[Env.RYW_SESSION_TTL_MINUTES] == "2"


def test_sessions_are_looked_for_a_day_at_most(stack: cdk.Stack) -> None:
    with pytest.raises(
        InvalidPropsError, match="read_your_writes must be from 1 second to 1 day, got 2 days"
    ):
        SessionTable(stack, "Sessions", read_your_writes=cdk.Duration.days(2))


SHARED = FunctionDefaults(
    environment={"STAGE": "blue", "REGION": "north"},
    architecture=lambda_.Architecture.X86_64,
    python_runtime=lambda_.Runtime.PYTHON_3_12,
    log_retention=logs.RetentionDays.ONE_WEEK,
    removal_policy=cdk.RemovalPolicy.DESTROY,
)


def test_functions_share_their_defaults(stack: cdk.Stack) -> None:
    CqrsFunctions(stack, "Functions", code=CODE, handler="index.handler", app_name="shop", defaults=SHARED)
    for made in functions_of(stack).values():
        assert made["Architectures"] == ["x86_64"]
        assert made["Runtime"] == "python3.12"
        assert made["Environment"]["Variables"]["STAGE"] == "blue"
    groups = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").values()
    assert [group["Properties"]["RetentionInDays"] for group in groups] == [7] * 5
    assert {group["DeletionPolicy"] for group in groups} == {"Delete"}


def test_what_a_function_is_given_goes_before_its_defaults(stack: cdk.Stack) -> None:
    CqrsFunction(
        stack,
        "Report",
        code=CODE,
        handler="index.handler",
        defaults=SHARED,
        environment={"STAGE": "green"},
        architecture=lambda_.Architecture.ARM_64,
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        log_retention=logs.RetentionDays.ONE_YEAR,
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )
    (made,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert made["Properties"]["Architectures"] == ["arm64"]
    assert made["Properties"]["Runtime"] == "python3.13"
    assert made["Properties"]["Environment"]["Variables"] == {"STAGE": "green", "REGION": "north"}
    (group,) = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").values()
    assert (group["Properties"]["RetentionInDays"], group["DeletionPolicy"]) == (365, "Retain")


def test_the_same_by_keywords_and_by_defaults() -> None:
    props: dict[str, Any] = {
        "architecture": lambda_.Architecture.X86_64,
        "python_runtime": lambda_.Runtime.PYTHON_3_12,
        "log_retention": logs.RetentionDays.ONE_WEEK,
        "removal_policy": cdk.RemovalPolicy.DESTROY,
    }
    templates = []
    for given in (props, {"defaults": FunctionDefaults(**props)}):
        stack = cdk.Stack(new_app(), "Shop")
        CqrsFunctions(stack, "Functions", code=CODE, handler="index.handler", app_name="shop", **given)
        templates.append(stable(stack))
    assert templates[0] == templates[1]


def variables_of(stack: cdk.Stack, construct_id: str) -> dict[str, Any]:
    """The variables of a function that is not one of the service's five."""
    found = Template.from_stack(stack).find_resources("AWS::Lambda::Function").items()
    (names,) = [f["Properties"]["Environment"]["Variables"] for n, f in found if n.startswith(construct_id)]
    return dict(names)


def said(stack: cdk.Stack, warning: str) -> list[str]:
    """What synthesis warns of."""
    messages = cdk.App.of(stack).synth().get_stack_by_name(stack.stack_name).messages
    return [text for message in messages if f"[ack: {warning}]" in (text := str(message.entry.data))]


def test_a_function_that_was_brought_is_told_what_it_does_not_say_itself(stack: cdk.Stack) -> None:
    mine = new_function(stack, "Mine", environment={"MINE": "1", Env.APP_NAME: "mine", "THEIRS": "mine"})
    made = functions(stack, worker=mine, environment={"THEIRS": "2", "OTHERS": "3"})
    AttributesBucket(stack, "Attributes").connect(made)
    CqrsTable(stack, "Order").connect(made)
    made.add_secret("DATABASE_SECRET", secretsmanager.Secret(stack, "Secret"))
    told = variables_of(stack, "Mine")
    assert {name: told.pop(name) for name in ("MINE", Env.APP_NAME, "THEIRS", "OTHERS", Env.FUNCTION)} == {
        "MINE": "1",
        Env.APP_NAME: "mine",
        "THEIRS": "mine",
        "OTHERS": "3",
        Env.FUNCTION: "worker",
    }
    assert set(told) == {Env.NODE_ENV, Env.S3_BUCKET_NAME, Env.MODULES, "DATABASE_SECRET"}
    assert "Worker" not in functions_of(stack)
    assert said(stack, "cqrs:untoldVariables") == []


def test_a_function_for_two_purposes_is_for_neither_in_particular(stack: cdk.Stack) -> None:
    mine = new_function(stack, "Mine")
    functions(stack, worker=mine, operator=mine)
    other = new_function(stack, "ByAlias")
    CqrsFunctions(
        stack,
        "Others",
        code=CODE,
        handler="index.handler",
        app_name="shop",
        worker=other,
        operator=other.add_alias("live"),
    )
    for name in ("Mine", "ByAlias"):
        assert set(variables_of(stack, name)) == {Env.NODE_ENV, Env.APP_NAME}


def test_an_api_function_that_was_brought_is_told_its_tenants_role(stack: cdk.Stack) -> None:
    mine = new_function(stack, "Mine")
    made = functions(stack, api=mine, tenant_sessions=True)
    CqrsTable(stack, "Order").connect(made)
    CommandWorkflow(stack, "Workflow", worker=made.worker).connect(made)
    # A template whose resources depend on each other in a circle would be refused here.
    assert {Env.TENANT_ROLE_ARN, Env.SFN_COMMAND_ARN, Env.MODULES} < set(variables_of(stack, "Mine"))


def test_what_an_imported_function_needs_is_said(stack: cdk.Stack) -> None:
    made = functions(stack, worker=imported_function(stack, "mine"))
    CqrsTable(stack, "Order", table_name_prefix="dev-shop-order").connect(made)
    MasterDataTable(stack, "MasterData").connect(made)
    (text,) = said(stack, "cqrs:untoldVariables")
    for expected in ("NODE_ENV=dev", "CQRS_FUNCTION=worker", 'CQRS_MODULES={"order":{}}'):
        assert expected in text
    assert "MASTER_DATA_TABLE_NAME=<MasterDataTable" in text


def test_each_part_takes_a_function_of_ones_own(stack: cdk.Stack) -> None:
    mine = new_function(stack, "Mine", environment={"MINE": "1"})
    for make, _told in PARTS.values():
        if make is not PARTS["realtime"][0]:  # it makes the users again
            make(stack).connect(mine)
    RealtimeApi(stack, "Realtime", identity=Identity(stack, "Others")).connect(mine)
    worker = new_function(stack, "Worker")
    workflow = CommandWorkflow(stack, "Workflow", worker=worker)
    workflow.connect(mine)
    Healing(stack, "Healing").connect(mine)
    with pytest.raises(InvalidPropsError, match="worker must be another function than those that start"):
        workflow.connect(worker)
    assert set(variables_of(stack, "Mine")) == {
        "MINE",
        Env.SESSION_TABLE_NAME,
        Env.RYW_SESSION_TTL_MINUTES,
        Env.MASTER_DATA_TABLE_NAME,
        Env.SEQUENCES_TABLE_NAME,
        Env.S3_BUCKET_NAME,
        Env.FAILED_RECORDS_BUCKET_NAME,
        Env.SNS_TOPIC_ARN,
        Env.COGNITO_USER_POOL_ID,
        Env.COGNITO_USER_POOL_CLIENT_ID,
        Env.APPSYNC_EVENTS_ENDPOINT,
        Env.APPSYNC_EVENTS_NAMESPACE,
        Env.SFN_COMMAND_ARN,
        Env.SFN_APPLY_ARN,
    }
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    (granted,) = (json.dumps(policy) for name, policy in policies.items() if name.startswith("Mine"))
    for action in ("s3:PutObject", "sns:Publish", "states:StartExecution", "appsync:EventPublish"):
        assert action in granted


def test_a_function_of_ones_own_knows_all_its_modules_and_their_service(stack: cdk.Stack) -> None:
    mine = new_function(stack, "Mine")
    live = lambda_.Alias(stack, "Live", alias_name="live", version=mine.current_version)
    order, note, log = (CqrsTable(stack, name) for name in ("Order", "Note", "Log"))
    order.connect(mine)
    note.connect(live, rights=["read"])
    order.connect(functions(stack, env_name="prod"))
    told = variables_of(stack, "Mine")
    assert (told[Env.NODE_ENV], told[Env.APP_NAME]) == ("prod", "shop")
    modules = "".join(part if isinstance(part, str) else "?" for part in told[Env.MODULES]["Fn::Join"][1])
    assert set(json.loads(modules)) == {"order", "note"}
    assert json.loads(modules)["order"] == {"command": "?", "data": "?", "history": "?", "open": True}
    allowed_on = permissions_of(stack, "Mine")
    assert "dynamodb:PutItem" in allowed_on["OrderCommand"]
    assert allowed_on["NoteCommand"] == {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
    with pytest.raises(InvalidPropsError, match=r"rights must be names among publish, read, .*, got 'write'"):
        log.connect(mine, rights=["write"])
    with pytest.raises(InvalidPropsError, match="rights are for a function of your own"):
        log.connect(functions(cdk.Stack(stack, "Other")), rights=["read"])
    nobody = lambda_.Function.from_function_arn(stack, "Nobody", "arn:aws:lambda:eu-west-1:1:function:nobody")
    with pytest.raises(InvalidPropsError, match="must have a role that is known, got Test/Nobody without"):
        log.connect(nobody)
    report = CqrsFunction(stack, "Report", code=CODE, handler="index.handler")
    with pytest.raises(InvalidPropsError, match="got CqrsFunction; pass its function"):
        log.connect(report)  # type: ignore[arg-type]


@pytest.mark.parametrize("keeps_data", [True, False], ids=["data rows", "no data rows"])
def test_a_function_of_ones_own_publishes_to_handlers_that_it_does_not_import(
    stack: cdk.Stack, *, keeps_data: bool
) -> None:
    """The stream and the worker call them; what is published synchronously, this function would finish."""
    CqrsTable(stack, "Order", data_sync=True).connect(new_function(stack, "Mine"))
    _, parts = variables_of(stack, "Mine")[Env.MODULES]["Fn::Join"]
    told = "".join(part if isinstance(part, str) else part["Ref"] for part in parts)
    store = MemoryStore()
    resources = MemoryResources(Settings.from_environment({Env.MODULES: told}), store, Clock())
    order = CommandModule("order", disable_default_handler=not keeps_data, resources=resources)
    ann = InvokeContext(claims={"sub": "ann", "custom:tenant": "acme"})
    command = {"pk": "ORDER#acme", "sk": "A1", "code": "A1", "name": "one", "type": "ORDER", "version": 0}
    order.commands.publish_async({**command, "attributes": {}}, invoke_context=ann)
    row = store.get(order.context.command_place(DetailKey("ORDER#acme", "A1"), 1))
    assert row is not None
    assert OPEN_COLUMN in row  # the handlers are still to see it, and that is not forgotten
    with pytest.raises(ModuleMismatchError, match="the code has no data sync handlers"):
        order.commands.publish_sync({**command, "sk": "A2", "attributes": {}}, invoke_context=ann)


def test_a_function_works_for_one_service_and_knows_one_module_of_a_name(stack: cdk.Stack) -> None:
    shared = new_function(stack, "Shared")
    functions(stack, worker=shared)
    again: dict[str, Any] = {"code": CODE, "handler": "index.handler", "app_name": "shop"}
    for number, (props, said_of) in enumerate(
        (
            ({"app_name": "crm", "worker": shared}, "APP_NAME of Test/Shared must be .* 'crm' beside 'shop'"),
            ({"env_name": "prod", "worker": shared}, "NODE_ENV of Test/Shared .* 'prod' beside 'dev'"),
            ({"notifier": shared}, "CQRS_FUNCTION of Test/Shared .* 'notifier' beside 'worker'"),
        )
    ):
        with pytest.raises(InvalidPropsError, match=said_of):
            CqrsFunctions(stack, f"Others{number}", **{**again, **props})
    mine = new_function(stack, "Mine")
    prefixes = ("dev-shop-order", "dev-crm-order", None)
    shop, crm, unnamed = (
        CqrsTable(stack, f"Order{number}", module_name="order", table_name_prefix=prefix)
        for number, prefix in enumerate(prefixes)
    )
    shop.connect(mine)
    shop.connect(mine, rights=["read"])
    for other in (crm, unnamed):
        with pytest.raises(InvalidPropsError, match=r"modules of Test/Mine must have different .* 'order'"):
            other.connect(mine)


def test_a_table_is_the_same_by_its_convention_and_by_all_its_names(stack: cdk.Stack) -> None:
    """A service says nothing of names that its functions know; a function of one's own is told them."""
    sets = {Env.APP_NAME: "mine", Env.NODE_ENV: "mine"}
    cases: list[tuple[str | None, dict[str, str]]] = [
        ("dev-shop0-order", {}),
        ("dev-shop1-order", sets),
        (None, {}),
    ]
    for number, (prefix, environment) in enumerate(cases):
        own = new_function(stack, f"Own{number}", environment=environment)
        orders = CqrsTable(stack, f"Order{number}", module_name="order", table_name_prefix=prefix)
        app_name = f"shop{number}"
        made = CqrsFunctions(
            stack, f"F{number}", code=CODE, handler="index.handler", app_name=app_name, worker=own
        )
        orders.connect(own)
        orders.connect(made)
        orders.connect(own)


def permissions_of(stack: cdk.Stack, construct_id: str) -> dict[str, set[str]]:
    """What the policy of one function allows, by the beginning of the resource's logical id."""
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy").items()
    (policy,) = [p for name, p in policies if name.startswith(construct_id)]
    found: dict[str, set[str]] = {}
    for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
        resources, actions = statement["Resource"], statement["Action"]
        for resource in resources if isinstance(resources, list) else [resources]:
            if isinstance(resource, dict) and "Fn::GetAtt" in resource:
                name = resource["Fn::GetAtt"][0][:-8]
                found.setdefault(name, set()).update([actions] if isinstance(actions, str) else actions)
    return found
