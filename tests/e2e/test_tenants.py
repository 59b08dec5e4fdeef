"""Attempts on another tenant's item through the deployed API: what API Gateway makes of them is real."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

MARKER = "planted-e2e-77aa"
OWNER = "initech"


@pytest.fixture(scope="module")
def sk(deployment: Deployment) -> str:
    """The sort key of an item of ``OWNER``."""
    found = f"V{uuid.uuid4().hex[:10]}"
    body = {"sk": found, "version": 0, "name": MARKER, "code": MARKER, "attributes": {"secret": MARKER}}
    token = deployment.sign_in(OWNER)
    made = deployment.request("POST", "/notes?mode=sync", token=token, json=body)
    assert made.status_code == 201
    assert MARKER in deployment.request("GET", f"/notes/{found}", token=token).text
    return found


def attempts(sk: str) -> list[tuple[str, str, dict[str, str], Any]]:
    key = f"NOTE%23{OWNER}%23{sk}"
    override = {"x-tenant-code": OWNER}
    state = {"name": "mine", "attributes": {}}
    reads: list[tuple[str, str, dict[str, str], Any]] = [
        ("GET", path, headers, None)
        for path in (
            f"/notes/{sk}",
            f"/notes/{sk}/history",
            f"/notes/{sk}/history/1",
            "/notes",
            f"/notes?startFromSk={sk}",
            f"/notes?tenantCode={OWNER}&pk=NOTE%23{OWNER}",
        )
        for headers in ({}, override, {"x-tenant-code": OWNER.upper()}, {"custom:tenant": OWNER})
    ]
    reads += [
        ("GET", f"/notes/{path}", {}, None)
        for path in (
            key,
            key.replace("%", "%25"),
            key.replace("%", "%2525"),
            f"..%2F{key}",
            f"%2e%2e/{OWNER}/{sk}",
            f"{sk}%00",
            f"{sk}%40{1}",
            f"{sk}%EF%BC%83{OWNER}",
        )
    ]
    keys = [
        f"NOTE#{OWNER}",
        f"NOTE#{OWNER}#",
        f"NOTE%23{OWNER}",
        f"NOTE#acme#{OWNER}",
        f"NOTE#{OWNER.upper()}",
        f"NOTE\uff03{OWNER}",
        f"NOTE#{OWNER}\0",
        "NOTE#",
        "",
    ]
    given = [
        ("POST", "/note/read", headers, {"pk": pk, "sk": sk}) for pk in keys for headers in ({}, override)
    ]
    command = {"sk": sk, "code": "c", "type": "NOTE", "version": 1, "sync": True, **state}
    given += [("POST", "/note/publish", {}, {"pk": pk, **command}) for pk in keys]
    writes: list[tuple[str, str, dict[str, str], Any]] = [
        ("PUT", f"/notes/{sk}", override | {"if-match": '"1"'}, state),
        ("PATCH", f"/notes/{sk}", override | {"if-match": "*"}, {"name": "mine"}),
        ("DELETE", f"/notes/{sk}?version=1", override, None),
        ("DELETE", f"/notes/{sk}?version=1", {}, None),
        ("POST", "/notes", override, {"sk": sk, "version": 1, **state}),
        ("POST", "/notes", {}, {"pk": f"NOTE#{OWNER}", "sk": sk, "version": 1, **state}),
        ("POST", "/notes/bulk", override, [{"sk": sk, "version": 1, **state}]),
        ("POST", "/notes/bulk", {}, [{"sk": sk, "version": 1, "tenantCode": OWNER, **state}]),
        ("PUT", "/notes/resync", override, {"resumeFrom": f'["NOTE#{OWNER}","{sk}"]'}),
    ]
    return [*reads, *given, *writes]


def test_no_attempt_reaches_another_tenants_item(deployment: Deployment, sk: str) -> None:
    client = deployment.emulator.client("dynamodb")
    place = {"pk": {"S": f"NOTE#{OWNER}"}, "sk": {"S": sk}}

    def row() -> Any:
        name = deployment.table("note", "data")
        return client.get_item(TableName=name, Key=place, ConsistentRead=True)["Item"]

    before = row()
    for method, path, headers, body in attempts(sk):
        answer = deployment.request(method, path, headers=headers, json=body)
        assert answer.status_code < 500, (method, path, answer.text)
        assert MARKER not in answer.text, (method, path, headers, body)
        assert OWNER.upper() not in answer.text or OWNER.upper() in path
    assert row() == before
