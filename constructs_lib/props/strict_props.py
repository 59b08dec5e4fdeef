"""Unknown properties get an error that names the property, its value and the likely fix."""

from __future__ import annotations

import difflib
import functools
import inspect
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from constructs_lib.errors import InvalidPropsError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["strict_dataclass", "strict_props"]

_Params = ParamSpec("_Params")
_Class = TypeVar("_Class")

_LONGEST_VALUE = 80


def strict_props(init: Callable[_Params, None]) -> Callable[_Params, None]:
    """Make an ``__init__`` refuse unknown keywords with `InvalidPropsError`.

    Python's own TypeError says neither which construct, nor what was given, nor what
    might have been meant. The signature stays as it is, for people and type checkers.

    Example:
        >>> class Shop(Construct):
        ...     @strict_props
        ...     def __init__(self, scope: Construct, construct_id: str, *, open: bool = True) -> None: ...

    """
    known = tuple(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def checked(*args: _Params.args, **props: _Params.kwargs) -> None:
        for name, value in props.items():
            if name not in known:
                raise InvalidPropsError(_message(type(args[0]).__name__, name, value, known))
        init(*args, **props)

    return checked


def strict_dataclass(cls: type[_Class]) -> type[_Class]:
    """Make a dataclass refuse unknown keywords as `strict_props` does."""
    cls.__init__ = strict_props(cls.__init__)  # type: ignore[method-assign]
    return cls


def _message(owner: str, name: str, value: object, known: tuple[str, ...]) -> str:
    shown = repr(value)
    if len(shown) > _LONGEST_VALUE:
        shown = f"{shown[:_LONGEST_VALUE]}..."
    similar = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {similar[0]!r}?" if similar else f"it has {', '.join(known[2:] or known)}"
    return f"{owner} has no property {name!r} (got {shown}); {fix}"
