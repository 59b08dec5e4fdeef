"""Powertools' resolver, answering every error with a problem document."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import ResponseBuilder

from runtime.entry.http.middlewares import JsonRequests, JsonResponses
from runtime.entry.http.path_keys import decoded_path
from runtime.entry.http.problems import Problem, problem_of
from runtime.imports import check_plain_function

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_lambda_powertools.event_handler import Response
    from aws_lambda_powertools.event_handler.api_gateway import Route, Router
    from aws_lambda_powertools.event_handler.exceptions import NotFoundError

    from runtime.entry.http.admission import Admission

__all__ = ["Resolver"]

_PARAMETER: Final = re.compile(r"<(\w+)>")
#: The path parameter that may have slashes in it, since sort keys may.
_SORT_KEY: Final = "sk"


class Resolver(APIGatewayHttpResolver):
    """Finds the route of an HTTP API request (payload 2.0), checks the request, calls it.

    A path parameter takes any characters up to the next slash; one that is named ``sk``
    takes slashes too. A path may come decoded or not, see `decoded_path`.

    Args:
        routers: The routes. Exception handlers of a router come before the built-in ones.
        admit: Called before each route, and before anything of the request is checked; what it raises is the
            answer, whatever exception handlers there are. Default: every request is served.

    Raises:
        ConfigurationError: A route, a middleware or an exception handler is ``async``.
    """

    def __init__(self, routers: Iterable[Router], *, admit: Admission | None = None) -> None:
        # Debug mode would print events, which hold tokens.
        super().__init__(enable_validation=True, debug=False)
        self._admit = admit
        self._request_validation_middleware = JsonRequests()  # type: ignore[no-untyped-call]
        self._response_validation_middleware = JsonResponses()  # type: ignore[assignment]
        self.exception_handler(Exception)(_answer)
        self.not_found(self._not_found)
        for router in routers:
            self.include_router(router)
        self._static_routes = _first_of_each(self._static_routes)
        self._dynamic_routes = _first_of_each(self._dynamic_routes)
        # `/orders/<sk>` would also match `/orders/A1/history`: longer ones come first.
        self._dynamic_routes.sort(key=lambda route: route.path.endswith(f"<{_SORT_KEY}>"))

        self._check_plain()

    def _check_plain(self) -> None:
        """Refuse what nobody would await. A route may yield: what it returns is gone through."""
        for middleware in self._router_middlewares:
            check_plain_function(middleware, "a middleware of the routes")
        for route in (*self._static_routes, *self._dynamic_routes):
            what = f"the route {route.method} {route.path}"
            check_plain_function(route.func, what, yields=True)
            for middleware in route.middlewares:
                check_plain_function(middleware, f"a middleware of {what}")
        for kind, answer in self.exception_handler_manager.get_registered_handlers().items():
            check_plain_function(answer, f"the exception handler of {kind.__name__}")

    def preload(self) -> None:
        """Read the annotations of all routes now, instead of at the first request of each."""
        for route in (*self._static_routes, *self._dynamic_routes):
            _ = route.dependant

    def has_route(self, method: str, path: str) -> bool:
        """Whether there is a route of just this method for a path, as it stands in the event."""
        path = self._remove_prefix(path)
        routes = (*self._static_routes, *self._dynamic_routes)
        return any(route.method == method and route.rule.match(path) for route in routes)

    def _call_route(self, route: Route, route_arguments: dict[str, str]) -> ResponseBuilder[Any]:
        # Not a middleware: those of Powertools come after the check of the body, which says what there is.
        if self._admit is not None:
            try:
                self._admit()
            except Exception as error:  # noqa: BLE001 - a feature's, which may be one of the user's own
                response = _answer(error)
                return ResponseBuilder(response=response, serializer=self._serializer, route=route)
        return super()._call_route(route, route_arguments)

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = "^{}\\Z") -> re.Pattern[str]:
        # Powertools' own pattern has no emoji, no `#`, and an end before a line feed.
        def group(match: re.Match[str]) -> str:
            return f"(?P<{match[1]}>{'.+' if match[1] == _SORT_KEY else '[^/]+'})"

        return re.compile(base_regex.format(_PARAMETER.sub(group, rule)), re.DOTALL)

    def _create_route_key(self, item: str, rule: str) -> None:
        """Let a route be there twice, without Powertools' warning: that is how one replaces another."""

    def _remove_prefix(self, path: str) -> str:
        return str(super()._remove_prefix(decoded_path(path)))

    def _not_found(self, error: NotFoundError) -> Response[str]:
        """Answer a request without a route; a route's own NotFoundError comes here, too."""
        path = self._remove_prefix(self.current_event.path)
        allowed = sorted(self._methods_of(path))
        if self.current_event.http_method.upper() in allowed:
            return problem_of(error).response()
        if allowed:
            detail = f"this path takes {', '.join(allowed)}"
            headers = {"Allow": ", ".join(allowed)}
            return Problem(status=HTTPStatus.METHOD_NOT_ALLOWED, detail=detail, headers=headers).response()
        return Problem(status=HTTPStatus.NOT_FOUND, detail="there is no such path").response()

    def _methods_of(self, path: str) -> set[str]:
        routes = (*self._static_routes, *self._dynamic_routes)
        found = {str(route.method) for route in routes if route.rule.match(path)}
        return found | {"HEAD"} if "GET" in found else found


def _first_of_each(routes: list[Route]) -> list[Route]:
    """The routes that can be reached; the others must not be in the OpenAPI document either."""
    found: dict[tuple[str, str], Route] = {}
    for route in routes:
        found.setdefault((route.method, route.path), route)
    return list(found.values())


def _answer(error: Exception) -> Response[Any]:
    return problem_of(error).response()
