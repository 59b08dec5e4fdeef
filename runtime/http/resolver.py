"""Powertools' resolver, answering every error with a problem document."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from runtime.http.middlewares import JsonRequests, JsonResponses
from runtime.http.problems import Problem, problem_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_lambda_powertools.event_handler import Response
    from aws_lambda_powertools.event_handler.api_gateway import Router
    from aws_lambda_powertools.event_handler.exceptions import NotFoundError

__all__ = ["Resolver"]


class Resolver(APIGatewayHttpResolver):
    """Finds the route of an HTTP API request (payload 2.0), checks the request, calls it.

    Args:
        routers: The routes. Exception handlers of a router come before the built-in ones.
    """

    def __init__(self, routers: Iterable[Router]) -> None:
        # Debug mode would print events, which hold tokens.
        super().__init__(enable_validation=True, debug=False)
        self._request_validation_middleware = JsonRequests()  # type: ignore[no-untyped-call]
        self._response_validation_middleware = JsonResponses()  # type: ignore[assignment]
        self.exception_handler(Exception)(_answer)
        self.not_found(self._not_found)
        for router in routers:
            self.include_router(router)

    def preload(self) -> None:
        """Read the annotations of all routes now, instead of at the first request of each."""
        for route in (*self._static_routes, *self._dynamic_routes):
            _ = route.dependant

    def _not_found(self, error: NotFoundError) -> Response[str]:
        """Answer a request without a route; a route's own NotFoundError comes here, too."""
        path = self._remove_prefix(self.current_event.path)
        routes = (*self._static_routes, *self._dynamic_routes)
        allowed = sorted({str(route.method) for route in routes if route.rule.match(path)})
        if self.current_event.http_method.upper() in allowed:
            return problem_of(error).response()
        if allowed:
            detail = f"this path takes {', '.join(allowed)}"
            headers = {"Allow": ", ".join(allowed)}
            return Problem(status=HTTPStatus.METHOD_NOT_ALLOWED, detail=detail, headers=headers).response()
        return Problem(status=HTTPStatus.NOT_FOUND, detail="there is no such path").response()


def _answer(error: Exception) -> Response[Any]:
    return problem_of(error).response()
