"""Making objects of frozen dataclasses with slots where very many are made: for each event that is read."""

from __future__ import annotations

import dataclasses
from typing import Any

from runtime.errors import ConfigurationError

__all__ = ["unfrozen"]


def unfrozen(cls: type[Any]) -> Any:  # noqa: ANN401 - a class whose objects become those of another
    """A twin of a frozen dataclass with slots: its objects are filled like any, and then given their class.

    The ``__init__`` that dataclasses write for a frozen class calls ``object.__setattr__`` for each field,
    which takes five times as long as setting it. What makes the objects instead stands beside their class,
    and sets every field.

    Example:
        >>> made = _UNFROZEN()
        >>> made.x, made.y = 1, 2
        >>> made.__class__ = Point

    Args:
        cls: The class. It has no ``__post_init__`` that would be passed over.

    Raises:
        ConfigurationError: It is another kind of class.
    """
    parameters = getattr(cls, "__dataclass_params__", None)
    is_frozen = dataclasses.is_dataclass(cls) and parameters is not None and parameters.frozen
    if not is_frozen or "__slots__" not in vars(cls) or hasattr(cls, "__post_init__"):
        msg = f"{cls.__name__} is no frozen dataclass with slots and without __post_init__"
        raise ConfigurationError(msg)
    own = {
        "__slots__": (),
        "__init__": object.__init__,
        "__setattr__": object.__setattr__,
        # The interpreter sets attributes directly only where both are its own.
        "__delattr__": object.__delattr__,
    }
    return type(cls.__name__, (cls,), own)
