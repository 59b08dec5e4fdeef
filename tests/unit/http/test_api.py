from __future__ import annotations

import json

import pytest
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import ConfigurationError
from runtime.entry.http.api import HttpApi
from runtime.identity.context import current_invoke_context
from tests.support.http_events import REQUEST_ID, http_event


@pytest.fixture(scope="module")
def api() -> HttpApi:
    return HttpApi(["tests.unit.http.routes:router"])


def test_a_request_is_the_current_context_of_its_route(api: HttpApi) -> None:
    response = api.handle(http_event("PUT", "/things/A1"), None)
    assert response["statusCode"] == 202
    assert json.loads(response["body"]) == {"code": "A1", "requestId": REQUEST_ID, "ip": "203.0.113.7"}
    assert current_invoke_context() is None


def test_a_row_has_no_nulls_but_its_attributes_keep_theirs(api: HttpApi) -> None:
    response = api.handle(http_event("GET", "/things/A1"), None)
    assert response["headers"]["Content-Type"] == "application/json"
    assert response["body"] == ('{"pk":"T#a","sk":"A1","version":2,"attributes":{"note":null,"price":1.10}}')


def test_the_rows_of_a_page_have_no_nulls_either(api: HttpApi) -> None:
    response = api.handle(http_event("GET", "/page"), None)
    assert json.loads(response["body"]) == {"items": [{"pk": "T#a", "sk": "1", "version": 1}]}


def test_numbers_keep_their_digits_on_the_way_in_and_out(api: HttpApi) -> None:
    text = '{"version":1,"attributes":{"title":"a","price":12345678901234567890.123456789}}'
    response = api.handle(http_event("POST", "/things", raw_body=text), None)
    assert '"price":12345678901234567890.123456789' in response["body"]


def test_query_parameters_have_their_own_names(api: HttpApi) -> None:
    event = http_event("GET", "/things", query={"limit": "5", "startFromSk": "A,1"})
    assert json.loads(api.handle(event, None)["body"]) == {"limit": 5, "startFromSk": "A,1"}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("DELETE", "/things/A1", 204), ("GET", "/nothing", 200)]
)
def test_no_result_is_an_empty_body(api: HttpApi, method: str, path: str, status: int) -> None:
    response = api.handle(http_event(method, path), None)
    assert response["statusCode"] == status
    assert response["body"] == ""
    assert "Content-Type" not in response["headers"]


def test_an_answer_that_lambda_would_not_pass_on_says_so() -> None:
    """A quote takes two bytes in JSON, and four in the JSON that Lambda wraps around it."""
    router = Router()
    most = (6 * 1024 * 1024 - 8 * 1024) // 4

    def quotes(number: int) -> dict[str, str]:
        return {"text": '"' * number}

    router.get("/most")(lambda: quotes(most - 10))
    router.get("/more")(lambda: quotes(most))
    router.post("/more")(lambda: quotes(most))
    api = HttpApi([router])

    assert api.handle(http_event("GET", "/most"), None)["statusCode"] == 200
    refused = api.handle(http_event("GET", "/more"), None)
    problem = json.loads(refused["body"])
    assert (refused["statusCode"], problem["type"]) == (400, "urn:problem-type:cqrs:answer-too-large")
    assert [error["field"] for error in problem["errors"]] == ["limit"]
    # What was written is written: its answer is as good as Lambda lets it be.
    assert api.handle(http_event("POST", "/more"), None)["statusCode"] == 200


def test_routers_may_be_given_themselves() -> None:
    router = Router()

    @router.get("/hello")
    def hello() -> dict[str, str]:
        return {"hello": "world"}

    api = HttpApi([router, "tests.unit.http.routes:router"])
    assert api.handle(http_event("GET", "/hello"), None)["body"] == '{"hello":"world"}'
    assert api.handle(http_event("GET", "/page"), None)["statusCode"] == 200


def test_an_exception_handler_of_a_router_comes_first() -> None:
    router = Router()

    @router.exception_handler(RuntimeError)
    def teapot(error: RuntimeError) -> object:
        return Response(418, "text/plain", str(error))

    @router.get("/hello")
    def hello() -> None:
        message = "short and stout"
        raise RuntimeError(message)

    assert HttpApi([router]).handle(http_event("GET", "/hello"), None)["statusCode"] == 418


@pytest.mark.parametrize("source", ["todo.routes", "json:dumps", "json:nothing", ":router", 5])
def test_what_is_not_a_router_is_refused(source: str) -> None:
    with pytest.raises(ConfigurationError, match="routes "):
        HttpApi([source])
