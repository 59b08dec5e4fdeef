"""The JSON schemas of what goes over the wire: as `json_format` writes it, and as routes take it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from enum import Flag
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from pydantic import json_schema
from pydantic.json_schema import GenerateJsonSchema

from runtime.entry.http.json_format import dumps
from runtime.entry.http.part_of import PART
from runtime.model.constants import has_other_forms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

__all__ = ["add_partial_schemas", "as_written"]

_REFERENCE: Final = "#/components/schemas/"
_SUFFIX: Final = "_Part"
_lock = Lock()


class _AsWritten(GenerateJsonSchema):
    """Schemas of our JSON, which is not pydantic's own: Decimals are numbers, bytes are base64."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        found = super().decimal_schema(schema)
        if self.mode == "validation":
            return found
        number: JsonSchemaValue = {"type": "number"}
        self.update_with_validations(number, schema, self.ValidationsMapping.numeric)
        return number

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:  # noqa: ARG002 - its lengths are of bytes
        return {"type": "string", "contentEncoding": "base64"}

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        return _local(super().time_schema(schema), is_local=schema.get("tz_constraint") != "aware")

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        return _local(super().datetime_schema(schema), is_local=schema.get("tz_constraint") == "naive")

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        title = schema["cls"].__name__
        if issubclass(schema["cls"], Flag):  # several at once are a number that is no member
            return {"title": title, "type": "integer"}
        if not has_other_forms(schema):
            return super().enum_schema(schema)
        return {"title": title, "enum": [_in_json(member.value) for member in schema["members"]]}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        if not has_other_forms(schema):
            return super().literal_schema(schema)
        return {"enum": [_in_json(one) for one in schema["expected"]]}

    def handle_invalid_for_json_schema(
        self,
        schema: Any,  # noqa: ANN401, ARG002
        error_info: str,  # noqa: ARG002
    ) -> JsonSchemaValue:
        return {}  # a class of the user's: what is written of it nobody knows

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - any default, as any JSON
        try:
            return json.loads(dumps(dft))
        except (TypeError, ValueError):
            return super().encode_default(dft)


def _in_json(value: Any) -> Any:  # noqa: ANN401 - any constant, as any JSON
    return json.loads(dumps(value))


def _local(found: JsonSchemaValue, *, is_local: bool) -> JsonSchemaValue:
    # In JSON Schema, the formats `time` and `date-time` have an offset from UTC.
    return {**found, "format": f"{found['format']}-local"} if is_local else found


@contextmanager
def as_written() -> Iterator[None]:
    """Let Powertools, which makes a generator of pydantic's for each document, make ours."""
    with _lock:
        before = json_schema.GenerateJsonSchema
        json_schema.GenerateJsonSchema = _AsWritten  # type: ignore[misc]
        try:
            yield
        finally:
            json_schema.GenerateJsonSchema = before  # type: ignore[misc]


def add_partial_schemas(document: dict[str, Any]) -> None:
    """Put the schema of a part in the place of each mark."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    parts = _Parts(schemas)
    for place in [*schemas.values(), document.get("paths", {})]:
        _replace(place, parts)
    schemas.update(parts.made)
    _drop_names(document, schemas)


def _drop_names(place: Any, schemas: dict[str, Any]) -> None:  # noqa: ANN401 - any JSON
    """Take away what is said of the keys of a mapping where they are no text in Python: here they are."""
    if isinstance(place, dict):
        names = place.get("propertyNames")
        if isinstance(names, dict) and not _is_text(
            schemas.get(names.get("$ref", "").rpartition("/")[2], names)
        ):
            del place["propertyNames"]
        for inner in place.values():
            _drop_names(inner, schemas)
    elif isinstance(place, list):
        for inner in place:
            _drop_names(inner, schemas)


def _is_text(schema: dict[str, Any]) -> bool:
    constants = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return schema.get("type", "string") == "string" and all(isinstance(one, str) for one in constants)


def _replace(place: Any, parts: _Parts) -> None:  # noqa: ANN401 - any JSON
    if isinstance(place, dict):
        if PART in place:
            place.update(parts.of(place.pop(PART)))
        for inner in place.values():
            _replace(inner, parts)
    elif isinstance(place, list):
        for inner in place:
            _replace(inner, parts)


class _Parts:
    """Schemas of parts: each object may lack fields, and a null takes one away; lists come as a whole."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self.made: dict[str, Any] = {}

    def of(self, schema: Any) -> Any:  # noqa: ANN401 - any schema
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return {**schema, "$ref": self._reference(schema["$ref"])}
        if {"anyOf", "oneOf"} & set(schema):
            # A part need not say which one of several it is of.
            choices = [self.of(choice) for choice in schema.get("anyOf") or schema["oneOf"]]
            rest = {
                k: v for k, v in schema.items() if k not in {"anyOf", "oneOf", "discriminator", "default"}
            }
            return {**rest, "anyOf": choices}
        if schema.get("type") != "object":
            return {name: value for name, value in schema.items() if name != "default"}
        part = {name: value for name, value in schema.items() if name not in {"required", "default"}}
        if "properties" in schema:
            part["properties"] = {name: self._field(field) for name, field in schema["properties"].items()}
        if isinstance(schema.get("additionalProperties"), dict):
            part["additionalProperties"] = self._field(schema["additionalProperties"])
        part.pop("minProperties", None)
        return part

    def _field(self, schema: Any) -> Any:  # noqa: ANN401 - any schema
        part = self.of(schema)
        if not isinstance(part, dict) or not part or {"type": "null"} in part.get("anyOf", ()):
            return part
        about = {name: part.pop(name) for name in ("title", "description", "readOnly") if name in part}
        choices = part["anyOf"] if set(part) == {"anyOf"} else [part]
        return {**about, "anyOf": [*choices, {"type": "null"}]}

    def _reference(self, reference: str) -> str:
        name = reference.removeprefix(_REFERENCE)
        whole = self._schemas.get(name)
        if not isinstance(whole, dict) or not {"properties", "anyOf", "oneOf", "$ref"} & set(whole):
            return reference  # an enumeration, say, has no parts
        made = f"{name}{_SUFFIX}"
        if made not in self.made:
            self.made[made] = {}  # for what refers to itself
            self.made[made].update(self.of(whole))
        return f"{_REFERENCE}{made}"
