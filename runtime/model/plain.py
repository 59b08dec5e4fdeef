"""A value as JSON that is the same for equal values, and for no others: what a digest is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from decimal import Context, Decimal
from typing import Any, Final

from pydantic import BaseModel, SecretBytes, SecretStr

__all__ = ["plain"]

#: As many digits as DynamoDB has; the default context of decimals rounds to 28.
_EVERY_DIGIT: Final = Context(prec=38, traps=[])


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a call may say
    """A value as JSON that is the same for equal values, and for no others.

    Models count as the fields that were set: what a default makes, an id or the time, is another each time.
    """
    found: Any
    if value is None or isinstance(value, bool):
        found = value
    elif isinstance(value, str):
        found = str(value)
    elif isinstance(value, int | float | Decimal):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        found = ["number", str(number.normalize(_EVERY_DIGIT))]
    elif isinstance(value, SecretStr | SecretBytes):
        found = ["secret", plain(value.get_secret_value())]
    elif isinstance(value, AbstractSet):
        found = ["set", sorted(json.dumps(plain(inner)) for inner in value)]
    elif isinstance(value, list | tuple):
        found = ["list", *(plain(inner) for inner in value)]
    elif (inside := _fields(value)) is not None:
        pairs = [[plain(name), plain(inner)] for name, inner in inside.items()]
        found = ["object", *sorted(pairs, key=lambda pair: json.dumps(pair[0]))]
    else:
        found = ["other", repr(value)]
    return found


def _fields(value: Any) -> Mapping[Any, Any] | None:  # noqa: ANN401 - see `plain`
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        # What was taken though no field is known by its name is in the set of fields, too.
        return {name: getattr(value, name) for name in value.model_fields_set}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if getattr(type(value), "__repr__", None) is object.__repr__:  # it tells where an object is, and not what
        return getattr(value, "__dict__", None)
    return None
