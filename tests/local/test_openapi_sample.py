from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.local.service.openapi_sample import Sample, samples_of


def document(method: str, path: str = "/things", **operation: Any) -> dict[str, Any]:
    return {"paths": {path: {method: operation}}}


def creating(schema: dict[str, Any], **media: Any) -> dict[str, Any]:
    return document("post", requestBody={"content": {"application/json": {"schema": schema, **media}}})


def body_of(schema: dict[str, Any], **media: Any) -> Any:
    (sample,) = samples_of(creating(schema, **media))
    return sample.body


def test_the_first_route_that_needs_nothing_is_read() -> None:
    paths = {
        "/things/{id}": {"get": {}},
        "/search": {"get": {"parameters": [{"name": "q", "in": "query", "required": True}]}},
        "/things": {"get": {"parameters": [{"name": "limit", "in": "query"}]}},
        "/others": {"get": {}},
    }
    assert samples_of({"paths": paths}) == [Sample("GET", "/things")]


def test_a_route_that_asks_whether_it_creates_is_told() -> None:
    described = creating({"properties": {"a": {"const": 1}}, "required": ["a"]})
    described["paths"]["/things"]["post"]["parameters"] = [{"name": "If-None-Match", "in": "header"}]
    assert samples_of(described) == [Sample("POST", "/things", {"a": 1}, ("If-None-Match: *",))]


def test_the_documents_own_example_comes_first() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    assert body_of(schema, example={"a": "given"}) == {"a": "given"}
    assert body_of(schema, examples={"one": {"value": {"a": "first"}}}) == {"a": "first"}
    assert body_of(schema | {"example": {"a": "of the schema"}}) == {"a": "of the schema"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "Try it"),
        ({"type": "string", "minLength": 8}, "Try itxx"),
        ({"type": "string", "maxLength": 3}, "Try"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "examples": ["A1"]}, "A1"),
        ({"enum": ["low", "high"]}, "low"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "maximum": 0}, 0),
        ({"type": "number", "exclusiveMinimum": 2.5}, 3.5),
        ({"type": "boolean"}, False),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1}, [1]),
        ({"type": ["integer", "null"]}, 1),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"type": "null"}, None),
        ({"$ref": "#/components/schemas/Part"}, {"b": "Try it"}),
        ({"allOf": [{"$ref": "#/components/schemas/Part"}]}, {"b": "Try it"}),
        ({"$ref": "#/nowhere"}, {}),
    ],
)
def test_a_value_fits_its_schema(schema: dict[str, Any], value: Any) -> None:
    part = {"type": "object", "properties": {"b": {"type": "string"}, "c": {}}, "required": ["b"]}
    described = creating({"properties": {"a": schema}, "required": ["a"]})
    described["components"] = {"schemas": {"Part": part}}
    (sample,) = samples_of(described)
    assert sample.body == {"a": value}


def test_what_contains_itself_has_an_end() -> None:
    described = creating({"$ref": "#/components/schemas/Tree"})
    tree = {"properties": {"child": {"$ref": "#/components/schemas/Tree"}}, "required": ["child"]}
    described["components"] = {"schemas": {"Tree": tree, "Loop": {"$ref": "#/components/schemas/Loop"}}}
    (sample,) = samples_of(described)
    assert "child" in sample.body
    described["paths"]["/things"]["post"]["requestBody"]["content"]["application/json"]["schema"] = {
        "$ref": "#/components/schemas/Loop"
    }
    assert samples_of(described) == []


@pytest.mark.parametrize("schema", [{"type": "array", "items": {}, "minItems": 1}, {"type": "object"}])
def test_a_list_and_nothing_at_all_are_no_command(schema: dict[str, Any]) -> None:
    assert samples_of(creating(schema)) == []
