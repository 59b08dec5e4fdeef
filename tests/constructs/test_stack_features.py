"""Features of a whole service: sequences, tenants, masters, and those of one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template
from constructs import Construct

from constructs_lib import (
    CqrsModule,
    CqrsStack,
    CqrsTable,
    InvalidPropsError,
    MasterDataTable,
    RetainedData,
    Sequences,
)
from runtime import CqrsApp, Settings
from runtime.contract import Env
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.constructs.conftest import new_app, permissions, warnings_of
from tests.features.support import Billing

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from constructs_lib import ServiceFunctions

USUAL: dict[str, Any] = {
    "app_name": "shop",
    "code": lambda_.Code.from_inline("app = None"),
    "handler": "index.app",
    "python_runtime": lambda_.Runtime.PYTHON_3_13,
    "alarm_emails": ["on-call@example.com"],
    "monitoring": False,
}
STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/dev-shop-master-command/stream/1"
TABLE = "AWS::DynamoDB::GlobalTable"
#: What holds data: replaced, it would be lost.
STATEFUL = (TABLE, "AWS::S3::Bucket", "AWS::Cognito::UserPool", "AWS::SQS::Queue", "AWS::SNS::Topic")


def shop(app: cdk.App | None = None, **props: Any) -> CqrsStack:
    return CqrsStack(app or new_app(), "Shop", **{"modules": [CqrsModule("order")], **USUAL, **props})


@pytest.fixture(scope="module")
def plain() -> CqrsStack:
    """The service without features."""
    return shop()


@pytest.fixture(scope="module")
def whole() -> CqrsStack:
    """The service with all of them."""
    return shop(sequences=True, tenants=True, master=True, monitoring=True)


def in_memory(settings: Settings) -> MemoryResources:
    return MemoryResources(settings, MemoryStore(), Clock())


def resources(stack: cdk.Stack, *types: str) -> dict[str, Any]:
    template: dict[str, Any] = Template.from_stack(stack).to_json()
    return {name: of for name, of in template["Resources"].items() if not types or of["Type"] in types}


def variables(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """The variables of each function of the service, by what it is for."""
    found = [
        of["Properties"].get("Environment", {}).get("Variables", {})
        for of in resources(stack, "AWS::Lambda::Function").values()
    ]
    return {of[Env.FUNCTION]: of for of in found if Env.MODULES in of}


def names(stack: cdk.Stack) -> set[str]:
    return {of["Properties"]["TableName"] for of in resources(stack, TABLE).values()}


def settings_of(stack: cdk.Stack, function: str = "api") -> Settings:
    """What a function finds; a reference is the name of the table that it is to."""
    tables = resources(stack, TABLE)

    def text(value: Any) -> str:
        match value:
            case {"Ref": name}:
                return str(tables[name]["Properties"]["TableName"]) if name in tables else str(name)
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(map(text, parts))
            case {"Fn::GetAtt": [name, _]}:
                return str(name)
        return str(value)

    return Settings.from_environment({n: text(of) for n, of in variables(stack)[function].items()})


def test_all_of_them(whole: CqrsStack, plain: CqrsStack, template_snapshot: SnapshotAssertion) -> None:
    assert {
        name: {key: of for key, of in resource["Properties"].items() if key != "Replicas"}
        for name, resource in resources(whole, TABLE).items()
    } == template_snapshot
    assert names(whole) - names(plain) == {
        "dev-shop-sequences",
        "dev-shop-master-data",
        *(f"dev-shop-{module}-{kind}" for module in ("tenant", "master") for kind in ("command", "history")),
        "dev-shop-tenant-data",
    }
    assert warnings_of(whole) == []


def test_the_code_finds_its_tables(whole: CqrsStack) -> None:
    settings = settings_of(whole)
    master, tenant = settings.tables_of("master"), settings.tables_of("tenant")
    assert (master.command, master.data, master.history, master.mode) == (
        "dev-shop-master-command",
        "dev-shop-master-data",
        "dev-shop-master-history",
        "inline",
    )
    assert (tenant.data, tenant.mode) == ("dev-shop-tenant-data", "inline")
    assert settings.master_data_table == "dev-shop-master-data"
    assert settings.sequences_table == "dev-shop-sequences"
    assert settings.features == {"sequence": {}}


def test_without_features_nothing_is_said_of_them(plain: CqrsStack) -> None:
    assert all(Env.FEATURES not in of for of in variables(plain).values())


def test_settings_become_masters_and_nothing_is_replaced(template_snapshot: SnapshotAssertion) -> None:
    before, after = shop(master_data=True), shop(master=True)
    kept, now = resources(before), resources(after)
    gone = {kept[name]["Type"] for name in kept.keys() - now.keys()}
    assert gone <= {"Custom::CqrsCodeCheck"}  # it has the versions that it has checked in its name
    for name, resource in resources(before, *STATEFUL).items():
        assert now[name] == resource, name
    added = {name: now[name]["Type"] for name in now.keys() - kept.keys() if not name.startswith("CodeCheck")}
    assert dict(sorted(added.items())) == template_snapshot
    assert now["MasterDataTable0B500C52"]["Properties"]["TableName"] == "dev-shop-master-data"


def test_tenants_are_listed_by_those_who_cross_them(whole: CqrsStack) -> None:
    allowed = permissions(whole)
    data = {name: of for name, of in allowed.items() if name.startswith("tenantData")}
    assert any("dynamodb:Scan" in of for of in data.values())
    others = {name: of for name, of in allowed.items() if name.startswith("orderData")}
    assert all("dynamodb:Scan" not in of for of in others.values())


def test_brought_tables_are_used(plain: CqrsStack) -> None:
    app = new_app()
    other = cdk.Stack(app, "Other")
    tenants = CqrsTable(other, "Tenant", table_name_prefix="their-tenant")
    masters = CqrsTable(other, "Master", table_name_prefix="their-master")
    counters = Sequences(other, "Sequences", table_name="their-counters")
    stack = shop(app, tenants=tenants, master=masters, sequences=counters)
    assert names(stack) == names(plain)
    assert stack.tables["tenant"] is tenants
    assert stack.tables["master"] is masters
    assert stack.sequences is counters
    assert stack.master_data_table is not None
    assert stack.master_data_table.table is masters.data_table
    assert "SequencesTable" in json.dumps(variables(stack)["api"][Env.FEATURES])


def test_a_brought_table_with_settings_is_the_data_table_of_the_masters() -> None:
    app = new_app()
    settings = MasterDataTable(cdk.Stack(app, "Other"), "MasterData", table_name="their-settings")
    stack = shop(app, master=True, master_data=settings)
    assert stack.tables["master"].data_table is settings.table
    assert "dev-shop-master-data" not in names(stack)


@pytest.mark.parametrize(
    ("props", "said"),
    [
        (
            {"modules": [CqrsModule("tenant")], "tenants": True},
            "modules must not have a module 'tenant' beside tenants, which adds it, got one",
        ),
        (
            {"modules": [CqrsModule("master")], "master": True},
            "a module 'master' beside master, which adds it",
        ),
        ({"features": [object()]}, r"features\[0\] must be a part with connect\(functions\), got object"),
        ({"sequences": "yes"}, "sequences must be"),
        ({"tenant": True}, "CqrsStack has no property 'tenant' .*; did you mean 'tenants'"),
        (
            {
                "master": True,
                "retained": RetainedData(
                    command_table_streams={"master": STREAM},
                    attributes_bucket_name="attributes-of-shop",
                ),
            },
            r"master_data_table_name must be given with command_table_streams\['master'\], got None",
        ),
        (
            {"retained": RetainedData(sequences_table_name="dev-shop-sequences")},
            "sequences_table_name has no effect",
        ),
    ],
)
def test_what_cannot_be_is_refused(props: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidPropsError, match=said):
        shop(**props)


def test_two_tables_with_settings_are_refused() -> None:
    app = new_app()
    masters = CqrsTable(cdk.Stack(app, "Other"), "Master")
    with pytest.raises(
        InvalidPropsError, match="master_data must be left out beside the tables Other/Master"
    ):
        shop(app, master=masters, master_data=True)


def test_what_was_left_is_taken_back(plain: CqrsStack) -> None:
    retained = RetainedData(
        command_table_streams={"master": STREAM},
        master_data_table_name="dev-shop-master-data",
        sequences_table_name="dev-shop-sequences",
        attributes_bucket_name="attributes-of-shop",
    )
    env = cdk.Environment(account="111122223333", region="eu-west-1")
    stack = shop(env=env, master=True, sequences=True, retained=retained)
    assert names(stack) == names(plain)
    settings = settings_of(stack)
    assert settings.tables_of("master").data == "dev-shop-master-data"
    assert settings.features == {"sequence": {}}


def test_settings_that_were_left_become_masters(plain: CqrsStack) -> None:
    retained = RetainedData(master_data_table_name="dev-shop-master-data")
    stack = shop(master=True, retained=retained)
    assert names(stack) - names(plain) == {"dev-shop-master-command", "dev-shop-master-history"}


class Payments(Construct):
    """A queue, and the functions that work on it: what a feature of one's own may have."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.queue = sqs.Queue(self, "Payments", enforce_ssl=True)

    def connect(self, functions: ServiceFunctions) -> None:
        self.queue.grant_consume_messages(functions.worker)
        functions.add_feature("billing", {"queue": self.queue.queue_arn})


def test_a_construct_of_ones_own_joins() -> None:
    app = new_app()
    payments = Payments(cdk.Stack(app, "Queues"), "Payments")
    told = variables(shop(app, features=[payments]))
    assert len(told) == 5
    for of in told.values():
        assert '{"billing":{"queue":"' in json.dumps(of[Env.FEATURES]).replace("\\", "")


def test_a_construct_within_the_stack_connects_itself() -> None:
    stack = shop(sequences=True)
    Payments(stack, "Payments").connect(stack.functions)
    settings = settings_of(stack, "worker")
    assert list(settings.features) == ["sequence", "billing"]
    # What the stack tells is what the feature of the code works with.
    billing = Billing()
    app = CqrsApp(modules=[], features=[billing], resources=in_memory(settings))
    queue = settings.features["billing"]["queue"]
    assert "Payments" in queue
    record = {"eventSource": "aws:sqs", "eventSourceARN": queue, "messageId": "1", "body": "no payment"}
    assert app({"Records": [record]}, None)["batchItemFailures"] == [{"itemIdentifier": "1"}]
    assert billing.taken == [record]


def test_a_name_that_no_feature_has_is_refused(plain: CqrsStack) -> None:
    with pytest.raises(InvalidPropsError, match=r"name of a feature must match .* got 'Billing'"):
        plain.functions.add_feature("Billing", {})


def test_rows_without_expiry_are_warned_of_where_no_stack_knows_them_as_settings() -> None:
    stack = cdk.Stack(new_app(), "Plain")
    keys = {
        name: dynamodb.Attribute(name=kind, type=dynamodb.AttributeType.STRING)
        for name, kind in (("partition_key", "pk"), ("sort_key", "sk"))
    }
    CqrsTable(stack, "Master", data_table=dynamodb.TableV2(stack, "Theirs", **keys))
    assert "cqrs:noTimeToLive" in warnings_of(stack)
