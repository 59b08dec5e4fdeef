"""What makes a model one whose values can never be read again, found before anything is written."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from runtime.model.shape import Choice, Items, Map, Record, each_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.model.shape import Field, Shape

__all__ = ["model_problems"]

#: Around these a value that is read may be made of something else before it comes to them.
_OPEN: Final = frozenset({"function-before", "function-wrap", "function-plain"})
_AROUND: Final = frozenset({"default", "function-after", "definitions", "custom-error"})
_NEVER: Final = {
    "generator": "is an iterator, which is used up when it is written; use list[...] or tuple[...]",
    "callable": "is a function, which cannot be stored; store the name of one",
    "is-subclass": "is a class, which cannot be stored; store the name of one",
    "is-instance": "has a class that pydantic cannot make of what is stored; use one that it knows, or "
    "give it a serializer and a validator (PlainSerializer, BeforeValidator)",
    "arguments": "cannot be stored",
    "call": "cannot be stored",
}
#: What a row gives back. A class that has one of them as an instance takes it.
_STORED: Final = (str, int, bool, Decimal, float, bytes, list, dict, set, type(None))
_STARS: Final = (
    "is a secret, of which only stars are written; keep secrets elsewhere, or give the field a serializer "
    "that writes what may be stored"
)
_SECRETS: Final = ("pydantic.types._serialize_secret_field", "pydantic.types._serialize_secret")


def model_problems(schema: dict[str, Any], shape: Shape) -> Iterator[str]:
    """One sentence for each field that cannot work, with its path and the fix.

    Args:
        schema: Core schema of the type of the attributes.
        shape: Its shape.
    """
    search = _Search(schema)
    if (problem := search.never(schema)) is not None:
        yield f"attributes {problem}"
    yield from search.problems(shape, "attributes")


class _Search:
    def __init__(self, schema: dict[str, Any]) -> None:
        self._definitions = {found["ref"]: found for found in each_schema(schema) if "ref" in found}
        self._seen: set[int] = set()

    def problems(self, shape: Shape, path: str) -> Iterator[str]:
        shape = shape.real()
        if id(shape) in self._seen:
            return
        self._seen.add(id(shape))
        match shape:
            case Record():
                yield from self._of_record(shape, path)
            case Map():
                yield from self._of_map(shape, path)
            case Items():
                if shape.make in {set, frozenset} and isinstance(shape.of(0).real(), Record | Map):
                    yield f"{path} is a set of objects, which cannot be written; use list[...]"
                for part in (*shape.first, *([shape.rest] if shape.rest else [])):
                    yield from self.problems(part, f"{path}[]")
            case Choice():
                for option in shape.options:
                    yield from self.problems(option, path)

    def _of_map(self, mapping: Map, path: str) -> Iterator[str]:
        if isinstance(mapping.key.real(), Record | Map | Items):
            yield f"{path} has keys that are no text and have no text of their own; use text for keys"
        if mapping.is_ordered:
            yield f"{path} has its keys in an order, which is not kept; use dict[...] or list[tuple[...]]"
        yield from self.problems(mapping.value, f"{path}.*")

    def _of_record(self, record: Record, path: str) -> Iterator[str]:
        written = Counter(field.stored for field in record.fields if not field.is_excluded)
        for field in record.fields:
            place = f"{path}.{field.name}"
            yield from (f"{place} {problem}" for problem in self._of_field(field))
            if written[field.stored] > 1 and not field.is_excluded:
                name = repr(field.stored)
                yield f"{place} is written as {name}, as another field is; give each an alias of its own"
            yield from self.problems(field.shape, place)

    def _of_field(self, field: Field) -> Iterator[str]:
        if field.is_excluded:
            if field.is_required:
                yield (
                    "is required and excluded from what is written, so that it would be missing; "
                    "remove exclude=True, or give it a default"
                )
            return
        if field.stored not in field.spellings:
            names = " or ".join(map(repr, field.spellings)) or "a path"
            yield (
                f"is written as {field.stored!r} and read as {names}; use alias= for both, or allow its name "
                "too (populate_by_name=True, AliasChoices)"
            )
        if field.is_required and (problem := self.never(field.schema)) is not None:
            yield problem

    def never(self, schema: dict[str, Any]) -> str | None:
        """Why no value at all can be stored and read, or None."""
        while True:
            kind = schema["type"]
            serializer = schema.get("serialization", {})
            if str(serializer.get("type", "")).startswith("function"):
                function = serializer.get("function")
                name = f"{getattr(function, '__module__', '')}.{getattr(function, '__name__', '')}"
                return _STARS if name in _SECRETS else None
            if kind in _OPEN:
                return None
            if kind == "definition-ref":
                schema = self._definitions[schema["schema_ref"]]
            elif kind == "lax-or-strict":
                schema = schema["lax_schema"]
            elif kind == "json-or-python":
                schema = schema["python_schema"]
            elif kind in _AROUND:
                schema = schema["schema"]
            elif kind == "is-instance":
                return self._never_instance(schema["cls"])
            else:
                return _NEVER.get(kind)

    def _never_instance(self, cls: Any) -> str | None:  # noqa: ANN401 - a class, or several
        if cls is type:
            return _NEVER["is-subclass"]
        takes_one = isinstance(cls, type) and any(issubclass(stored, cls) for stored in _STORED)
        return None if takes_one else _NEVER["is-instance"]
