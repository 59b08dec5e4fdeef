"""A stack takes back what a former one has left."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from constructs_lib import (
    AttributesBucket,
    CqrsModule,
    CqrsStack,
    CqrsTable,
    Identity,
    InvalidPropsError,
    Processing,
    RetainedData,
    TableOptions,
)
from runtime.contract import Env
from runtime.settings import Settings
from tests.constructs.conftest import SKIP_BUNDLING, new_app, permissions
from tests.constructs.functions import CODE

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = "arn:aws:dynamodb:eu-west-1:111111111111:table"
LABEL = "2026-01-31T10:11:12.345"
BUCKET = "shop-attributesbucket656950e7-1a2b3c4d5e6f"
RETAINED: dict[str, Any] = {
    "command_table_streams": {
        "order": f"{TABLES}/dev-shop-order-command/stream/{LABEL}",
        "note": f"{TABLES}/old-note-command/stream/{LABEL}",
    },
    "without_sync_table": ["note"],
    "session_table_name": "dev-shop-session",
    "master_data_table_name": "dev-shop-master-data",
    "attributes_bucket_name": BUCKET,
    "failed_records_bucket_name": "shop-failed-records",
    "user_pool_id": "eu-west-1_AbCdEfGhI",
    "encryption_key_arn": "arn:aws:kms:eu-west-1:111111111111:key/1234abcd",
}
WARM = dynamodb.WarmThroughput(write_units_per_second=5_000)
AWAY = "arn:aws:kms:us-east-1:111111111111:key/1234abcd"
ENV = cdk.Environment(account="111111111111", region="eu-west-1")


def shop(app: cdk.App, retained: RetainedData, **props: Any) -> CqrsStack:
    modules = [
        CqrsModule("order", data_sync=True),
        CqrsModule("note", data_sync=True),
        CqrsModule("memo", processing=Processing.INLINE),
    ]
    layer = cdk.aws_lambda.LayerVersion.from_layer_version_arn(
        cdk.Stack(app, "Layers"), "Layer", "arn:aws:lambda:eu-west-1:111111111111:layer:l:1"
    )
    given: dict[str, Any] = {
        "app_name": "shop",
        "modules": modules,
        "code": CODE,
        "handler": "index.handler",
        "runtime_layer": layer,
        "master_data": True,
        "env": ENV,
    }
    return CqrsStack(app, "Shop", retained=retained, **given | props)


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    return shop(new_app(), RetainedData(**RETAINED))


def test_what_was_left_is_used_and_what_was_not_is_made(stack: cdk.Stack) -> None:
    template = Template.from_stack(stack).to_json()
    resources = template["Resources"]

    made = {"AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::Cognito::UserPool"}
    names = {r["Properties"].get("TableName") for r in resources.values() if r["Type"] in made}
    assert names == {
        *(f"dev-shop-memo-{kind}" for kind in ("command", "data", "history")),
        "dev-shop-note-sync",
    }
    ((_, client),) = Template.from_stack(stack).find_resources("AWS::Cognito::UserPoolClient").items()
    assert client["Properties"]["UserPoolId"] == RETAINED["user_pool_id"]

    mappings = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    streams = {json.dumps(m["EventSourceArn"]) for m in mappings if "StartingPosition" in m}
    assert len(streams) == 3
    assert streams >= {json.dumps(arn) for arn in RETAINED["command_table_streams"].values()}

    outputs = {name: output["Value"] for name, output in template["Outputs"].items()}
    assert outputs["AttributesBucketName"] == BUCKET
    assert outputs["OrderSyncTableName"] == "dev-shop-order-sync"
    assert outputs["SessionTableName"] == "dev-shop-session"


def test_the_functions_find_and_may_use_it(stack: cdk.Stack) -> None:
    functions = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    variables = next(
        v for f in functions if (v := f["Properties"]["Environment"]["Variables"])[Env.FUNCTION] == "operator"
    )
    assert variables[Env.S3_BUCKET_NAME] == BUCKET
    assert variables[Env.FAILED_RECORDS_BUCKET_NAME] == "shop-failed-records"
    # The names that the functions assume take no room in their environment.
    modules = json.loads(variables[Env.MODULES])
    assert modules["order"] == {"sync": True}
    assert modules["note"]["command"] == "old-note-command"
    settings = Settings(node_env="dev", app_name="shop", modules=modules)
    order, note = settings.tables_of("order"), settings.tables_of("note")
    assert (order.command, order.sync, order.has_open_index) == (
        "dev-shop-order-command",
        "dev-shop-order-sync",
        True,
    )
    assert (note.data, note.has_open_index) == ("old-note-data", True)

    allowed = permissions(stack)
    command = f"{TABLES}/dev-shop-order-command"
    assert {"dynamodb:PutItem", "dynamodb:UpdateItem"} <= allowed[command]
    assert allowed[f"{command}/index/open"] == {"dynamodb:Query"}
    assert "dynamodb:GetRecords" in allowed[RETAINED["command_table_streams"]["order"]]
    assert {"dynamodb:PutItem"} <= allowed[f"{TABLES}/dev-shop-order-history"]
    assert "kms:Decrypt" in allowed[RETAINED["encryption_key_arn"]]
    ((_, objects),) = [(name, a) for name, a in allowed.items() if name.endswith(f":s3:::{BUCKET}/*")]
    assert objects == {"s3:GetObject", "s3:PutObject"}


def test_only_tables_have_names_that_the_next_deployment_would_find_taken() -> None:
    """Those can be imported; whatever else is kept has a name of its own each time."""
    snapshot = Path(__file__).parent / "__snapshots__" / "test_cqrs_stack" / "test_minimal.json"
    resources = json.loads(snapshot.read_text(encoding="utf-8"))["Resources"].values()
    kept = [resource for resource in resources if resource.get("DeletionPolicy") == "Retain"]
    assert {"AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::Cognito::UserPool"} <= {r["Type"] for r in kept}
    named = {
        (resource["Type"], name)
        for resource in kept
        for name, value in resource["Properties"].items()
        if name.endswith("Name") and isinstance(value, str)
    }
    assert named == {("AWS::DynamoDB::GlobalTable", "TableName")}


def test_the_example_of_the_docs_holds(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "upgrading.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "RetainedData" in block]
    (tmp_path / "main.py").write_text("app = None\n", encoding="utf-8")
    # What is built for the layer has nothing to do with it.
    block = block.replace("App()", f"App(context={SKIP_BUNDLING!r})").replace(
        '"service"', repr(str(tmp_path))
    )
    names: dict[str, Any] = {}
    exec(compile(block, str(page), "exec", dont_inherit=True), names)  # noqa: S102 - that is what it is for
    (shop,) = [child for child in names["app"].node.children if isinstance(child, CqrsStack)]
    assert shop.attributes_bucket.bucket.bucket_name in block
    assert shop.tables["order"].command_table.table_stream_arn.startswith(names["table"])


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"command_table_streams": {"order": f"{TABLES}/dev-shop-order-command"}}, "LatestStreamArn"),
        ({"command_table_streams": {"order": f"{TABLES}/dev-shop-order-data/stream/{LABEL}"}}, "must match"),
        ({"command_table_streams": {"order": cdk.Fn.ref("Stream")}}, "must be known at synthesis"),
        ({"command_table_streams": {"order": "dummy-value-for-/stream"}}, "must be known at synthesis"),
        ({"encryption_key_arn": "dummy-value-for-/key"}, "default_value='arn:aws:kms:eu-west-1"),
        ({"command_table_streams": [f"{TABLES}/x-command/stream/{LABEL}"]}, "must be a mapping, got"),
        ({"without_sync_table": ["memo"]}, "must name modules of command_table_streams, got 'memo'"),
        ({"attributes_bucket_name": f"arn:aws:s3:::{BUCKET}"}, "give the name, not the ARN"),
        ({"user_pool_id": "AbCdEfGhI"}, "user_pool_id must match .* got 'AbCdEfGhI'"),
        ({"encryption_key_arn": "alias/shop"}, "encryption_key_arn must match .* got 'alias/shop'"),
        (
            {name: None for name in RETAINED if name.endswith("_name")}
            | {"command_table_streams": {}, "without_sync_table": []},
            "encryption_key_arn needs a table or a bucket",
        ),
        ({"session_table_name": "a b"}, "session_table_name must match .* output of the former stack"),
    ],
)
def test_what_cannot_be_the_name_of_anything_is_refused(props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        RetainedData(**RETAINED | props)


def modules(options: TableOptions) -> list[CqrsModule]:
    return [CqrsModule("order"), CqrsModule("note", data_sync=True, table=options)]


def with_users(app: cdk.App) -> dict[str, Any]:
    return {"identity": Identity(cdk.Stack(app, "Users"), "Identity")}


def with_tables(app: cdk.App) -> dict[str, Any]:
    tables = {
        f"{kind}_table": dynamodb.TableV2.from_table_name(cdk.Stack(app, kind), "Table", f"t-{kind}")
        for kind in ("command", "data", "history")
    }
    brought = CqrsTable(cdk.Stack(app, "Tables"), "Order", command_table_has_open_index=True, **tables)
    return {"modules": [CqrsModule("order", table=brought), CqrsModule("note")]}


@pytest.mark.parametrize(
    ("props", "message"),
    [
        (
            lambda _: {"modules": [CqrsModule("order")]},
            "must name modules of the stack, got 'note'; it has order",
        ),
        (with_tables, "has 'order', which CqrsModule\\(table=...\\) brings; give one"),
        (
            lambda _: {"modules": modules(TableOptions(point_in_time_recovery_days=7, warm_throughput=WARM))},
            "retained takes the tables of 'note' back, .* got warm_throughput; leave",
        ),
        (lambda _: {"read_your_writes": None}, "session_table_name has no effect"),
        (lambda _: {"master_data": False}, "master_data_table_name has no effect"),
        (with_users, "user_pool_id has no effect"),
        (
            lambda _: {"env": cdk.Environment(account="111111111111", region="us-east-1")},
            "must be of the region us-east-1, got one of eu-west-1",
        ),
        (
            lambda _: {"retained": RetainedData(encryption_key_arn=AWAY, session_table_name="sessions")},
            "encryption_key_arn must be of the region eu-west-1, got one of us-east-1",
        ),
        (
            lambda _: {"env": cdk.Environment(account="222222222222", region="eu-west-1")},
            "must be of the account 222222222222, got one of 111111111111",
        ),
    ],
)
def test_what_the_stack_has_no_use_for_is_refused(
    app: cdk.App, props: Callable[[cdk.App], dict[str, Any]], message: str
) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        shop(app, **{"retained": RetainedData(**RETAINED), **props(app)})


def test_tables_come_with_their_bucket_in_one_way_or_the_other(app: cdk.App) -> None:
    left: dict[str, Any] = RETAINED | {"attributes_bucket_name": None, "encryption_key_arn": None}
    with pytest.raises(InvalidPropsError, match="must be given with command_table_streams, got None"):
        shop(app, RetainedData(**left))
    app = new_app()
    home = cdk.Stack(app, "Home", env=ENV)
    bucket = AttributesBucket.from_bucket_name(home, "Attributes", BUCKET)
    key = kms.Key.from_key_arn(home, "Key", "arn:aws:kms:eu-west-1:111111111111:key/ours")
    stack = shop(app, RetainedData(**left), attributes_bucket=bucket, encryption_key=key)
    assert stack.attributes_bucket is bucket
    # The key of the stack is that of what it takes back, unless it is told another one.
    command = stack.tables["order"].command_table
    assert command.encryption_key.key_arn == key.key_arn
    assert stack.failed_records.bucket.encryption_key.key_arn == key.key_arn
