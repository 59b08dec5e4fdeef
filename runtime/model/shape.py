"""The shape of a type: which places it has, and under which names each is known.

Made of pydantic's core schema, so that whatever a field can be declared with (aliases, unions,
generics, types that refer to themselves) is there as pydantic itself sees it. What the schema
does not tell, such as what a function of the user's returns, is `Free`.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "MAPPING_KINDS",
    "Choice",
    "Field",
    "Free",
    "Items",
    "Leaf",
    "Map",
    "Record",
    "Shape",
    "each_schema",
    "is_json_value",
    "rebuilt",
    "shape_of",
]

_Schema = dict[str, Any]


class Shape:
    """What may stand at one place. Null may stand wherever the type allows it, and is not told here."""

    def real(self) -> Shape:
        """The shape itself, where this one only refers to it."""
        return self


class Free(Shape):
    """Anything: the type says nothing about it."""


@dataclass(frozen=True, eq=False)
class Leaf(Shape):
    """A value without places.

    Attributes:
        kind: Its kind, as pydantic's core calls it.
        schema: Its core schema, complete in itself.
        is_written_otherwise: Whether a function of its own makes what is written of it.
    """

    kind: str
    schema: _Schema
    is_written_otherwise: bool


@dataclass(eq=False)
class Field:
    """A field of a record.

    Attributes:
        name: Its name in Python.
        stored: The name that it is written under.
        spellings: The names that it is read from, the first one that is there.
        shape: What it may be.
        schema: Its core schema.
        is_required: Whether it has no default.
        is_excluded: Whether it is never written.
    """

    name: str
    stored: str
    spellings: tuple[str, ...]
    shape: Shape
    schema: _Schema
    is_required: bool
    is_excluded: bool


@dataclass(eq=False)
class Record(Shape):
    """A model, a dataclass or a typed dictionary.

    Attributes:
        title: Its name.
        cls: Its class.
        fields: Its fields, in order.
        names: Each name that a field is known by, the one in Python included.
        computed: Names of the computed fields, both spellings.
        allows_extras: Whether fields that it does not know are kept.
        extras: What those may be.
    """

    title: str = ""
    cls: type[Any] | None = None
    fields: list[Field] = field(default_factory=list)
    names: dict[str, Field] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    allows_extras: bool = False
    extras: Shape = field(default_factory=Free)


@dataclass(eq=False)
class Map(Shape):
    """A mapping: its keys are data.

    Attributes:
        key: What a key may be.
        value: What each value may be.
        is_ordered: Whether two of them with another order of keys are not the same.
    """

    key: Shape
    value: Shape
    is_ordered: bool = False


@dataclass(eq=False)
class Items(Shape):
    """A list, a set or a tuple.

    Attributes:
        make: The class of it.
        first: Shapes of the first items, one by one.
        rest: Shape of each further one; None where there are none.
    """

    make: type[Any]
    first: tuple[Shape, ...] = ()
    rest: Shape | None = None

    def of(self, index: int) -> Shape:
        """Shape of the item at an index."""
        return self.first[index] if index < len(self.first) else (self.rest or Free())


@dataclass(eq=False)
class Choice(Shape):
    """A union.

    Attributes:
        options: What it may be, in order.
        tag: Names of the field that tells, or the function that finds the tag; None in a plain union.
        tagged: Option by tag.
    """

    options: tuple[Shape, ...]
    tag: tuple[str, ...] | Callable[[Any], Any] | None = None
    tagged: Mapping[Any, Shape] = field(default_factory=dict)

    def by_tag(self, *values: object) -> Shape | None:
        """The option that the first of ``values`` with a tag names."""
        for value in values:
            for tag in self._tags(value):
                text = getattr(tag, "value", tag)
                if isinstance(text, str | int) and text in self.tagged:
                    return self.tagged[text].real()
        return None

    def _tags(self, value: object) -> Iterator[Any]:
        if callable(self.tag):
            with suppress(Exception):  # of the user's, and made for whole values
                yield self.tag(value)
        elif isinstance(value, dict):
            yield from (value[name] for name in self.tag or () if name in value)

    def kinds(self) -> set[str]:
        """Kinds of the options that are leaves."""
        return {real.kind for option in self.options if isinstance(real := option.real(), Leaf)}


class _Later(Shape):
    """A place whose type is still being looked at, since it refers to itself."""

    def __init__(self, builder: _Builder, reference: str) -> None:
        self._builder = builder
        self._reference = reference

    def real(self) -> Shape:
        return self._builder.referred(self._reference).real()


_ITEMS: Final[Mapping[str, type[Any]]] = {
    "list": list,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "tuple": tuple,
}
MAPPING_KINDS: Final = frozenset({"dict", "ordered-dict", "counter", "frozendict"})
"""Kinds of core schemas whose values have keys that are data."""

_RECORDS: Final = ("model", "dataclass", "typed-dict")
#: What stands around a schema without changing what is a place in it, and where it has the inner one.
_AROUND: Final[Mapping[str, str]] = {
    "default": "schema",
    "nullable": "schema",
    "function-after": "schema",
    "function-before": "schema",
    "function-wrap": "schema",
    "lax-or-strict": "lax_schema",
    "json-or-python": "python_schema",
    "definitions": "schema",
    "custom-error": "schema",
}


def shape_of(schema: _Schema) -> Shape:
    """The shape of a core schema."""
    return _Builder().shape(schema).real()


def is_json_value(schema: _Schema) -> bool:
    """Whether a schema is pydantic's ``JsonValue``, which takes nothing but what JSON has."""
    return str(schema.get("ref", "")).startswith("pydantic.types.JsonValue:")


#: Where a core schema has others in it. A walk over all of its keys would take a field's name, or a
#: default value, for a part of the schema.
_PARTS: Final = (
    "schema",
    "items_schema",
    "keys_schema",
    "values_schema",
    "lax_schema",
    "strict_schema",
    "json_schema",
    "python_schema",
    "extras_schema",
    "steps",
    "choices",
    "fields",
    "definitions",
)


def each_schema(schema: _Schema) -> Iterator[_Schema]:
    """A core schema, and each one in it, from outside inwards."""
    yield schema
    for name in _PARTS:
        part = schema.get(name)
        for inner in part.values() if name in _BY_NAME and isinstance(part, dict) else _listed(part):
            yield from each_schema(inner)


def rebuilt(schema: _Schema, change: Callable[[_Schema], _Schema]) -> _Schema:
    """A core schema with each one in it as ``change`` makes it; the old one is not touched."""

    def of(part: Any) -> Any:  # noqa: ANN401 - a schema, or several
        if isinstance(part, dict):
            return rebuilt(part, change)
        if isinstance(part, list | tuple):
            return type(part)(map(of, part))
        return part

    found = dict(schema)
    for name in _PARTS:
        part = found.get(name)
        if name in _BY_NAME and isinstance(part, dict):
            found[name] = {key: of(inner) for key, inner in part.items()}
        elif part is not None:
            found[name] = of(part)
    return change(found)


_BY_NAME: Final = ("fields", "choices")


def _listed(part: Any) -> Iterator[_Schema]:  # noqa: ANN401 - a schema, or several
    if isinstance(part, dict):
        yield part
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from _listed(inner)


class _Builder:
    def __init__(self) -> None:
        self._definitions: dict[str, _Schema] = {}
        self._done: dict[str, Shape] = {}

    def shape(self, schema: _Schema) -> Shape:
        found, written = schema, False
        while True:
            for definition in found.get("definitions", ()):
                self._definitions[definition["ref"]] = definition
            written = written or str(found.get("serialization", {}).get("type", "")).startswith("function")
            kind = found["type"]
            if kind == "definition-ref":
                return self._done.get(found["schema_ref"]) or _Later(self, found["schema_ref"])
            if kind not in _AROUND:
                break
            if (ref := found.get("ref")) is not None:
                self._definitions[ref] = found
            found = found[_AROUND[kind]]
        return self._of(found, kind, written=written)

    def referred(self, reference: str) -> Shape:
        if reference not in self._done:
            self._done[reference] = _Later(self, reference)  # of itself, and of nothing else
            self._done[reference] = self.shape(self._definitions[reference])
        return self._done[reference]

    def _of(self, schema: _Schema, kind: str, *, written: bool) -> Shape:  # noqa: PLR0911 - one case a kind
        if kind in _RECORDS:
            return self._record(schema, kind)
        if kind in MAPPING_KINDS:
            anything: _Schema = {"type": "any"}
            return Map(
                self.shape(schema.get("keys_schema", anything)),
                self.shape(schema.get("values_schema", anything)),
                is_ordered=kind == "ordered-dict",
            )
        if kind == "tuple":
            return self._tuple(schema)
        if kind in _ITEMS:
            return Items(_ITEMS[kind], rest=self.shape(schema.get("items_schema", {"type": "any"})))
        if kind == "union":
            choices = (choice[0] if isinstance(choice, tuple) else choice for choice in schema["choices"])
            return self._choice([self.shape(choice) for choice in choices])
        if kind == "tagged-union":
            return self._tagged(schema)
        if kind == "chain":
            return self.shape(schema["steps"][0])
        if kind in {"any", "function-plain"}:
            return Free()
        known = [*self._definitions.values()] if kind == "json" else []
        return Leaf(kind, {"type": "definitions", "schema": schema, "definitions": known}, written)

    def _choice(self, options: list[Shape]) -> Shape:
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _tagged(self, schema: _Schema) -> Shape:
        tagged = {tag: self.shape(choice) for tag, choice in schema["choices"].items()}
        tag = schema["discriminator"]
        if isinstance(tag, str):
            tag = (tag,)
        elif isinstance(tag, list):
            paths = [path if isinstance(path, list) else [path] for path in tag]
            tag = tuple(path[0] for path in paths if len(path) == 1 and isinstance(path[0], str))
        return Choice(tuple(tagged.values()), tag, tagged)

    def _tuple(self, schema: _Schema) -> Shape:
        shapes = [self.shape(item) for item in schema["items_schema"]]
        variadic = schema.get("variadic_item_index")
        if variadic is None:
            return Items(tuple, tuple(shapes))
        return Items(tuple, tuple(shapes[:variadic]), shapes[variadic])

    def _record(self, schema: _Schema, kind: str) -> Shape:  # noqa: C901 - one case a form
        config = schema.get("config") or {}
        record = Record(schema.get("cls", object).__name__, schema.get("cls"))
        if (ref := schema.get("ref")) is not None:
            self._done[ref] = record  # before its fields, which may refer to it
        inner = schema if kind == "typed-dict" else schema["schema"]
        while inner["type"] in _AROUND:
            for definition in inner.get("definitions", ()):
                self._definitions[definition["ref"]] = definition
            inner = inner[_AROUND[inner["type"]]]
        if schema.get("root_model"):
            root = self.shape(inner["fields"]["root"]["schema"] if inner["type"] == "model-fields" else inner)
            if ref is not None:
                self._done[ref] = root
            return root
        if "fields" not in inner:
            return Free()
        found = inner["fields"]
        named = found.items() if isinstance(found, dict) else ((one["name"], one) for one in found)
        for name, one in named:
            self._add(record, name, one, config)
        # Where one field's name is another one's alias, the alias counts, as it does for pydantic.
        for names_of in (lambda f: (f.stored,), lambda f: f.spellings, lambda f: (f.name,)):
            for one in record.fields:
                for spelling in names_of(one):
                    record.names.setdefault(spelling, one)
        names = ((c["property_name"], c.get("alias")) for c in inner.get("computed_fields") or ())
        record.computed = frozenset(name for both in names for name in both if name is not None)
        extra = (
            inner.get("extra_behavior")
            or schema.get("extra_behavior")
            or config.get("extra_fields_behavior", "ignore")
        )
        record.allows_extras = extra == "allow"
        if (extras := inner.get("extras_schema") or schema.get("extras_schema")) is not None:
            record.extras = self.shape(extras)
        return record

    def _add(self, record: Record, name: str, schema: _Schema, config: _Schema) -> None:
        aliases = _aliases(schema.get("validation_alias"))
        by_alias = config.get("validate_by_alias", True)
        by_name = config.get("validate_by_name", config.get("populate_by_name", False))
        spellings = [*aliases] if by_alias else []
        if by_name or schema.get("validation_alias") is None:
            spellings.append(name)
        inner = schema["schema"]
        required = schema.get("required")
        added = Field(
            name,
            schema.get("serialization_alias") or name,
            tuple(dict.fromkeys(spellings)),
            self.shape(inner),
            inner,
            inner["type"] != "default" if required is None else required,
            schema.get("serialization_exclude", False),
        )
        record.fields.append(added)


def _aliases(alias: Any) -> list[str]:  # noqa: ANN401 - text, a path, or a list of paths
    """The aliases that are names; a path leads into another value, and is none."""
    if alias is None:
        return []
    if isinstance(alias, str):
        return [alias]
    paths = alias if alias and isinstance(alias[0], list) else [alias]
    return [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
