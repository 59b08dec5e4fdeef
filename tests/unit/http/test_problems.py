from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime.entry.http.api import HttpApi
from runtime.log import logger
from tests.support.http_events import REQUEST_ID, http_event
from tests.unit.http.routes import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

THING = {"version": 1, "attributes": {"title": "milk"}}


@pytest.fixture(scope="module")
def api() -> HttpApi:
    return HttpApi(["tests.unit.http.routes:router"])


def problem(response: Mapping[str, Any], status: int) -> dict[str, Any]:
    assert response["statusCode"] == status
    assert response["headers"]["Content-Type"] == "application/problem+json"
    document = json.loads(response["body"])
    assert document["status"] == status
    assert document["instance"] == REQUEST_ID
    assert document["title"]
    return dict(document)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"version": 1}, "attributes"),
        ({"version": 1, "attributes": {}}, "attributes.title"),
        ({"version": 1, "attributes": {"title": ""}}, "attributes.title"),
        ({"version": 1, "attributes": {"title": 5}}, "attributes.title"),
        ({"version": 1, "attributes": {"title": "a", "dueDate": MARKER}}, "attributes.dueDate"),
        ({"version": 1, "attributes": {"title": "a", "due_date": MARKER}}, "attributes.due_date"),
        ({"version": 1, "attributes": {"title": "a", "tags": ["b", 1]}}, "attributes.tags.1"),
        ({"version": 1, "attributes": {"title": "a", "pet": {"kind": MARKER}}}, "attributes.pet"),
        ({"version": 1, "attributes": MARKER}, "attributes"),
        ({"version": "1", "attributes": {"title": "a"}}, "version"),
        ({"version": 1.5, "attributes": {"title": "a"}}, "version"),
        ({"version": True, "attributes": {"title": "a"}}, "version"),
        ({"attributes": {"title": "a"}}, "version"),
        ({}, "version"),
        ([THING], "body"),
        (MARKER, "body"),
        (5, "body"),
    ],
)
def test_a_wrong_field_is_named_as_the_client_wrote_it(api: HttpApi, body: Any, field: str) -> None:
    response = api.handle(http_event("POST", "/things", body=body), None)
    document = problem(response, 400)
    assert document["type"] == "urn:problem-type:cqrs:invalid-input"
    assert document["errors"][0]["field"] == field
    assert document["errors"][0]["message"]
    assert MARKER not in response["body"]


def test_every_wrong_field_is_reported(api: HttpApi) -> None:
    response = api.handle(http_event("POST", "/things", body={"attributes": {"title": ""}}), None)
    fields = {error["field"] for error in problem(response, 400)["errors"]}
    assert fields == {"version", "attributes.title"}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "nonsense",
        '{"version": NaN}',
        '{"version": -Infinity}',
        "[" * 100_000,
        '{"version": ' + "1" * 5_000 + "}",
        '{"a": "\\ud800"}',
        '{"\\uDFFF": 1}',
    ],
)
def test_malformed_json_is_a_bad_request(api: HttpApi, text: str) -> None:
    response = api.handle(http_event("POST", "/things", raw_body=text), None)
    (error,) = problem(response, 400)["errors"]
    assert error["field"] == "body"
    assert error["message"].startswith("must be valid JSON: ")


def test_the_place_of_a_syntax_error_is_told(api: HttpApi) -> None:
    response = api.handle(http_event("POST", "/things", raw_body='{\n "version": }'), None)
    (error,) = problem(response, 400)["errors"]
    assert error["message"] == "must be valid JSON: Expecting value at line 2, column 13"


@pytest.mark.parametrize("text", [None, "", "  ", "null"])
def test_a_body_is_required(api: HttpApi, text: str | None) -> None:
    response = api.handle(http_event("POST", "/things", raw_body=text), None)
    assert problem(response, 400)["errors"] == [{"field": "body", "message": "Field required"}]


@pytest.mark.parametrize("raw", [base64.b64encode(b"\xff\xfe{}").decode(), "abc"])
def test_a_body_that_is_not_text_is_a_bad_request(api: HttpApi, raw: str) -> None:
    event = http_event("POST", "/things", raw_body=raw, base64_encoded=True)
    document = problem(api.handle(event, None), 400)
    assert document["errors"] == [{"field": "body", "message": "must be UTF-8 text"}]


def test_a_body_in_base64_is_read(api: HttpApi) -> None:
    raw = base64.b64encode(json.dumps(THING).encode()).decode()
    event = http_event("POST", "/things", raw_body=raw, base64_encoded=True)
    assert api.handle(event, None)["statusCode"] == 200


@pytest.mark.parametrize("header", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_a_bad_request(api: HttpApi, header: str) -> None:
    event = http_event("POST", "/things", body=THING, headers={"content-type": header})
    document = problem(api.handle(event, None), 400)
    assert document["errors"] == [{"field": "content-type", "message": "must be application/json"}]


@pytest.mark.parametrize(
    "header", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
def test_json_has_several_names(api: HttpApi, header: str) -> None:
    event = http_event("POST", "/things", body=THING, headers={"content-type": header})
    assert api.handle(event, None)["statusCode"] == 200


def test_a_list_is_taken_where_the_route_wants_one(api: HttpApi) -> None:
    response = api.handle(http_event("POST", "/many", body=[THING]), None)
    assert response["statusCode"] == 200
    response = api.handle(http_event("POST", "/many", body=[{"version": 1, "attributes": {}}]), None)
    assert problem(response, 400)["errors"][0]["field"] == "0.attributes.title"


@pytest.mark.parametrize("limit", ["0", "101", "many"])
def test_a_query_parameter_is_named(api: HttpApi, limit: str) -> None:
    response = api.handle(http_event("GET", "/things", query={"limit": limit}), None)
    (error,) = problem(response, 400)["errors"]
    assert error["field"] == "limit"


def test_an_unknown_path_is_not_found(api: HttpApi) -> None:
    document = problem(api.handle(http_event("GET", "/nowhere"), None), 404)
    assert document["type"] == "about:blank"


def test_another_method_is_not_allowed(api: HttpApi) -> None:
    response = api.handle(http_event("PATCH", "/things/A1"), None)
    problem(response, 405)
    assert response["headers"]["Allow"] == "DELETE, GET, HEAD, PUT"


@pytest.mark.parametrize(
    ("name", "status", "code", "detail"),
    [
        ("input", 400, "invalid-input", "one or more fields are wrong"),
        ("version", 400, "invalid-version", None),
        ("forbidden", 403, "forbidden", "the key does not belong to your tenant"),
        ("missing", 404, "not-found", "there is no such thing"),
        ("conflict", 409, "version-conflict", "there is a later version than 3; read it and decide again"),
        ("pending", 500, "handlers-pending", None),
    ],
)
def test_an_error_of_the_library_keeps_its_status_and_name(
    api: HttpApi, name: str, status: int, code: str, detail: str | None
) -> None:
    response = api.handle(http_event("GET", f"/errors/{name}"), None)
    document = problem(response, status)
    assert document["type"] == f"urn:problem-type:cqrs:{code}"
    assert document["detail"] == detail or detail is None
    assert MARKER not in response["body"]


def test_an_error_of_powertools_keeps_its_status(api: HttpApi) -> None:
    document = problem(api.handle(http_event("GET", "/errors/powertools"), None), 404)
    assert document["detail"] == "nothing here"


@pytest.mark.usefixtures("in_lambda")
@pytest.mark.parametrize("name", ["crash", "configuration"])
def test_nothing_is_told_about_an_unexpected_error(
    api: HttpApi, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = api.handle(http_event("GET", f"/errors/{name}"), None)
    document = problem(response, 500)
    written = {"written"} if name == "configuration" else set()  # the library's own errors know
    assert set(document) == {"type", "title", "status", "instance"} | written
    assert MARKER not in response["body"]
    logged = logger.registered_formatter.format(caplog.records[-1])
    assert MARKER not in logged
    entry = json.loads(logged)
    assert entry["request_id"] == REQUEST_ID
    assert [error["type"] for error in entry["errors"]][1:] == ["builtins.KeyError"]
    assert "routes.py" in entry["errors"][0]["stack"][-1]


@pytest.fixture
def at_debug() -> Iterator[None]:
    logger.setLevel("DEBUG")
    yield
    logger.setLevel("INFO")


@pytest.mark.parametrize("where", ["on one's own machine", "at DEBUG"])
def test_the_log_shows_a_crash(
    api: HttpApi, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest, where: str
) -> None:
    if where == "at DEBUG":
        for fixture in ("in_lambda", "at_debug"):
            request.getfixturevalue(fixture)
    response = api.handle(http_event("GET", "/errors/crash"), None)
    assert MARKER not in response["body"]  # it may be shown to anybody
    entry = json.loads(logger.registered_formatter.format(caplog.records[-1]))
    assert MARKER in entry["exception"]
    assert "Traceback (most recent call last)" in entry["exception"]


def test_an_event_that_breaks_the_resolver_is_answered(api: HttpApi) -> None:
    event = http_event("GET", "/things")
    del event["rawPath"]
    document = problem(api.handle(event, None), 400)
    assert document["detail"].endswith("rawPath must be text")
