"""What is done around every route of a feature."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runtime.entry.http.conditions import refuse_conditions
from runtime.identity.context import require_invoke_context
from runtime.identity.guard import guarded
from runtime.log import log_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.entry.http.module_endpoint import ModuleRoute

__all__ = ["guarded_route"]


def guarded_route(route: ModuleRoute, owner: str) -> Callable[..., Any]:
    """The route's function, with the feature on its log lines. Conditions that are not heeded are refused.

    Args:
        route: The route.
        owner: Name of the feature.
    """

    @contextmanager
    def guard() -> Iterator[None]:
        with log_context(module=owner):
            if route.method != "GET" and not route.has_tag:
                refuse_conditions(require_invoke_context().headers, "is not heeded here; leave it out")
            yield

    return guarded(route.function, guard)
