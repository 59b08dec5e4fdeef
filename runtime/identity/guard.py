"""Running a check, or anything else, around a route, without changing what the route looks like."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["guarded"]

RouteT = TypeVar("RouteT", bound="Callable[..., Any]")


def guarded(route: RouteT, guard: Callable[[], AbstractContextManager[object]]) -> RouteT:
    """The route, each call of which runs inside of what ``guard`` gives.

    Its annotations are found as those of the route: Powertools looks them up in the globals of
    the function that it is given, so these are the route's own.
    """

    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the route's own
        with guard():
            return route(*args, **kwargs)

    scope = getattr(inspect.unwrap(route), "__globals__", call.__globals__)
    made = FunctionType(call.__code__, scope, call.__name__, None, call.__closure__)
    return cast("RouteT", functools.update_wrapper(made, route))
