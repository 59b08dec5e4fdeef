"""The HTTP side of an app."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from inspect import isfunction, signature
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime.entry.http.admission import admission
from runtime.entry.http.openapi import OPENAPI_PATH, openapi_routes
from runtime.entry.http.overlaps import check_overlaps
from runtime.entry.http.problems import problem_of
from runtime.entry.http.request_event import whole_event
from runtime.entry.http.resolver import Resolver
from runtime.entry.http.security_headers import add_security_headers
from runtime.entry.http.sizes import check_answer, check_body
from runtime.errors import ConfigurationError
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.identity.tenant import acting_tenant
from runtime.imports import check_plain_function, imported
from runtime.log import log_context
from runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from runtime.features.feature import Feature

__all__ = ["HttpApi"]

_GET: Final = "GET"
_HEAD: Final = "HEAD"


class HttpApi:
    """Serves routes for API Gateway HTTP APIs (payload 2.0).

    While a route runs, the request is the current `InvokeContext`, so that the services
    know who asks. Every error becomes a problem document (RFC 9457). A body of more than
    ``REQUEST_BODY_SIZE_LIMIT`` bytes (default 100kb) is refused unread, and an answer of more
    than Lambda's 6 MB with a problem that says so. HEAD is answered as GET is, without a body;
    every answer has the headers that keep browsers from making anything of it.

    Args:
        routes: Powertools routers, or where to import them, or functions that make them, from:
            ``"package.module:name"``. Of two routes for the same path the first one counts, which lets one of
            your own replace one of `module_routes` or `event_routes`.
        openapi: Whether to serve `openapi_routes` as well. A router among ``routes`` that
            has them already comes first. Defaults to True: like every route, they are for
            callers whom the API's authorizer lets pass.
        features: Those of the app: some want to be asked whether a tenant is served. Default: none.
        settings: The app's settings: how large a body may be, and which roles may cross tenants.
            Default: those of an empty environment.

    Raises:
        ConfigurationError: One of them is not a router, two calls of `module_routes` or `event_routes`
            answer the same paths, or a route, a middleware or an exception handler is ``async``.
    """

    def __init__(
        self,
        routes: Sequence[Router | str],
        *,
        openapi: bool = True,
        features: Iterable[Feature] = (),
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or Settings()
        routers = [_router(route) for route in routes]
        # `_routes` is Powertools': its routers have no public list of their routes.
        if openapi and not any(key[0] == OPENAPI_PATH for router in routers for key in router._routes):  # noqa: SLF001
            routers.append(openapi_routes())
        check_overlaps(routers)
        self._resolver = Resolver(routers, admit=admission(features, self._settings))
        self._resolver.preload()

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
        """Answer one request."""
        caller = InvokeContext.from_http_event(event, self._settings)
        with (
            use_invoke_context(caller, self._settings),
            self._sessions_of(caller),
            log_context(request_id=caller.request_id),
        ):
            try:
                answer = self._answer(whole_event(event), context)
            except Exception as error:  # noqa: BLE001 - before a route was found, or in answering
                response = problem_of(error).response()
                answer = {
                    "statusCode": response.status_code,
                    "headers": response.headers,
                    "body": response.body,
                    "isBase64Encoded": False,
                }
        if _method(event) == _HEAD:
            answer |= {"body": "", "isBase64Encoded": False}
        add_security_headers(answer)
        return answer

    def _sessions_of(self, caller: InvokeContext) -> AbstractContextManager[None]:
        """Where rows are reached in a tenant's sessions, those are the tenant's that the request is about."""
        if self._settings.tenant_role_arn is None:
            return nullcontext()
        from runtime.clients.tenant_sessions import use_tenant  # noqa: PLC0415 - few deployments

        # What is common may be read by everybody. Who may write there, the check of the key decides.
        return use_tenant(partial(acting_tenant, caller, self._settings, write=False))

    def _answer(self, event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
        http = event["requestContext"]["http"]
        if _method(event) == _HEAD and not self._resolver.has_route(_HEAD, event["rawPath"]):
            http["method"] = _GET  # RFC 9110: whatever can be got has a head
        check_body(event, self._settings.request_body_limit)
        answer = self._resolver.resolve(event, context)
        check_answer(event, answer)
        return answer


def _method(event: Mapping[str, Any]) -> str:
    try:
        return str(event["requestContext"]["http"]["method"]).upper()
    except (KeyError, TypeError):
        return ""


def _router(source: Router | str) -> Router:
    """The router itself, or what ``"package.module:name"`` stands for."""
    found: object = imported(source, "a router among the routes") if isinstance(source, str) else source
    if isfunction(found) and not signature(found).parameters:
        check_plain_function(found, "a function that makes routes")
        found = found()
    if not isinstance(found, Router):
        msg = f"routes must be a Powertools Router or its import path, got {source!r}, which is {found!r}"
        raise ConfigurationError(msg)
    return found
