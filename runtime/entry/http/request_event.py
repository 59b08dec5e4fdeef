"""The event of a request, made such that nothing in it is missing or null that is read later on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["whole_event"]

_OBJECTS = ("headers", "queryStringParameters", "pathParameters", "stageVariables")


def whole_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The request with its optional parts filled in; the event itself is left as it is.

    Consoles, tests and other senders than API Gateway write null for what is not there.

    Raises:
        BadRequestError: A part that no request is without is missing, or is something else.
    """
    whole = {
        **event,
        **{name: _texts(_object(event, name)) for name in _OBJECTS},
        "requestContext": dict(_object(event, "requestContext")),
    }
    context = whole["requestContext"]
    context["authorizer"] = dict(_object(context, "authorizer"))
    context["http"] = dict(_object(context, "http"))
    context["stage"] = context.get("stage") or "$default"
    for place, name in ((whole, "rawPath"), (context["http"], "method")):
        if not isinstance(place.get(name), str):
            msg = f"the event is no request of an HTTP API: {name} must be text"
            raise BadRequestError(msg)
    return whole


def _object(place: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = place.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        msg = f"the event is no request of an HTTP API: {name} must be an object"
        raise BadRequestError(msg)
    return found


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in given.items() if value is not None}
