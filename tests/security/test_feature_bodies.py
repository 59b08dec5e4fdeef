"""Bodies that are none, and requests beyond the limits, at every route of the features that writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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
from tests.security.target import ADMIN, claims_of
from tests.support.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"name": ',
    "null": b"null",
    "a list": b"[]",
    "a list of objects": b'[{"name": "x"}]',
    "text": b'"x"',
    "a number": b"7",
    "no UTF-8": b'{"name": "\xff"}',
    "half a character": b'{"name": "\\ud800", "code": "\\ud800"}',
    "no number": b'{"name": NaN, "seq": Infinity}',
    "a long number": b'{"name": "x", "seq": ' + b"9" * 5000 + b"}",
    "deep": b'{"attributes": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    "deep objects": b'{"settingValue": ' + b'{"a": ' * 3000 + b"1" + b"}" * 3001,
    "a field of nobody": b'{"name": "x", "isAdmin": true, "pk": "TENANT#globex", "__class__": "x"}',
    "other types": b'{"name": {}, "code": [], "attributes": "x", "items": {}, "settingValue": 1, "no": "x"}',
    "too much": json.dumps({"name": "x", "attributes": {"a": "x" * 300_000}}).encode(),
    "no items": b'{"items": []}',
    "items of nothing": b'{"items": [null, 1, "x", [], {}]}',
    "too many items": json.dumps({"items": [{"code": "x", "settingValue": {}}] * 101}).encode(),
}
CONTENT_TYPES = (
    "application/json",
    "application/merge-patch+json",
    "text/plain",
    "application/x-www-form-urlencoded",
)
VALUES = {
    "pk": "TENANT%23acme",
    "sk": "MASTER",
    "code": "acme",
    "type": "invoice",
    "bucket": "none",
    "no": "1",
}
#: A body is a choice there, or none is taken.
WITHOUT_BODY = {"DELETE", "GET"}


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryApp]:
    tenants, master = TenantModule(), MasterModule()
    sequences = SequenceModule([Series("invoice", roles=["clerk"])])
    app = CqrsApp(
        modules=[],
        features=[tenants, master, sequences],
        routes=[tenant_routes(tenants), master_routes(master), sequence_routes(sequences)],
    )
    with MemoryApp(app, modes={"tenant": "inline", "master": "inline"}) as made:
        tenants.create_tenant("acme", "Acme")
        yield made


def writes(memory: MemoryApp) -> list[tuple[str, str]]:
    """Methods and targets of every route that writes, from the OpenAPI document."""
    gateway = Gateway(memory.app, claims_of("acme", ADMIN))
    document = json.loads(gateway.send("GET", "/openapi.json")[2])
    found = []
    for path, methods in document["paths"].items():
        target = path
        for name, value in VALUES.items():
            target = target.replace(f"{{{name}}}", value)
        target = target.replace("{id}", "MASTER%23acme%23colour%23red").replace("{setting_code}", "colour")
        assert "{" not in target, target
        found += [(method.upper(), target) for method in methods if method.upper() not in WITHOUT_BODY]
    return found


@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_body_is_the_clients_mistake_and_changes_no_tenant(memory: MemoryApp, name: str) -> None:
    gateway, count = Gateway(memory.app, claims_of("acme", ADMIN)), 0
    before = memory.rows("tenant", "data")
    for method, target in writes(memory):
        for content_type in CONTENT_TYPES:
            status, headers, content = gateway.send(
                method, target, {"content-type": content_type}.items(), BODIES[name]
            )
            assert status < 500, (method, target, content_type, content)
            assert b"Traceback" not in content
            assert b"no such path" not in content, target
            if status >= 400:
                assert headers["Content-Type"] == "application/problem+json"
                assert json.loads(content)["status"] == status
            count += 1
    assert count > 60
    if name != "a field of nobody":  # a name alone is a change that a tenant takes
        assert memory.rows("tenant", "data") == before


def test_every_route_of_the_three_is_among_them(memory: MemoryApp) -> None:
    prefixes: Any = {target.split("/")[1] + "/" + target.split("/")[2] for _, target in writes(memory)}
    assert {
        "api/tenant",
        "api/master-setting",
        "api/master-data",
        "api/master-bulk",
        "sequences/invoice",
    } <= prefixes
