"""The door through which features come in: what an app makes of one, and what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import CommandModule, ConfigurationError, CqrsApp, Feature, Operation, Settings, module_routes
from runtime.clients.tenant_sessions import TenantSessions
from runtime.contract import TENANT_TAG, FunctionKind
from runtime.entry.operator.events.operations import OPERATIONS as ON_EVENTS
from runtime.entry.operator.names import BUILT_IN_OPERATIONS
from runtime.entry.operator.operator import _OPERATIONS as ON_COMMANDS
from runtime.store.memory import MemoryStore
from runtime.testing import MemoryApp
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.features.support import PAID, Billing, billing_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import InvokeContext

KINDS = [value for name, value in vars(FunctionKind).items() if name.isupper()]
ARN = "arn:aws:sqs:eu-west-1:000000000000:"


class Service:
    """A service that has a module, a route of its own, and a feature of its own."""

    def __init__(self, **options: Any) -> None:
        self.order = CommandModule("order")
        self.billing = Billing()
        router = Router()
        self.served: list[str] = []

        @router.get("/own")
        def own() -> dict[str, str]:
            self.served.append("own")
            return {}

        @router.post("/checked")
        def checked(body: dict[str, int]) -> dict[str, int]:
            return body

        self.app = CqrsApp(
            modules=[self.order],
            features=[self.billing],
            routes=[
                router,
                billing_routes(self.billing),
                module_routes(self.order, prefix="/orders", type="ORDER"),
                module_routes(self.billing.bill, prefix="/bills", type="BILL"),
            ],
            **options,
        )


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def memory(service: Service) -> Iterator[MemoryApp]:
    with MemoryApp(service.app) as made:
        yield made


def resources_of(function: str | None = None, **settings: Any) -> MemoryResources:
    found = Settings(node_env="local", app_name="shop", function=function, **settings)
    return MemoryResources(found, MemoryStore(), Clock())


def pay_nothing() -> dict[str, Any]:
    return {}


def named(name: str, *modules: str, operations: Any = ()) -> Feature:
    made = type(f"The{name.title()}", (Feature,), {})()
    made.name = name
    made.modules = tuple(CommandModule(module) for module in modules)
    made.operations = dict.fromkeys(operations, Operation(lambda _feature, _arguments: {}))
    return made


# Modules


def test_modules_of_a_feature_are_served_as_those_of_the_app(memory: MemoryApp) -> None:
    ann = memory.client(tenant="acme", user="ann")
    assert ann.post("/bills", {"code": "B1", "name": "one", "version": 0, "attributes": {}}).status == 202
    memory.deliver()
    assert [row["code"] for row in memory.rows("bill", "data")] == ["B1"]


@pytest.mark.parametrize(
    ("modules", "features", "said"),
    [
        (
            ["bill"],
            lambda: [Billing()],
            "one is among the modules of the app and one among those of the feature 'billing'; rename one",
        ),
        (
            [],
            lambda: [named("one", "x"), named("two", "x")],
            "one is among those of the feature 'one' and one among those of the feature 'two'; rename one",
        ),
        ([], lambda: [named("one", "x", "x")], "one is among those of the feature 'one'; rename one"),
        (["order", "order"], list, "two modules have the same name in ['order', 'order']"),
        (["one"], lambda: [named("one")], "the feature 'one' has the name of a module among the modules of"),
        (
            [],
            lambda: [named("one"), named("two", "one")],
            "the feature 'one' has the name of a module among those of the feature 'two'; rename the module",
        ),
        ([], lambda: [named("one"), named("one")], "two features have the name 'one': TheOne and TheOne"),
        ([], lambda: [named("One")], "the name of the feature TheOne must match"),
        ([], lambda: [Feature()], "the name of the feature Feature must match"),
        ([], lambda: [Billing], "features must be objects of classes that derive from Feature, got <class"),
    ],
)
def test_names_that_collide_are_refused_and_both_named(
    modules: list[str], features: Callable[[], list[Any]], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        CqrsApp(modules=[CommandModule(name) for name in modules], features=features())
    assert said in str(refused.value)


def test_a_feature_may_have_the_name_of_its_own_module() -> None:
    app = CqrsApp(modules=[], features=[named("tenant", "tenant")])
    assert list(app.modules) == ["tenant"]


def test_a_feature_works_with_the_resources_of_the_app() -> None:
    billing, resources = Billing(), resources_of()
    app = CqrsApp(modules=[], features=[billing], resources=resources)
    assert billing.resources is billing.bill.resources is resources
    app.use(other := resources_of())
    assert billing.resources is billing.bill.resources is other


def test_a_memory_app_gives_a_feature_back_as_it_was() -> None:
    resources = resources_of(features={"billing": {"queue": "brought"}})
    billing = Billing()
    app = CqrsApp(modules=[], features=[billing], resources=resources)
    with MemoryApp(app) as memory:
        assert billing.resources is memory.resources
        assert billing.deployed == {}
        memory.send("payments", {"code": "P1"})
        memory.deliver()
        assert billing.paid == ["P1"]
    assert billing.resources is billing.bill.resources is resources
    assert billing.deployed == {"queue": "brought"}
    assert app({"Records": [message("brought", "{}")]}, None)["batchItemFailures"]  # it is called


def test_of_takes_features(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "declared_service.py").write_text("")
    (tmp_path / "declared_order.py").write_text(
        "from runtime import CommandModule\nmodule = CommandModule('order')\n"
    )
    (tmp_path / "cqrs.toml").write_text("[modules.order]\nmodule = 'declared_order:module'\nroutes = []\n")
    monkeypatch.syspath_prepend(tmp_path)
    app = CqrsApp.of("declared_service", features=[Billing()])
    assert list(app.modules) == ["order", "bill"]


# Triggers


def message(queue: str, body: str) -> dict[str, Any]:
    return {"eventSource": "aws:sqs", "eventSourceARN": ARN + queue, "messageId": "m1", "body": body}


def test_a_queue_of_a_feature_goes_to_its_handler_and_counts_under_its_name(
    memory: MemoryApp, service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    memory.send("payments", {"code": "P1"})
    memory.deliver()
    assert service.billing.paid == ["P1"]
    assert [row["code"] for row in memory.rows("bill", "data")] == ["P1"]
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if PAID in line]
    assert [(line["module"], line[PAID]) for line in lines] == [("billing", [1.0])]


def test_a_queue_may_have_the_name_that_the_deployment_gives_it() -> None:
    billing = Billing()
    resources = resources_of("worker", features={"billing": {"queue": f"{ARN}generated-4711"}})
    app = CqrsApp(modules=[], features=[billing], resources=resources)
    assert app({"Records": [message("generated-4711", '{"code": "P1"}')]}, None)["batchItemFailures"] == []
    assert billing.paid == ["P1"]


def test_what_two_would_handle_is_refused_and_the_feature_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        CqrsApp(modules=[], features=[Billing(), Second()])
    assert str(refused.value) == (
        "the feature 'second': SQS 'payments' has a handler already, that of the feature 'billing'; "
        "let one call the other"
    )
    app = CqrsApp(modules=[], features=[Second()])
    with pytest.raises(ConfigurationError, match="has a handler already, that of the feature 'second'"):
        app.on_queue("payments", lambda _record: None)


class Second(Feature):
    name = "second"

    def add_triggers(self, triggers: Any) -> None:
        triggers.on_queue("payments", lambda _record: None)


@pytest.mark.parametrize("function", ["worker", "notifier", None])
def test_a_queue_that_nobody_knows_is_told_as_such(
    function: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = CqrsApp(modules=[], features=[Billing()], resources=resources_of(function))
    answer = app({"Records": [message("forgotten", '{"code": "P1"}')]}, None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "m1"}]
    (record,) = caplog.records
    assert "its queue has no handler" in str(vars(record))


def test_a_trigger_of_a_feature_is_for_the_worker_alone() -> None:
    app = CqrsApp(modules=[], features=[Billing()], resources=resources_of("api"))
    answer = app({"Records": [message("payments", '{"code": "P1"}')]}, None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "m1"}]


# Operations


def operate(app: CqrsApp, operation: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(json.dumps(app({"operation": operation, **arguments}, None)))
    return answer


def test_operations_of_a_feature_reach_the_operator() -> None:
    billing = Billing()
    app = CqrsApp(modules=[], features=[billing], resources=resources_of("operator"))
    billing.paid += ["P1", "P2"]
    assert operate(app, "listPaid", tenant="acme", limit=1) == {"tenant": "acme", "paid": ["P1"]}
    assert operate(app, "forgetPaid") == {}
    assert billing.paid == []
    refused = operate(app, "listPaid", tenant="acme", dryrun=True)["error"]
    assert "dryrun" in refused["message"]
    assert "is no argument of listPaid" in refused["message"]
    assert "tenant" in operate(app, "listPaid")["error"]["message"]
    assert "forgetPaid" in operate(app, "forgetPayd")["error"]["message"]


@pytest.mark.parametrize("function", [kind for kind in KINDS if kind != "operator"])
def test_no_other_function_takes_operations_of_a_feature(function: str) -> None:
    billing = Billing()
    app = CqrsApp(modules=[], features=[billing], resources=resources_of(function))
    with pytest.raises(Exception, match="for the operator function"):
        operate(app, "forgetPaid")


@pytest.mark.parametrize("name", ["show", "heal", "check", "listEvents"])
def test_an_operation_must_not_have_the_name_of_another(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"the operation '{name}' of the feature 'one' is one of the"
    ):
        CqrsApp(modules=[], features=[named("one", operations=[name])])


def test_operations_of_two_features_must_not_have_one_name() -> None:
    with pytest.raises(
        ConfigurationError, match="'x' of the feature 'two' is one of the feature 'one' already"
    ):
        CqrsApp(modules=[], features=[named("one", operations=["x"]), named("two", operations=["x"])])


def test_all_operations_of_the_library_are_reserved() -> None:
    assert {*ON_COMMANDS, *ON_EVENTS, "check"} == BUILT_IN_OPERATIONS


@pytest.mark.parametrize("run", [3, "nowhere", pay_nothing])
def test_an_operation_is_a_function_of_two_arguments(run: Any) -> None:
    with pytest.raises(ConfigurationError, match="operation"):
        Operation(run)


def test_arguments_of_an_operation_are_names() -> None:
    with pytest.raises(ConfigurationError, match="arguments of an operation are names"):
        Operation(print, "tenant")


def test_an_import_path_that_leads_to_no_operation_is_told() -> None:
    feature = named("one")
    feature.operations = {"x": "tests.features.support:forget_paid"}
    app = CqrsApp(modules=[], features=[feature], resources=resources_of("operator"))
    assert "must be an Operation or its import path" in operate(app, "x")["error"]["message"]


# What each function imports


@pytest.mark.parametrize("function", KINDS)
def test_a_feature_is_told_what_the_function_is_for(function: str) -> None:
    billing = Billing()
    CqrsApp(modules=[], features=[billing], resources=resources_of(function))
    assert billing.preloaded == [function]


def test_a_function_for_nothing_in_particular_preloads_nothing(service: Service) -> None:
    assert service.billing.preloaded == []


# The stack and the code


def problems(feature: Feature, stack: dict[str, Any], **settings: Any) -> list[str]:
    resources = resources_of("operator", modules=stack, **settings)
    app = CqrsApp(modules=[CommandModule("order")], features=[feature], resources=resources)
    found: list[str] = operate(app, "check")["problems"]
    return found


def test_a_module_of_a_feature_that_is_not_deployed_is_named_with_the_feature() -> None:
    assert problems(Billing(), {"order": {}, "bill": {}}) == []
    (said,) = problems(Billing(), {"order": {}})
    assert said == (
        "module 'bill' of the feature 'billing' is in the code, not in the stack: add CqrsModule('bill'), or "
        "remove the feature"
    )
    tenants = named("tenant", "tenant")
    tenants.part = "tenants=True"
    (said,) = problems(tenants, {"order": {}})
    assert "add tenants=True to the CqrsStack, or remove the feature" in said


def test_a_part_of_a_feature_that_is_not_deployed_is_named() -> None:
    feature = named("sequence")
    assert problems(feature, {"order": {}}) == []
    feature.part = "sequences=True"
    assert problems(feature, {"order": {}}, features={"sequence": {}}) == []
    (said,) = problems(feature, {"order": {}})
    assert said == (
        "feature 'sequence' is in the code, not in the stack: add sequences=True to the CqrsStack, or "
        "remove it"
    )


# Whether a tenant is served


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/own", None),
        ("POST", "/checked", {"no": "number"}),
        ("GET", "/billing/paid", None),
        ("POST", "/orders", {"code": "A1", "name": "one", "attributes": {}}),
        ("GET", "/orders/A1", None),
        ("GET", "/openapi.json", None),
    ],
)
def test_a_tenant_that_is_not_admitted_is_refused_on_every_route(
    memory: MemoryApp, service: Service, method: str, path: str, body: Any
) -> None:
    service.billing.unpaid = {"acme"}
    ann = memory.client(tenant="acme", user="ann")
    answer = ann.get(path) if method == "GET" else ann.post(path, body)
    assert (answer.status, answer.json()["detail"]) == (403, "the tenant has not paid")
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.served == []
    assert memory.rows("order", "command") == []


def test_others_are_served_meanwhile(memory: MemoryApp, service: Service) -> None:
    service.billing.unpaid = {"acme"}
    assert memory.client(tenant="other", user="ann").get("/own").status == 200
    assert memory.client(user=None).get("/own").status == 200
    assert memory.client(tenant="other", user="ann").get("/nowhere").status == 404


def test_the_tenant_that_a_request_is_about_is_asked_for_as_well(memory: MemoryApp, service: Service) -> None:
    service.billing.unpaid = {"acme"}
    header = {"x-tenant-code": "ACME"}
    root = memory.client(tenant="home", user="root", global_roles=["system_admin"], headers=header)
    assert root.get("/own").status == 403
    collector = memory.client(
        tenant="home", user="root", global_roles=["system_admin", "collector"], headers=header
    )
    assert collector.get("/billing/paid").json() == {"tenant": "acme", "paid": []}


def test_a_tenant_that_is_not_admitted_gets_nowhere_by_naming_another_one(
    memory: MemoryApp, service: Service
) -> None:
    service.billing.unpaid = {"acme"}
    for header in ("common", "other"):
        ann = memory.client(tenant="acme", user="ann", headers={"x-tenant-code": header})
        assert ann.get("/own").status == 403


class Sts:
    """Gives a session for any tenant, and remembers for which."""

    def __init__(self) -> None:
        self.tenants: list[str] = []

    def assume_role(self, *, Tags: list[dict[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's
        (tenant,) = (tag["Value"] for tag in Tags if tag["Key"] == TENANT_TAG)
        self.tenants.append(tenant)
        keys = dict.fromkeys(("AccessKeyId", "SecretAccessKey", "SessionToken"), "key")
        return {"Credentials": {**keys, "Expiration": datetime(2100, 1, 1, tzinfo=UTC)}}


class Registry(Feature):
    """Reads of each tenant's own rows whether it is served."""

    name = "registry"

    def __init__(self) -> None:
        self.sts = Sts()
        self.sessions = TenantSessions("arn:aws:iam::000000000000:role/tenants", self.sts)

    def admit(self, tenant_code: str, invoke_context: InvokeContext) -> None:
        del invoke_context
        self.sessions.credentials()
        assert self.sts.tenants[-1] == tenant_code


def test_a_tenant_is_asked_about_in_a_session_of_its_own() -> None:
    registry, router = Registry(), Router()
    router.get("/own")(pay_nothing)
    app = CqrsApp(modules=[], features=[registry], routes=[router])
    with MemoryApp(app, tenant_role_arn="arn:aws:iam::000000000000:role/tenants") as memory:
        headers = {"x-tenant-code": "acme"}
        root = memory.client(tenant="home", user="root", global_roles=["system_admin"], headers=headers)
        assert root.get("/own").status == 200
    assert registry.sts.tenants == ["home", "acme"]


def test_nobody_in_particular_is_not_asked_about_whatever_a_header_says(
    memory: MemoryApp, service: Service
) -> None:
    service.billing.unpaid = {"acme"}
    assert memory.client(user=None, headers={"x-tenant-code": "acme"}).get("/own").status == 200


def test_without_a_feature_that_asks_nothing_is_in_the_way_of_a_request() -> None:
    router = Router()
    router.get("/own")(pay_nothing)
    app = CqrsApp(modules=[], features=[named("quiet")], routes=[router])
    with MemoryApp(app) as memory:
        ann = memory.client(tenant="acme", user="ann", headers={"x-tenant-code": "other"})
        assert ann.get("/own").status == 200
