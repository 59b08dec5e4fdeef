"""Values as JSON and rows have them, in the types that a model asks for.

JSON has no bytes and no times, and a row no floats and no tuples. Pydantic knows that of JSON text,
but not of values that were read from it, or from a row. So what a strict model would not take, and
what a model would take for something else, is turned into what is meant here, before it sees it.
"""

from __future__ import annotations

import base64
import binascii
import json
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import SchemaValidator

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.constants import CONSTANT_KINDS, constant, constant_of_key
from runtime.model.shape import Choice, Items, Leaf, Map, Record
from runtime.model.shape_walk import chosen

if TYPE_CHECKING:
    from runtime.model.shape import Shape

__all__ = ["adapted", "has_typed_keys", "typed_key"]


#: What JSON has itself: text is none of it.
_JSON_KINDS: Final = frozenset({"str", "int", "float", "bool", "none", "bytes", "json"})


def adapted(
    shape: Shape,
    value: Any,  # noqa: ANN401
    *,
    json: bool,
    path: str = "",
    keep_computed: bool = False,
) -> Any:  # noqa: ANN401
    """A value, or a part of one, with each place in a type that its shape takes.

    What cannot be is left as it is, for the model to refuse.

    Args:
        shape: What is wanted.
        value: Of JSON, or of a row.
        json: Whether it is of JSON, in which bytes are base64.
        path: Where it is, for an error.
        keep_computed: Leave computed fields in it; else they are left out, as a client sends back
            what it was shown.

    Raises:
        InvalidInputError: Bytes are no base64.
    """
    return _Adapter(json=json, keep_computed=keep_computed).adapted(shape, value, path)


def has_typed_keys(shape: Map) -> bool:
    """Whether the keys of a mapping are of a type that is no text: one may be spelled in two ways."""
    real = shape.key.real()
    return isinstance(real, Leaf) and real.kind != "str"


def typed_key(shape: Shape, key: Any) -> Any:  # noqa: ANN401
    """What the text that stands for a key of a mapping means; the key itself where it means nothing else."""
    real = shape.real()
    if not isinstance(real, Leaf) or not isinstance(key, str):
        return key
    if real.kind in CONSTANT_KINDS:
        return constant_of_key(real, key)
    found = _of_strings(real, key)
    return key if found is None else found


class _Adapter:
    def __init__(self, *, json: bool, keep_computed: bool) -> None:
        self._json = json
        self._keep_computed = keep_computed

    def adapted(self, shape: Shape, value: Any, path: str) -> Any:  # noqa: ANN401, PLR0911 - one case a shape
        shape = shape.real()
        match shape:
            case _ if value is None or isinstance(value, Enum):  # such as what is to be removed
                return value
            case Leaf():
                return self._leaf(shape, value, path)
            case Record() if isinstance(value, dict):
                return self._record(shape, value, path)
            case Map() if isinstance(value, dict):
                return self._map(shape, value, path)
            case Items() if isinstance(value, list | set):
                return self._items(shape, value, path)
            case Choice():
                return self._choice(shape, value, path)
        return value

    def _record(self, shape: Record, value: dict[str, Any], path: str) -> dict[str, Any]:
        found = {}
        for name, inner in value.items():
            field = shape.names.get(name)
            if field is not None:
                found[name] = self.adapted(field.shape, inner, f"{path}.{name}")
            elif self._keep_computed or name not in shape.computed:
                found[name] = self.adapted(shape.extras, inner, f"{path}.{name}")
        return found

    def _map(self, shape: Map, value: dict[str, Any], path: str) -> dict[Any, Any]:
        found = {
            typed_key(shape.key, name): self.adapted(shape.value, inner, f"{path}.{name}")
            for name, inner in value.items()
        }
        if self._json and len(found) < len(value):
            problem = FieldProblem(path.removeprefix("."), "has a key twice, in two spellings")
            raise InvalidInputError([problem])
        return found

    def _items(self, shape: Items, value: Any, path: str) -> Any:  # noqa: ANN401
        found = [self.adapted(shape.of(index), inner, f"{path}.{index}") for index, inner in enumerate(value)]
        try:
            return shape.make(found)
        except TypeError:
            return found  # not to be put into a set

    def _choice(self, shape: Choice, value: Any, path: str) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            option = chosen(shape, value)
            return value if option is None else self.adapted(option, value, path)
        kinds = shape.kinds()
        options = [option.real() for option in shape.options]
        if isinstance(value, list | set):
            option = next((option for option in options if isinstance(option, Items)), None)
            if option is not None:
                return self.adapted(option, value, path)
        if isinstance(value, str) and "str" in kinds:
            return value
        if isinstance(value, int) and "int" in kinds:
            return value
        for option in options:
            if isinstance(option, Leaf):
                try:
                    found = self._leaf(option, value, path)
                except InvalidInputError:
                    continue
                if type(found) is not type(value) and not (kinds & {"decimal"} and isinstance(found, float)):
                    return found
        return value

    def _leaf(self, leaf: Leaf, value: Any, path: str) -> Any:  # noqa: ANN401, PLR0911 - one case a kind
        kind = leaf.kind
        if kind in CONSTANT_KINDS:
            return constant(leaf, value, json=self._json)
        if kind == "float" and isinstance(value, Decimal):
            return float(value)
        if kind == "decimal" and isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        if kind == "bytes" and self._json and isinstance(value, str) and not leaf.is_written_otherwise:
            return _decoded(value, path)
        if kind == "json" and self._json:
            return _json_text(leaf, value)
        if isinstance(value, str) and kind not in _JSON_KINDS:
            found = _of_json(leaf, value)
            return value if found is None else found
        return value


def _decoded(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        problem = FieldProblem(path.removeprefix("."), "must be base64, as bytes are in JSON")
        raise InvalidInputError([problem]) from error


def _json_text(leaf: Leaf, value: Any) -> Any:  # noqa: ANN401
    """Text of JSON: as such, or, as it is shown, what the text says."""
    if isinstance(value, str):
        try:
            _validator(leaf).validate_python(value)
        except ValidationError:
            pass
        else:
            return value
    return json.dumps(value, default=_number)


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value))


def _of_json(leaf: Leaf, text: str) -> Any:  # noqa: ANN401
    """What a text in JSON stands for; None where it is nothing of the kind."""
    try:
        return _validator(leaf).validate_json(json.dumps(text), strict=True)
    except ValidationError:
        return None


def _of_strings(leaf: Leaf, text: str) -> Any:  # noqa: ANN401
    try:
        return _validator(leaf).validate_strings(text)  # type: ignore[arg-type]
    except ValidationError:
        return None


@cache
def _validator(leaf: Leaf) -> SchemaValidator:
    return SchemaValidator(leaf.schema)
