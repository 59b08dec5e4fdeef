"""Each route of masters, tenants and sequences succeeds, and answers as the OpenAPI document says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from runtime import (
    CqrsApp,
    MasterModule,
    SequenceModule,
    Series,
    TenantModule,
    master_routes,
    sequence_routes,
    tenant_routes,
)
from runtime.testing import MemoryApp
from tests.features.masters.test_idempotency import WRITES
from tests.security.target import ADMIN, claims_of
from tests.security.test_tenants import requests_about
from tests.support.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SETTINGS, DATA = "/api/master-setting", "/api/master-data"
RED = "MASTER%23acme/colour%23there"
THERE: list[tuple[str, str, Any]] = [
    ("POST", SETTINGS, {"code": "there", "settingValue": {"a": 1}}),
    ("POST", DATA, {"settingCode": "colour", "code": "there", "name": "There"}),
]
READS: list[tuple[str, str, Any]] = [
    ("GET", f"{SETTINGS}/list", None),
    ("GET", f"{SETTINGS}/there", None),
    ("GET", f"{SETTINGS}/detail/MASTER%23acme%23MASTER_SETTING%23there", None),
    ("POST", f"{SETTINGS}/check-exist/there", None),
    ("GET", f"{DATA}?settingCode=colour", None),
    ("GET", f"{DATA}/list?settingCode=colour", None),
    ("GET", f"{DATA}/{RED}", None),
    ("GET", f"{DATA}/detail/{RED.replace('/', '%23')}", None),
    ("POST", f"{DATA}/check-exist/colour/there", None),
]
NUMBERS: list[tuple[str, str, Any]] = [
    ("POST", "/sequences/logged", {}),
    ("GET", "/sequences/logged/preview", None),
    ("GET", "/sequences/logged", None),
    ("POST", "/sequences/logged/1/void", {"reason": "printed twice"}),
    ("PUT", "/sequences/logged/none", {"no": 5}),
]


@pytest.fixture(scope="module")
def app() -> Iterator[CqrsApp]:
    tenants, master = TenantModule(), MasterModule()
    sequences = SequenceModule([Series("logged", roles=["clerk"], issue_log=True)])
    made = CqrsApp(
        modules=[],
        features=[tenants, master, sequences],
        routes=[tenant_routes(tenants), master_routes(master), sequence_routes(sequences)],
    )
    with MemoryApp(made, modes={"tenant": "inline", "master": "inline"}):
        tenants.create_tenant("acme", "Acme")
        tenants.add_tenant_group("acme", "clerk", "tokyo")
        yield made


def requests() -> list[tuple[str, str, Any]]:
    """One request of each route; those that take away are last, each of something that is there again."""
    of_tenants = [(one.method, one.target, one.body) for one in requests_about("acme")]
    of_tenants.sort(key=lambda one: one[0] == "DELETE")
    changes = [write for write in WRITES.values() if write[0] != "DELETE"]
    deletions: list[tuple[str, str, Any]] = []
    for write in WRITES.values():
        if write[0] == "DELETE":
            deletions += [write, *THERE]
    return [*THERE, *READS, *changes, *deletions, *NUMBERS, *of_tenants]


def test_each_route_has_succeeded_and_kept_its_word(app: CqrsApp) -> None:
    gateway = Gateway(app, claims_of("acme", ADMIN, {"tenant": "acme", "role": "clerk"}))
    document = json.loads(gateway.send("GET", "/openapi.json")[2])
    schema = schemathesis.openapi.from_dict({**document, "servers": [{"url": "/"}]})
    patterns = {
        (method.upper(), path): re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    succeeded = set()
    for method, target, body in requests():
        path = target.partition("?")[0]
        route = min(
            (key for key, pattern in patterns.items() if key[0] == method and pattern.fullmatch(path)),
            key=lambda key: key[1].count("{"),
        )
        operation: Any = schema[route[1]][method]
        names = re.findall(r"\{(\w+)\}", route[1])
        values = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", route[1]), path)
        assert values is not None
        query = dict(part.split("=") for part in target.partition("?")[2].split("&") if part)
        case = operation.Case(
            path_parameters={
                name: value.replace("%23", "#") for name, value in zip(names, values.groups(), strict=True)
            },
            query=query,
            **({} if body is None else {"body": body, "media_type": "application/json"}),
        )
        answer = case.call(app=gateway)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code < 300:
            succeeded.add(route)
    assert {*patterns} - succeeded == set()
