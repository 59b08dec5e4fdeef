from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Annotations, Template

from constructs_lib import (
    AttributesBucket,
    CqrsTable,
    FailedRecords,
    Identity,
    InvalidPropsError,
    MasterDataTable,
    Processing,
)
from tests.constructs.conftest import new_app, permissions, stable, warnings_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

TABLE = "AWS::DynamoDB::GlobalTable"
REGION = cdk.Environment(region="eu-west-1")
LOOK_UP = {"dynamodb:GetItem", "dynamodb:BatchGetItem"}
READ = {*LOOK_UP, "dynamodb:Query"}
CHECK = "dynamodb:ConditionCheckItem"
CURSORS = {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}


def everything(stack: cdk.Stack) -> CqrsTable:
    return CqrsTable(
        stack,
        "Orders",
        module_name="order",
        table_name_prefix="dev-shop-order",
        processing=Processing.INLINE,
        data_sync=True,
        encryption_key=kms.Key(stack, "Key"),
        max_write_request_units=100,
        point_in_time_recovery_days=7,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )


def tables(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """The tables' properties and policies, by the start of the logical id."""
    found = Template.from_stack(stack).find_resources(TABLE)
    return {name.removeprefix("Orders")[:-8]: table for name, table in found.items()}


@pytest.fixture
def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def existing(stack: cdk.Stack, name: str, *, stream: bool = False) -> dynamodb.ITableV2:
    arn = f"arn:aws:dynamodb:eu-west-1:111111111111:table/{name}"
    return dynamodb.TableV2.from_table_attributes(
        stack, name, table_arn=arn, table_stream_arn=f"{arn}/stream/2026-01-01" if stream else None
    )


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    CqrsTable(stack, "Orders")
    assert stable(stack) == template_snapshot


def test_everything(app: cdk.App, template_snapshot: SnapshotAssertion) -> None:
    stack = cdk.Stack(app, "Test", env=REGION)
    everything(stack)
    assert stable(stack) == template_snapshot


def test_the_feature_flags_of_the_app_change_nothing() -> None:
    with_flags, without_flags = (
        cdk.Stack(new_app(flags=flags), "Test", env=REGION) for flags in (True, False)
    )
    everything(with_flags)
    everything(without_flags)
    assert tables(with_flags) == tables(without_flags)


def test_logical_ids_are_a_contract(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Orders", data_sync=True)
    assert set(Template.from_stack(stack).find_resources(TABLE)) == {
        "OrdersCommandDBD8CAB4",
        "OrdersDataC2524B31",
        "OrdersHistoryFE5EEE37",
        "OrdersSync794778C4",
    }


def test_the_sync_table_exists_only_for_data_sync(stack: cdk.Stack) -> None:
    orders = CqrsTable(stack, "Orders")
    assert orders.sync_table is None
    assert set(tables(stack)) == {"Command", "Data", "History"}


def test_only_the_command_table_streams_and_it_streams_new_images(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Orders", data_sync=True)
    streams = {name: table["Properties"].get("StreamSpecification") for name, table in tables(stack).items()}
    assert streams == {
        "Command": {"StreamViewType": "NEW_IMAGE"},
        "Data": None,
        "History": None,
        "Sync": None,
    }


def test_rows_expire_by_ttl_but_cursors_do_not(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Orders", data_sync=True)
    ttl = {"AttributeName": "ttl", "Enabled": True}
    found = {
        name: table["Properties"].get("TimeToLiveSpecification") for name, table in tables(stack).items()
    }
    assert found == {"Command": ttl, "Data": ttl, "History": ttl, "Sync": None}


def test_by_default_nothing_is_ever_lost(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Orders", data_sync=True)
    for table in tables(stack).values():
        (replica,) = table["Properties"]["Replicas"]
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"] == {
            "PointInTimeRecoveryEnabled": True,
            "RecoveryPeriodInDays": 35,
        }
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert warnings_of(stack) == []


def test_one_switch_makes_the_tables_destroyable_and_says_so(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Orders", data_sync=True, removal_policy=cdk.RemovalPolicy.DESTROY)
    for table in tables(stack).values():
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Delete"
        assert table["Properties"]["Replicas"][0]["DeletionProtectionEnabled"] is False
    assert warnings_of(stack) == ["cqrs:destroyableTables"]


def test_a_first_deployment_can_take_back_what_is_kept_later(stack: cdk.Stack) -> None:
    """A protected table could not be deleted when CloudFormation rolls back, and its name would be taken."""
    policy = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    CqrsTable(stack, "Orders", data_sync=True, removal_policy=policy)
    MasterDataTable(stack, "MasterData", removal_policy=policy)
    Identity(stack, "Identity", removal_policy=policy)
    AttributesBucket(stack, "Attributes", removal_policy=policy)
    FailedRecords(stack, "Failed", removal_policy=policy)
    resources = Template.from_stack(stack).to_json()["Resources"].values()
    held = [r for r in resources if r["Type"].split("::")[1] in {"DynamoDB", "S3", "Cognito"}]
    held = [r for r in held if r["Type"] not in {"AWS::S3::BucketPolicy", "AWS::Cognito::UserPoolClient"}]
    assert len(held) == 8
    for resource in held:
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resource["UpdateReplacePolicy"] == "Retain"
        assert resource["Properties"].get("DeletionProtection") in (None, "INACTIVE")
        for replica in resource["Properties"].get("Replicas", []):
            assert replica["DeletionProtectionEnabled"] is False
    assert set(warnings_of(stack)) == {"cqrs:unprotected"}


@pytest.mark.parametrize("construct", [Identity, FailedRecords, AttributesBucket, MasterDataTable])
def test_a_policy_that_nothing_here_can_have_is_refused(stack: cdk.Stack, construct: Any) -> None:
    with pytest.raises(InvalidPropsError, match=r"removal_policy must be RETAIN, .* got SNAPSHOT"):
        construct(stack, "Part", removal_policy=cdk.RemovalPolicy.SNAPSHOT)


def test_the_warning_can_be_acknowledged(stack: cdk.Stack) -> None:
    orders = CqrsTable(stack, "Orders", removal_policy=cdk.RemovalPolicy.DESTROY)
    cdk.Annotations.of(orders).acknowledge_warning("cqrs:destroyableTables", "a test environment")
    Annotations.from_stack(stack).has_no_warning("*", cdk.assertions.Match.any_value())


def test_the_ceiling_is_on_commands_and_data(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Orders", max_write_request_units=40)
    limited = {name for name, table in tables(stack).items() if "40" in str(table)}
    assert limited == {"Command", "Data"}


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        (
            "publish",
            {
                "Command": LOOK_UP | {"dynamodb:Query", "dynamodb:PutItem"},
                "Data": LOOK_UP | {CHECK},
                "Sync": {"dynamodb:BatchGetItem"},
            },
        ),
        ("read", {"Command": READ, "Data": READ, "History": READ, "Sync": {"dynamodb:BatchGetItem"}}),
        (
            "apply",
            {
                "Command": LOOK_UP | {"dynamodb:UpdateItem", CHECK},
                "Data": LOOK_UP | {"dynamodb:PutItem"},
                "History": {"dynamodb:PutItem"},
                "Sync": CURSORS,
            },
        ),
        ("browse", {"Data": {"dynamodb:Scan"}}),
        (
            "replay",
            {
                "Command": {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"},
                "Data": {"dynamodb:Scan", "dynamodb:BatchGetItem", CHECK},
                "Sync": CURSORS,
            },
        ),
        (
            "inspect",
            {
                "Command": {"dynamodb:Query", "dynamodb:DescribeTable"},
                "Data": LOOK_UP,
                "History": {"dynamodb:Query"},
                "Sync": {"dynamodb:BatchGetItem", "dynamodb:Scan"},
            },
        ),
        (
            "repair",
            {
                "Command": {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem", CHECK},
                "Data": LOOK_UP | {CHECK},
                "Sync": CURSORS | {"dynamodb:DeleteItem"},
            },
        ),
        (
            "reconcile",
            {
                "Command": LOOK_UP | {"dynamodb:Scan", "dynamodb:Query", "dynamodb:UpdateItem", CHECK},
                "Command/index/open": {"dynamodb:Query"},
                "Data": LOOK_UP | {"dynamodb:PutItem"},
                "History": {"dynamodb:PutItem"},
                "Sync": CURSORS,
            },
        ),
        (
            "erase",
            {
                "Command": {
                    "dynamodb:Query",
                    "dynamodb:GetItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                },
                "Data": {"dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
                "History": {"dynamodb:Query", "dynamodb:DeleteItem"},
                "Sync": {"dynamodb:Query", "dynamodb:DeleteItem"},
            },
        ),
    ],
)
def test_an_intent_allows_exactly(
    stack: cdk.Stack, role: iam.Role, intent: str, expected: dict[str, set[str]]
) -> None:
    orders = CqrsTable(stack, "Orders", data_sync=True)
    grant = getattr(orders.grants, intent)(role)
    grant.assert_success()
    assert {_named(name): actions for name, actions in permissions(stack).items()} == expected


@pytest.mark.parametrize(
    ("together", "intents", "places"),
    [
        ("serve", ["publish", "read", "apply"], 4),
        ("operate", ["inspect", "reconcile", "repair", "replay"], 5),
    ],
)
def test_what_a_function_does_is_one_statement_for_each_place(
    together: str, intents: list[str], places: int
) -> None:
    def granted(*names: str) -> tuple[dict[str, set[str]], int]:
        # Without the feature flag that merges.
        stack = cdk.Stack(new_app(flags=False), "Test")
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        grants = CqrsTable(stack, "Orders", data_sync=True).grants
        for name in names:
            getattr(grants, name)(role).assert_success()
        (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
        return permissions(stack), len(policy["Properties"]["PolicyDocument"]["Statement"])

    allowed, statements = granted(together)
    assert allowed == granted(*intents)[0]
    assert statements == places


@pytest.mark.parametrize(
    "intent", ["publish", "read", "apply", "replay", "inspect", "repair", "reconcile", "erase"]
)
def test_without_data_sync_there_are_no_cursors_to_allow(
    stack: cdk.Stack, role: iam.Role, intent: str
) -> None:
    getattr(CqrsTable(stack, "Orders").grants, intent)(role).assert_success()
    assert "OrdersData" in {name[:-8] for name in permissions(stack)}


def test_grants_include_the_use_of_the_tables_key(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Test", env=REGION)
    orders = CqrsTable(stack, "Orders", encryption_key=kms.Key(stack, "Key"))
    for intent in ("read", "publish"):
        role = iam.Role(stack, intent, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        getattr(orders.grants, intent)(role)
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    used = {
        name[:4]: {
            action
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in statement["Action"]
            if action.startswith("kms:")
        }
        for name, policy in policies.items()
    }
    assert used["read"] == {"kms:Decrypt", "kms:DescribeKey"}
    assert {"kms:Encrypt", "kms:GenerateDataKey"} < used["publ"]


def test_existing_tables_are_used_as_they_are(stack: cdk.Stack, role: iam.Role) -> None:
    orders = CqrsTable(
        stack,
        "Orders",
        command_table=existing(stack, "OldCommand", stream=True),
        data_table=existing(stack, "OldData"),
        history_table=existing(stack, "OldHistory"),
        sync_table=existing(stack, "OldSync"),
    )
    orders.grants.apply(role)
    assert tables(stack) == {}
    assert warnings_of(stack) == ["cqrs:noOpenIndex"]  # nothing is finished by itself
    assert orders.module_settings == {
        "command": "OldCommand",
        "data": "OldData",
        "history": "OldHistory",
        "sync": True,
        "sync_table": "OldSync",
    }
    assert {name.rpartition("/")[2] for name in permissions(stack)} == {
        "OldCommand",
        "OldData",
        "OldHistory",
        "OldSync",
    }


def test_one_existing_table_leaves_the_others_to_the_construct(stack: cdk.Stack) -> None:
    orders = CqrsTable(
        stack, "Orders", history_table=existing(stack, "Archive"), table_name_prefix="dev-shop-orders"
    )
    assert set(tables(stack)) == {"Command", "Data"}
    assert orders.module_settings_in(env_name="dev", app_name="shop") == {"history": "Archive"}


def test_names_that_follow_the_convention_need_not_be_told(stack: cdk.Stack) -> None:
    orders = CqrsTable(stack, "Orders", table_name_prefix="dev-shop-orders", data_sync=True)
    assert orders.module_settings_in(env_name="dev", app_name="shop") == {"sync": True}
    assert set(orders.module_settings_in(env_name="prod", app_name="shop")) == {
        "command",
        "data",
        "history",
        "open",
        "sync",
        "sync_table",
    }
    names = {name: table["Properties"]["TableName"] for name, table in tables(stack).items()}
    assert names == {
        "Command": "dev-shop-orders-command",
        "Data": "dev-shop-orders-data",
        "History": "dev-shop-orders-history",
        "Sync": "dev-shop-orders-sync",
    }


def test_names_are_left_to_cloudformation_by_default(stack: cdk.Stack) -> None:
    orders = CqrsTable(stack, "Orders", processing=Processing.INLINE)
    assert all("TableName" not in table["Properties"] for table in tables(stack).values())
    assert stack.resolve(orders.module_settings) == {
        "mode": "inline",
        "command": {"Ref": "OrdersCommandDBD8CAB4"},
        "data": {"Ref": "OrdersDataC2524B31"},
        "history": {"Ref": "OrdersHistoryFE5EEE37"},
        "open": True,
    }


def test_the_command_table_has_an_index_of_what_is_under_way(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Orders", data_sync=True, max_write_request_units=7)
    found = tables(stack)
    (index,) = found["Command"]["Properties"]["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": "open",
        "KeySchema": [
            {"AttributeName": "open", "KeyType": "HASH"},
            {"AttributeName": "createdAt", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    assert {
        d["AttributeName"]: d["AttributeType"] for d in found["Command"]["Properties"]["AttributeDefinitions"]
    } == (dict.fromkeys(["pk", "sk", "open", "createdAt"], "S"))
    others = [table for name, table in found.items() if name != "Command"]
    assert not [table for table in others if "GlobalSecondaryIndexes" in table["Properties"]]


def test_an_index_that_the_convention_has_need_not_be_told(stack: cdk.Stack) -> None:
    orders = CqrsTable(stack, "Orders", table_name_prefix="dev-shop-orders")
    assert orders.module_settings["open"] is True
    assert "open" not in orders.module_settings_in(env_name="dev", app_name="shop")
    assert orders.module_settings_in(env_name="prod", app_name="shop")["open"] is True


@pytest.mark.parametrize("has_index", [True, False])
def test_an_existing_command_table_has_an_index_only_where_that_is_said(
    stack: cdk.Stack, role: iam.Role, *, has_index: bool
) -> None:
    orders = CqrsTable(
        stack,
        "Orders",
        table_name_prefix="dev-shop-orders",
        command_table=existing(stack, "OldCommand", stream=True),
        command_table_has_open_index=has_index,
    )
    settings = orders.module_settings_in(env_name="dev", app_name="shop")
    assert settings == {"command": "OldCommand", **({"open": True} if has_index else {})}
    orders.grants.reconcile(role)
    indexes = [name for name in permissions(stack) if "/index/" in name]
    assert [name.rpartition("OldCommand")[2] for name in indexes] == (["/index/open"] if has_index else [])


def test_an_index_of_a_table_that_was_not_brought_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="command_table_has_open_index needs command_table, got True"):
        CqrsTable(stack, "Orders", command_table_has_open_index=True)


@pytest.mark.parametrize(("given", "expected"), [(None, "orders"), ("order-line_2", "order-line_2")])
def test_the_module_is_named_after_the_construct(stack: cdk.Stack, given: str | None, expected: str) -> None:
    assert CqrsTable(stack, "Orders", module_name=given).module_name == expected


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"max_write_request_units": 0}, "max_write_request_units must be at least 1, got 0; leave it out"),
        ({"point_in_time_recovery_days": 36}, "point_in_time_recovery_days must be from 1 to 35, got 36"),
        ({"module_name": "Order"}, "module_name must match .*, got 'Order'; use a lower-case name"),
        ({"module_name": ""}, "module_name must match .*, got ''"),
        ({"table_name_prefix": "dev/shop"}, "table_name_prefix must match .*, got 'dev/shop'; use letters"),
        (
            {"removal_policy": cdk.RemovalPolicy.SNAPSHOT},
            "removal_policy must be RETAIN, RETAIN_ON_UPDATE_OR_DELETE or DESTROY, got SNAPSHOT",
        ),
        ({"removal": "RETAIN"}, "no property 'removal' .*'removal_policy'"),
        ({"processing": "later"}, "processing must be 'workflow' or 'inline', got 'later'"),
    ],
)
def test_refused(stack: cdk.Stack, props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        CqrsTable(stack, "Orders", **props)


def test_a_construct_id_that_is_no_module_name_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match=r"construct_id in lower case must match .*, got '1st'"):
        CqrsTable(stack, "1st")


def test_a_module_name_must_be_known_at_synthesis(stack: cdk.Stack) -> None:
    name = cdk.CfnParameter(stack, "Name").value_as_string
    with pytest.raises(InvalidPropsError, match="module_name must be known at synthesis"):
        CqrsTable(stack, "Orders", module_name=name)


def test_a_key_in_a_stack_without_a_region_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(
        InvalidPropsError, match=r"encryption_key needs .* got Test/Key .* give the stack env="
    ):
        CqrsTable(stack, "Orders", encryption_key=kms.Key(stack, "Key"))


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"table_name_prefix": "a"}, "table_name_prefix has no effect .*, got 'a'; leave table_name_prefix"),
        ({"removal_policy": cdk.RemovalPolicy.DESTROY}, "removal_policy has no effect .*, got DESTROY"),
        ({"point_in_time_recovery_days": 7}, "point_in_time_recovery_days has no effect .*, got 7"),
        ({"max_write_request_units": 7}, "max_write_request_units has no effect .*, got 7"),
    ],
)
def test_configuring_existing_tables_is_refused(
    stack: cdk.Stack, props: dict[str, Any], message: str
) -> None:
    brought = {f"{name}_table": existing(stack, name) for name in ("command", "data", "history")}
    with pytest.raises(InvalidPropsError, match=message):
        CqrsTable(stack, "Orders", **brought, **props)


def test_deploy_time_values_are_accepted(stack: cdk.Stack) -> None:
    units = cdk.CfnParameter(stack, "Units", type="Number").value_as_number
    prefix = cdk.CfnParameter(stack, "Prefix").value_as_string
    CqrsTable(stack, "Orders", max_write_request_units=units, table_name_prefix=prefix)
    assert {"Ref": "Units"} in [
        table["Properties"].get("WriteOnDemandThroughputSettings", {}).get("MaxWriteRequestUnits")
        for table in tables(stack).values()
    ]


@pytest.mark.parametrize(
    ("name", "table", "event"),
    [
        ("commands", "Command", "WriteThrottleEvents"),
        ("data", "Data", "WriteThrottleEvents"),
        ("reads", "Data", "ReadThrottleEvents"),
        ("history", "History", "WriteThrottleEvents"),
    ],
)
def test_throttling_metrics_name_their_table(stack: cdk.Stack, name: str, table: str, event: str) -> None:
    metric = getattr(CqrsTable(stack, "Orders"), f"metric_throttled_{name}")(period=cdk.Duration.minutes(1))
    found = stack.resolve(metric.to_metric_config())["metricStat"]
    (dimension,) = found["dimensions"]
    assert dimension["value"]["Ref"][:-8] == f"Orders{table}"
    assert (found["metricName"], found["statistic"], dimension["name"]) == (event, "Sum", "TableName")
    assert metric.period.to_seconds() == 60


def _named(resource: str) -> str:
    """The id of a table in its construct, with the index where it is about one."""
    table, slash, index = resource.removeprefix("Orders").partition("/")
    return table[:-8] + slash + index
