"""Names that two stacks of one app would share are refused before anything is synthesized."""

from __future__ import annotations

import aws_cdk as cdk
import pytest

from constructs_lib import (
    CqrsFunctions,
    CqrsModule,
    CqrsStack,
    CqrsTable,
    InvalidPropsError,
    MasterDataTable,
    SessionTable,
)
from tests.constructs.functions import CODE, new_function

HOME = cdk.Environment(account="111122223333", region="eu-west-1")
ELSEWHERE = {
    "another Region": cdk.Environment(account="111122223333", region="us-east-1"),
    "another account": cdk.Environment(account="444455556666", region="eu-west-1"),
}
PREFIX = "dev-shop-order-item"


def test_another_service_with_the_same_names_is_refused(app: cdk.App) -> None:
    """``shop``/``order-item`` and ``shop-order``/``item`` are one name."""
    CqrsTable(cdk.Stack(app, "Tables", env=HOME), "OrderItem", table_name_prefix=PREFIX)
    with pytest.raises(
        InvalidPropsError,
        match=r"the table name 'dev-shop-order-item-command' must be taken once in an account and region, "
        r"got it from Tables/OrderItem in the stack Tables and from Shop/item in the stack Shop, both in "
        r"111122223333/eu-west-1; give one of them another env_name",
    ):
        CqrsStack(app, "Shop", app_name="shop-order", modules=[CqrsModule("item")], code=CODE, env=HOME)


def test_stages_of_one_account_and_region_need_other_names(app: cdk.App) -> None:
    def tables(stage: str, env: cdk.Environment | None, prefix: str = PREFIX) -> CqrsTable:
        return CqrsTable(cdk.Stack(cdk.Stage(app, stage, env=env), "Shop"), "item", table_name_prefix=prefix)

    tables("Beta", HOME)
    for stage, env in ELSEWHERE.items():
        tables(stage.replace(" ", ""), env)
    tables("Gamma", HOME, "gamma-shop-order-item")
    with pytest.raises(
        InvalidPropsError, match=r"from Beta/Shop/item in the stack Beta-Shop and from Prod/Shop"
    ):
        tables("Prod", HOME)
    tables("Unknown", None)  # it may be anywhere
    with pytest.raises(InvalidPropsError, match="both in any account/any region"):
        tables("Unknown2", None)


def test_each_kind_of_table_takes_its_name(stack: cdk.Stack) -> None:
    CqrsTable(stack, "Master", table_name_prefix="dev-shop-master")
    with pytest.raises(
        InvalidPropsError, match=r"'dev-shop-master-data' .* from Test/Master .* Test/MasterData"
    ):
        MasterDataTable(stack, "MasterData", table_name="dev-shop-master-data")
    SessionTable(stack, "Sessions", table_name="dev-shop-session")
    with pytest.raises(InvalidPropsError, match=r"'dev-shop-session' .* from Test/Sessions"):
        SessionTable(cdk.NestedStack(stack, "Nested"), "Sessions", table_name="dev-shop-session")


def test_names_that_cloudformation_makes_or_learns_are_free(app: cdk.App) -> None:
    for construct_id in "AB":
        stack = cdk.Stack(app, construct_id)
        prefix = cdk.CfnParameter(stack, "Prefix").value_as_string
        CqrsTable(stack, "First", module_name="order")
        CqrsTable(stack, "Second", module_name="order")
        SessionTable(stack, "Sessions", table_name=prefix)


def test_a_module_is_connected_once(stack: cdk.Stack) -> None:
    first, second = (CqrsTable(stack, name, module_name="order") for name in ("First", "Second"))
    functions = CqrsFunctions(stack, "Functions", code=CODE, app_name="shop", tables=[first])
    with pytest.raises(InvalidPropsError, match=r"got two constructs for the module 'order'; give"):
        second.connect(functions)
    other = CqrsFunctions(cdk.Stack(stack, "Other"), "Functions", code=CODE, app_name="other")
    with pytest.raises(
        InvalidPropsError,
        match=r"tables must be of one service, got Test/Other/Functions/Api/Function for Test/First beside "
        r"Test/Functions/Api/Function; .* table\.connect\(my_function\)",
    ):
        first.connect(other)


def test_services_whose_metrics_would_be_one_are_refused(stack: cdk.Stack) -> None:
    """``a-b`` of ``c`` and ``a`` of ``b-c``; stacks of one service may count together."""
    mine = new_function(stack, "Mine")
    kinds = dict.fromkeys(("api", "stream", "worker", "notifier", "operator"), mine)

    def service(name: str, env_name: str, app_name: str) -> CqrsFunctions:
        return CqrsFunctions(stack, name, code=CODE, env_name=env_name, app_name=app_name, **kinds)

    service("One", "a-b", "c")
    service("Same", "a-b", "c")
    with pytest.raises(
        InvalidPropsError,
        match=r"the service name 'a-b-c' must be taken once .* from Test/One in .* from Test/Two in .*; metr",
    ):
        service("Two", "a", "b-c")


def test_functions_of_an_environment_that_tables_cannot_be_named_after_are_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match=r"env_name must match .* got 'my env'"):
        CqrsFunctions(stack, "Functions", code=CODE, app_name="shop", env_name="my env")
