"""What the API answers: who may, what fits, what is in the way. Nothing is written otherwise."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.deployment import command

if TYPE_CHECKING:
    import httpx

    from tests.e2e.deployment import Deployment


@pytest.fixture
def sk() -> str:
    return f"H{uuid.uuid4().hex[:10]}"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    return document


def test_no_token_is_refused(deployment: Deployment, sk: str) -> None:
    answer = deployment.post("/note/publish", command("note", sk), anonymous=True)
    assert answer.status_code == 401
    assert deployment.row("note", "command", f"{sk}@1") is None


def test_a_forged_token_is_refused(deployment: Deployment, sk: str) -> None:
    header, payload, signature = deployment.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"custom:tenant": "globex"}).encode()).decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode()
    for token in (
        f"{header}.{forged.rstrip('=')}.{signature}",
        f"{unsigned.rstrip('=')}.{payload}.",
        "nonsense",
    ):
        assert deployment.post("/note/publish", command("note", sk), token=token).status_code == 401
    assert deployment.row("note", "command", f"{sk}@1") is None


def test_a_stale_version_conflicts(deployment: Deployment, sk: str) -> None:
    deployment.publish("note", sk)
    deployment.publish("note", sk, 1)
    document = problem(deployment.publish("note", sk, 1, name="late"), 409)
    assert document["type"].endswith("version-conflict")
    assert deployment.row("note", "command", f"{sk}@3") is None


def test_another_tenants_key_is_refused(deployment: Deployment, sk: str) -> None:
    body = command("note", sk) | {"pk": "NOTE#globex"}
    problem(deployment.post("/note/publish", body), 403)
    problem(deployment.post("/note/read", {"pk": "NOTE#globex", "sk": sk}), 403)


def test_an_unknown_item_is_not_found(deployment: Deployment, sk: str) -> None:
    problem(deployment.read("note", sk), 404)


def test_malformed_json_is_a_bad_request(deployment: Deployment) -> None:
    problem(deployment.post("/note/publish", "{"), 400)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"version": "one"}, "version"), ({"name": None}, "name"), ({"version": 1.5}, "version")],
)
def test_a_field_that_is_wrong_is_named(
    deployment: Deployment, sk: str, change: dict[str, Any], field: str
) -> None:
    document = problem(deployment.publish("note", sk, **change), 400)
    assert [error["field"] for error in document["errors"]] == [field]
    assert deployment.row("note", "command", f"{sk}@1") is None
