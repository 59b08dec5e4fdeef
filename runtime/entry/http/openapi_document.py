"""What Powertools knows of the routes, as an OpenAPI 3.1 document that tells the truth.

Powertools promises 422 for a wrong request and knows nothing of the conditional headers;
here every error is a problem document, and the headers are described.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler.openapi import swagger_ui
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, Server
from aws_lambda_powertools.event_handler.openapi.swagger_ui import generate_swagger_html

from runtime.entry.http.openapi_schemas import add_partial_schemas, free_name
from runtime.entry.http.openapi_types import as_written
from runtime.entry.http.problems import PROBLEM_JSON
from runtime.entry.http.route_table import OF_A_MODULE
from runtime.identity.context import HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["document_of", "swagger_page"]

_SECURITY: Final = "jwt"
_REFERENCE: Final = re.compile(r'"#/components/schemas/([^"]+)"')
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "Names the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "Id of the request."},
        "written": {
            "type": "string",
            "enum": ["nothing", "everything", "something", "unknown"],
            "description": "What the request had written when it failed.",
        },
        "errors": {
            "type": "array",
            "description": "The fields that are wrong.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_HEADERS: Final = {
    "If-Match": 'The ETag of the state that the change is for, such as "3"; or * for any.',
    "If-None-Match": "In a read: ETags that the caller has. In a write: *, there must be no such item yet.",
    HEADER_IDEMPOTENCY_KEY: "A request that is repeated with the same key within a day is done once.",
    HEADER_TENANT_CODE: "Another tenant than the caller's own. Takes a role that may.",
}
_TAGGED: Final = {"200", "201", "202", "304"}
_MERGE_PATCH: Final = "application/merge-patch+json"


def document_of(resolver: Any, *, title: str, version: str, description: str | None) -> dict[str, Any]:  # noqa: ANN401 - Powertools' router knows its resolver by an incomplete type
    """The document of every route of a resolver, apart from those that hide themselves."""
    with as_written():
        schema = resolver.get_openapi_schema(
            title=title,
            version=version,
            description=description,
            # Relative to where the document is: right behind any base path.
            servers=[Server(url="./")],
            security_schemes={_SECURITY: HTTPBearer(bearerFormat="JWT")},
            security=[{_SECURITY: []}],
        )
    document: dict[str, Any] = json.loads(schema.model_dump_json(by_alias=True, exclude_none=True))
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = free_name("Problem", schemas)
    schemas[problem] = _PROBLEM
    add_partial_schemas(document)
    _name(document)
    for method, operation in _operations(document):
        _correct(method, operation, f"#/components/schemas/{problem}")
    used = _reached(document.get("paths", {}), schemas)
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(used)}
    return document


def swagger_page(document: str) -> str:
    """Swagger UI with the document in it: one page, with nothing else to load."""
    folder = Path(swagger_ui.__file__).parent
    script = (folder / "swagger-ui-bundle.min.js").read_text(encoding="utf-8")
    style = (folder / "swagger-ui.min.css").read_text(encoding="utf-8")
    # No description may end the script that the document is in, or begin a comment or another one.
    spec = document.replace("<", "\\u003c")
    return generate_swagger_html(spec, script, style, "", None, persist_authorization=False)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            if isinstance(operation, dict):
                yield method, operation


def _reached(value: object, schemas: dict[str, Any]) -> set[str]:
    """Names of the schemas that something refers to, directly or not."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        for name in _REFERENCE.findall(json.dumps(waiting.pop())):
            if name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found


def _name(document: dict[str, Any]) -> None:
    """Give the operations of modules the ids that they would like, as far as nothing else has them."""
    operations = [operation for _, operation in _operations(document)]
    taken = {one.get("operationId") for one in operations if OF_A_MODULE not in one}
    for operation in operations:
        if OF_A_MODULE in operation:
            name, longer = operation[OF_A_MODULE]["operationIds"]
            operation["operationId"] = name if name not in taken else free_name(longer, taken)
            taken.add(operation["operationId"])


def _correct(method: str, operation: dict[str, Any], problem: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status in ("204", "304"):
        responses.get(status, {}).pop("content", None)
    reference = {"schema": {"$ref": problem}}
    responses["default"] = {"description": "A problem", "content": {PROBLEM_JSON: reference}}
    if (known := operation.pop(OF_A_MODULE, None)) is None:
        return
    for status, description in known["problems"].items():
        responses[status] = {"description": description, "content": {PROBLEM_JSON: reference}}
    parameters = operation.setdefault("parameters", [])
    for name in known["headers"]:
        text = {"type": "string"}
        parameters.append({"name": name, "in": "header", "schema": text, "description": _HEADERS[name]})
    for status, response in responses.items():
        if known["hasTag"] and status in _TAGGED:
            response["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "The version"}}
    if method == "patch":
        content = operation["requestBody"]["content"]
        content[_MERGE_PATCH] = content["application/json"]
