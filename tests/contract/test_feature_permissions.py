"""The deployed functions may do what the features ask of their tables, and scan nothing beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack
from runtime import (
    CommandModule,
    CqrsApp,
    MasterModule,
    SequenceModule,
    Series,
    Settings,
    Tenant,
    TenantModule,
    master_routes,
    tenant_routes,
)
from runtime.contract import Env
from runtime.store.codec import row_of
from runtime.store.memory import MemoryStore
from runtime.store.port import Check, Delete, Put, Set
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.constructs.conftest import new_app
from tests.features.masters.support import THEME
from tests.features.masters.test_idempotency import WRITES
from tests.security.target import ADMIN, claims_of
from tests.security.test_tenants import requests_about
from tests.support.gateway import Gateway
from tests.support.wire import Call, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.store.port import Store, Write

KINDS = ("command", "data", "history")
SEQUENCES = "dev-shop-sequences"
TABLES = [
    SEQUENCES,
    *(f"dev-shop-{module}-{kind}" for module in ("tenant", "master") for kind in (*KINDS, "sync")),
]
#: The features keep away from these.
OTHERS = [f"dev-shop-order-{kind}" for kind in (*KINDS, "sync")]
READS = {"get": "GetItem", "query": "Query", "scan": "Scan"}
WRITTEN = {Put: "PutItem", Set: "UpdateItem", Delete: "DeleteItem", Check: "ConditionCheckItem"}

Right = tuple[str, str]


@pytest.fixture(scope="module")
def rights() -> dict[str, set[Right]]:
    """What each function of the stack may do with the features' tables: the table's name, and the action."""
    stack = CqrsStack(
        new_app(),
        "Shop",
        modules=[CqrsModule("order")],
        app_name="shop",
        code=lambda_.Code.from_inline("app = None"),
        handler="index.app",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        alarm_emails=["on-call@example.com"],
        monitoring=False,
        sequences=True,
        tenants=True,
        master=True,
    )
    of: dict[str, dict[str, Any]] = Template.from_stack(stack).to_json()["Resources"]
    names = {one: str(it["Properties"]["TableName"]) for one, it in of.items() if "Table" in it["Type"]}
    functions = {}
    for it in of.values():
        variables = it.get("Properties", {}).get("Environment", {}).get("Variables", {})
        if it["Type"] == "AWS::Lambda::Function" and Env.FUNCTION in variables:
            functions[it["Properties"]["Role"]["Fn::GetAtt"][0]] = variables[Env.FUNCTION]
    found: dict[str, set[Right]] = {function: set() for function in functions.values()}
    for it in of.values():
        if it["Type"] != "AWS::IAM::Policy":
            continue
        for role in it["Properties"]["Roles"]:
            if (function := functions.get(role["Ref"])) is not None:
                found[function] |= set(_rights(it["Properties"]["PolicyDocument"]["Statement"], names))
    return found


def _rights(statements: list[dict[str, Any]], names: dict[str, str]) -> Iterator[Right]:
    for statement in statements:
        assert statement["Effect"] == "Allow"
        actions, resources = (
            value if isinstance(value, list) else [value]
            for value in (statement["Action"], statement["Resource"])
        )
        for resource in resources:
            match resource:
                case {"Fn::GetAtt": [name, "Arn"]} if name in names:
                    yield from ((names[name], action.removeprefix("dynamodb:")) for action in actions)


def needed(call: Call) -> set[Right]:
    """What a call of the store needs of IAM."""
    arguments = call.parameters["arguments"]
    if call.operation in {"write", "update"}:
        return {(_table_of(write), WRITTEN[type(write)]) for write in arguments}
    if call.operation == "batch_get":
        return {(place.table, "BatchGetItem") for place in arguments[0]}
    table = arguments[0] if isinstance(arguments[0], str) else arguments[0].table
    return {(table, READS[call.operation])}


def _table_of(write: Write) -> str:
    return write.table if isinstance(write, Put) else write.place.table


class Shop:
    """A service whose new tenants begin with a setting, as one of its functions, with an ear on its store."""

    def __init__(self, function: str) -> None:
        self.wire = Wire()
        modules: dict[str, Any] = {name: {"mode": "inline", "sync": False} for name in ("tenant", "master")}
        settings = Settings(
            node_env="dev", app_name="shop", function=function, modules={"order": {}, **modules}
        )
        resources = MemoryResources(
            settings, MemoryStore(tables={*TABLES, *OTHERS, "dev-shop-session"}), Clock()
        )
        self.sequences = SequenceModule([Series("log", issue_log=True)])
        self.tenants = TenantModule(enforce=True, on_create=self.seed)
        self.master = MasterModule([THEME])
        self.app = CqrsApp(
            modules=[CommandModule("order")],
            features=[self.sequences, self.tenants, self.master],
            routes=[tenant_routes(self.tenants), master_routes(self.master)],
            resources=resources,
        )
        self.put_retention_as_before_there_were_masters(resources.store)
        resources.__dict__["store"] = self.wire.listen_to(resources.store)

    def seed(self, tenant: Tenant) -> None:
        self.master.settings.upsert_setting(THEME, {"rows": 10}, tenant_code=tenant.code)

    @staticmethod
    def put_retention_as_before_there_were_masters(store: Store) -> None:
        row = {"pk": "MASTER#acme", "sk": "TTL#dev-shop-order-command", "attributes": {"days": 3}}
        store.write(Put(table="dev-shop-master-data", row=row_of(row)))

    def called(self) -> set[Right]:
        found = {right for call in self.wire.calls for right in needed(call)}
        return {(table, action) for table, action in found if table in {*TABLES, *OTHERS}}

    def ask(self, operation: str, **arguments: Any) -> None:
        answer = self.app({"operation": operation, **arguments}, None)
        assert "error" not in answer, (operation, answer)


def requests() -> Iterator[tuple[str, str, Any]]:
    """A request of each route of both features, with those that take away last."""
    tenants = [(one.method, one.target, one.body) for one in requests_about("acme")]
    yield from sorted(tenants, key=lambda one: one[0] == "DELETE")
    settings, data = "/api/master-setting", "/api/master-data"
    yield "POST", settings, {"code": "there", "settingValue": {"a": 1}}
    yield "POST", data, {"settingCode": "colour", "code": "there", "name": "There"}
    yield from sorted(WRITES.values(), key=lambda one: one[0] == "DELETE")
    for path in ("/list", "/theme", "/detail/MASTER%23acme%23MASTER_SETTING%23theme"):
        yield "GET", settings + path, None
    for path in ("?settingCode=colour", "/list?settingCode=colour", "/MASTER%23acme/colour%23red"):
        yield "GET", data + path, None
    yield "POST", f"{settings}/check-exist/theme", None
    yield "POST", f"{data}/check-exist/colour/red", None


def test_the_api_may_call_what_its_routes_do(rights: dict[str, set[Right]]) -> None:
    shop = Shop("api")
    for with_keys in (False, True):
        gateway, statuses = Gateway(shop.app, claims_of("acme", ADMIN)), []
        shop.tenants.create_tenant("acme", "Acme")
        for number, (method, path, body) in enumerate(requests()):
            headers = {"content-type": "application/json"}
            if with_keys:
                headers["idempotency-key"] = f"k{number}"
            sent = b"" if body is None else json.dumps(body).encode()
            statuses.append(gateway.send(method, path, headers.items(), sent)[0])
        assert {status for status in statuses if status >= 500} == set()
        assert sum(status < 300 for status in statuses) > 20
    acme: Any = {"tenant_code": "acme"}
    shop.master.data.formats.upsert("log", {"format": "%%no%%"}, **acme)
    shop.master.retention.set_days("order", "command", 4, **acme)
    assert {tenant.code for tenant in shop.tenants.iter_tenants()} == {"acme-new", "common"}
    shop.sequences.generate_sequence_item("log", idempotency_key="k", **acme)
    shop.sequences.set_sequence("log", 5, **acme)
    shop.sequences.void("log", 1, reason="lost", **acme)
    assert len(shop.sequences.gaps("log", **acme)) == 2
    called = shop.called()
    assert called - rights["api"] == set()
    assert {table for table, _ in called} == {
        SEQUENCES,
        *(f"dev-shop-{module}-{kind}" for module in ("tenant", "master") for kind in KINDS),
    }
    assert {right for right in rights["api"] if right[1] == "Scan"} == {("dev-shop-tenant-data", "Scan")}
    deletes = {right for right in called if right[1] == "DeleteItem"}
    assert {
        (table, action) for table, action in rights["api"] if action == "DeleteItem" and table in TABLES
    } == deletes


def test_the_operator_may_call_what_its_operations_do(rights: dict[str, set[Right]]) -> None:
    shop = Shop("operator")
    shop.ask("createTenant", tenant="acme", name="Acme", attributes={"plan": "pro"})
    shop.ask("setTenantState", tenant="acme", state="suspended", reason="unpaid")
    shop.ask("setTenantState", tenant="acme", state="active")
    shop.ask("showTenant", tenant="acme")
    shop.ask("listTenants")
    document = {
        "settings": [{"code": "theme", "settingValue": {"rows": 7}}],
        "data": [{"settingCode": "colour", "code": "red", "name": "Red"}],
    }
    for prune in (False, True):
        shop.ask("applyMaster", tenant="acme", masters=document, prune=prune, dryRun=True)
        shop.ask("applyMaster", tenant="acme", masters=document, prune=prune)
    shop.ask("getSetting", tenant="acme", code="theme", roles=["clerk"])
    shop.ask("explainSetting", tenant="acme", code="theme", user="ann", roles=["clerk"])
    shop.ask("applyMaster", tenant="acme", masters={"settings": [], "data": []}, prune=True)
    shop.ask("masterRetention", module="order", tenant="acme")
    shop.ask("masterRetention", module="order", tenant="acme", kind="command", days=30)
    numbers = {"tenant": "acme", "type": "log"}
    shop.ask("setSequence", **numbers, no=2)
    shop.sequences.generate_sequence_item("log", tenant_code="acme")
    for no in (2, 3):  # the one that was skipped has no record, the other one has
        shop.ask("voidSequenceNumber", **numbers, no=no, reason="lost")
    shop.ask("showSequence", **numbers)
    shop.ask("listSequences", tenant="acme")
    shop.ask("listSequenceGaps", **numbers)
    features = (shop.sequences, shop.tenants, shop.master)
    assert {call for feature in features for call in feature.operations} == {
        *("listSequences", "showSequence", "listSequenceGaps", "setSequence", "voidSequenceNumber"),
        *("createTenant", "setTenantState", "showTenant", "listTenants"),
        *("applyMaster", "getSetting", "explainSetting", "masterRetention"),
    }
    called = shop.called()
    assert called - rights["operator"] == set()
    assert ("dev-shop-tenant-data", "Scan") in called
    assert {table for table, _ in called}.isdisjoint(OTHERS)
