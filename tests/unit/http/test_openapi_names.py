"""Names in the OpenAPI document: those of a service's own models and routes are never taken from it."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, create_model

from runtime import CommandModule, CqrsModel, module_routes
from runtime.entry.http.api import HttpApi
from tests.support.http_events import http_event

OUR_OWN = (
    "Problem",
    "ValidationError",
    "HTTPValidationError",
    "ResponseValidationError",
    "Receipt",
    "BulkResult",
    "UnreadableRow",
    "Change_Owned_",
    "Owned_Part",
)


class Line(CqrsModel):
    amount: int = 0


class Line_Part(CqrsModel):  # noqa: N801 - the very name of a part of the other one
    barcode: str


class Line_Part_2(CqrsModel):  # noqa: N801
    colour: str


class Holder(CqrsModel):
    line: Line = Line()
    part: Line_Part | None = None
    other: Line_Part_2 | None = None


class Found(BaseModel):
    text: str


def document_of(*routes: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Powertools warns of ids that are there twice
        answer = HttpApi(routes).handle(http_event("GET", "/openapi.json"), None)
    document = json.loads(answer["body"])
    OpenAPIV31SpecValidator(document).validate()
    return document


def routes_of(name: str, attributes: Any, *, kind: str = "ITEM", prefix: str | None = None) -> Any:
    module: CommandModule[Any] = CommandModule(name, attributes=attributes)
    return module_routes(module, prefix=prefix or f"/{name}", type=kind)


def errors_in(document: Any, path: str, method: str, body: Any) -> list[str]:
    """What the document has against a body."""
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    return [error.message for error in validator.iter_errors(body)]


@pytest.mark.parametrize("name", OUR_OWN)
def test_a_model_may_have_a_name_of_ours(name: str) -> None:
    inner: Any = create_model(name, __base__=CqrsModel, severity=(int, ...))
    owned: Any = create_model("Owned", __base__=CqrsModel, severity=(int, ...), inner=(inner | None, None))
    document = document_of(routes_of("whole", inner), routes_of("owned", owned))
    for path, good in (
        ("/whole", {"severity": 1}),
        ("/owned", {"severity": 1, "inner": {"severity": 2}}),
    ):
        body = {"name": "n", "attributes": good}
        assert errors_in(document, path, "post", body) == []
        assert errors_in(document, path, "post", {**body, "attributes": {**good, "severity": "x"}}) != []
        assert errors_in(document, f"{path}/{{sk}}", "patch", {"attributes": {"severity": 1}}) == []
        assert errors_in(document, f"{path}/{{sk}}", "patch", {"attributes": {"severity": "x"}}) != []
    spoilt = {"severity": 1, "inner": {"severity": "x"}}
    assert errors_in(document, "/owned", "post", {"name": "n", "attributes": spoilt}) != []
    for operation in document["paths"]["/owned"].values():
        content = operation["responses"]["default"]["content"]["application/problem+json"]
        problem = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        assert {"type", "title", "status", "written"} <= set(problem["properties"])


def test_a_model_may_have_the_name_of_another_ones_part() -> None:
    document = document_of(routes_of("holder", Holder))
    whole = {"name": "n", "attributes": {"line": {"amount": 1}, "part": {"barcode": "x"}}}
    assert errors_in(document, "/holder", "post", whole) == []
    whole["attributes"] = {"part": {"amount": 1}}
    assert errors_in(document, "/holder", "post", whole) != []
    for good, bad in (
        ({"line": {"amount": 1}}, {"line": {"amount": "x"}}),
        ({"part": {"barcode": "x"}}, {"part": {"barcode": 1}}),
        ({"other": {"colour": "x"}}, {"other": {"colour": 1}}),
    ):
        assert errors_in(document, "/holder/{sk}", "patch", {"attributes": good}) == []
        assert errors_in(document, "/holder/{sk}", "patch", {"attributes": bad}) != []


def test_two_modules_may_have_models_of_one_name() -> None:
    modules: dict[str, Any] = {
        f"m{number}": create_model(
            "Order",
            __base__=CqrsModel,
            __module__=module,
            **{f"field_{number}": (create_model("Line", __module__=module, value=(kind, ...)), ...)},
        )
        # Of two files, and two of one: as functions make them.
        for number, (module, kind) in enumerate([("a.models", int), ("b.models", str), ("b.models", bool)])
    }
    document = document_of(*(routes_of(name, model) for name, model in modules.items()))
    values: list[Any] = [5, "five", True]
    for own in range(3):
        for other, value in enumerate(values):
            attributes = {f"field{other}": {"value": value}}
            body = {"name": "n", "attributes": attributes}
            is_taken = errors_in(document, f"/m{own}", "post", body) == []
            assert is_taken is (own == other), (own, other)
        spoilt = {f"field{own}": {"value": []}}
        assert errors_in(document, f"/m{own}/{{sk}}", "patch", {"attributes": spoilt}) != []


def ids_of(document: Any) -> dict[str, str]:
    """Id by operation."""
    return {
        f"{method} {path}": operation["operationId"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def test_every_operation_has_an_id_of_its_own() -> None:
    mine = Router()

    @mine.get("/mine", operation_id="item_list")
    def items() -> dict[str, str]:
        return {}

    @mine.post("/others/things", operation_id="item_some_things_get")
    def found(body: Found) -> Found:
        return body

    module: CommandModule[Any] = CommandModule("item", attributes=Line)
    types = [
        module_routes(module, prefix=prefix, type=f"T{number}")
        for number, prefix in enumerate(["/items", "/some/things", "/some-things", "/some_things"])
    ]
    ids = ids_of(document_of(*types, mine))
    assert len(set(ids.values())) == len(ids)
    assert ids["get /mine"] == "item_list"
    # The first type has the short ones, as far as nothing else has them.
    assert ids["get /items/{sk}"] == "item_get"
    assert ids["get /items"] == "item_items_list"
    assert ids["get /some/things"] == "item_some_things_list"
    assert ids["get /some-things/{sk}"].startswith("item_some_things_get_")
    alone = ids_of(document_of(types[0]))
    assert alone["get /items"] == "item_list"
    # Those of one type do not change when another one is added behind it.
    more = ids_of(document_of(types[0], types[1]))
    assert {name: more[name] for name in alone} == alone
