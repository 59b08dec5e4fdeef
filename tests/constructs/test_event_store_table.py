"""The tables of a module of events: what they are, what may be done with them, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from constructs_lib import CqrsFunctions, EventProcessing, EventStoreTable, EventStoreTableGrants
from constructs_lib import InvalidPropsError as Invalid
from runtime import Settings
from runtime.settings import EventTables
from tests.constructs.conftest import new_app, permissions, stable, warnings_of
from tests.constructs.functions import CODE, new_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

TABLE = "AWS::DynamoDB::GlobalTable"
REGION = cdk.Environment(region="eu-west-1")
GET, QUERY, SCAN = "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"
PUT, UPDATE, CHECK = "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"
LOOK_UP = {GET, "dynamodb:BatchGetItem"}
APPEND = {GET, QUERY, PUT, CHECK}
CURSORS = LOOK_UP | {PUT, UPDATE}
LISTED = "Events/index/aggregates"
INDEXED: dict[str, Any] = {"pull_index": True, "aggregates_index": True}


def everything(stack: cdk.Stack) -> EventStoreTable:
    return EventStoreTable(
        stack,
        "Blog",
        module_name="blog-2",
        table_name_prefix="dev-shop-blog-2",
        handlers=True,
        pull_index=True,
        aggregates_index=True,
        encryption_key=kms.Key(stack, "Key"),
        max_write_request_units=100,
        point_in_time_recovery_days=7,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        contributor_insights=True,
        warm_throughput=dynamodb.WarmThroughput(write_units_per_second=5_000),
    )


def tables(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """The tables, by their ids in the construct."""
    found = Template.from_stack(stack).find_resources(TABLE)
    return {name.removeprefix("Blog")[:-8]: table for name, table in found.items()}


def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def existing(stack: cdk.Stack, name: str) -> dynamodb.ITableV2:
    arn = f"arn:aws:dynamodb:eu-west-1:111111111111:table/{name}"
    return dynamodb.TableV2.from_table_attributes(
        stack, name, table_arn=arn, table_stream_arn=f"{arn}/stream/2026-01-01"
    )


@pytest.fixture(scope="module")
def plain() -> cdk.Stack:
    """A stack with tables that nothing is said of."""
    stack = cdk.Stack(new_app(), "Test")
    EventStoreTable(stack, "Blog")
    return stack


def test_minimal(plain: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    assert stable(plain) == template_snapshot


def test_everything(app: cdk.App, template_snapshot: SnapshotAssertion) -> None:
    stack = cdk.Stack(app, "Test", env=REGION)
    everything(stack)
    assert stable(stack) == template_snapshot
    assert warnings_of(stack) == ["cqrs:destroyableTables"]


def test_logical_ids_are_a_contract(plain: cdk.Stack) -> None:
    assert set(Template.from_stack(plain).find_resources(TABLE)) == {
        "BlogEvents421E544E",
        "BlogSyncE14DB622",
    }


def test_only_the_events_table_streams_and_only_ids_of_commands_expire(plain: cdk.Stack) -> None:
    found = {name: table["Properties"] for name, table in tables(plain).items()}
    assert found["Events"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert found["Events"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert not {"StreamSpecification", "TimeToLiveSpecification"} & found["Sync"].keys()
    assert "GlobalSecondaryIndexes" not in str(found)


def test_by_default_nothing_is_ever_lost(plain: cdk.Stack) -> None:
    for table in tables(plain).values():
        (replica,) = table["Properties"]["Replicas"]
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"] == 35
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert warnings_of(plain) == []


def test_indexes_have_the_rows_that_have_their_columns(stack: cdk.Stack) -> None:
    EventStoreTable(stack, "Blog", **INDEXED)
    feed, aggregates = tables(stack)["Events"]["Properties"]["GlobalSecondaryIndexes"]
    assert feed == {
        "IndexName": "feed",
        "KeySchema": [
            {"AttributeName": "feed", "KeyType": "HASH"},
            {"AttributeName": "feedAt", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["last", "types"]},
    }
    assert aggregates == {
        "IndexName": "aggregates",
        "KeySchema": [
            {"AttributeName": "aggregates", "KeyType": "HASH"},
            {"AttributeName": "pk", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }


INTENTS: dict[str, dict[str, set[str]]] = {
    "append": {"Events": APPEND},
    "read": {"Events": {QUERY}, LISTED: {QUERY}, "Sync": LOOK_UP},
    "handle": {"Events": {QUERY}, "Sync": CURSORS},
    "pull": {"Events": {QUERY}, "Events/index/feed": {QUERY}, "Sync": CURSORS},
    "rebuild": {"Events": {QUERY, SCAN}, "Sync": CURSORS},
    "inspect": {"Events": {QUERY, SCAN, "dynamodb:DescribeTable"}, "Sync": LOOK_UP | {SCAN}},
    "repair": {"Events": {QUERY}, "Sync": CURSORS},
    "erase": {"Events": {QUERY, PUT, UPDATE}},
    "serve": {"Events": APPEND, LISTED: {QUERY}, "Sync": LOOK_UP},
    "project": {"Events": APPEND, "Sync": CURSORS | {SCAN}},
    "operate": {"Events": APPEND | {SCAN, "dynamodb:DescribeTable"}, "Sync": CURSORS | {SCAN}},
}


@pytest.mark.parametrize("intent", INTENTS)
def test_an_intent_allows_exactly(stack: cdk.Stack, intent: str) -> None:
    getattr(EventStoreTable(stack, "Blog", **INDEXED).grants, intent)(role(stack)).assert_success()
    assert {_named(name): actions for name, actions in permissions(stack).items()} == INTENTS[intent]


def test_a_pull_without_its_index_is_refused(stack: cdk.Stack) -> None:
    blog = EventStoreTable(stack, "Blog")
    with pytest.raises(Invalid, match="pull needs the index feed, got Test/Blog/Events without it"):
        blog.grants.pull(role(stack))
    with pytest.raises(Invalid, match="pull needs the index feed"):
        blog.connect(new_function(stack), rights=["pull"])


def test_every_intent_was_looked_at_and_none_allows_to_delete_a_commit() -> None:
    assert set(INTENTS) == {name for name in vars(EventStoreTableGrants) if not name.startswith("_")}
    changing = {name for name, allowed in INTENTS.items() if UPDATE in allowed["Events"]}
    assert changing == {"erase"}
    for allowed in INTENTS.values():
        assert not {action for action in allowed["Events"] if "Delete" in action or "PartiQL" in action}


@pytest.mark.parametrize("handlers", [True, False])
def test_rights_of_a_service_depend_on_whether_there_are_handlers(
    stack: cdk.Stack, *, handlers: bool
) -> None:
    grants = EventStoreTable(stack, "Blog").grants
    grants.serve(api := role(stack), handlers=handlers)
    operator = iam.Role(stack, "Operator", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    grants.operate(operator, handlers=handlers)
    found: dict[str, dict[str, set[str]]] = {"Role": {}, "Operator": {}}
    for name, policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").items():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            place = _named(statement["Resource"]["Fn::GetAtt"][0])
            found[name.partition("Default")[0]][place] = set(
                actions if isinstance(actions, list) else [actions]
            )
    assert found["Role"] == {"Events": APPEND, "Sync": CURSORS if handlers else LOOK_UP}
    assert (PUT in found["Operator"]["Events"]) is handlers
    # Without handlers, too: those that there were may be parked, and dropped.
    assert UPDATE in found["Operator"]["Sync"]
    assert (PUT in found["Operator"]["Sync"]) is handlers
    assert SCAN in found["Operator"]["Events"]
    assert api is not operator


def test_grants_include_the_use_of_the_tables_key(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Test", env=REGION)
    blog = EventStoreTable(stack, "Blog", encryption_key=kms.Key(stack, "Key"))
    for intent in ("read", "append"):
        user = iam.Role(stack, intent, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        getattr(blog.grants, intent)(user)
    used = {
        name[:4]: str(policy["Properties"]["PolicyDocument"]["Statement"])
        for name, policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").items()
    }
    assert "kms:Decrypt" in used["read"]
    assert "kms:GenerateDataKey" not in used["read"]
    assert "kms:GenerateDataKey" in used["appe"]


def test_names_that_follow_the_convention_need_not_be_told(stack: cdk.Stack) -> None:
    blog = EventStoreTable(stack, "Blog", table_name_prefix="dev-shop-blog", handlers=True, **INDEXED)
    assert blog.module_settings_in(env_name="dev", app_name="shop") == {
        "kind": "events",
        "handlers": True,
        "feed": True,
        "aggregates": True,
    }
    elsewhere = blog.module_settings_in(env_name="prod", app_name="shop")
    assert set(elsewhere) == {"kind", "handlers", "feed", "aggregates", "events", "sync_table"}
    names = {name: table["Properties"]["TableName"] for name, table in tables(stack).items()}
    assert names == {"Events": "dev-shop-blog-events", "Sync": "dev-shop-blog-sync"}
    settings = Settings(
        node_env="dev",
        app_name="shop",
        modules={"blog": blog.module_settings_in(env_name="dev", app_name="shop")},
    )
    assert settings.event_tables_of("blog") == EventTables(
        events=names["Events"],
        sync=names["Sync"],
        has_handlers=True,
        has_feed_index=True,
        has_aggregates_index=True,
    )


def test_existing_tables_are_used_as_they_are(stack: cdk.Stack) -> None:
    blog = EventStoreTable(
        stack,
        "Blog",
        events_table=existing(stack, "OldEvents"),
        sync_table=existing(stack, "OldSync"),
        pull_index=True,
    )
    blog.grants.pull(role(stack))
    assert tables(stack) == {}
    assert warnings_of(stack) == []
    assert blog.module_settings == {
        "kind": "events",
        "events": "OldEvents",
        "sync_table": "OldSync",
        "feed": True,
    }
    assert {name.partition(":table/")[2] for name in permissions(stack)} == {
        "OldEvents",
        "OldEvents/index/feed",
        "OldSync",
    }


def test_one_existing_table_leaves_the_other_to_the_construct(stack: cdk.Stack) -> None:
    blog = EventStoreTable(
        stack, "Blog", sync_table=existing(stack, "Cursors"), table_name_prefix="dev-shop-blog"
    )
    assert set(tables(stack)) == {"Events"}
    assert blog.module_settings_in(env_name="dev", app_name="shop") == {
        "kind": "events",
        "sync_table": "Cursors",
    }


def test_tables_are_found_by_their_names(stack: cdk.Stack) -> None:
    arn = "arn:aws:dynamodb:eu-west-1:111111111111:table/prod-crm-lead-events/stream/2026-01-01T00:00:00.000"
    leads = EventStoreTable.from_table_names(
        stack,
        "Lead",
        table_name_prefix="prod-crm-lead",
        handlers=True,
        pull_index=True,
        events_table_stream_arn=arn,
    )
    assert leads.module_settings == {
        "kind": "events",
        "events": "prod-crm-lead-events",
        "sync_table": "prod-crm-lead-sync",
        "handlers": True,
        "feed": True,
    }
    assert leads.module_settings_in(env_name="prod", app_name="crm") == {
        "kind": "events",
        "handlers": True,
        "feed": True,
    }
    assert leads.events_table.table_stream_arn == arn
    with pytest.raises(Invalid, match="sync_table_name must be given without table_name_prefix, got neither"):
        EventStoreTable.from_table_names(stack, "Other", events_table_name="other")
    with pytest.raises(
        Invalid, match="events_table_stream_arn must be of the events table 'lead-events', got"
    ):
        EventStoreTable.from_table_names(
            stack, "Wrong", table_name_prefix="lead", events_table_stream_arn=arn
        )


def brought(stack: cdk.Stack, **options: Any) -> dynamodb.TableV2:
    def text(name: str) -> dynamodb.Attribute:
        return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)

    return dynamodb.TableV2(
        stack,
        f"Mine{len(stack.node.children)}",
        partition_key=text("pk"),
        sort_key=text(options.pop("sort_key", "sk")),
        **options,
    )


def test_a_table_that_cannot_hold_the_rows_is_refused(stack: cdk.Stack) -> None:
    mine = brought(stack)
    for props, message in (
        ({"events_table": brought(stack, sort_key="id")}, "events_table must have the key pk and sk"),
        ({"events_table": mine, "sync_table": mine}, "sync_table must be another table than events_table"),
        (
            {"events_table": mine, "pull_index": True},
            "pull_index needs the index 'feed' with the key feed and feedAt, both strings, got no index",
        ),
        (
            {"events_table": mine, "aggregates_index": True},
            "aggregates_index needs the index 'aggregates' with the key aggregates and pk, both strings",
        ),
    ):
        with pytest.raises(Invalid, match=message):
            EventStoreTable(stack, f"Blog{len(stack.node.children)}", module_name="blog", **props)


def test_a_table_that_keeps_ids_of_commands_for_ever_is_told_of(stack: cdk.Stack) -> None:
    EventStoreTable(stack, "Blog", events_table=brought(stack))
    assert warnings_of(stack) == ["cqrs:noTimeToLive"]


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"max_write_request_units": 0}, "max_write_request_units must be at least 1, got 0; leave it out"),
        ({"point_in_time_recovery_days": 36}, "point_in_time_recovery_days must be from 1 to 35, got 36"),
        ({"module_name": "Blog"}, "module_name must match .*, got 'Blog'; use a lower-case name"),
        ({"table_name_prefix": "dev/shop"}, "table_name_prefix must match .*, got 'dev/shop'; use letters"),
        (
            {"removal_policy": cdk.RemovalPolicy.SNAPSHOT},
            "removal_policy must be RETAIN, RETAIN_ON_UPDATE_OR_DELETE or DESTROY, got SNAPSHOT",
        ),
        ({"handler": True}, "no property 'handler' .* did you mean 'handlers'"),
        ({"handlers": "yes"}, "handlers must be True or False, got 'yes'"),
        ({"replicas": []}, "EventStoreTable has no property 'replicas'"),
    ],
)
def test_refused(stack: cdk.Stack, props: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        EventStoreTable(stack, "Blog", **props)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"table_name_prefix": "a"}, "table_name_prefix has no effect .*, got 'a'; leave table_name_prefix"),
        ({"removal_policy": cdk.RemovalPolicy.DESTROY}, "removal_policy has no effect .*, got DESTROY"),
        ({"max_write_request_units": 7}, "max_write_request_units has no effect .*, got 7"),
        ({"contributor_insights": True}, "contributor_insights has no effect"),
    ],
)
def test_configuring_existing_tables_is_refused(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {f"{name}_table": existing(stack, name) for name in ("events", "sync")}
    with pytest.raises(Invalid, match=message):
        EventStoreTable(stack, "Blog", **given, **props)


def test_the_policy_of_the_tables_can_be_decided_anew(stack: cdk.Stack) -> None:
    blog = EventStoreTable(stack, "Blog")
    blog.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    for table in tables(stack).values():
        assert table["DeletionPolicy"] == "Delete"
        assert table["Properties"]["Replicas"][0]["DeletionProtectionEnabled"] is False


@pytest.mark.parametrize(
    ("name", "table", "event"),
    [
        ("appends", "Events", "WriteThrottleEvents"),
        ("reads", "Events", "ReadThrottleEvents"),
        ("cursors", "Sync", "WriteThrottleEvents"),
    ],
)
def test_throttling_metrics_name_their_table(stack: cdk.Stack, name: str, table: str, event: str) -> None:
    metric = getattr(EventStoreTable(stack, "Blog"), f"metric_throttled_{name}")()
    found = stack.resolve(metric.to_metric_config())["metricStat"]
    (dimension,) = found["dimensions"]
    assert dimension["value"]["Ref"][:-8] == f"Blog{table}"
    assert (found["metricName"], found["statistic"]) == (event, "Sum")


def test_a_function_of_ones_own_needs_nothing_but_the_tables(stack: cdk.Stack) -> None:
    report = new_function(stack, "Report")
    EventStoreTable(stack, "Blog").connect(report, rights=["read"])
    assert {_named(name): actions for name, actions in permissions(stack).items()} == {
        "Events": {QUERY},
        "Sync": LOOK_UP,
    }
    (made,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    told = made["Properties"]["Environment"]["Variables"]["CQRS_MODULES"]
    assert '"kind":"events"' in str(told)


@pytest.mark.parametrize("right", ["publish", "delete", "_erase"])
def test_a_right_that_there_is_not_is_refused(stack: cdk.Stack, right: str) -> None:
    with pytest.raises(Invalid, match=f"rights must be names among append, read, .*, got '{right}'"):
        EventStoreTable(stack, "Blog").connect(new_function(stack), rights=[right])


def test_turns_are_claimed_by_whoever_was_connected_before(stack: cdk.Stack) -> None:
    """A function that knows nothing of it would take turns without a claim."""
    blog = EventStoreTable(stack, "Blog", table_name_prefix="dev-shop-blog", handlers=True)
    functions = CqrsFunctions(
        stack, "Functions", code=CODE, handler="index.handler", app_name="shop", tables=[blog]
    )
    mine = new_function(stack, "Mine")
    blog.connect(mine, rights=["handle"])
    assert functions.projector is not None
    EventProcessing(stack, "Stream", table=blog, function=functions.projector, parallelization_factor=2)
    assert blog.is_exclusive
    found = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    told = [str(made["Properties"]["Environment"]["Variables"]["CQRS_MODULES"]) for made in found]
    assert len(told) == 7
    assert sum('"events handlers exclusive"' in text for text in told) == 6
    assert sum('"exclusive":true' in text for text in told) == 1  # of one's own, which is told all names


def _named(resource: str) -> str:
    """The id of a table in its construct, with the index where it is about one."""
    table, slash, index = resource.removeprefix("Blog").partition("/")
    return table[:-8] + slash + index
