"""What happens to a request before its route sees it, and to the result after."""

from __future__ import annotations

import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.compat import field_annotation_is_sequence
from aws_lambda_powertools.event_handler.openapi.params import Form

from runtime.entry.http.json_format import dumps, loads
from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.attributes_type import attributes_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools.event_handler import ApiGatewayResolver, Response
    from aws_lambda_powertools.event_handler.api_gateway import Route
    from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

__all__ = ["JsonRequests", "JsonResponses"]

_JSON: Final = "application/json"
_WITHOUT_CONTENT: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class JsonRequests(OpenAPIRequestValidationMiddleware):
    """Checks path, query, headers and body against the route's annotations.

    Powertools does the checking; this reads the body, since Powertools takes a list of
    one object for the object and fails on a body that is not UTF-8.
    """

    def _get_body(self, app: ApiGatewayResolver) -> Any:  # noqa: ANN401 - any JSON
        fields = app.context["_route"].dependant.body_params
        if any(isinstance(field.field_info, Form) for field in fields):
            return super()._get_body(app)
        _check_content_type(app.current_event.headers.get("content-type") or "")
        try:
            text = app.current_event.decoded_body
        except (UnicodeDecodeError, binascii.Error) as error:
            msg = "must be UTF-8 text"
            raise _refused(msg) from error
        body = loads(text) if text and text.strip() else None
        is_list = any(field_annotation_is_sequence(field.field_info.annotation) for field in fields)
        if isinstance(body, dict) or body is None or (is_list and isinstance(body, list)):
            return _typed(fields, body)
        msg = "must be a JSON object"
        raise _refused(msg)


class JsonResponses(BaseMiddlewareHandler[Any]):
    """Writes what a route returns as JSON. It is not validated a second time."""

    def handler(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:  # noqa: ANN401
        """Call the route, and encode its result unless it is text or bytes already."""
        response: Response[Any] = next_middleware(app)
        if response.body is None and _is_value(response, app.context.get("_route")):
            response.body = "null"
        elif response.body is None:
            response.headers.pop("Content-Type", None)
            response.body = ""
        elif response.is_json() and not isinstance(response.body, (str, bytes)):
            response.body = dumps(response.body)
        return response


def _is_value(response: Response[Any], route: Route | None) -> bool:
    """Whether None is a value that a route says it may return, and not the lack of an answer."""
    returned = route.dependant.return_param if route is not None else None
    if returned is None or returned.type_ in {None, type(None)}:
        return False
    return response.is_json() and response.status_code not in _WITHOUT_CONTENT


def _typed(fields: Sequence[Any], body: Any) -> Any:  # noqa: ANN401 - any JSON
    """A body with what JSON has no type for, such as bytes, in the type that the route asks for."""
    if body is None:
        return None
    if len(fields) == 1 and not getattr(fields[0].field_info, "embed", None):
        return attributes_type(fields[0].field_info.annotation).from_json(body)
    types = {field.alias: attributes_type(field.field_info.annotation) for field in fields}
    return {
        name: types[name].from_json(part, path=name) if name in types else part for name, part in body.items()
    }


def _check_content_type(header: str) -> None:
    media_type = header.partition(";")[0].strip().lower()
    is_json = media_type == _JSON or (media_type.startswith("application/") and media_type.endswith("+json"))
    if media_type and not is_json:
        raise InvalidInputError([FieldProblem("content-type", f"must be {_JSON}")])


def _refused(message: str) -> InvalidInputError:
    return InvalidInputError([FieldProblem("body", message)])
