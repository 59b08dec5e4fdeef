"""Putting a route of ours into a Powertools router, with what the OpenAPI document is to say of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runtime.entry.http.openapi_document import OF_A_MODULE

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.entry.http.module_endpoint import ModuleRoute

__all__ = ["add_route", "prefix_problems"]


def add_route(
    router: Router, route: ModuleRoute, function: Callable[..., Any], *, owner: str, prefix: str, summary: str
) -> None:
    """Add a route.

    Args:
        router: Where to.
        route: The route.
        function: What answers: the route's own function with whatever is to be done around it.
        owner: Name of what the route belongs to: a module, or a stream.
        prefix: First part of its path.
        summary: What it does, in a line.
    """
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
    if isinstance(prefix, str) and prefix.startswith("/") and not prefix.endswith("/") and "<" not in prefix:
        return []
    return [f"prefix must begin with a slash and not end with one, got {prefix!r}; write {example!r}"]
