"""Whose items a caller may read and write: every operation of the services, and every route."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import (
    ConfigurationError,
    ForbiddenError,
    InvokeContext,
    ItemList,
    Settings,
    check_role,
    requires_role,
)
from runtime.commands.packs import PackItem, PackOutcome
from runtime.commands.service import CommandService
from runtime.entry.http.api import HttpApi
from runtime.entry.http.module_routes import module_routes
from runtime.identity.context import use_invoke_context
from runtime.queries.data import DataService
from runtime.queries.history import HistoryService
from runtime.queries.repository import Repository
from tests.support.counter import Given
from tests.support.http_events import http_event
from tests.support.service import MEMORY, STORES, Service, Services

if TYPE_CHECKING:
    from collections.abc import Callable

PK = "TODO#acme"
CHANGE = {"sk": "A1", "version": 1, "name": "x"}


def never(*_: Any) -> Any:
    pytest.fail("the caller's code ran")


def all_of(outcomes: list[PackOutcome[Any]]) -> Any:
    """What was published, if all of it was refused, or none."""
    refused = [outcome.error for outcome in outcomes if outcome.error]
    if refused:
        assert len(refused) == len(outcomes)
        raise refused[-1]
    return outcomes


# One entry an operation. A new one without an entry fails the test below.
OPERATIONS: dict[str, Callable[[Service, InvokeContext | None, str], Any]] = {
    "commands.publish_async": lambda s, c, pk: s.module.commands.publish_async(
        s.command(pk=pk), invoke_context=c
    ),
    "commands.publish_sync": lambda s, c, pk: s.module.commands.publish_sync(
        s.command(pk=pk), invoke_context=c
    ),
    "commands.publish_partial_update_async": lambda s, c, pk: s.module.commands.publish_partial_update_async(
        {**CHANGE, "pk": pk}, invoke_context=c
    ),
    "commands.publish_partial_update_sync": lambda s, c, pk: s.module.commands.publish_partial_update_sync(
        {**CHANGE, "pk": pk}, invoke_context=c
    ),
    "commands.publish_with_retry": lambda s, c, pk: s.module.commands.publish_with_retry(
        (pk, "A1"), never, invoke_context=c
    ),
    "commands.publish_change": lambda s, c, pk: s.module.commands.publish_change(
        (pk, "A1"), never, invoke_context=c
    ),
    "commands.publish_numbered": lambda s, c, pk: s.module.commands.publish_numbered(
        Given(1), lambda _number: s.command(pk=pk), invoke_context=c
    ),
    "commands.publish_pack": lambda s, c, pk: all_of(
        s.module.commands.publish_pack(
            [
                PackItem(command=s.command(pk=pk), options={"invoke_context": c}),
                PackItem(command=never, key=(pk, "A1"), options={"invoke_context": c}),
            ]
        )
    ),
    "commands.get_item": lambda s, c, pk: s.module.commands.get_item((pk, "A1@1"), invoke_context=c),
    "commands.get_latest_item": lambda s, c, pk: s.module.commands.get_latest_item(
        (pk, "A1"), invoke_context=c
    ),
    "commands.get_next_command": lambda s, c, pk: s.module.commands.get_next_command(
        (pk, "A1@1"), invoke_context=c
    ),
    "commands.duplicate": lambda s, c, pk: s.module.commands.duplicate((pk, "A1"), invoke_context=c),
    "commands.update_status": lambda s, c, pk: s.module.commands.update_status(
        (pk, "A1@1"), "x:y", invoke_context=c
    ),
    "commands.update_task_token": lambda s, c, pk: s.module.commands.update_task_token(
        (pk, "A1@1"), "t", invoke_context=c
    ),
    "commands.update_ttl": lambda s, c, pk: s.module.commands.update_ttl((pk, "A1@1"), invoke_context=c),
    "commands.re_sync_data": lambda s, c, pk: s.module.commands.re_sync_data(invoke_context=c),  # noqa: ARG005
    "data.get_item": lambda s, c, pk: s.module.data.get_item((pk, "A1"), invoke_context=c),
    "data.list_items_by_pk": lambda s, c, pk: s.module.data.list_items_by_pk(pk, invoke_context=c),
    "data.iterate_items_by_pk": lambda s, c, pk: s.module.data.iterate_items_by_pk(pk, invoke_context=c),
    "data.publish": lambda s, c, pk: s.module.data.publish(
        s.module.context.rows.command(s.raw("command", "A1@1", pk)),
        invoke_context=c,
    ),
    "history.get_item": lambda s, c, pk: s.module.history.get_item((pk, "A1"), 1, invoke_context=c),
    "history.list_versions": lambda s, c, pk: s.module.history.list_versions((pk, "A1"), invoke_context=c),
    "history.page": lambda s, c, pk: s.module.history.page((pk, "A1"), invoke_context=c),
    "history.as_of": lambda s, c, pk: s.module.history.as_of(
        (pk, "A1"), at=datetime.now(UTC), invoke_context=c
    ),
    "history.publish": lambda s, c, pk: s.module.history.publish((pk, "A1"), invoke_context=c),
    "repository.exists": lambda s, c, pk: s.module.repository.exists((pk, "A1"), invoke_context=c),
    "repository.get_item": lambda s, c, pk: s.module.repository.get_item((pk, "A1"), invoke_context=c),
    "repository.list_items_by_pks": lambda s, c, pk: s.module.repository.list_items_by_pks(
        [pk], invoke_context=c
    ),
    "repository.list_items_by_pk": lambda s, c, pk: s.module.repository.list_items_by_pk(
        pk, invoke_context=c
    ),
    "repository.list_items": lambda s, c, pk: s.module.repository.list_items(  # noqa: ARG005
        lambda: ItemList([], 0), transform_command=never, invoke_context=c
    ),
}
#: They reach no row.
WITHOUT_ROWS = {
    "commands.is_not_command_dirty",
    "commands.data_sync_handlers",
    "commands.get_data_sync_handler",
    "commands.table_name",
}
#: These have no key: a caller's list is of their own tenant, and what is about all tenants takes more.
WITHOUT_KEY = {"repository.list_items", "commands.re_sync_data"}
SERVICES = {
    "commands": CommandService,
    "data": DataService,
    "history": HistoryService,
    "repository": Repository,
}
WRITES = {
    name
    for name in OPERATIONS
    if any(word in name for word in ("publish", "update", "duplicate")) and name not in WITHOUT_KEY
}
READS = set(OPERATIONS) - WRITES - WITHOUT_KEY

ADMIN = {"tenant": "", "role": "system_admin"}


def someone(tenant: str | None = None, *roles: dict[str, str], **headers: str) -> InvokeContext:
    claims: dict[str, str] = {"sub": "u9"} | ({"custom:tenant": tenant} if tenant else {})
    if roles:
        claims["custom:roles"] = json.dumps(roles)
    return InvokeContext(claims=claims, headers=headers)


def test_every_operation_is_in_the_list() -> None:
    public = {
        f"{service}.{name}"
        for service, kind in SERVICES.items()
        for name, _ in inspect.getmembers(kind)
        if not name.startswith("_")
    }
    assert public == set(OPERATIONS) | WITHOUT_ROWS


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest) -> Iterator[Service]:
    """One module with one item, for operations that are refused or only read."""
    emulator = None if request.param == MEMORY else request.getfixturevalue("emulator")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (emulator.environment if emulator else {}).items():
            patch.setenv(name, value)
        service = Services(emulator)()
        service.publish_sync()
        yield service


STRANGERS = {
    "another tenant": someone("globex"),
    "no tenant": someone(),
    "nobody": InvokeContext(),
    "a tenant of the header": someone(**{"x-tenant-code": "acme"}),
    "a role elsewhere": someone("globex", {"tenant": "globex", "role": "system_admin"}),
    "another role": someone("globex", {"tenant": "acme", "role": "admin"}),
    "a tenant that begins alike": someone("acm"),
    "a longer tenant": someone("x#acme"),
    "the header over the claim": someone("globex", **{"x-tenant-code": "acme"}),
}


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - WITHOUT_KEY))
def test_a_foreign_tenant_is_refused_before_anything_is_sent(
    shared: Service, operation: str, who: str
) -> None:
    shared.wire.clear()
    with pytest.raises(ForbiddenError, match="does not belong to your tenant"):
        OPERATIONS[operation](shared, STRANGERS[who], PK)
    with use_invoke_context(STRANGERS[who]), pytest.raises(ForbiddenError, match="tenant"):
        OPERATIONS[operation](shared, None, PK)
    assert shared.wire.calls == []


def test_a_list_without_a_key_is_of_the_callers_own_tenant(shared: Service) -> None:
    shared.wire.clear()
    with pytest.raises(ForbiddenError):
        OPERATIONS["repository.list_items"](shared, STRANGERS["a tenant of the header"], PK)
    assert shared.wire.calls == []
    OPERATIONS["repository.list_items"](shared, someone("globex"), PK)


@pytest.mark.parametrize("roles", [[], [{"tenant": "acme", "role": "system_admin"}]])
def test_what_is_about_all_tenants_takes_a_role_for_all(shared: Service, roles: Any) -> None:
    shared.wire.clear()
    with pytest.raises(ForbiddenError, match="every tenant"):
        OPERATIONS["commands.re_sync_data"](shared, someone("acme", *roles), PK)
    assert shared.wire.calls == []
    assert OPERATIONS["commands.re_sync_data"](shared, someone("acme", ADMIN), PK) == 0
    assert OPERATIONS["commands.re_sync_data"](shared, None, PK) == 0


@pytest.mark.parametrize(
    "friend",
    [
        someone("acme"),
        someone("ACME"),
        someone("globex", ADMIN),
        someone("globex", {"tenant": "Acme", "role": "system_admin"}),
        someone(None, {"tenant": "acme", "role": "system_admin"}, **{"x-tenant-code": "acme"}),
        someone("globex", {"tenant": "", "role": "reader"}, {"role": "system_admin"}),
    ],
)
@pytest.mark.parametrize("operation", sorted(READS))
def test_who_may_read_can(shared: Service, operation: str, friend: InvokeContext) -> None:
    found = OPERATIONS[operation](shared, friend, PK)
    if isinstance(found, Iterator):
        assert len(list(found)) == 1


# Common tenants

COMMON = {"pk": "TODO#common", "sk": "A1"}


@pytest.fixture
def common(make_service: Callable[..., Service]) -> Service:
    service = make_service(common_tenant_codes=("Common",))
    service.module.commands.publish_sync(
        service.command(pk="TODO#common"), invoke_context=someone("ops", ADMIN)
    )
    return service


def test_everybody_who_signed_in_reads_what_is_common(common: Service) -> None:
    key = ("TODO#common", "A1")
    for reader in (someone("globex"), someone(), someone(**{"x-tenant-code": "common"}), someone("common")):
        assert common.module.repository.get_item(key, invoke_context=reader) is not None
        assert common.module.commands.get_latest_item(key, invoke_context=reader) is not None
        assert common.module.history.as_of(key, version=1, invoke_context=reader) is not None
        assert common.module.data.list_items_by_pk(key[0], invoke_context=reader).items
    with pytest.raises(ForbiddenError):
        common.module.repository.get_item(
            key, invoke_context=InvokeContext(headers={"x-tenant-code": "common"})
        )


@pytest.mark.parametrize("operation", sorted(WRITES))
def test_nobody_writes_what_is_common_without_a_role(common: Service, operation: str) -> None:
    common.wire.clear()
    for writer in (someone("globex"), someone("common"), someone(**{"x-tenant-code": "common"})):
        with pytest.raises(ForbiddenError):
            OPERATIONS[operation](common, writer, "TODO#common")
    assert common.wire.calls == []


def test_a_role_that_crosses_tenants_writes_what_is_common(common: Service) -> None:
    for version, writer in enumerate(
        (someone("x", ADMIN), someone("x", {"tenant": "common", "role": "system_admin"})), 1
    ):
        change = {**COMMON, "version": version, "name": f"n{version}"}
        assert common.module.commands.publish_partial_update_sync(change, invoke_context=writer)


# Roles


@pytest.mark.parametrize(
    ("roles", "passes"),
    [
        ([{"tenant": "acme", "role": "admin"}], True),
        ([{"tenant": "ACME", "role": "admin"}], True),
        ([{"tenant": "", "role": "admin"}], True),
        ([{"tenant": "acme", "role": "reader"}, {"tenant": "acme", "role": "admin"}], True),
        ([{"tenant": "acme", "role": "system_admin"}], True),
        ([{"role": "system_admin"}], True),
        ([{"tenant": "globex", "role": "admin"}], False),
        ([{"tenant": "globex", "role": "system_admin"}], False),
        ([{"tenant": "acme", "role": "Admin"}], False),
        ([{"tenant": "acme", "role": ""}], False),
        ([], False),
    ],
)
def test_a_role_counts_in_its_tenant(shared: Service, roles: Any, passes: bool) -> None:  # noqa: FBT001
    settings = shared.resources.settings
    context = someone("acme", *roles)
    if passes:
        check_role("admin", "owner", invoke_context=context, settings=settings)
    else:
        with pytest.raises(ForbiddenError, match="this takes one of: admin, owner"):
            check_role("admin", "owner", invoke_context=context, settings=settings)


def test_a_group_of_the_own_tenant_counts_too(shared: Service) -> None:
    settings = shared.resources.settings
    groups = json.dumps([{"tenant": "acme", "groups": ["clerks"]}])
    context = InvokeContext(claims={"sub": "u", "custom:tenant": "acme", "custom:groups": groups})
    check_role("admin", groups=["clerks"], invoke_context=context, settings=settings)
    other = InvokeContext(claims={**context.claims, "custom:tenant": "globex"})
    with pytest.raises(ForbiddenError, match="group clerks"):
        check_role("admin", groups=["clerks"], invoke_context=other, settings=settings)


def test_a_route_may_ask_for_a_role() -> None:
    router = Router()
    called = []

    @router.put("/close/<code>")
    @requires_role("admin")
    def close(code: str, times: int = 1) -> dict[str, Any]:
        called.append(code)
        return {"code": code, "times": times}

    api = HttpApi([router])

    def send(*roles: dict[str, str], **headers: str) -> Any:
        claims = dict(someone("acme", *roles).claims)
        return api.handle(
            http_event("PUT", "/close/A", query={"times": "3"}, claims=claims, headers=headers), None
        )

    assert json.loads(send({"tenant": "acme", "role": "admin"})["body"]) == {"code": "A", "times": 3}
    refused = send({"tenant": "globex", "role": "admin"})
    assert (refused["statusCode"], json.loads(refused["body"])["detail"]) == (403, "this takes one of: admin")
    # The role is that of the caller's own tenant, not of the one that the header names.
    assert send({"tenant": "acme", "role": "admin"}, **{"x-tenant-code": "common"})["statusCode"] == 403
    assert send({"tenant": "acme", "role": "admin"}, **{"x-tenant-code": "globex"})["statusCode"] == 403
    assert called == ["A"]


def test_a_route_goes_by_the_settings_of_its_app() -> None:
    router = Router()

    @router.get("/orders")
    @requires_role("auditor")
    def orders() -> list[str]:
        return []

    event = http_event(
        "GET",
        "/orders",
        claims=dict(someone("acme", {"tenant": "", "role": "auditor"}).claims),
        headers={"x-tenant-code": "globex"},
    )
    for roles, status in ((("auditor",), 200), (("system_admin",), 403)):
        api = HttpApi([router], settings=Settings(cross_tenant_roles=roles))
        assert api.handle(event, None)["statusCode"] == status


def test_outside_of_a_request_no_role_crosses_tenants_unless_settings_say_so() -> None:
    context = InvokeContext(
        claims=someone("acme", {"tenant": "", "role": "system_admin"}).claims,
        headers={"x-tenant-code": "globex"},
    )
    with pytest.raises(ForbiddenError, match="names a tenant that is not yours"):
        check_role("admin", invoke_context=context)
    check_role("admin", invoke_context=context, settings=Settings())
    with use_invoke_context(context, Settings()):
        check_role("admin")
        with use_invoke_context(context):  # of the same app
            check_role("admin")


@pytest.mark.parametrize("roles", [(), ("",), (len,)])
def test_a_guard_without_roles_is_refused(roles: Any) -> None:
    with pytest.raises(ConfigurationError, match="requires_role"):
        requires_role(*roles)


# The routes of a module


def sender(service: Service, **options: Any) -> Callable[..., Any]:
    api = HttpApi([module_routes(service.module, prefix="/todos", type="TODO", **options)])

    def send(method: str, context: InvokeContext, body: Any = None, path: str = "/todos") -> Any:
        event = http_event(
            method, path, body=body, claims=dict(context.claims), headers=dict(context.headers)
        )
        answer = api.handle(event, None)
        return answer["statusCode"], json.loads(answer["body"] or "null")

    return send


NEW = {"sk": "A1", "version": 0, "name": "n", "attributes": {"title": "t"}}


def test_the_tenant_of_the_header_takes_a_role(service: Service) -> None:
    send = sender(service)
    for caller in (
        someone("globex", **{"x-tenant-code": "acme"}),
        someone(**{"x-tenant-code": "acme"}),
        someone("globex", {"tenant": "globex", "role": "system_admin"}, **{"x-tenant-code": "acme"}),
        someone("globex", **{"x-tenant-code": "common"}),
        someone(),
        InvokeContext(),
    ):
        service.wire.clear()
        status, problem = send("POST", caller, NEW)
        assert (status, problem["type"]) == (403, "urn:problem-type:cqrs:forbidden")
        assert send("POST", caller, [NEW], "/todos/bulk")[0] == 403
        assert send("PATCH", caller, {"version": 1, "name": "x"}, "/todos/A1")[0] == 403
        assert service.wire.calls == []
    assert "x-tenant-code" in send("POST", someone("globex", **{"x-tenant-code": "acme"}), NEW)[1]["detail"]
    admin = someone("ops", ADMIN, **{"x-tenant-code": "ACME"})
    assert send("POST", admin, NEW)[1]["id"] == "TODO#acme#A1"
    assert send("GET", admin, path="/todos/A1")[0] == 200
    assert send("GET", someone("ops", ADMIN), path="/todos/A1")[0] == 404


def test_common_items_are_read_by_their_header(service: Service) -> None:
    send = sender(service)
    assert send("POST", someone("ops", ADMIN, **{"x-tenant-code": "common"}), NEW)[0] == 202
    reader = someone("globex", **{"x-tenant-code": "common"})
    assert send("GET", reader)[0] == 200
    assert send("PUT", reader, {"version": 1, "name": "x", "attributes": {}}, "/todos/A1")[0] == 403


def test_the_routes_of_a_module_may_ask_for_roles(service: Service) -> None:
    send = sender(service, read_roles=["reader", "writer"], write_roles=["writer"])
    reader = someone("acme", {"tenant": "acme", "role": "reader"})
    writer = someone("acme", {"tenant": "acme", "role": "writer"})
    assert send("POST", reader, NEW)[0] == 403
    assert send("POST", reader, [NEW], "/todos/bulk")[0] == 403
    assert send("POST", writer, NEW)[0] == 202
    assert send("GET", writer, path="/todos/A1")[0] == 200
    assert send("GET", reader)[0] == 200
    assert send("GET", someone("acme"))[0] == 403


def test_a_malformed_role_claim_is_a_problem(service: Service) -> None:
    send = sender(service)
    claims = {"sub": "u", "custom:tenant": "acme", "custom:roles": "{"}
    status, problem = send("POST", InvokeContext(claims=claims), NEW)
    assert (status, "custom:roles" in problem["detail"]) == (403, True)
    assert service.wire.calls == []
