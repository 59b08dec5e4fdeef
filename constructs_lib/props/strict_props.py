"""Unknown properties, and values of a wrong type, get an error that names the property and the likely fix."""

from __future__ import annotations

import difflib
import functools
import inspect
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.prop_types import check_types

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["strict_dataclass", "strict_props"]

_Params = ParamSpec("_Params")
_Class = TypeVar("_Class")
_Made = TypeVar("_Made")

_LONGEST_VALUE = 80


def strict_props(init: Callable[_Params, _Made]) -> Callable[_Params, _Made]:
    """Make an ``__init__`` refuse unknown keywords, and values of a wrong type, with `InvalidPropsError`.

    Likewise the function of a class method that makes an instance.

    Python's own TypeError says neither which construct, nor what was given, nor what
    might have been meant. The signature stays as it is, for people and type checkers; what it says of
    types is checked, see `check_types`.

    Example:
        >>> class Shop(Construct):
        ...     @strict_props
        ...     def __init__(self, scope: Construct, construct_id: str, *, open: bool = True) -> None: ...

    """
    parameters = tuple(inspect.signature(init).parameters.values())[1:]
    known = tuple(parameter.name for parameter in parameters)
    annotations = {
        parameter.name: str(parameter.annotation)
        for parameter in parameters
        if parameter.annotation is not inspect.Parameter.empty
    }

    @functools.wraps(init)
    def checked(*args: _Params.args, **props: _Params.kwargs) -> _Made:
        for name, value in props.items():
            if name not in known:
                owner = args[0].__name__ if isinstance(args[0], type) else type(args[0]).__name__
                raise InvalidPropsError(_message(owner, name, value, known))
        check_types(annotations, {**dict(zip(known, args[1:], strict=False)), **props})
        return init(*args, **props)

    return checked


def strict_dataclass(cls: type[_Class]) -> type[_Class]:
    """Make a dataclass refuse what `strict_props` refuses."""
    cls.__init__ = strict_props(cls.__init__)  # type: ignore[method-assign]
    return cls


def _message(owner: str, name: str, value: object, known: tuple[str, ...]) -> str:
    shown = repr(value)
    if len(shown) > _LONGEST_VALUE:
        shown = f"{shown[:_LONGEST_VALUE]}..."
    similar = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {similar[0]!r}?" if similar else f"it has {', '.join(known[2:] or known)}"
    return f"{owner} has no property {name!r} (got {shown}); {fix}"
