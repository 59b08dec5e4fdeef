"""What the code and the stack say of the modules: compared at deployment, and told of where they differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime import CommandModule, CqrsApp, DataSyncHandler, Settings, UnknownTriggerError, module_routes
from runtime.contract import FunctionKind
from runtime.cqrs_toml import DeclaredModule
from runtime.entry.check import check
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.support.http_events import http_event

KINDS = [value for name, value in vars(FunctionKind).items() if name.isupper()]


class Store(DataSyncHandler):
    def up(self, command: Any) -> None: ...


def module(name: str, *handlers: Any) -> CommandModule[Any]:
    return CommandModule(name, data_sync_handlers=handlers)


def deployed(modules: dict[str, Any], function: str | None = "operator") -> MemoryResources:
    settings = Settings(node_env="local", app_name="shop", function=function, modules=modules)
    return MemoryResources(settings, MemoryStore(), Clock())


def app_of(*modules: CommandModule[Any], resources: MemoryResources, **options: Any) -> CqrsApp:
    for one in modules:
        one.use(resources=resources)
    return CqrsApp(modules=modules, resources=resources, **options)


def problems(stack: dict[str, Any], *code: CommandModule[Any]) -> list[str]:
    found: list[str] = app_of(*code, resources=deployed(stack))({"operation": "check"}, None)["problems"]
    return found


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why something was not done, as the log says."""
    return [vars(record)["reason"] for record in caplog.records if "reason" in vars(record)]


def test_what_fits_has_no_problems() -> None:
    stack = {"order": {"mode": "inline"}, "bill": {"sync": True}, "note": {"mode": "inline", "sync": True}}
    assert problems(stack, module("order"), module("bill", Store), module("note", Store)) == []


def test_a_module_of_one_side_is_named() -> None:
    assert problems({"order": {}, "bill": {}}, module("order"), module("invoice")) == [
        "module 'bill' is in the stack, not in the code: give it to the CqrsApp, or remove it",
        "module 'invoice' is in the code, not in the stack: add CqrsModule('invoice'), or remove it",
    ]


@pytest.mark.parametrize("mode", ["workflow", "inline"])
def test_handlers_and_the_table_of_their_cursors_go_together(mode: str) -> None:
    (said,) = problems({"order": {"mode": mode, "sync": True}}, module("order"))
    assert said.startswith(
        "module 'order' has data_sync=True in the stack, and no data sync handlers in the code"
    )


@pytest.mark.parametrize("mode", ["workflow", "inline"])
def test_handlers_without_a_table_are_named(mode: str) -> None:
    (said,) = problems({"order": {"mode": mode}}, module("order", Store))
    assert said == ("module 'order' has data sync handlers (Store), and no data_sync=True in the stack")


def test_how_commands_are_processed_is_compared_where_the_code_says_it() -> None:
    table = DeclaredModule(name="order", processing="inline", module=".order:module", routes=())
    settings = Settings(modules={"order": {}})
    (said,) = check({"order": module("order")}, {"order": table}, settings)["problems"]
    assert said == "module 'order' is inline in cqrs.toml, and workflow in the stack"


def test_a_file_that_says_otherwise_of_the_handlers_is_told() -> None:
    table = DeclaredModule(name="order", module=".order:module", routes=())
    settings = Settings(modules={"order": {"sync": True}})
    (said,) = check({"order": module("order", Store)}, {"order": table}, settings)["problems"]
    assert said == "module 'order' has data_sync = false in cqrs.toml, and data_sync=True in the stack"


def test_many_problems_are_cut() -> None:
    found = problems({f"m{number}": {} for number in range(25)})
    assert len(found) == 21
    assert found[-1] == "and 5 more"


@pytest.mark.parametrize("kind", KINDS)
def test_every_function_answers(kind: str) -> None:
    app = app_of(module("order"), resources=deployed({"bill": {}}, kind))
    assert len(app({"operation": "check"}, None)["problems"]) == 2
    if kind != FunctionKind.OPERATOR:
        with pytest.raises(UnknownTriggerError, match="for the operator function"):
            app({"operation": "modules"}, None)


def test_a_function_that_no_stack_tells_of_modules_has_nothing_to_compare() -> None:
    assert check({"order": module("order")}, {}, Settings()) == {"problems": []}


def test_the_modules_that_are_deployed_go_on_beside_one_that_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = app_of(module("order"), module("bill"), resources=deployed({"order": {}}, "stream"))
    assert list(app._command_tables) == ["local-shop-order-command"]  # noqa: SLF001 - what the stream goes by
    assert reasons(caplog) == ["CQRS_MODULES does not name the module 'bill'; deployed are ['order']"]


def test_a_request_for_what_is_not_deployed_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    bill = module("bill")
    routes = module_routes(bill, prefix="/bills", type="BILL")
    app = app_of(bill, resources=deployed({"order": {}}, "api"), routes=routes)
    answer = app(http_event("GET", "/bills", claims={"sub": "ann", "custom:tenant": "acme"}), None)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["detail"] == "the module 'bill' is not deployed as the code needs it"
    assert json.loads(answer["body"])["type"] == "urn:problem-type:cqrs:module-mismatch"
    assert reasons(caplog) == ["CQRS_MODULES does not name the module 'bill'; deployed are ['order']"]
