"""Routes that the library makes, twice for one path: the second ones would not be asked, and nobody told."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Final

from runtime.entry.http.route_table import MadeRouter
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_lambda_powertools.event_handler.api_gateway import Router

__all__ = ["check_overlaps"]

_MOST: Final = 5
#: A parameter that takes slashes, see `runtime.entry.http.resolver`.
_REST: Final = "<sk>"


def check_overlaps(routers: Iterable[Router]) -> None:
    """Refuse routes of two calls of `module_routes` or `event_routes` that one request fits.

    Routes of one's own may stand before any of these: that is how one is replaced.

    Args:
        routers: The routers. One that is there twice is there once.

    Raises:
        ConfigurationError: There are some; the message names both calls, and a path of each.
    """
    made = {id(router): router for router in routers if isinstance(router, MadeRouter)}.values()
    pairs = combinations(made, 2)
    problems = [found for one, other in pairs if (found := _overlap(one, other)) is not None]
    if problems:
        hidden = len(problems) - _MOST
        more = f"; and {hidden} more" if hidden > 0 else ""
        msg = f"{'; '.join(problems[:_MOST])}{more}; give one of them another prefix, or leave routes out"
        raise ConfigurationError(msg)


def _overlap(one: MadeRouter, other: MadeRouter) -> str | None:
    """What a request might find in both, in words."""
    # Prefixes have no parameters: a request may fit both only where one begins with the other.
    shorter, longer = sorted((f"{one.prefix}/", f"{other.prefix}/"), key=len)
    if not longer.startswith(shorter):
        return None
    for method, path in one.made:
        for theirs, place in other.made:
            if method == theirs and _meet(_parts(path), _parts(place)):
                where = path if path == place else f"{path} and {place}"
                return f"{one.made_by} and {other.made_by} both answer {method} {where}"
    return None


@cache
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def _meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether there is a path that fits both."""
    if not one or not other:
        return not one and not other
    if _REST in {one[0], other[0]}:
        # It takes this part, and ends there or goes on.
        ends = _meet(one[1:], other[1:])
        goes_on = (one[0] == _REST and _meet(one, other[1:])) or (other[0] == _REST and _meet(one[1:], other))
        return ends or goes_on
    is_same = one[0] == other[0] or one[0].startswith("<") or other[0].startswith("<")
    return is_same and _meet(one[1:], other[1:])
