"""The JSON schemas of parts of models, which a PATCH takes."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from runtime.entry.http.openapi_types import COMPUTED
from runtime.entry.http.part_of import PART

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["add_partial_schemas", "free_name"]

_REFERENCE: Final = "#/components/schemas/"
_SUFFIX: Final = "_Part"


def add_partial_schemas(document: dict[str, Any]) -> None:
    """Put the schema of a part in the place of each mark."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    parts = _Parts(schemas)
    for place in [*schemas.values(), document.get("paths", {})]:
        _replace(place, parts)
    schemas.update(parts.made)
    _drop_names(document, schemas)


def free_name(name: str, taken: Container[str | None]) -> str:
    """A name that nothing has yet: with a number behind it, where something has it."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(found for found in chain([name], numbered) if found not in taken)


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
        self._names: dict[str, str] = {}
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
            part["properties"] = {
                name: self._field(field)
                for name, field in schema["properties"].items()
                if field != COMPUTED  # nobody can change it
            }
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
        if name not in self._names:
            made = self._names[name] = free_name(f"{name}{_SUFFIX}", {*self._schemas, *self.made})
            self.made[made] = {}  # for what refers to itself
            self.made[made].update(self.of(whole))
        return f"{_REFERENCE}{self._names[name]}"
