"""The routes of a module, as a front end meets them: through API Gateway, with real tokens."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.support.polling import wait_until

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment


@pytest.fixture
def sk() -> str:
    return f"R{uuid.uuid4().hex[:10]}"


def state(sk: str, version: int = 0, **values: Any) -> dict[str, Any]:
    base = {"sk": sk, "code": sk, "name": f"after {version}", "version": version, "attributes": {"a": 1}}
    return base | values


def test_a_life_over_http(deployment: Deployment, sk: str) -> None:
    made = deployment.request("POST", "/notes", json=state(sk))
    assert (made.status_code, made.headers["etag"]) == (202, '"1"')
    own = deployment.request("GET", f"/notes/{sk}")
    assert (own.status_code, own.json()["attributes"]) == (200, {"a": 1})
    assert deployment.request("GET", f"/notes/{sk}", headers={"if-none-match": '"1"'}).status_code == 304
    change = {"attributes": {"b": 2}}
    patched = deployment.request("PATCH", f"/notes/{sk}", json=change, headers={"if-match": '"1"'})
    assert (patched.status_code, patched.headers["etag"]) == (202, '"2"')
    stale = deployment.request("PATCH", f"/notes/{sk}", json=change, headers={"if-match": '"1"'})
    assert stale.status_code == 412
    deployment.wait_for("note", f"{sk}@2")
    history = deployment.request("GET", f"/notes/{sk}/history").json()
    assert [old["version"] for old in history["items"]] == [1]
    assert deployment.request("GET", f"/notes/{sk}").json()["attributes"] == {"a": 1, "b": 2}
    gone = deployment.request("DELETE", f"/notes/{sk}", headers={"if-match": '"2"'})
    assert gone.status_code == 202
    deployment.wait_for("note", f"{sk}@3")
    row = deployment.row("note", "data", sk)
    assert row
    assert row["isDeleted"] is True


def test_bulk_reports_each_item(deployment: Deployment, sk: str) -> None:
    commands = [state(f"{sk}a"), state(f"{sk}b", version=7), state(f"{sk}c", nmae="x"), state(f"{sk}d")]
    answer = deployment.request("POST", "/notes/bulk", json=commands)
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [202, 400, 400, 202]
    for end in "ad":
        deployment.wait_for("note", f"{sk}{end}@1")


@pytest.mark.parametrize("odd", ["a#b", "a b", "ä@x.com", "a+b", "a/b;c=d\\e"])
def test_a_key_with_any_characters_is_one_path_segment(deployment: Deployment, sk: str, odd: str) -> None:
    key = f"{sk}{odd}"
    assert deployment.request("POST", "/notes", json=state(key)).status_code == 202
    found = deployment.request("GET", f"/notes/{quote(key, safe='')}")
    assert (found.status_code, found.json()["sk"]) == (200, key)


def test_another_tenant_sees_nothing(deployment: Deployment, sk: str) -> None:
    deployment.request("POST", "/notes", params={"mode": "sync"}, json=state(sk))
    other = deployment.sign_in("globex")
    assert deployment.request("GET", f"/notes/{sk}", token=other).status_code == 404
    override = {"x-tenant-code": "acme"}
    assert deployment.request("GET", f"/notes/{sk}", token=other, headers=override).status_code in {403, 404}
    listed = deployment.request("GET", "/notes", token=other).json()
    assert listed["items"] == []


def test_a_request_that_is_sent_again_publishes_once(deployment: Deployment, sk: str) -> None:
    answers = [
        deployment.request("POST", "/notes", json=state(sk, -1), headers={"idempotency-key": sk})
        for _ in range(2)
    ]
    assert [answer.headers["etag"] for answer in answers] == ['"1"', '"1"']


def test_the_api_describes_itself(deployment: Deployment) -> None:
    document = deployment.request("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/notes/bulk" in document["paths"]
    assert "swagger" in deployment.request("GET", "/swagger").text.lower()


def test_correlation_from_the_request_to_the_row(deployment: Deployment, sk: str) -> None:
    request_id = deployment.request("POST", "/notes", json=state(sk)).json()["requestId"]
    row = wait_until(lambda: deployment.row("note", "data", sk))
    assert row
    assert row["requestId"] == request_id
