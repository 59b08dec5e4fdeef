"""The JSON schemas of values as they go over the wire: as `json_format` writes them, and as routes take them.

Our JSON is not pydantic's own. It is made of what Python code sees, so what a model tells pydantic
about JSON alone, serializers with ``when_used="json"`` and settings such as ``ser_json_timedelta``,
does not count.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from enum import Flag
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from pydantic import json_schema
from pydantic.json_schema import GenerateJsonSchema

from runtime.entry.http.json_format import dumps
from runtime.model.constants import has_other_forms
from runtime.model.plain_text import key_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

__all__ = ["COMPUTED", "as_written"]

#: The schema of a computed field in a request.
COMPUTED: Final = {"readOnly": True}
_lock = Lock()
_TAKEN: Final = re.compile(r"\b((?:HTTP|Response)?ValidationError)(?=:\d+$)")
#: Core schemas around another one.
_AROUND: Final = frozenset({"default", "nullable", "function-before", "function-after", "function-wrap"})


class _AsWritten(GenerateJsonSchema):
    """Schemas of our JSON: Decimals are numbers, bytes are base64, times ISO 8601, keys are text.

    What a request may be (the mode ``validation``) is, beside what pydantic says, what is shown of it.
    """

    def get_defs_ref(self, core_mode_ref: Any) -> Any:  # noqa: ANN401 - pydantic's own kinds of text
        # Powertools writes schemas of its own under these names over any that is there.
        reference, mode = core_mode_ref
        renamed: Any = _TAKEN.sub(r"\1_", reference)
        return super().get_defs_ref((renamed, mode))

    def generate_inner(self, schema: Any) -> JsonSchemaValue:  # noqa: ANN401 - any core schema
        schema = _as_python_sees_it(schema)
        found = super().generate_inner(schema)
        written = schema.get("serialization") if self.mode == "validation" else None
        if not written or schema["type"] == "model" or _is_pydantics(written):
            return found
        shown = self.ser_schema(written)
        return self.get_union_of_schemas([found, shown]) if shown else found

    def ser_schema(self, schema: Any) -> JsonSchemaValue | None:  # noqa: ANN401 - of any serializer
        if _is_pydantics(schema):
            return super().ser_schema(schema)
        return {} if schema.get("return_schema") is None else super().ser_schema(schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        if self.mode == "validation" and found.get("additionalProperties") is False:
            # What GET has shown is taken, and passed over.
            for name, field in schema["cls"].model_computed_fields.items():
                found.setdefault("properties", {})[field.alias or name] = {**COMPUTED}
        return found

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        found = super().decimal_schema(schema)
        if self.mode == "validation":
            return found
        number: JsonSchemaValue = {"type": "number"}
        self.update_with_validations(number, schema, self.ValidationsMapping.numeric)
        return number

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:  # noqa: ARG002 - its lengths are of bytes
        return {"type": "string", "contentEncoding": "base64"}

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:  # noqa: ARG002 - all are written alike
        return _text("date")

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        return _text("time", is_local=schema.get("tz_constraint") != "aware")

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        return _text("date-time", is_local=schema.get("tz_constraint") == "naive")

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:  # noqa: ARG002 - as a date
        # No `duration` of JSON Schema: that has neither fractions nor signs, nor days behind years.
        return {"type": "string", "description": "A duration as in ISO 8601, such as PT1H30M."}

    def json_schema(self, schema: core_schema.JsonSchema) -> JsonSchemaValue:
        found = super().json_schema(schema)
        if self.mode != "validation":
            return found
        return self.get_union_of_schemas([found, found.get("contentSchema", {})])

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

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        keys = schema.get("keys_schema", {})
        if "propertyNames" in found and keys.get("type") == "enum" and not issubclass(keys["cls"], Flag):
            with suppress(ValueError):  # a member without a text of its own is no key
                found["propertyNames"] = {"enum": [key_text(member) for member in keys["members"]]}
        return found

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - any default, as any JSON
        try:
            return json.loads(dumps(dft))
        except (TypeError, ValueError):
            return super().encode_default(dft)


def _in_json(value: Any) -> Any:  # noqa: ANN401 - any constant, as any JSON
    return json.loads(dumps(value))


def _as_python_sees_it(schema: Any) -> Any:  # noqa: ANN401 - any core schema
    """A core schema without a function of the service's that pydantic would ask for JSON only."""
    serializer = schema.get("serialization")
    if serializer and not _is_pydantics(serializer) and str(serializer.get("when_used")).startswith("json"):
        schema = {name: part for name, part in schema.items() if name != "serialization"}
    if schema["type"] in _AROUND:  # pydantic looks there for what makes a default
        schema = {**schema, "schema": _as_python_sees_it(schema["schema"])}
    return schema


def _is_pydantics(serializer: Mapping[str, Any]) -> bool:
    """Whether a serializer is one that pydantic gives a type, not a function of the service's."""
    function = serializer.get("function")
    return function is None or str(getattr(function, "__module__", "")).partition(".")[0] == "pydantic"


def _text(form: str, *, is_local: bool = False) -> JsonSchemaValue:
    # In JSON Schema, the formats `time` and `date-time` have an offset from UTC.
    return {"type": "string", "format": f"{form}-local" if is_local else form}


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
