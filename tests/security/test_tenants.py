"""The routes of tenants under attack: nobody reads or changes another one, or learns whether it is there."""

from __future__ import annotations

import json
import os
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from runtime import CqrsApp, TenantModule, tenant_routes
from runtime.testing import MemoryApp
from tests.faults.scale import scaled
from tests.security.attacks import attacks, look_alikes, malformed_claims
from tests.security.requests import Request
from tests.security.target import ADMIN, Answer, claims_of
from tests.support.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemathesis import Case

SEED = int(os.environ.get("CQRS_SEED", "20261121"))
VICTIM, NOT_THERE, OTHER = "kiss", "cold", "globex"
MARKER = "planted-4f1c"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_FLEETING = re.compile(r"request-\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}")


@dataclass
class Registry:
    """The app, and a look at its tables that goes past it."""

    tenants: TenantModule
    app: CqrsApp
    memory: MemoryApp

    def send(
        self,
        method: str,
        target: str,
        claims: dict[str, Any] | None,
        *,
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        raw = json.dumps(body).encode() if body is not None else b""
        sent = {"content-type": "application/json"} if raw else {}
        gateway = Gateway(self.app, claims)
        return Answer(*gateway.send(method, target, {**sent, **(headers or {})}.items(), raw))

    def rows(self) -> list[Any]:
        tables = self.tenants.module.tables
        return [list(self.memory.store.rows(one)) for one in (tables.command, tables.data, tables.history)]


@pytest.fixture
def registry() -> Iterator[Registry]:
    tenants = TenantModule()
    app = CqrsApp(modules=[], features=[tenants], routes=[tenant_routes(tenants)])
    with MemoryApp(app, modes={"tenant": "inline"}) as memory:
        for code in (VICTIM, OTHER):
            marker = MARKER if code == VICTIM else "one's own"
            tenants.create_tenant(code, marker, attributes={"kept": marker})
            tenants.add_tenant_group(code, "clerk", marker)
        tenants.create_common_tenant("Common")
        yield Registry(tenants, app, memory)


def requests_about(code: str) -> list[Request]:
    """A good request of each route, of somebody who may do everything."""
    key = {"pk": f"TENANT%23{code}", "sk": "MASTER"}
    one = "/api/tenant/{pk}/{sk}"
    return [
        Request("GET", one, key),
        Request("PATCH", one, key, body={"name": "forged", "attributes": {"kept": "forged"}}),
        Request("DELETE", one, key),
        Request(
            "POST", "/api/tenant/{code}/state", {"code": code}, body={"state": "suspended", "reason": "x"}
        ),
        Request(
            "POST",
            "/api/tenant/group",
            {},
            body={"tenantCode": code, "role": "clerk", "groupId": "forged"},
        ),
        Request(
            "PATCH",
            "/api/tenant/group",
            {},
            body={"tenantCode": code, "role": "clerk", "settingGroups": None},
        ),
        Request("GET", "/api/tenant", {}),
        Request("POST", "/api/tenant", {}, body={"code": f"{code}-new", "name": "forged"}),
        Request("POST", "/api/tenant/common", {}, body={"name": "forged"}),
    ]


ATTACKERS: dict[str, Callable[[], Any]] = {
    "another tenant": lambda: claims_of(OTHER),
    "an administrator of another tenant": lambda: claims_of(
        OTHER, {"tenant": OTHER, "role": "system_admin"}, {"tenant": OTHER, "role": "tenant_admin"}
    ),
    "another tenant's, with the role in this one": lambda: claims_of(
        OTHER, {"tenant": VICTIM, "role": "tenant_admin"}, {"tenant": NOT_THERE, "role": "tenant_admin"}
    ),
    "an administrator of none in all": lambda: claims_of(OTHER, {"tenant": "", "role": "tenant_admin"}),
    "the common tenant": lambda: claims_of("common", {"tenant": "common", "role": "tenant_admin"}),
    "an access token": lambda: {**claims_of(VICTIM, ADMIN), "token_use": "access"},
    "no tenant": lambda: claims_of(None),
    "nobody": lambda: None,
}


def told(answer: Answer, code: str) -> tuple[int, str]:
    """What an answer tells, apart from the code that was asked for."""
    headers = {name: value for name, value in sorted(answer.headers.items()) if name != "Content-Length"}
    return answer.status, _FLEETING.sub("ID", f"{headers} {answer.text}").replace(code, "CODE")


@pytest.mark.parametrize("who", ATTACKERS)
def test_no_attack_reads_or_changes_anything(registry: Registry, who: str) -> None:
    claims, before, count = ATTACKERS[who](), registry.rows(), 0
    pairs = zip(requests_about(VICTIM), requests_about(NOT_THERE), strict=True)
    step = scaled(5, 1)
    for number, (there, not_there) in enumerate(pairs):
        first_of = dict(attacks(there, "TENANT", VICTIM, OTHER, "MASTER"))
        second_of = dict(attacks(not_there, "TENANT", NOT_THERE, OTHER, "MASTER"))
        names = [name for name in first_of if name in second_of]  # of some codes there are no look-alikes
        for name in names[(zlib.crc32(who.encode()) + number) % step :: step]:
            first, second = first_of[name], second_of[name]
            found = []
            for request, code in ((first, VICTIM), (second, NOT_THERE)):
                answer = request.send(registry, claims)
                assert 400 <= answer.status < 500, (str(request), name, answer.text)
                assert MARKER not in f"{answer.headers} {answer.text}", name
                found.append(told(answer, code))
            assert found[0] == found[1], f"{request.target} {name}: tells whether the tenant is there"
            count += 2
    assert registry.rows() == before
    assert count > 2000 / step


@pytest.mark.parametrize("name", malformed_claims(VICTIM, OTHER))
def test_claims_that_mislead_open_nothing(registry: Registry, name: str) -> None:
    claims, before = claims_of(OTHER) | malformed_claims(VICTIM, OTHER)[name], registry.rows()
    for request in requests_about(VICTIM):
        for headers in ({}, {"x-tenant-code": VICTIM}):
            answer = request.plus(headers=headers).send(registry, claims)
            assert answer.status in {400, 403}, (request.target, answer.text)
            assert MARKER not in answer.text
    assert registry.rows() == before


def test_who_looks_alike_is_another_tenant(registry: Registry) -> None:
    before = registry.rows()
    for twin in look_alikes(VICTIM).values():
        for request in requests_about(VICTIM):
            answer = request.send(registry, claims_of(twin, {"tenant": twin, "role": "tenant_admin"}))
            assert answer.status in {400, 403}, (twin, request.target, answer.text)
            assert MARKER not in answer.text
    assert registry.rows() == before


def test_an_administrator_changes_their_own_and_not_what_is_sold_to_them(registry: Registry) -> None:
    mine = claims_of(VICTIM, {"tenant": VICTIM, "role": "tenant_admin"})
    read, update, *others = requests_about(VICTIM)
    for name in ("plan", "limits", "setting", "state", "stateReason"):
        values: list[Any] = [None, "x", [], {"a": 1}]
        for value in values:
            for kind in ("application/json", "application/merge-patch+json"):
                request = update.with_fields(attributes={name: value}).plus(headers={"content-type": kind})
                answer = request.send(registry, mine)
                assert (answer.status, answer.fields) == (400, [f"attributes.{name}"])
    before = registry.rows()
    for request in others:
        assert request.send(registry, mine).status == 403, request.target
    assert registry.rows() == before
    assert update.send(registry, mine).json["name"] == "forged"
    assert read.send(registry, mine).json["attributes"]["kept"] == "forged"


def test_the_requests_are_good_ones(registry: Registry) -> None:
    """What the attacks miss is there, and each route takes its request from who may."""
    root = claims_of("ops", ADMIN)
    statuses = {}
    for request in sorted(requests_about(OTHER), key=lambda one: one.method == "DELETE"):
        answer = request.send(registry, root)
        statuses[request.method, request.path] = answer.status
    common = ("POST", "/api/tenant/common")
    assert statuses.pop(common) == 400  # there is one
    assert {status // 100 for status in statuses.values()} == {2}
    routes = {
        (method.upper(), path)
        for path, methods in registry.send("GET", "/openapi.json", root).json["paths"].items()
        for method in methods
    }
    assert routes == {*statuses, common}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/tenant", {"code": "a#b", "name": "x"}, "code"),
        ("POST", "/api/tenant", {"code": "\u212aiss", "name": "x"}, "code"),
        ("POST", "/api/tenant", {"code": "common", "name": "x"}, "code"),
        ("POST", "/api/tenant", {"code": VICTIM.upper(), "name": "x"}, "code"),
        ("POST", "/api/tenant", {"code": "new", "name": "a\nb"}, "name"),
        ("POST", "/api/tenant", {"code": "new", "name": "x", "plan": "pro"}, "plan"),
        ("POST", "/api/tenant", {"code": 7, "name": "x"}, "code"),
        ("POST", "/api/tenant", {"code": "new", "name": "x", "attributes": []}, "attributes"),
        (
            "POST",
            "/api/tenant",
            {"code": "new", "name": "x", "attributes": {"state": "x"}},
            "attributes.state",
        ),
        ("POST", "/api/tenant/common", {"name": "x"}, "code"),
        ("PATCH", "/api/tenant/TENANT%23kiss/MASTER", {"name": None}, "name"),
        ("PATCH", "/api/tenant/TENANT%23kiss/MASTER", {"name": ""}, "name"),
        ("PATCH", "/api/tenant/TENANT%23kiss/MASTER", {"attributes": None}, "attributes"),
        ("PATCH", "/api/tenant/TENANT%23kiss/MASTER", {"version": 3}, "version"),
        ("PATCH", "/api/tenant/TENANT%23a%20b/MASTER", {"name": "x"}, "pk"),
        ("POST", "/api/tenant/kiss/state", {"state": "frozen", "reason": "x"}, "state"),
        ("POST", "/api/tenant/kiss/state", {"state": "suspended"}, "reason"),
        ("POST", "/api/tenant/a%20b/state", {"state": "active"}, "code"),
        ("POST", "/api/tenant/group", {"tenantCode": "a b", "role": "r", "groupId": "g"}, "tenantCode"),
        ("POST", "/api/tenant/group", {"tenantCode": "kiss", "role": "", "groupId": "g"}, "role"),
        ("POST", "/api/tenant/group", {"tenantCode": "kiss", "role": "r", "groupId": "a##b"}, "groupId"),
        (
            "PATCH",
            "/api/tenant/group",
            {"tenantCode": "kiss", "role": "clerk", "settingGroups": ["x"]},
            "settingGroups.0",
        ),
        ("PATCH", "/api/tenant/group", {"tenantCode": "kiss", "role": "clerk"}, "settingGroups"),
        ("GET", "/api/tenant?limit=101", None, "limit"),
        ("GET", "/api/tenant?resumeToken=x", None, "resumeToken"),
        ("GET", "/api/tenant?state=frozen", None, "state"),
    ],
    ids=range(26),
)
def test_what_is_wrong_is_named(registry: Registry, method: str, path: str, body: Any, field: str) -> None:
    before = registry.rows()
    answer = registry.send(method, path, claims_of("ops", ADMIN), body=body)
    assert (answer.status, answer.fields) == (400, [field])
    assert registry.rows() == before


@pytest.mark.parametrize("path", ["TENANT%23none/MASTER", "TENANT%23kiss/kiss", "ORDER%23kiss/MASTER", "x/y"])
def test_what_is_no_tenant_is_not_found(registry: Registry, path: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = registry.send(method, f"/api/tenant/{path}", claims_of("ops", ADMIN), body=body)
        assert answer.status == 404


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_condition_that_would_not_be_heeded_is_refused(registry: Registry, header: str) -> None:
    before = registry.rows()
    for request in requests_about(VICTIM):
        if request.method != "GET":
            answer = request.plus(headers={header: "*"}).send(registry, claims_of("ops", ADMIN))
            assert (answer.status, answer.fields) == (400, [header.lower()])
    assert registry.rows() == before


def test_null_takes_an_attribute_away_in_a_merge_patch(registry: Registry) -> None:
    update = requests_about(VICTIM)[1].with_fields(attributes={"kept": None})
    root = claims_of("ops", ADMIN)
    assert update.send(registry, root).json["attributes"]["kept"] is None
    update.with_fields(attributes={"kept": "x"}).send(registry, root)
    merge = update.plus(headers={"content-type": "application/merge-patch+json"})
    assert "kept" not in merge.send(registry, root).json["attributes"]


def test_tenants_are_paged(registry: Registry) -> None:
    root, found, token, pages = claims_of("ops", ADMIN), [], "", 0
    while pages == 0 or token:
        page = registry.send("GET", f"/api/tenant?limit=1{token}", root).json
        found += [item["tenantCode"] for item in page["items"]]
        token = f"&resumeToken={page['resumeToken']}" if "resumeToken" in page else ""
        pages += 1
    assert sorted(found) == ["common", OTHER, VICTIM]


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
def test_the_routes_keep_their_word(registry: Registry, mode: GenerationMode) -> None:
    root = claims_of("ops", ADMIN)
    document = registry.send("GET", "/openapi.json", root).json
    gateway = Gateway(registry.app, root)
    names = {"pk": "TENANT#kiss", "sk": "MASTER", "code": "kiss"}
    # Without a server that is a path of its own, each request would be for a path that is none.
    api = schemathesis.openapi.from_dict({**document, "servers": [{"url": "/"}]})
    for found in api.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        anything = operation.as_strategy(generation_mode=mode)
        known = {one.name: names[one.name] for one in operation.path_parameters}
        there = operation.as_strategy(generation_mode=mode, path_parameters=known) if known else anything

        @seed(SEED)
        @settings(
            max_examples=scaled(8, 200),
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(anything, there))
        def attack(case: Case[Any]) -> None:
            answer = case.call(app=gateway)
            case.validate_response(answer, checks=CHECKS)
            assert "Traceback" not in answer.text
            assert "there is no such path" not in answer.text or mode is GenerationMode.NEGATIVE

        attack()
