"""The HTTP side of an app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.context import InvokeContext, use_invoke_context
from runtime.http.problems import problem_of
from runtime.http.resolver import Resolver
from runtime.http.routers import load_router

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_lambda_powertools.event_handler.api_gateway import Router

__all__ = ["HttpApi"]


class HttpApi:
    """Serves routes for API Gateway HTTP APIs (payload 2.0).

    While a route runs, the request is the current `InvokeContext`, so that the services
    know who asks. Every error becomes a problem document (RFC 9457).

    Args:
        routes: Powertools routers, or where to import them from: ``"package.module:name"``.

    Raises:
        ConfigurationError: One of them is not a router.
    """

    def __init__(self, routes: Sequence[Router | str]) -> None:
        self._resolver = Resolver(load_router(route) for route in routes)
        self._resolver.preload()

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
        """Answer one request."""
        with use_invoke_context(InvokeContext.from_http_event(event)):
            try:
                return self._resolver.resolve(event, context)
            except Exception as error:  # noqa: BLE001 - before a route was found, or in answering
                response = problem_of(error).response()
                return {
                    "statusCode": response.status_code,
                    "headers": response.headers,
                    "body": response.body,
                    "isBase64Encoded": False,
                }
