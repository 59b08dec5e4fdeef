"""Requests to try, found in an OpenAPI document: a list to read, and something to create."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Sample", "samples_of"]

_JSON = "application/json"
_DEEPEST = 8
#: Something for each format that a text may have to have.
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "ann@example.com",
    "time": "12:00:00",
    "uri": "https://example.com",
    "uuid": "6b0b7619-efb2-4f86-8e71-9ba79f0e2611",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A request that should be answered.

    Attributes:
        method: The HTTP method.
        path: The path, without the base URL.
        body: What to send; `None` for nothing.
        headers: Further headers that it needs.
    """

    method: str
    path: str
    body: Any = None
    headers: tuple[str, ...] = ()


def samples_of(document: dict[str, Any]) -> list[Sample]:
    """One request that reads and one that creates, as far as the document has them."""
    found = []
    for method in ("get", "post"):
        for path, operations in document.get("paths", {}).items():
            operation = operations.get(method)
            if operation is None or "{" in path or _asks_for_parameters(operation):
                continue
            if method == "get":
                found.append(Sample("GET", path))
                break
            schema = operation.get("requestBody", {}).get("content", {}).get(_JSON)
            # A list is a bulk request: the plain one says more.
            if schema and (body := _example(schema, document, 0)) and isinstance(body, dict):
                found.append(Sample("POST", path, body, _headers(operation)))
                break
    return found


def _asks_for_parameters(operation: dict[str, Any]) -> bool:
    return any(parameter.get("required") for parameter in operation.get("parameters", ()))


def _headers(operation: dict[str, Any]) -> tuple[str, ...]:
    """What says that the request creates, where a route wants to know whether it does."""
    names = [parameter.get("name", "") for parameter in operation.get("parameters", ())]
    return ("If-None-Match: *",) if "if-none-match" in map(str.lower, names) else ()


def _example(media: dict[str, Any], document: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - any JSON
    """The example that the document gives, else one that is made of the schema."""
    if "example" in media:
        return media["example"]
    for example in media.get("examples", {}).values():
        if "value" in example:
            return example["value"]
    return _value(media.get("schema", {}), document, depth)


def _value(schema: dict[str, Any], document: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - any JSON
    """A value that a schema takes; where it says one itself, that one."""
    schema = _resolved(schema, document)
    for name in ("example", "const", "default"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if choices:
        # A null says nothing about what is meant.
        telling = [choice for choice in choices if choice.get("type") != "null"]
        return _value(telling[0], document, depth) if telling else None
    if "allOf" in schema:
        parts = [_resolved(part, document) for part in schema["allOf"]]
        return {name: value for part in parts for name, value in _object(part, document, depth).items()}
    return _of_type(schema, document, depth)


def _of_type(schema: dict[str, Any], document: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - any JSON
    kind = schema.get("type", "object")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return _object(schema, document, depth)
        case "array":
            return [_value(schema.get("items", {}), document, depth + 1)] if schema.get("minItems") else []
        case "integer" | "number":
            return _number(schema)
        case "string":
            return _text(schema)
        case "boolean":
            return False
        case _:
            return None


def _object(schema: dict[str, Any], document: dict[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ()) if depth < _DEEPEST else ()
    return {name: _value(properties.get(name, {}), document, depth + 1) for name in required}


def _number(schema: dict[str, Any]) -> int | float:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    number = lowest + 1 if "exclusiveMinimum" in schema else max(lowest, min(1, schema.get("maximum", 1)))
    return int(number) if schema.get("type") == "integer" else number


def _text(schema: dict[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), "Try it")
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, where this refers to one of the document's."""
    seen: set[str] = set()
    while (reference := schema.get("$ref")) and reference not in seen:
        seen.add(reference)
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        schema = found
    return schema
