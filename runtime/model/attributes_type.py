"""The type of a module's attributes: how they are written, read back, and when that cannot work.

What is written of attributes is read by the same type again, possibly years later and by code that
checks more. So a value is written in the form that its type takes as input (`plain`), and reading
(`read`) asks less than publishing does: text for what JSON has no type for, also of a strict model,
and no rule about the present, which was kept when the value was accepted.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import PydanticSerializationError, SchemaSerializer, SchemaValidator

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.model.constants import CONSTANT_KINDS, has_other_forms
from runtime.model.json_values import adapted
from runtime.model.model_problems import model_problems
from runtime.model.models import CqrsModel
from runtime.model.shape import MAPPING_KINDS, Free, Leaf, Map, each_schema, is_json_value, rebuilt, shape_of
from runtime.model.shape_walk import changed_at, without_computed
from runtime.model.stored_values import completed, kept, makes_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.model.shape import Shape

__all__ = ["AttributesType", "attributes_type"]

_MICROSECONDS_PER_MILLISECOND: Final = 1000
_ANY: Final = {"type": "any"}
_TEXT_KEYS: Final = frozenset({"any", "str"})


@cache
def attributes_type(annotation: Any) -> AttributesType:  # noqa: ANN401 - a type
    """The type of attributes with this annotation; made once."""
    return AttributesType(annotation)


class AttributesType:
    """A type that attributes may have.

    Args:
        annotation: A pydantic model, a union of them, a typed dictionary, a dataclass, or ``dict``.
    """

    def __init__(self, annotation: Any) -> None:  # noqa: ANN401 - a type
        self.annotation = annotation

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Pydantic's core schema of the type.

        A typed dictionary or a dataclass has the names that it has in a command.
        """
        if isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel):
            self.annotation.model_rebuild()
            found: Any = TypeAdapter(self.annotation).core_schema
            schema: dict[str, Any] = found
            return schema
        holder: Any = create_model("Attributes", __base__=CqrsModel, attributes=(self.annotation, ...))
        outer = holder.__pydantic_core_schema__
        definitions = outer.get("definitions", [])
        while outer["type"] != "model-fields":
            outer = outer["schema"]
        field = outer["fields"]["attributes"]["schema"]
        return {"type": "definitions", "schema": field, "definitions": definitions}

    @cached_property
    def _serializer(self) -> SchemaSerializer:
        return SchemaSerializer(self.schema)

    @cached_property
    def shape(self) -> Shape:
        """Its places and their names."""
        return shape_of(self.schema)

    @cached_property
    def is_free(self) -> bool:
        """Whether it is any dictionary: then what is read is what the row has, and nothing is missing."""
        shape = self.shape
        return isinstance(shape, Free) or (isinstance(shape, Map) and isinstance(shape.value.real(), Free))

    @property
    def has_computed(self) -> bool:
        """Whether it has computed fields somewhere."""
        return self._traits.has_computed

    @cached_property
    def makes_up(self) -> bool:
        """Whether it makes up a field somewhere that is missing in what it reads."""
        return makes_up(self.shape)

    def check(self, module: str) -> None:
        """Refuse a type that can never work. One with names that are not defined yet is left alone.

        Raises:
            ConfigurationError: It is no type, or what is written of it could never be read.
        """
        try:
            problems = [*self._problems()]
        except PydanticUndefinedAnnotation:
            return
        except PydanticUserError as error:
            if error.code == "class-not-fully-defined":
                return
            text = str(error).partition("\n")[0]
            problems = [f"attributes: pydantic has no schema for {self.annotation!r}: {text}"]
        if problems:
            msg = f"module {module} can never store its attributes: {'; '.join(problems)}"
            raise ConfigurationError(msg)

    def _problems(self) -> Iterator[str]:
        if isinstance(self.annotation, str):
            yield f"attributes: must be a type, got the text {self.annotation!r}; import the model"
            return
        yield from model_problems(self.schema, self.shape)

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        """What is to be written of a value of the type: without computed fields, and as it is taken again.

        Raises:
            InvalidInputError: Its own serializers fail.
        """
        try:
            if isinstance(value, BaseModel):
                found: Any = value.model_dump(by_alias=True, round_trip=True, warnings=False)
            else:
                found = self._serializer.to_python(value, by_alias=True, round_trip=True, warnings=False)
        except (PydanticSerializationError, TypeError, ValueError, AttributeError) as error:
            message = f"cannot be written: a serializer of the model failed ({type(error).__name__})"
            raise InvalidInputError([FieldProblem("attributes", message)]) from error
        if self._traits.has_naive:
            found = changed_at(self.shape, found, _as_naive_text)
        return found

    def read(self, values: Any) -> Any:  # noqa: ANN401
        """Attributes of the type, of what a row has.

        Raises:
            ValidationError: The type does not accept them.
        """
        # With a rule about the present, another option of a union might be the first one to accept them.
        if not self._traits.has_present:
            try:
                return self._validator.validate_python(values)
            except ValidationError:
                if not self._traits.reads_otherwise:
                    raise
        return self._lenient.validate_python(adapted(self.shape, values, json=False), strict=False)

    def checked(self, values: Any) -> Any:  # noqa: ANN401
        """Attributes of the type, of what a row has with a change in it: all its rules count.

        Raises:
            ValidationError: The type does not accept them.
        """
        if self._traits.reads_otherwise:  # what is stored as text is of the type that it is for
            values = adapted(self.shape, values, json=False)
        return self._validator.validate_python(values)

    def without_computed(self, values: Any) -> Any:  # noqa: ANN401
        """What a row has, without the computed fields that earlier releases wrote."""
        return without_computed(self.shape, values) if self._traits.has_computed else values

    def kept(self, raw: Any, old: Any, new: Any) -> Any:  # noqa: ANN401 - stored values
        """What is to be stored of a new value, with what is stored and unknown to the type; see `kept`."""
        return kept(self.shape, raw, old, new)

    def completed(self, values: Any, written: Any, *, all_fields: bool = False) -> Any:  # noqa: ANN401
        """What is to be stored, with what the type would make up anew at each reading; see `completed`."""
        return completed(self.shape, values, written, all_fields=all_fields)

    def from_json(self, value: Any, *, path: str = "", keep_computed: bool = False) -> Any:  # noqa: ANN401
        """A value as JSON has it, with what JSON has no type for in the type that is wanted.

        Bytes are base64 in JSON, as `runtime.entry.http` writes them.

        Args:
            value: The value, or a part of one.
            path: Where it is, for an error.
            keep_computed: Leave computed fields in it.

        Raises:
            InvalidInputError: A value for bytes is no base64.
        """
        if not self._traits.has_json_form:
            return value
        return adapted(self.shape, value, json=True, path=path, keep_computed=keep_computed)

    def shown(self, values: Any) -> Any:  # noqa: ANN401
        """The values of a model as they are dumped, with bytes that are written as text as text."""
        return changed_at(self.shape, values, _as_text) if self._traits.has_written_bytes else values

    @cached_property
    def _validator(self) -> Any:  # noqa: ANN401 - pydantic has two kinds of them
        if isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel):
            return self.annotation.__pydantic_validator__
        return SchemaValidator(self.schema)

    @cached_property
    def _lenient(self) -> Any:  # noqa: ANN401
        if not self._traits.has_present:
            return self._validator
        # Not those that the classes have already, in which the rules are.
        make: Any = SchemaValidator
        return make(rebuilt(self.schema, _timeless), None, _use_prebuilt=False)

    @cached_property
    def _traits(self) -> _Traits:
        return _Traits(self.schema)


class _Traits:
    """What a type has somewhere, so that what need not be looked for is not."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.has_naive = False
        self.has_present = False
        self.has_computed = False
        self.has_bytes = False
        self.has_written_bytes = False
        self.has_constants = False
        self.has_typed_keys = False
        self.is_strict = False
        self._look(schema)

    @property
    def reads_otherwise(self) -> bool:
        return self.is_strict or self.has_present or self.has_constants

    @property
    def has_json_form(self) -> bool:
        return (
            self.is_strict or self.has_bytes or self.has_computed or self.has_constants or self.has_typed_keys
        )

    def _look(self, schema: dict[str, Any]) -> None:
        for part in each_schema(schema):
            kind = part["type"] if isinstance(part.get("type"), str) else None
            self.has_naive |= part.get("tz_constraint") == "naive"
            self.has_present |= "now_op" in part
            self.has_computed |= bool(part.get("computed_fields"))
            # What JSON has another form for, in a place that takes nothing else.
            self.has_bytes |= kind in {"bytes", "json"}
            self.is_strict |= _is_strict(part)
            self.has_typed_keys |= (
                kind in MAPPING_KINDS and part.get("keys_schema", _ANY)["type"] not in _TEXT_KEYS
            )
            self.has_constants |= kind in CONSTANT_KINDS and has_other_forms(part)
            if "serialization" in part and not self.has_written_bytes:
                self.has_written_bytes = any(inner.get("type") == "bytes" for inner in each_schema(part))


def _is_strict(schema: dict[str, Any]) -> bool:
    config = schema.get("config") or {}
    return schema.get("strict") is True or config.get("strict") is True or is_json_value(schema)


def _timeless(schema: dict[str, Any]) -> dict[str, Any]:
    """A core schema without a rule about the present."""
    return {name: part for name, part in schema.items() if name != "now_op"}


def _as_naive_text(leaf: Leaf, value: Any) -> Any:  # noqa: ANN401
    """A local time as text without an offset; every other time is written in UTC."""
    if leaf.kind != "datetime" or not isinstance(value, datetime) or value.tzinfo is not None:
        return value
    if leaf.schema["schema"].get("tz_constraint") != "naive":
        return value
    whole = value.microsecond % _MICROSECONDS_PER_MILLISECOND == 0
    return value.isoformat(timespec="milliseconds" if whole else "microseconds")


def _as_text(leaf: Leaf, value: Any) -> Any:  # noqa: ANN401
    """Bytes that a function of the type has made are text in bytes, such as those of ``Base64Bytes``."""
    if leaf.kind != "bytes" or not leaf.is_written_otherwise or not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
