"""The functions of a stack may do to the tables of tenants and masters what their operations call."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack
from runtime import CommandModule, CqrsApp, MasterModule, Settings, Tenant, TenantModule
from runtime.contract import FunctionKind
from runtime.store.codec import row_of
from runtime.store.port import Put
from tests.constructs.conftest import new_app
from tests.contract.test_permissions import needed
from tests.support.service import TestResources, _endpoints, make_tables

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

Rights = dict[str, set[str]]

KINDS = ("command", "data", "history")
TABLES = [f"{module}-{kind}" for module in ("order", "tenant", "master") for kind in KINDS]


def rights_of(function: str) -> Rights:
    """What a function of a stack with tenants and masters may do, by table."""
    stack = CqrsStack(
        new_app(),
        "Shop",
        app_name="shop",
        modules=[CqrsModule("order")],
        code=lambda_.Code.from_inline("app = None"),
        handler="index.app",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        monitoring=False,
        tenants=True,
        master=True,
    )
    template: dict[str, Any] = Template.from_stack(stack).to_json()["Resources"]
    tables = {
        name: one["Properties"]["TableName"].removeprefix("dev-shop-")
        for name, one in template.items()
        if one["Type"] == "AWS::DynamoDB::GlobalTable"
    }
    found: Rights = {}
    for policy in template.values():
        roles = json.dumps(policy["Properties"].get("Roles")) if policy["Type"] == "AWS::IAM::Policy" else ""
        if f"Functions{function}Role" not in roles:
            continue
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            resources = statement["Resource"]
            for resource in resources if isinstance(resources, list) else [resources]:
                arn = resource.get("Fn::GetAtt", [""]) if isinstance(resource, dict) else [""]
                if arn[0] in tables:
                    found.setdefault(tables[arn[0]], set()).update(
                        [actions] if isinstance(actions, str) else actions
                    )
    return found


class Shop:
    """A service whose new tenants begin with a setting, as one of its functions, with an ear on the wire."""

    def __init__(self, emulator: Emulator, function: str) -> None:
        self.order = CommandModule("order")
        self.master = MasterModule()
        self.tenants = TenantModule(on_create=self.seed)
        app_name = f"f{uuid.uuid4().hex[:8]}"
        make_tables(emulator, f"local-{app_name}", TABLES)
        environment = {"NODE_ENV": "local", "APP_NAME": app_name, **_endpoints(emulator)}
        settings = replace(
            Settings.from_environment(environment),
            modules={"order": {}, "tenant": {}, "master": {}},
            function=function,
        )
        self.resources = TestResources(emulator, settings)
        self.app = CqrsApp(
            modules=[self.order], features=[self.tenants, self.master], resources=self.resources
        )
        self.app.use(self.resources)

    def seed(self, tenant: Tenant) -> None:
        self.master.settings.upsert_setting("theme", {"rows": 10}, tenant_code=tenant.code)

    def operate(self, operation: str, **arguments: Any) -> None:
        answer = self.app({"operation": operation, **arguments}, None)
        assert "error" not in answer, answer

    def called(self) -> Rights:
        """What the calls needed, by table."""
        found: Rights = {}
        for call in self.resources.wire.calls:
            for table, action in needed(call):
                found.setdefault(table.split("-", 2)[2], set()).add(f"dynamodb:{action}")
        return found

    def put_retention_as_before_there_were_masters(self) -> None:
        table = self.order.tables.command
        row = row_of({"pk": "MASTER#acme", "sk": f"TTL#{table}", "attributes": {"days": 3}})
        self.resources.store.write(Put(table=self.master.module.tables.data, row=row))
        self.resources.wire.clear()


@pytest.fixture(autouse=True)
def credentials(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)


def lacking(needs: Rights, rights: Rights) -> Rights:
    return {table: more for table, actions in needs.items() if (more := actions - rights.get(table, set()))}


def test_the_operator_function_may_do_what_the_verbs_of_features_ask(emulator: Emulator) -> None:
    shop = Shop(emulator, FunctionKind.OPERATOR)
    shop.put_retention_as_before_there_were_masters()
    shop.operate("createTenant", tenant="acme", name="Acme")
    shop.operate("setTenantState", tenant="acme", state="suspended", reason="unpaid")
    shop.operate("setTenantState", tenant="acme", state="active")
    shop.operate("showTenant", tenant="acme")
    shop.operate("listTenants")
    masters = {
        "settings": [{"code": "theme", "settingValue": {"rows": 20}}],
        "data": [{"settingCode": "colour", "code": "red", "name": "Red"}],
    }
    shop.operate("applyMaster", tenant="acme", masters=masters)
    shop.operate("applyMaster", tenant="acme", masters={"settings": []}, prune=True)
    shop.operate("masterRetention", module="order", tenant="acme", kind="command", days=5)
    shop.operate("masterRetention", module="order", tenant="acme")
    assert lacking(shop.called(), rights_of("Operator")) == {}


def test_the_api_function_may_write_tenants_masters_and_retention(emulator: Emulator) -> None:
    shop = Shop(emulator, FunctionKind.API)
    shop.put_retention_as_before_there_were_masters()
    shop.tenants.create_tenant("acme", "Acme")
    shop.tenants.set_state("acme", "suspended", reason="unpaid")
    assert [tenant.code for tenant in shop.tenants.iter_tenants()] == ["acme"]
    shop.master.data.upsert("colour", "red", "Red", tenant_code="acme")
    shop.master.data.delete("colour", "red", tenant_code="acme")
    shop.master.data.formats.upsert("ticket", {"format": "%%no%%"}, tenant_code="acme")
    shop.master.settings.delete_setting("theme", tenant_code="acme")
    shop.master.retention.set_days("order", "command", 4, tenant_code="acme")
    assert lacking(shop.called(), rights_of("Api")) == {}
