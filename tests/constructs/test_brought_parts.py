"""What was brought is checked as far as CDK knows it, and what exists elsewhere is used by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CommandWorkflow,
    CqrsApi,
    CqrsFunction,
    CqrsTable,
    FailedRecords,
    Identity,
    InvalidPropsError,
    MasterDataTable,
    Notifications,
    Processing,
    RuntimeLayer,
    Sequences,
    SessionTable,
    StreamProcessing,
)
from constructs_lib.props.lookups import is_stand_in
from tests.constructs.conftest import new_app, permissions, warnings_of
from tests.constructs.functions import CODE, imported_function, new_function

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

STRING, NUMBER = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER
NAMES = {"command_table": "Commands", "data_table": "Data", "history_table": "History"}


@pytest.fixture
def stack() -> cdk.Stack:
    return cdk.Stack(new_app(), "Test", env=cdk.Environment(account="111111111111", region="eu-west-1"))


def refused(said: str) -> AbstractContextManager[object]:
    return pytest.raises(InvalidPropsError, match=said)


def attribute(name: str, kind: dynamodb.AttributeType = STRING) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=kind)


def table(stack: cdk.Stack, construct_id: str = "Brought", **props: Any) -> dynamodb.TableV2:
    return dynamodb.TableV2(
        stack,
        construct_id,
        **{
            "partition_key": attribute("pk"),
            "sort_key": attribute("sk"),
            "time_to_live_attribute": "ttl",
            **props,
        },
    )


def old_table(stack: cdk.Stack, construct_id: str = "Brought", **props: Any) -> dynamodb.Table:
    keys = {"partition_key": attribute("pk"), "sort_key": attribute("sk")}
    return dynamodb.Table(stack, construct_id, **{**keys, "time_to_live_attribute": "ttl", **props})


@pytest.mark.parametrize("make", [table, old_table], ids=["TableV2", "Table"])
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"partition_key": attribute("id"), "sort_key": None}, r"got id \(S\) of Test/Brought"),
        ({"sort_key": None}, r"got pk \(S\) of"),
        ({"sort_key": attribute("sk", NUMBER)}, r"got pk \(S\) and sk \(N\) of"),
        ({"partition_key": attribute("sk"), "sort_key": attribute("pk")}, r"got sk \(S\) and pk \(S\) of"),
    ],
    ids=["id", "no sort key", "number", "swapped"],
)
def test_a_table_with_another_key_is_refused(
    stack: cdk.Stack, make: Callable[..., Any], keys: dict[str, Any], said: str
) -> None:
    brought = make(stack, **keys)
    for number, use in enumerate(
        [
            lambda i: CqrsTable(stack, i, module_name="order", history_table=brought),
            lambda i: CqrsTable(stack, i, module_name="order", sync_table=brought),
            lambda i: SessionTable(stack, i, table=brought),
            lambda i: MasterDataTable(stack, i, table=brought),
            lambda i: Sequences(stack, i, table=brought),
        ]
    ):
        with refused(f"table must have the key pk and sk, both strings, {said}"):
            use(f"Use{number}")


def test_one_table_in_two_places_is_refused(stack: cdk.Stack) -> None:
    brought = table(stack)
    with refused("history_table must be another table than data_table, got Te"):
        CqrsTable(stack, "Order", data_table=brought, history_table=brought)
    imported = [dynamodb.TableV2.from_table_name(stack, name, "orders") for name in ("A", "B")]
    with refused("data_table must be another table than command_table, got Te"):
        CqrsTable(stack, "Order2", command_table=imported[0], data_table=imported[1])


VIEWS = dynamodb.StreamViewType


@pytest.mark.parametrize(
    ("make", "props", "got"),
    [
        (table, {}, "no stream"),
        (table, {"dynamo_stream": VIEWS.KEYS_ONLY}, "KEYS_ONLY"),
        (table, {"dynamo_stream": VIEWS.OLD_IMAGE}, "OLD_IMAGE"),
        (table, {"dynamo_stream": VIEWS.NEW_AND_OLD_IMAGES}, None),
        (old_table, {}, "no stream"),
        (old_table, {"stream": VIEWS.KEYS_ONLY}, "KEYS_ONLY"),
        (old_table, {"stream": VIEWS.NEW_IMAGE}, None),
    ],
)
def test_a_stream_without_new_images_is_refused(
    stack: cdk.Stack, make: Callable[..., Any], props: dict[str, Any], got: str | None
) -> None:
    orders = CqrsTable(stack, "Order", command_table=make(stack, **props))
    if got is None:
        StreamProcessing(stack, "Stream", table=orders, function=new_function(stack))
        return
    with refused(f"must have a stream of new images .* got {got} of Test/Br"):
        StreamProcessing(stack, "Stream", table=orders, function=new_function(stack))


def test_an_index_that_is_not_like_ours_is_refused(stack: cdk.Stack) -> None:
    def index(**props: Any) -> dict[str, Any]:
        return {
            "global_secondary_indexes": [dynamodb.GlobalSecondaryIndexPropsV2(index_name="open", **props)]
        }

    ours = index(partition_key=attribute("open"), sort_key=attribute("createdAt"))
    cases = {
        "no index 'open' of Test/A": {},
        r"one of open \(S\) of Test/B": index(partition_key=attribute("open")),
        r"one of open \(S\) and createdAt \(N\) of Test/C": index(
            partition_key=attribute("open"), sort_key=attribute("createdAt", NUMBER)
        ),
    }
    for name, (got, props) in zip("ABC", cases.items(), strict=True):
        brought = table(stack, name, **props)
        with refused(f"command_table_has_open_index needs .* got {got}; add it"):
            CqrsTable(stack, f"Order{name}", command_table=brought, command_table_has_open_index=True)
    assert CqrsTable(
        stack, "Order", command_table=table(stack, "D", **ours), command_table_has_open_index=True
    ).has_open_index
    added = old_table(stack, "E")
    added.add_global_secondary_index(
        index_name="open", partition_key=attribute("open"), sort_key=attribute("createdAt")
    )
    CqrsTable(stack, "OrderE", command_table=added, command_table_has_open_index=True)


def test_rows_that_do_not_expire(stack: cdk.Stack) -> None:
    forever = {"time_to_live_attribute": None}
    said = "table must have the TTL attribute 'ttl'.* session table expire, got Test/A without it; give that"
    for name, props in (("A", forever), ("B", {"time_to_live_attribute": "expires"})):
        with refused(said.replace("Test/A", f"Test/{name}")):
            SessionTable(stack, f"Sessions{name}", table=table(stack, name, **props))
    MasterDataTable(stack, "MasterData", table=table(stack, "C", **forever))
    CqrsTable(
        stack, "Order", data_table=table(stack, "D", **forever), sync_table=table(stack, "E", **forever)
    )
    assert warnings_of(stack) == ["cqrs:noTimeToLive"]


def test_a_pool_without_the_attributes_that_a_client_reads_is_refused(stack: cdk.Stack) -> None:
    text, number = cognito.StringAttribute(mutable=True), cognito.NumberAttribute()
    cases = {
        "Test/A without tenant and roles; add": {},
        "Test/B without roles; add custom_attributes={'roles'": {"tenant": text},
        "Test/C without roles;": {"tenant": text, "roles": number},
    }
    for name, (got, attributes) in zip("ABC", cases.items(), strict=True):
        pool = cognito.UserPool(stack, name, custom_attributes=attributes)
        with refused(f"user_pool must have .* got {got}"):
            Identity(stack, f"Identity{name}", user_pool=pool)
    # A trigger of the pool may make up the claims, for a client that reads no attributes.
    own = cognito.UserPool(stack, "Own")
    client = own.add_client("Client")
    Identity(stack, "Identity", user_pool=own, user_pool_client=client)
    with refused("user_pool_client must be a client of user_pool, got Test/Own/"):
        Identity(stack, "Mixed", user_pool=cognito.UserPool(stack, "Other"), user_pool_client=client)


def test_fifo_topics_and_queues_are_refused(stack: cdk.Stack) -> None:
    brought: dict[str, Any] = {
        "topic": sns.Topic(stack, "Topic", fifo=True),
        "alarm_topic": sns.Topic(stack, "Alarms", fifo=True),
        "queue": sqs.Queue(stack, "Queue", fifo=True),
        "dead_letter_queue": sqs.Queue.from_queue_arn(
            stack, "Dead", "arn:aws:sqs:eu-west-1:111111111111:dead.fifo"
        ),
    }
    for name, value in brought.items():
        with refused(f"{name} must not be FIFO, got Test/"):
            Notifications(stack, f"With{name}", **{name: value})


def test_a_queue_that_hides_messages_for_too_short_a_time_is_refused(stack: cdk.Stack) -> None:
    minute = new_function(stack, timeout=cdk.Duration.minutes(1))

    def consumed(name: str, **props: Any) -> None:
        queue = sqs.Queue(stack, f"Queue{name}", **props)
        Notifications(stack, name, queue=queue, alarm_emails=["a@example.com"]).add_consumer(minute)

    with refused(r"queue must hide .* 60 seconds, got 30 seconds of Test/QueueA"):
        consumed("A")
    with refused(r"got 59 seconds .*Duration.seconds\(360\)"):
        consumed("B", visibility_timeout=cdk.Duration.seconds(59))
    consumed("C", visibility_timeout=cdk.Duration.seconds(60))


STREAM = "arn:aws:dynamodb:eu-west-1:111111111111:table/dev-shop-order-command/stream/2026-01-01T00:00:00"


def test_tables_that_exist_are_used_by_name(stack: cdk.Stack) -> None:
    orders = CqrsTable.from_table_names(
        stack,
        "Order",
        table_name_prefix="dev-shop-order",
        history_table_name="old-orders",
        data_sync=True,
        processing=Processing.INLINE,
        command_table_stream_arn=STREAM,
        command_table_has_open_index=True,
        encryption_key=kms.Key(stack, "Key"),
    )
    assert orders.module_settings == {
        "mode": "inline",
        "command": "dev-shop-order-command",
        "data": "dev-shop-order-data",
        "history": "old-orders",
        "open": True,
        "sync": True,
        "sync_table": "dev-shop-order-sync",
    }
    # Functions that assume the same names are told of the others only.
    assert orders.module_settings_in(env_name="dev", app_name="shop") == {
        "mode": "inline",
        "history": "old-orders",
        "sync": True,
    }
    function = new_function(stack)
    orders.grants.apply(function)
    StreamProcessing(stack, "Stream", table=orders, function=function)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::DynamoDB::GlobalTable", 0)
    template.has_resource_properties("AWS::Lambda::EventSourceMapping", {"EventSourceArn": STREAM})
    allowed = permissions(stack)
    assert any(name.endswith("table/old-orders") for name in allowed)
    assert "kms:GenerateDataKey" in str(allowed)


@pytest.mark.parametrize(
    ("props", "said"),
    [
        ({"data_table_name": "d"}, "command_table_name must be given without table_name_prefix"),
        ({"table_name_prefix": "a b"}, "table_name_prefix must match"),
        ({"table_name_prefix": "dev", "data_table_name": "a/b"}, "data_table_name must match .* got 'a/b'"),
        (
            {"table_name_prefix": "dev", "command_table_stream_arn": "x"},
            "command_table_stream_arn must match",
        ),
        (
            {"table_name_prefix": "dev-shop-note", "command_table_stream_arn": STREAM},
            "command_table_stream_arn must be of the command table 'dev-shop-note-command', got 'arn:aws",
        ),
        ({"table_name_prefix": "dev", "table": "x"}, "CqrsTable has no property 'table'"),
    ],
)
def test_names_that_no_table_has_are_refused(stack: cdk.Stack, props: dict[str, Any], said: str) -> None:
    with refused(said):
        CqrsTable.from_table_names(stack, "Order", **props)


def test_what_else_exists_is_used_by_name_arn_or_id(stack: cdk.Stack) -> None:
    topics = "arn:aws:sns:eu-west-1:222222222222:"
    machine = "arn:aws:states:eu-west-1:111111111111:stateMachine:commands"
    key = kms.Key(stack, "Key")
    sessions = SessionTable.from_table_name(stack, "S", "dev-shop-session", encryption_key=key)
    settings = MasterDataTable.from_table_name(stack, "M", "dev-shop-master-data")
    attributes = AttributesBucket.from_bucket_name(stack, "A", "large-attributes", encryption_key=key)
    failed = FailedRecords.from_bucket_name(stack, "F", "failed-records")
    told = Notifications.from_topic_arns(
        stack,
        "N",
        topic_arn=f"{topics}t",
        alarm_topic_arn=f"{topics}a",
        service="dev-shop",
        encryption_key=key,
    )
    workflow = CommandWorkflow.from_state_machine_arn(stack, "W", machine)
    people = Identity.from_user_pool_id(stack, "I", "us-east-1_AbC", user_pool_client_id="client")
    assert sessions.table.table_name == "dev-shop-session"
    assert settings.table.table_name == "dev-shop-master-data"
    assert (attributes.bucket.bucket_name, failed.bucket.bucket_name) == (
        "large-attributes",
        "failed-records",
    )
    assert workflow.state_machine.state_machine_arn == machine
    assert (people.region, people.user_pool_client.user_pool_client_id) == ("us-east-1", "client")
    function = imported_function(stack, "Mine")
    told.grants.publish(function)
    told.add_consumer(function)
    sessions.grants.track(function)
    template = Template.from_stack(stack)
    for kind in (
        "AWS::DynamoDB::GlobalTable",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
        "AWS::Cognito::UserPool",
    ):
        template.resource_count_is(kind, 0)
    filters = {"action": ["command-status", "task-status"], "service": ["dev-shop"]}
    template.has_resource_properties("AWS::SNS::Subscription", {"FilterPolicy": filters})
    assert permissions(stack)[f"{topics}t"] == {"sns:Publish"}


def test_names_may_be_looked_up(stack: cdk.Stack) -> None:
    def looked_up(name: str, default: str | None = None) -> str:
        return ssm.StringParameter.value_from_lookup(stack, name, default)

    # Before the lookup, CDK gives something else in its place.
    name = looked_up("/shop/name")
    assert is_stand_in(name)
    SessionTable.from_table_name(stack, "Sessions", name)
    MasterDataTable.from_table_name(stack, "Settings", name)
    CqrsTable.from_table_names(stack, "Order", table_name_prefix=name, command_table_stream_arn=name)
    stream = "arn:aws:dynamodb:eu-west-1:111111111111:table/other-command/stream/2026"
    CqrsTable.from_table_names(stack, "Note", table_name_prefix=name, command_table_stream_arn=stream)
    people = Identity.from_user_pool_id(stack, "Identity", name)
    assert people.region == "eu-west-1"
    layer = RuntimeLayer.from_arn(stack, "Layer", name)
    function = CqrsFunction(stack, "Function", code=CODE, handler="index.handler", layers=[layer])
    CqrsApi(stack, "Api", function=function.function, identity=people)
    # CDK itself takes apart what is an ARN, and checks the names of buckets.
    with refused("bucket_name must have its form .* give value_from_lookup default_value='any-bucket'"):
        AttributesBucket.from_bucket_name(stack, "Refused", name)
    topic = "arn:aws:sns:eu-west-1:111111111111:any"
    with refused(
        f"topic_arn must have its form .* got 'dummy-value-for-/shop/name'.* default_value='{topic}'"
    ):
        Notifications.from_topic_arns(stack, "Refused", topic_arn=name, alarm_topic_arn=name)
    with refused(
        "state_machine_arn must have its form .* default_value='arn:aws:states:eu-west-1:111111111111:"
    ):
        CommandWorkflow.from_state_machine_arn(stack, "Refused", name)
    AttributesBucket.from_bucket_name(stack, "Bucket", looked_up("/shop/bucket", "any-bucket"))
    manifest = Path(cdk.App.of(stack).synth().directory, "manifest.json").read_text(encoding="utf-8")
    missing = {entry["props"]["parameterName"] for entry in json.loads(manifest)["missing"]}
    assert missing == {"/shop/name", "/shop/bucket"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda s: SessionTable.from_table_name(s, "X", "arn:aws:dynamodb:x"), "table_name must"),
        (lambda s: MasterDataTable.from_table_name(s, "X", "ab"), "table_name must match .* got 'ab'"),
        (lambda s: Sequences.from_table_name(s, "X", "a"), "table_name must match .* got 'a'"),
        (lambda s: AttributesBucket.from_bucket_name(s, "X", "arn:aws:s3:::b"), "bucket_name must match"),
        (lambda s: FailedRecords.from_bucket_name(s, "X", "My_Bucket"), "bucket_name .* got 'My_B"),
        (
            lambda s: CommandWorkflow.from_state_machine_arn(s, "X", "commands"),
            "state_machine_arn must",
        ),
        (lambda s: Identity.from_user_pool_id(s, "X", "pool"), "user_pool_id must match"),
        (
            lambda s: Identity.from_user_pool_id(s, "X", "us-east-1_AbC"),
            "user_pool_client_id must be given for a pool of another Region, got None for us-east-1_AbC",
        ),
        (
            lambda s: Notifications.from_topic_arns(s, "X", topic_arn="t", alarm_topic_arn="a"),
            "topic_arn must match .* got 't'",
        ),
        (lambda s: SessionTable.from_table_name(s, "X", 5), "table_name must be a text, got 5"),
        (
            lambda s: CqrsTable.from_table_names(
                s,
                "X",
                table_name_prefix="x",
                command_table_stream_arn="arn:aws:dynamodb:eu-west-1:111111111111:table/x-command/stream/a/b",
            ),
            "command_table_stream_arn must match",
        ),
    ],
)
def test_what_cannot_be_a_name_arn_or_id_is_refused(
    stack: cdk.Stack, make: Callable[[cdk.Stack], object], said: str
) -> None:
    with refused(said):
        make(stack)
