"""The OpenAPI document of an API, and Swagger UI to try it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime.entry.http.security_headers import policy_of_page
from runtime.identity.access import check_role

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["OPENAPI_PATH", "openapi_routes"]

OPENAPI_PATH: Final = "/openapi.json"


def openapi_routes(
    *,
    title: str = "API",
    version: str = "1.0.0",
    description: str | None = None,
    swagger_path: str | None = "/swagger",
    roles: Collection[str] = (),
) -> Router:
    """The routes ``/openapi.json`` and ``/swagger``, about every route of the app.

    They are there without being asked for; name them among the routes to choose a title or
    who may see them. The API's authorizer covers them as it does every route: call
    ``add_public_route("/openapi.json")`` and ``add_public_route("/swagger")`` of the
    `CqrsApi` to open them to browsers, which send no token with a page.

    Args:
        title: Name of the API.
        version: Version of the API.
        description: What it is for; Markdown.
        swagger_path: Where Swagger UI is. None: nowhere.
        roles: Roles of which a caller needs one. Default: whoever gets past the authorizer.
    """
    router = Router()
    allowed = tuple(roles)

    @cache
    def document() -> str:
        from runtime.entry.http.openapi_document import document_of  # noqa: PLC0415 - Powertools' 60 models

        found = document_of(router.api_resolver, title=title, version=version, description=description)
        return json.dumps(found, ensure_ascii=False)

    @router.get(OPENAPI_PATH, include_in_schema=False)
    def openapi() -> Response[str]:
        _check(allowed)
        return Response(200, content_type="application/json", body=document())

    if swagger_path is not None:

        @cache
        def page() -> tuple[str, dict[str, Any]]:
            from runtime.entry.http.openapi_document import swagger_page  # noqa: PLC0415 - as above

            found = swagger_page(document())
            return found, {"Content-Security-Policy": policy_of_page(found)}

        @router.get(swagger_path, include_in_schema=False, compress=True)
        def swagger() -> Response[str]:
            _check(allowed)
            body, headers = page()
            return Response(200, content_type="text/html; charset=utf-8", body=body, headers=dict(headers))

    return router


def _check(roles: tuple[str, ...]) -> None:
    if roles:
        check_role(*roles)
