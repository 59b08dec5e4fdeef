"""Requests as odd senders write them, and what every answer has."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.shared.cookies import Cookie
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from runtime import CommandModule, CqrsApp, module_routes, require_invoke_context
from runtime.entry.http.api import HttpApi
from runtime.testing import MemoryApp
from tests.faults.scale import scaled
from tests.support.gateway import Gateway
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from collections.abc import Iterator

ACME = {"sub": "u", "custom:tenant": "acme"}
doc = CommandModule("doc")


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryApp]:
    router = Router()

    @router.get("/mine")
    def mine() -> Response[str]:
        headers = {"cache-control": "public, max-age=60", "X-Frame-Options": "SAMEORIGIN"}
        return Response(200, content_type="text/plain", body="x", headers=headers)

    @router.get("/crash")
    def crash() -> None:
        raise KeyError

    @router.head("/headed")
    def headed() -> Response[str]:
        return Response(204, headers={"X-Rows": "7"})

    @router.get("/headed")
    def got() -> str:
        return "got"

    @router.get("/bare")
    def bare() -> Response[str]:
        return Response(204)

    @router.get("/text")
    def text() -> str:
        return "text"

    @router.get("/own-error")
    def own_error() -> None:
        raise ServiceError(418, "no coffee")

    @router.get("/cookie")
    def cookie() -> Response[str]:
        return Response(302, headers={"Location": "/text"}, cookies=[Cookie("a", "b")])

    @router.get("/claims")
    def claims() -> dict[str, Any]:
        return dict(require_invoke_context().claims)

    routes = [router, module_routes(doc, prefix="/docs", type="DOC")]
    with MemoryApp(CqrsApp(modules=[doc], routes=routes)) as found:
        yield found


# --- HEAD -----------------------------------------------------------------------------------


def test_whatever_can_be_got_has_a_head(memory: MemoryApp) -> None:
    ann = memory.client(tenant="acme")
    ann.post("/docs", {"sk": "a/b", "version": 0, "name": "n", "attributes": {}}, params={"mode": "sync"})
    for path, headers in (
        ("/docs/a%2Fb", {}),
        ("/docs/a%2Fb", {"if-none-match": '"1"'}),
        ("/docs/a%2Fb/history/1", {}),
        ("/docs/nothing", {}),
        ("/docs", {}),
        ("/docs?limit=0", {}),
        ("/openapi.json", {}),
        ("/swagger", {}),
        ("/swagger", {"accept-encoding": "gzip"}),
        ("/crash", {}),
        ("/nowhere", {}),
        ("/mine", {}),
    ):
        target, _, query = path.partition("?")
        params = dict([query.split("=")]) if query else {}
        got = ann.request("GET", target, headers=headers, params=params)
        head = ann.request("HEAD", target, headers=headers, params=params)
        assert (head.status, dict(head.headers), head.content) == (got.status, dict(got.headers), b""), path


@pytest.mark.parametrize(
    ("path", "body", "media_type"), [("/perhaps", "null", "application/json"), ("/nothing", "", None)]
)
def test_none_is_a_value_where_the_route_says_so(path: str, body: str, media_type: str | None) -> None:
    router = Router()

    @router.get("/perhaps")
    def perhaps() -> int | None:
        return None

    @router.get("/nothing")
    def nothing() -> None:
        pass

    with MemoryApp(CqrsApp(modules=[doc], routes=[router])) as memory:
        answer = memory.client(tenant="acme").get(path)
    assert (answer.status, answer.text, answer.headers.get("content-type")) == (200, body, media_type)


def test_a_head_of_ones_own_is_asked(memory: MemoryApp) -> None:
    head = memory.client(tenant="acme").request("HEAD", "/headed")
    assert (head.status, head.headers["x-rows"]) == (204, "7")


def test_what_cannot_be_got_has_no_head(memory: MemoryApp) -> None:
    answer = memory.client(tenant="acme").request("HEAD", "/docs/bulk/x")
    assert answer.status == 404
    refused = memory.client(tenant="acme").request("HEAD", "/docs/resync")
    assert (refused.status, refused.content) == (404, b"")  # of the item of that name
    only = HttpApi([module_routes(doc, prefix="/docs", type="DOC", only=["publish"])], openapi=False)
    answered = only.handle(http_event("HEAD", "/docs"), None)
    assert (answered["statusCode"], answered["headers"]["Allow"], answered["body"]) == (405, "POST", "")


# --- Sort keys and paths --------------------------------------------------------------------


@pytest.mark.parametrize("sk", [".", ".."])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/docs"), ("POST", "/docs/bulk"), ("PUT", None), ("PATCH", None), ("DELETE", None)],
)
def test_sort_keys_of_dots_are_refused(memory: MemoryApp, sk: str, method: str, path: str | None) -> None:
    state = {"version": 0, "name": "n", "attributes": {}}
    bodies = {"POST": state | {"sk": sk}, "PUT": state, "PATCH": {"version": 1, "name": "x"}, "DELETE": None}
    body: Any = bodies[method]
    body = [body] if path == "/docs/bulk" else body
    answer = memory.client(tenant="acme").request(
        method, path or f"/docs/{sk}", body, params={"version": 1} if method == "DELETE" else {}
    )
    problem = answer.json()
    problem = problem["items"][0]["problem"] if path == "/docs/bulk" else problem
    assert problem["errors"][0]["field"] == "sk"
    assert ". or .." in problem["errors"][0]["message"]
    assert not [row for row in memory.rows("doc", "command") if row["sk"].startswith(".")]


@settings(max_examples=scaled(30, 300), deadline=None)
@given(
    sk=st.text(min_size=1, max_size=12)
    | st.text(alphabet="./%2eE#&=+~ \\:;@aä", min_size=1, max_size=8)
    | st.lists(st.sampled_from([".", "..", "a", "history", "bulk", "1", "%2e"]), min_size=1, max_size=3).map(
        "/".join
    )
)
def test_what_can_be_made_is_found_where_the_answer_says(memory: MemoryApp, sk: str) -> None:
    """Through a client that resolves paths, and API Gateway, which decodes them."""
    gateway = Gateway(memory.app, ACME)
    body = json.dumps({"sk": sk, "version": -1, "name": sk, "attributes": {}}).encode()
    content = [("content-type", "application/json")]
    status, headers, answered = gateway.send("POST", "/docs?mode=sync", content, body)
    if status == 400:
        assert [error["field"] for error in json.loads(answered)["errors"]] in (["sk"], ["body"])
        return
    if status == 204:  # it was there, as in an example before
        return
    assert status in {200, 201}, answered
    path = parse_url(f"https://api.example.com{headers['Location']}").path
    status, _, answered = gateway.send("GET", str(path))
    assert (status, json.loads(answered).get("sk")) == (200, sk)


# --- What is null, missing or odd -----------------------------------------------------------

ODD: dict[str, dict[str, Any]] = {
    "headers": {"headers": None},
    "query": {"queryStringParameters": None, "rawQueryString": None},
    "parameters": {"pathParameters": None, "stageVariables": None, "cookies": None},
    "body": {"body": None, "isBase64Encoded": None},
    "a header": {"headers": {"x-tenant-code": None, "Accept": None}},
    "a parameter": {"queryStringParameters": {"limit": None}},
}
AUTHORIZERS: dict[str, Any] = {
    "authorizer": None,
    "jwt": {"jwt": None},
    "claims": {"jwt": {"claims": None, "scopes": None}},
    "lambda": {"lambda": None},
    "no claims": {"jwt": {"claims": {}}},
    "claims that are a list": {"jwt": {"claims": []}},
    "claims that are null": {"jwt": {"claims": {"sub": None, "custom:tenant": None, "custom:roles": None}}},
}
PATHS = ["/openapi.json", "/docs", "/docs/1", "/mine", "/nowhere", "/claims"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ODD)
def test_what_is_null_is_what_is_missing(memory: MemoryApp, name: str, path: str) -> None:
    event = http_event("GET", path, claims=ACME)
    bare = {key: value for key, value in event.items() if key not in ODD[name]}
    expected = memory.app(bare, None)
    assert expected["statusCode"] in {200, 404}
    given_event = event | ODD[name]
    kept = json.dumps(given_event)
    assert memory.app(given_event, None) == expected
    assert json.dumps(given_event) == kept  # the event is the caller's


@pytest.mark.parametrize("name", AUTHORIZERS)
def test_nobody_gets_a_problem(memory: MemoryApp, name: str) -> None:
    for path, status in (("/docs", 403), ("/docs/1", 403), ("/openapi.json", 200)):
        event = http_event("GET", path)
        event["requestContext"]["authorizer"] = AUTHORIZERS[name]
        answer = memory.app(event, None)
        assert answer["statusCode"] == status
        if status == 403:
            assert answer["headers"]["Content-Type"] == "application/problem+json"
            assert json.loads(answer["body"])["status"] == 403


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"requestContext": None}, "method"),
        ({"requestContext": {"http": None}}, "method"),
        ({"requestContext": {"http": {"method": 5}}}, "method"),
        ({"requestContext": []}, "requestContext"),
        ({"headers": []}, "headers"),
        ({"queryStringParameters": "a=b"}, "queryStringParameters"),
        ({"rawPath": None}, "rawPath"),
        ({"rawPath": 5}, "rawPath"),
        ({"requestContext": {"http": {"method": "GET"}, "authorizer": "x"}}, "authorizer"),
    ],
)
def test_what_is_no_request_is_a_problem_that_says_so(
    memory: MemoryApp, change: dict[str, Any], named: str
) -> None:
    answer = memory.app(http_event("GET", "/docs", claims=ACME) | change, None)
    assert answer["statusCode"] == 400
    assert f"{named} must be" in json.loads(answer["body"])["detail"]


# --- Headers --------------------------------------------------------------------------------

EXPECTED = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"), ("GET", "/docs/none"), ("GET", "/nowhere"), ("GET", "/crash"), ("PATCH", "/docs"),
        ("POST", "/docs"), ("HEAD", "/docs"), ("GET", "/openapi.json"), ("PUT", "/docs/resync"),
        ("OPTIONS", "/docs"), ("OPTIONS", "/nowhere"), ("OPTIONS", "/swagger"), ("TRACE", "/docs"),
        ("CONNECT", "/docs"), ("HEAD", "/openapi.json"), ("DELETE", "/openapi.json"), ("", "/docs"),
        ("HEAD", "/headed"), ("GET", "/bare"), ("GET", "/text"), ("GET", "/own-error"), ("GET", "/cookie"),
    ],
)  # fmt: skip
def test_every_answer_has_what_a_scanner_expects(memory: MemoryApp, method: str, path: str) -> None:
    answer = memory.client(tenant="acme").request(method, path)
    assert {name: answer.headers.get(name) for name in EXPECTED} == EXPECTED
    assert "permissions-policy" in answer.headers
    assert "server" not in answer.headers


def test_a_preflight_that_comes_here_is_answered_as_any_request_is(memory: MemoryApp) -> None:
    """API Gateway answers those of its CORS itself: there is no route for OPTIONS."""
    headers = {"origin": "https://evil.example", "access-control-request-method": "PUT"}
    answer = memory.client(tenant="acme").request("OPTIONS", "/docs/1", headers=headers)
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, PATCH, PUT")
    assert not [name for name in answer.headers if name.startswith("access-control")]


GOOD = {"sk": "1", "version": 0, "name": "n", "attributes": {}}
REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "too large": ({"raw_body": "x" * 200_000}, 413),
    "no JSON": ({"raw_body": "{"}, 400),
    "no text": ({"raw_body": "/w==", "base64_encoded": True}, 400),
    "nobody": ({"claims": None, "body": GOOD}, 403),
    "malformed claims": ({"claims": {"sub": 5, "custom:tenant": []}, "body": GOOD}, 403),
    "an access token": ({"claims": {"token_use": "access"}, "body": GOOD}, 403),
    "no version": ({"body": {"sk": "1", "name": "n", "attributes": {}}}, 428),
}


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_has_it_too(memory: MemoryApp, name: str) -> None:
    request, status = REFUSED[name]
    answer = memory.app(http_event("POST", "/docs", **{"claims": ACME, **request}), None)
    headers = {key.lower(): value for key, value in answer["headers"].items()}
    assert answer["statusCode"] == status, answer
    assert {key: headers.get(key) for key in EXPECTED} == EXPECTED


def test_an_event_that_is_no_request_has_them_too(memory: MemoryApp) -> None:
    answer = memory.app({"version": "2.0", "rawPath": None}, None)
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"


def test_what_a_route_says_counts(memory: MemoryApp) -> None:
    answer = memory.app(http_event("GET", "/mine", claims=ACME), None)
    names = [name.lower() for name in answer["headers"]]
    assert len(names) == len(set(names))
    assert answer["headers"]["cache-control"] == "public, max-age=60"
    assert answer["headers"]["X-Frame-Options"] == "SAMEORIGIN"


def test_swagger_runs_its_own_scripts_and_no_others(memory: MemoryApp) -> None:
    answer = memory.client(tenant="acme").get("/swagger", headers={"accept-encoding": "gzip"})
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    page = gzip.decompress(answer.content).decode()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert policy["script-src"].split() == [f"'sha256-{digest}'" for digest in hashes]
    assert len(scripts) == 2
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")
    assert (policy["base-uri"], policy["form-action"], policy["frame-ancestors"]) == ("'none'",) * 3
    assert not re.search(r"\son\w+\s*=\s*[\"']", page.split("<script>")[0])
    others = {name: value for name, value in EXPECTED.items() if name != "content-security-policy"}
    assert {name: answer.headers.get(name) for name in others} == others
