"""A service with modules of events: what its stack makes for them, and what each function may do there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from constructs_lib import (
    AlarmThresholds,
    CqrsFunctions,
    CqrsModule,
    CqrsMonitoring,
    CqrsStack,
    CqrsTable,
    EventModule,
    EventProcessing,
    EventStoreTable,
    FunctionOptions,
    InvalidPropsError,
    RetainedData,
    TableOptions,
)
from runtime.contract import HANDLER_ROWS, Env, FunctionKind
from tests.constructs.conftest import new_app, stable, warnings_of
from tests.constructs.functions import CODE, new_function
from tests.constructs.monitored import alarms_of, dashboard_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

ENV = cdk.Environment(account="111111111111", region="eu-west-1")
TABLES = "arn:aws:dynamodb:eu-west-1:111111111111:table"
FUNCTION = "AWS::Lambda::Function"
#: Everything that could take a row away, or change it.
TAKES_AWAY = ("delete", "update", "partiql", "batchwrite", "*", "restore")


def layer_of(app: cdk.App) -> lambda_.ILayerVersion:
    arn = "arn:aws:lambda:eu-west-1:111111111111:layer:runtime:1"
    return lambda_.LayerVersion.from_layer_version_arn(cdk.Stack(app, "Layers"), "Layer", arn)


def shop(app: cdk.App, *modules: CqrsModule | EventModule, **props: Any) -> CqrsStack:
    return CqrsStack(
        app,
        "Shop",
        **{
            "app_name": "shop",
            "modules": modules,
            "code": CODE,
            "handler": "index.handler",
            "python_runtime": lambda_.Runtime.PYTHON_3_13,
            "runtime_layer": layer_of(app),
            "alarm_emails": ["on-call@example.com"],
            "monitoring": False,
            **props,
        },
    )


class Service:
    """A stack, and its template."""

    def __init__(self, stack: CqrsStack) -> None:
        self.stack = stack
        self.template = stable(stack)
        self.resources: dict[str, dict[str, Any]] = self.template["Resources"]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: r for name, r in self.resources.items() if r["Type"] == kind}

    def variables(self) -> dict[str, dict[str, Any]]:
        """The variables of each function of the service, by its kind."""
        found = (r["Properties"]["Environment"]["Variables"] for r in self.of(FUNCTION).values())
        kinds = {value for name, value in vars(FunctionKind).items() if name.isupper()}
        return {told[Env.FUNCTION]: told for told in found if told.get(Env.FUNCTION) in kinds}

    def allowed(self, table: str) -> dict[str, set[str]]:
        """What each role may do with a table, its indexes and its stream, by the role's policy."""
        found: dict[str, set[str]] = {}
        for name, policy in (
            *self.of("AWS::IAM::Policy").items(),
            *self.of("AWS::IAM::ManagedPolicy").items(),
        ):
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow" and f'"{table}"' in json.dumps(statement["Resource"]):
                    actions = statement["Action"]
                    found.setdefault(name, set()).update([actions] if isinstance(actions, str) else actions)
        return found


@pytest.fixture(scope="module")
def service() -> Service:
    """One module of commands, one of events with everything, and one of events with nothing."""
    app = new_app()
    secret = secretsmanager.Secret(cdk.Stack(app, "Secrets", env=ENV), "Database")
    stack = shop(
        app,
        CqrsModule("order"),
        EventModule("blog", handlers=True, pull_index=True, aggregates_index=True),
        EventModule("audit"),
        env_name="prod",
        projector=FunctionOptions(memory_size=1024, environment={"BATCH": "7"}),
        environment={"SHOP": "mine"},
        tenant_sessions=True,
        monitoring=True,
        nested_alarms=False,
        env=ENV,
    )
    stack.functions.add_secret("DATABASE_URL", secret)
    return Service(stack)


@pytest.fixture(scope="module")
def without_handlers() -> Service:
    return Service(shop(new_app(), EventModule("audit"), tenant_sessions=True))


def test_what_events_add(service: Service, template_snapshot: SnapshotAssertion) -> None:
    mine = ("blog", "audit", "FunctionsProjector", "Streamsblog", "FunctionsTenantSessions")
    parts = ("EventLag", "EventStreamLag", "EventHandlersParked", "Throttled", "RecordsSetAside")
    found = {
        name: resource
        for name, resource in service.resources.items()
        if name.startswith(mine)
        or (name.startswith(tuple(f"Monitoring{part}" for part in parts)) and "order" not in name)
    }
    assert found == template_snapshot


def test_logical_ids_of_what_holds_data_are_a_contract(service: Service) -> None:
    assert {name for name in service.of("AWS::DynamoDB::GlobalTable") if not name.startswith("order")} == {
        "SessionsTableA5E8383B",
        "auditEvents9BF95FB0",
        "auditSync142806D5",
        "blogEvents8F0F3D84",
        "blogSyncE842B071",
    }


def test_tables_have_the_names_that_the_runtime_assumes(service: Service) -> None:
    names = {r["Properties"]["TableName"] for r in service.of("AWS::DynamoDB::GlobalTable").values()}
    assert names >= {
        f"prod-shop-{name}" for name in ("blog-events", "blog-sync", "audit-events", "audit-sync")
    }
    told = {variables[Env.MODULES] for variables in service.variables().values()}
    assert [json.loads(text) for text in told] == [
        {
            "order": {},
            "blog": "events handlers feed aggregates",
            "audit": "events",
        }
    ]


def test_the_projector_is_made_where_there_are_handlers(service: Service, without_handlers: Service) -> None:
    made = service.variables()[FunctionKind.PROJECTOR]
    # What the code needs of its environment, and what is the projector's alone.
    assert {"SHOP", "DATABASE_URL", "BATCH", Env.S3_BUCKET_NAME, Env.SNS_ALARM_TOPIC_ARN} <= made.keys()
    assert Env.TENANT_ROLE_ARN not in made
    (function,) = (r for name, r in service.of(FUNCTION).items() if name.startswith("FunctionsProjector"))
    assert (function["Properties"]["MemorySize"], function["Properties"]["Timeout"]) == (1024, 60)
    assert list(service.stack.event_streams) == ["blog"]
    mappings = service.of("AWS::Lambda::EventSourceMapping").values()
    called = {m["Properties"]["FunctionName"]["Ref"]: m["Properties"] for m in mappings}
    projector = service.stack.functions.projector
    assert projector is not None
    mapping = called[service.stack.resolve(projector.function_name)["Ref"]]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["blogEvents8F0F3D84", "StreamArn"]}
    secrets = [
        name for name, policy in service.of("AWS::IAM::Policy").items() if "secretsmanager" in str(policy)
    ]
    assert any(name.startswith("FunctionsProjector") for name in secrets)

    assert without_handlers.stack.functions.projector is None
    assert without_handlers.stack.event_streams == {}
    assert "rojector" not in json.dumps(without_handlers.template)


def test_the_projector_is_asked_before_a_deployment_ends(service: Service) -> None:
    (check,) = service.of("Custom::CqrsCodeCheck").values()
    assert "projector" in check["Properties"]["Functions"]


def test_what_each_function_may_do_with_events(service: Service) -> None:
    load = {"dynamodb:GetItem", "dynamodb:Query"}
    append = load | {"dynamodb:PutItem", "dynamodb:ConditionCheckItem"}
    stream = {
        f"dynamodb:{name}" for name in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
    }
    may = {_whose(name): actions for name, actions in service.allowed("blogEvents8F0F3D84").items()}
    assert may == {
        "TenantSessions": append,
        "Projector": append | stream,
        "Operator": append | {"dynamodb:Scan", "dynamodb:DescribeTable"},
    }
    cursors = {f"dynamodb:{name}" for name in ("GetItem", "BatchGetItem", "PutItem", "UpdateItem")}
    may = {_whose(name): actions for name, actions in service.allowed("blogSyncE842B071").items()}
    assert may == {
        "TenantSessions": cursors,
        "Projector": cursors | {"dynamodb:Scan"},
        "Operator": cursors | {"dynamodb:Scan"},
    }
    # Handlers may execute commands of other modules.
    may = {_whose(name): actions for name, actions in service.allowed("auditEvents9BF95FB0").items()}
    assert may == {
        "TenantSessions": append,
        "Projector": append,
        "Operator": {"dynamodb:Query", "dynamodb:Scan", "dynamodb:DescribeTable"},
    }


def test_nobody_may_delete_or_change_a_commit(service: Service) -> None:
    """The proof that no version is left out rests on it."""
    for table in ("blogEvents8F0F3D84", "auditEvents9BF95FB0"):
        allowed = service.allowed(table)
        assert allowed
        for name, actions in allowed.items():
            assert not [a for a in actions if any(word in a.lower() for word in TAKES_AWAY)], name
    everywhere = [
        (name, statement)
        for name, policy in service.of("AWS::IAM::Policy").items()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and statement["Resource"] == "*" and "dynamodb" in str(statement)
    ]
    assert everywhere == []


def test_a_session_of_a_tenant_reads_which_generation_is_the_live_one(
    service: Service, without_handlers: Service
) -> None:
    def readable(of: Service) -> list[str]:
        (policy,) = (p for name, p in of.of("AWS::IAM::Policy").items() if "TenantSessionsRole" in name)
        statements = policy["Properties"]["PolicyDocument"]["Statement"]
        (found,) = (s for s in statements if s.get("Sid") == "RowsOfTheTenant")
        keys: list[str] = found["Condition"]["ForAnyValue:StringNotLike"]["dynamodb:LeadingKeys"]
        return keys

    own = ["*#${aws:PrincipalTag/tenant}", "*#common"]
    assert readable(service) == [*own, HANDLER_ROWS]
    assert readable(without_handlers) == own
    policies = json.dumps(service.of("AWS::IAM::Policy"))
    assert policies.count(HANDLER_ROWS) == 1  # to be read, not written


def test_everything_of_events_is_watched(service: Service) -> None:
    made = service.stack.monitoring
    assert made is not None
    of_events = {name for name in made.alarms if name.endswith(("-blog", "-audit")) or "Event" in name}
    assert of_events == {
        "EventHandlersParked-blog",
        "EventLag-blog",
        "EventStreamLag",
        "RecordsDropped-blog",
        "RecordsSetAside-blog",
        "ThrottledAppends-audit",
        "ThrottledAppends-blog",
        "ThrottledCursors-blog",
        "ThrottledReads-audit",
        "ThrottledReads-blog",
    }
    assert {f"Function{what}-projector" for what in ("Errors", "Throttles", "Duration")} <= made.alarms.keys()
    # That of commands keeps its id beside that of events.
    assert "StreamLag" in made.alarms
    alarms = alarms_of(made)
    assert alarms["EventStreamLag"]["Threshold"] == 60_000
    assert alarms["EventLag-blog"]["ExtendedStatistic"] == "p99"
    assert alarms["EventHandlersParked-blog"]["MetricName"] == "EventHandlersParked"
    titles = [widget["properties"].get("title") for widget in dashboard_of(made)]
    assert {"Events", "Age of the stream of events (ms)"} <= set(titles)
    assert titles.count("From append to handled, p99 (ms)") == 1


def test_each_alarm_of_events_has_a_threshold_that_leaves_it_out(stack: cdk.Stack) -> None:
    blog = EventStoreTable(stack, "Blog", handlers=True)
    function = new_function(stack)
    parts: dict[str, Any] = {
        "app_name": "shop",
        "alarm_topic": cdk.aws_sns.Topic(stack, "Topic"),
        "tables": [blog],
        "streams": [EventProcessing(stack, "Events", table=blog, function=function)],
        "dashboard": False,
    }
    everything = set(CqrsMonitoring(stack, "All", **parts).alarms)
    off = {
        "event_stream_lag": {"EventStreamLag"},
        "records_set_aside": {"RecordsSetAside", "RecordsDropped"},
        "handlers_parked": {"EventHandlersParked"},
        "event_lag": {"EventLag"},
        "table_throttles": {"ThrottledAppends", "ThrottledReads", "ThrottledCursors"},
    }
    for field, kinds in off.items():
        thresholds = AlarmThresholds(**{field: None})
        left = CqrsMonitoring(stack, field, thresholds=thresholds, **parts).alarms
        assert {name.partition("-")[0] for name in everything - set(left)} == kinds
    none = AlarmThresholds(**dict.fromkeys(off))
    assert CqrsMonitoring(stack, "None", thresholds=none, **parts).alarms == {}


def test_thresholds_of_events_are_props() -> None:
    assert AlarmThresholds(event_lag=None).event_lag is None
    with pytest.raises(InvalidPropsError, match="event_stream_lag must be from 1 second to 1 day"):
        AlarmThresholds(event_stream_lag=cdk.Duration.days(2))


def test_outputs_say_where_the_tables_are(without_handlers: Service) -> None:
    outputs = without_handlers.template["Outputs"]
    assert {name for name in outputs if "Audit" in name} == {"AuditEventsTableName", "AuditSyncTableName"}


def test_alarms_of_events_may_be_in_nested_stacks(app: cdk.App) -> None:
    stack = shop(app, EventModule("blog", handlers=True), monitoring=True, nested_alarms=True)
    own = [
        name for name in Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm") if "blog" in name
    ]
    assert own == []
    assert stack.monitoring is not None
    nested = {
        cdk.Stack.of(alarm) for name, alarm in stack.monitoring.alarms.items() if name.endswith("-blog")
    }
    assert len(nested) == 1
    assert stack not in nested


def test_a_projector_that_is_brought_gets_its_rights_and_variables(app: cdk.App) -> None:
    home = cdk.Stack(app, "Home")
    mine = new_function(home, "Mine")
    stack = shop(app, EventModule("blog", handlers=True), projector=mine)
    template = Template.from_stack(stack).to_json()["Resources"]
    assert not [name for name in template if name.startswith("FunctionsProjectorFunction")]
    policies = [r for r in template.values() if r["Type"] == "AWS::IAM::Policy" and "Mine" in str(r)]
    assert "dynamodb:PutItem" in str(policies)
    assert "GetRecords" in str(policies)
    assert "projector" not in stack.functions.made
    (told,) = (r for r in Template.from_stack(home).find_resources(FUNCTION).values())
    variables = told["Properties"]["Environment"]["Variables"]
    assert variables[Env.FUNCTION] == FunctionKind.PROJECTOR
    assert json.loads(variables[Env.MODULES]) == {"blog": "events handlers"}


def test_what_a_former_stack_has_left_is_used(app: cdk.App) -> None:
    stream = f"{TABLES}/dev-shop-blog-events/stream/2026-01-31T10:11:12.345"
    retained = RetainedData(events_table_streams={"blog": stream}, attributes_bucket_name="shop-attributes")
    modules = [EventModule("blog", handlers=True, pull_index=True), EventModule("audit")]
    found = Service(shop(app, *modules, retained=retained, env=ENV))
    names = {r["Properties"]["TableName"] for r in found.of("AWS::DynamoDB::GlobalTable").values()}
    assert names == {"dev-shop-audit-events", "dev-shop-audit-sync"}
    (mapping,) = (
        m["Properties"] for name, m in found.of("AWS::Lambda::EventSourceMapping").items() if "blog" in name
    )
    assert mapping["EventSourceArn"] == stream
    assert json.loads(found.variables()["api"][Env.MODULES])["blog"] == "events handlers feed"


LEFT: dict[str, Any] = {"attributes_bucket_name": "shop-attributes"}


@pytest.mark.parametrize(
    ("modules", "retained", "message"),
    [
        (
            [CqrsModule("blog")],
            LEFT | {"events_table_streams": {"blog": f"{TABLES}/blog-events/stream/2026-01-31T10:11:12.345"}},
            "events_table_streams must name modules of the stack, got 'blog'; it has no EventModule",
        ),
        (
            [EventModule("blog")],
            LEFT
            | {"command_table_streams": {"blog": f"{TABLES}/blog-command/stream/2026-01-31T10:11:12.345"}},
            "command_table_streams must name modules of the stack, got 'blog'; it has no CqrsModule",
        ),
        (
            [EventModule("blog", table=TableOptions(contributor_insights=True))],
            LEFT | {"events_table_streams": {"blog": f"{TABLES}/blog-events/stream/2026-01-31T10:11:12.345"}},
            "retained takes the tables of 'blog' back, .* got contributor_insights",
        ),
        (
            [EventModule("blog")],
            {"events_table_streams": {"blog": f"{TABLES}/blog-events/stream/2026-01-31T10:11:12.345"}},
            "attributes_bucket_name must be given with events_table_streams, got None",
        ),
    ],
)
def test_what_is_left_of_another_kind_is_refused(
    app: cdk.App, modules: list[Any], retained: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        shop(app, *modules, retained=RetainedData(**retained), env=ENV)


def test_a_stream_of_another_table_is_refused() -> None:
    with pytest.raises(InvalidPropsError, match=r"events_table_streams\['blog'\] must match"):
        RetainedData(events_table_streams={"blog": f"{TABLES}/blog-sync/stream/2026-01-31T10:11:12.345"})


@pytest.mark.parametrize(
    ("modules", "props", "message"),
    [
        ([EventModule("a"), CqrsModule("a")], {}, "modules must have different names, got 'a' and 'a'"),
        ([EventModule("a-b"), EventModule("a_b")], {}, "different names, got 'a-b' and 'a_b'"),
        (
            [EventModule("blog")],
            {"projector": FunctionOptions(memory_size=256)},
            "projector needs a module with event handlers, got it without such a module",
        ),
    ],
)
def test_what_cannot_be_deployed_is_refused(
    app: cdk.App, modules: list[Any], props: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        shop(app, *modules, **props)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"name": "Blog"}, "name must match .* got 'Blog'"),
        ({"name": "blog", "data_sync": True}, "EventModule has no property 'data_sync'"),
        (
            {
                "name": "blog",
                "table": TableOptions(replicas=[dynamodb.ReplicaTableProps(region="us-east-1")]),
            },
            "table of the EventModule 'blog' must not have replicas: events are appended in one Region",
        ),
    ],
)
def test_a_module_that_cannot_be_is_refused(props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        EventModule(**props)


def test_a_module_that_contradicts_its_tables_is_refused(stack: cdk.Stack) -> None:
    blog = EventStoreTable(stack, "Blog", handlers=True)
    assert EventModule("blog", table=blog).has_handlers
    with pytest.raises(InvalidPropsError, match="handlers has no effect on a resource that table brings"):
        EventModule("blog", handlers=True, table=blog)
    with pytest.raises(InvalidPropsError, match=r"table must belong to the module 'log', got .* of 'blog'"):
        EventModule("log", table=blog)


def test_a_module_with_tables_of_the_other_kind_is_refused(stack: cdk.Stack) -> None:
    events: Any = EventStoreTable(stack, "Blog")
    commands: Any = CqrsTable(stack, "Order")
    message = "table must be a CqrsTable, got Test/Blog, an EventStoreTable; an EventModule is for it"
    with pytest.raises(InvalidPropsError, match=message):
        CqrsModule("blog", table=events)
    message = "table must be an EventStoreTable, got Test/Order, a CqrsTable; a CqrsModule is for it"
    with pytest.raises(InvalidPropsError, match=message):
        EventModule("order", table=commands)


class TestComposed:
    """The parts in a stack of one's own."""

    def test_the_functions_make_a_projector_for_tables_that_have_handlers(self, stack: cdk.Stack) -> None:
        blog = EventStoreTable(stack, "Blog", handlers=True)
        functions = CqrsFunctions(
            stack, "Functions", code=CODE, handler="index.handler", app_name="shop", tables=[blog]
        )
        assert functions.projector is not None
        EventProcessing(stack, "Events", table=blog, function=functions.projector)
        assert warnings_of(stack) == []
        mapping = Template.from_stack(stack).find_resources("AWS::Lambda::EventSourceMapping")
        assert len(mapping) == 1

    def test_tables_with_handlers_need_a_projector(self, stack: cdk.Stack) -> None:
        functions = CqrsFunctions(stack, "Functions", code=CODE, handler="index.handler", app_name="shop")
        assert functions.projector is None
        EventStoreTable(stack, "Audit").connect(functions)
        with pytest.raises(
            InvalidPropsError, match=r"has handlers, .* give these functions projector=Function"
        ):
            EventStoreTable(stack, "Blog", handlers=True).connect(functions)

    def test_two_constructs_for_one_module_are_refused(self, stack: cdk.Stack) -> None:
        functions = CqrsFunctions(stack, "Functions", code=CODE, handler="index.handler", app_name="shop")
        EventStoreTable(stack, "Blog").connect(functions)
        other = EventStoreTable(stack, "Other", module_name="blog")
        with pytest.raises(InvalidPropsError, match="got two constructs for the module 'blog'"):
            other.connect(functions)

    def test_names_of_tables_are_taken_once(self, stack: cdk.Stack) -> None:
        EventStoreTable(stack, "Blog", table_name_prefix="dev-shop-blog")
        with pytest.raises(InvalidPropsError, match="dev-shop-blog-events"):
            EventStoreTable(stack, "Other", table_name_prefix="dev-shop-blog")

    def test_tables_of_one_service_are_no_other_services(self, stack: cdk.Stack) -> None:
        blog = EventStoreTable(stack, "Blog")
        for name in ("shop", "other"):
            made = CqrsFunctions(stack, name, code=CODE, handler="index.handler", app_name=name)
            if name == "shop":
                blog.connect(made)
        with pytest.raises(InvalidPropsError, match="two services would handle each event twice"):
            blog.connect(made)

    def test_an_operator_outside_of_the_vpc_of_the_handlers_is_warned_of(self, stack: cdk.Stack) -> None:
        vpc = cdk.aws_ec2.Vpc(stack, "Vpc", max_azs=1)
        CqrsFunctions(
            stack,
            "Functions",
            code=CODE,
            handler="index.handler",
            app_name="shop",
            projector=FunctionOptions(vpc=vpc),
        )
        assert "cqrs:operatorOutsideVpc" in warnings_of(stack)

    def test_what_is_no_part_is_not_passed_over_in_silence(self, stack: cdk.Stack) -> None:
        blog: Any = EventStoreTable(stack, "Blog", handlers=True)
        topic = sns.Topic(stack, "Topic")
        message = r"tables\[1\] must be a CqrsTable or an EventStoreTable, got Test/Blog/Events, a TableV2"
        with pytest.raises(InvalidPropsError, match=message):
            CqrsMonitoring(
                stack, "Tables", app_name="shop", alarm_topic=topic, tables=[blog, blog.events_table]
            )
        message = r"streams\[0\] must be a StreamProcessing or an EventProcessing, got Test/Blog, an Event"
        with pytest.raises(InvalidPropsError, match=message):
            CqrsMonitoring(stack, "Streams", app_name="shop", alarm_topic=topic, streams=[blog])

    def test_a_function_of_ones_own_follows_events_outside_of_lambda(self, stack: cdk.Stack) -> None:
        """A process elsewhere has a role of its own."""
        blog = EventStoreTable(stack, "Blog", pull_index=True)
        task = iam.Role(stack, "Task", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        blog.grants.pull(task).assert_success()
        assert "index/feed" in json.dumps(Template.from_stack(stack).find_resources("AWS::IAM::Policy"))


def _whose(policy: str) -> str:
    return policy.removeprefix("Functions").partition("Role")[0]
