"""Putting a route of ours into a Powertools router, with what the OpenAPI document is to say of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler.api_gateway import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.entry.http.module_endpoint import ModuleRoute

__all__ = ["OF_A_MODULE", "MadeRouter", "add_route", "prefix_problems"]

#: Marks the operations of `module_routes` on their way to the document, with what Powertools does not know
#: of them: the ids that they would like, the refusals that they tell of, the headers that they heed, and
#: whether they answer with an ETag. The document does not show it.
OF_A_MODULE: Final = "x-cqrs-module"

#: Parts of letters, digits and these, with slashes between. Nothing else is the same in a path that is
#: decoded on the way and in one that is not, and the paths of routes are patterns.
_PREFIX: Final = re.compile(r"(/(?!\.\.?(/|$))[\w.~-]+)+")


class MadeRouter(Router):
    """What one call of `module_routes` or `event_routes` makes. Routes of one's own may be added to it.

    Args:
        made_by: That call, in words, for errors.
        prefix: First part of the paths.
    """

    def __init__(self, made_by: str, prefix: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made_by = made_by
        self.prefix = prefix
        #: Methods and paths of the routes that the call has made.
        self.made: list[tuple[str, str]] = []


def add_route(
    router: MadeRouter, route: ModuleRoute, function: Callable[..., Any], *, owner: str, summary: str
) -> None:
    """Add a route.

    Args:
        router: Where to.
        route: The route.
        function: What answers: the route's own function with whatever is to be done around it.
        owner: Name of what the route belongs to: a module, or a stream.
        summary: What it does, in a line.
    """
    prefix = router.prefix
    router.made.append((route.method, prefix + route.path))
    name, place = f"{owner}_{route.name}", re.sub(r"\W+", "_", prefix).strip("_")
    responses: dict[int, Any] = {
        status: {"description": text} | ({"content": {"application/json": {"model": model}}} if model else {})
        for status, (text, model) in route.responses.items()
    }
    router.route(
        prefix + route.path,
        route.method,
        summary=summary,
        responses=responses,
        tags=[owner],
        operation_id=f"{name} {prefix}",  # no two have it; the document has a nicer one
        openapi_extensions={
            OF_A_MODULE: {
                "operationIds": [name, f"{owner}_{place}_{route.name}"],
                "problems": {str(status): text for status, text in route.problems.items()},
                "headers": list(route.headers),
                "hasTag": route.has_tag,
            }
        },
    )(function)


def prefix_problems(prefix: str, example: str) -> list[str]:
    """What is wrong with the first part of paths."""
    if isinstance(prefix, str) and _PREFIX.fullmatch(prefix):
        return []
    msg = (
        "prefix must begin with a slash and not end with one, and have parts of letters, digits, '.', '_', "
        f"'~' and '-' without parameters, got {prefix!r}; write {example!r}"
    )
    return [msg]
