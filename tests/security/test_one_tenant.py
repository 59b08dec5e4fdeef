"""A request has one tenant: its roles, its context and its keys agree, whatever claims and header say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import (
    CommandModule,
    CqrsApp,
    ItemCommand,
    ItemNotFoundError,
    State,
    UserContext,
    acting_tenant,
    get_user_context,
    module_routes,
    require_invoke_context,
    requires_role,
)
from runtime.testing import MemoryApp
from tests.faults.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

TENANTS = ("acme", "beta", "common")
ROLES = ("admin", "system_admin", "reader")

doc = CommandModule("doc")
router = Router()


def _delete(sk: str, tenant: str | None) -> dict[str, Any]:
    found = doc.repository.get_item((f"DOC#{tenant}", sk))
    if found is None:
        message = "no such doc"
        raise ItemNotFoundError(message)
    change = {"pk": f"DOC#{tenant}", "sk": sk, "version": found.version, "isDeleted": True}
    doc.commands.publish_partial_update_sync(change)
    return {"tenant": tenant}


# Routes by hand, in the words of the guide, and as one would write them who has not read it.


@router.delete("/admin/docs/<sk>")
@requires_role("admin")
def by_user_context(sk: str) -> dict[str, Any]:
    return _delete(sk, get_user_context(require_invoke_context()).tenant_code)


@router.delete("/acting/docs/<sk>")
@requires_role("admin")
def by_acting_tenant(sk: str) -> dict[str, Any]:
    return _delete(sk, acting_tenant())


@router.delete("/service/docs/<sk>")
@requires_role("admin")
def by_service(sk: str) -> dict[str, Any]:
    doc.service(type="DOC").delete(sk, sync=True)
    return {}


@router.delete("/token/docs/<sk>")
@requires_role("admin")
def by_claim(sk: str) -> dict[str, Any]:
    return _delete(sk, str(require_invoke_context().claims.get("custom:tenant")).lower())


@router.delete("/path/docs/<tenant>/<sk>")
@requires_role("admin")
def by_path(tenant: str, sk: str) -> dict[str, Any]:
    return _delete(sk, tenant)


@router.get("/who")
def who() -> dict[str, Any]:
    user = get_user_context(require_invoke_context())
    return {"tenant": acting_tenant(write=False), "user": user.tenant_code, "roles": user.tenant_roles}


def shred(found: State[Any], _body: None, _user: UserContext) -> State[Any]:
    return found.replace(is_deleted=True)


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryApp]:
    routes = [
        router,
        module_routes(
            doc,
            prefix="/docs",
            type="DOC",
            read_roles=["admin", "reader"],
            write_roles=["admin"],
            commands={"shred": ItemCommand(shred)},
        ),
    ]
    with MemoryApp(CqrsApp(modules=[doc], routes=routes)) as found:
        yield found


def plant(memory: MemoryApp, sk: str) -> None:
    root = memory.user("root", global_roles=["system_admin"])
    for tenant in TENANTS:
        state = {"pk": f"DOC#{tenant}", "sk": sk, "code": sk, "name": tenant, "type": "DOC", "version": 0}
        doc.commands.publish_sync(state | {"attributes": {}}, invoke_context=root)


def alive(memory: MemoryApp, sk: str) -> set[str]:
    """Tenants whose item is there."""
    rows = memory.rows("doc", "data")
    return {row["tenantCode"] for row in rows if row["sk"] == sk and not row.get("isDeleted")}


ENTRY = st.fixed_dictionaries(
    {"tenant": st.sampled_from([*TENANTS, "", "ACME"]), "role": st.sampled_from(ROLES)}
)
ROUTE = st.sampled_from([
    "/admin/docs/{sk}", "/acting/docs/{sk}", "/token/docs/{sk}", "/docs/{sk}", "/docs/{sk}/shred",
    "/service/docs/{sk}",
    *(f"/path/docs/{tenant}/{{sk}}" for tenant in TENANTS),
])  # fmt: skip


def may_delete_in(tenant: str, own: str | None, header: str | None, entries: list[dict[str, str]]) -> bool:
    """The rule, said once more: the tenant of the request is the only one, and a role in it is needed."""
    acting = header or (own.lower() if own else None)
    mine = {entry["role"] for entry in entries if entry["tenant"].lower() in {"", tenant}}
    everywhere = {entry["role"] for entry in entries if not entry["tenant"]}
    if tenant != acting:
        # A route that goes elsewhere on purpose: with the role there, or for all tenants.
        there = {entry["role"] for entry in entries if entry["tenant"].lower() in {"", str(acting)}}
        return "system_admin" in mine and bool(there & {"admin", "system_admin"})
    if tenant == "common" or own is None or own.lower() != tenant:
        return "system_admin" in mine | everywhere
    return bool(mine & {"admin", "system_admin"})


counter = iter(range(1_000_000))


@settings(max_examples=scaled(40, 400), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    own=st.sampled_from([None, "acme", "ACME", "beta", "common"]),
    header=st.sampled_from([None, *TENANTS]),
    entries=st.lists(ENTRY, max_size=2),
    route=ROUTE,
)
def test_nobody_deletes_by_a_role_of_elsewhere(
    memory: MemoryApp, own: str | None, header: str | None, entries: list[dict[str, str]], route: str
) -> None:
    sk = f"k{next(counter)}"
    plant(memory, sk)
    claims = {"custom:roles": json.dumps(entries)} | ({"custom:tenant": own} if own else {})
    client = memory.client(user="eve", claims=claims, headers={"x-tenant-code": header} if header else {})
    params = {"version": 1, "mode": "sync"} if route == "/docs/{sk}" else {}
    if route.endswith("/shred"):
        answer = client.post(route.format(sk=sk), params={"mode": "sync"})
    else:
        answer = client.delete(route.format(sk=sk), params=params)
    gone = set(TENANTS) - alive(memory, sk)
    assert (answer.status == 200) is bool(gone), answer
    assert len(gone) <= 1
    for tenant in gone:
        assert may_delete_in(tenant, own, header, entries), (tenant, answer)
    # And who may does, in the tenant that the request is about.
    acting = header or (own.lower() if own else None)
    if acting and not route.startswith(("/token", "/path")):
        assert gone == ({acting} if may_delete_in(acting, own, header, entries) else set()), answer


@settings(max_examples=scaled(20, 200), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    own=st.sampled_from([None, "acme", "ACME", "beta", "common"]),
    header=st.sampled_from([None, *TENANTS, "Acme"]),
    entries=st.lists(ENTRY, max_size=3),
)
def test_context_and_roles_are_of_the_tenant_of_the_request(
    memory: MemoryApp, own: str | None, header: str | None, entries: list[dict[str, str]]
) -> None:
    claims = {"custom:roles": json.dumps(entries)} | ({"custom:tenant": own} if own else {})
    client = memory.client(user="eve", claims=claims, headers={"x-tenant-code": header} if header else {})
    answer = client.get("/who")
    acting = (header or own or "").lower() or None
    here = [entry["role"] for entry in entries if entry["tenant"].lower() in {"", acting}]
    is_home = acting is None or (own or "").lower() == acting
    if not (is_home or acting == "common" or "system_admin" in here):
        assert answer.status == 403
        return
    assert answer.json() == {"tenant": acting, "user": acting, "roles": list(dict.fromkeys(here))}


@pytest.mark.parametrize(("role", "header"), [("system_admin", "beta"), ("admin", "common")])
def test_the_attack_that_was_found(memory: MemoryApp, role: str, header: str) -> None:
    sk = f"k{next(counter)}"
    plant(memory, sk)
    eve = memory.client(
        user="eve", tenant="acme", claims={"custom:roles": json.dumps([{"tenant": header, "role": role}])}
    )
    assert eve.delete(f"/admin/docs/{sk}").status == 403
    assert eve.delete(f"/admin/docs/{sk}", headers={"x-tenant-code": header}).status in {200, 403}
    assert eve.delete(f"/token/docs/{sk}", headers={"x-tenant-code": header}).status == 403
    assert "acme" in alive(memory, sk)
