"""Whether a state may be handed to several: one that can be changed in place is copied first."""

from __future__ import annotations

import copy
import dataclasses
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel

from runtime.errors import ConfigurationError

__all__ = ["handed_out", "is_immutable"]

ValueT = TypeVar("ValueT")

#: Most values have one of these types: they are looked up before the others are searched.
_FREQUENT: Final = frozenset({str, int, float, bool, type(None)})
_COLLECTIONS: Final = (tuple, frozenset)
#: A datetime is a date, a bool an int.
_ATOMS: Final = (str, int, float, complex, bytes, type(None), date, time, timedelta, Decimal, UUID, Enum)


def handed_out(value: ValueT) -> ValueT:
    """A value that whoever gets it may change: itself where nobody can, otherwise a deep copy.

    Raises:
        ConfigurationError: It cannot be copied.
    """
    if is_immutable(value):
        return value
    try:
        return copy.deepcopy(value)
    except Exception as error:
        msg = (
            f"a state of the class {type(value).__name__} cannot be copied ({type(error).__name__}); use "
            "values that can be, or such as never change"
        )
        raise ConfigurationError(msg) from error


def is_immutable(value: object) -> bool:
    """Whether nothing in a value can be changed in place: atoms, and what is frozen through and through."""
    kind: Any = type(value)
    if kind in _FREQUENT:
        return True
    if kind in _COLLECTIONS:
        return all(map(is_immutable, value))  # type: ignore[call-overload]
    names = _frozen_fields(kind)
    if names is None:
        return False
    for name in names:
        part = getattr(value, name)
        if type(part) not in _FREQUENT and not is_immutable(part):
            return False
    return True


@lru_cache(maxsize=1000)
def _frozen_fields(kind: type[Any]) -> tuple[str, ...] | None:
    """Names of the fields of a frozen class, none of an atom's; None where its objects may be changed."""
    if issubclass(kind, _ATOMS):
        return ()
    if issubclass(kind, BaseModel):
        # What is extra or private is not among the fields, and may be anything.
        is_open = kind.model_config.get("extra") == "allow" or kind.__private_attributes__
        return tuple(kind.model_fields) if kind.model_config.get("frozen") and not is_open else None
    if dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return tuple(field.name for field in dataclasses.fields(kind))
    return None
