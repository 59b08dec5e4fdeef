"""The routes of a module that publish one command."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from runtime.commands.partial import REMOVE
from runtime.entry.http.conditions import Expected, entity_tag
from runtime.entry.http.module_bodies import Change, Publish, Receipt, Replace, change_of
from runtime.entry.http.module_endpoint import OF_CHANGE, OF_STATE, Mode, ModuleEndpoint, ModuleRoute
from runtime.errors import InvalidVersionError, ItemNotFoundError
from runtime.model.attributes_type import attributes_type
from runtime.model.keys import MAX_VERSION, VERSION_LATEST, remove_sort_key_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.model.models import CommandModel

__all__ = [
    "ACCEPTED",
    "ModeParameter",
    "VersionParameter",
    "answer",
    "publish_state",
    "receipt",
    "write_routes",
]

ModeParameter = Annotated[Mode, Query(description="async: accepted; sync: applied before the answer")]
VersionParameter = Annotated[
    int | None, Query(ge=1, le=MAX_VERSION, description="In place of the header If-Match")
]

_MERGE_PATCH = "application/merge-patch+json"
ACCEPTED: dict[int, tuple[str, Any]] = {
    200: ("Applied (mode=sync)", Receipt),
    202: ("Accepted: it is applied in a moment", Receipt),
    204: ("Nothing had to change", None),
}


def write_routes(
    endpoint: ModuleEndpoint[Any],
    attributes: Any,  # noqa: ANN401 - a type
    roles: tuple[str, ...],
) -> list[ModuleRoute]:
    """The routes that publish one command."""

    def publish(body: Publish[Any], mode: ModeParameter = "async") -> Response[Receipt]:
        endpoint.check_ttl("publish", body.ttl)
        publish_id = endpoint.publish_id()
        expected = Expected.of(endpoint.caller().headers, body.version)
        sk = body.sk or endpoint.items.new_sk(publish_id)
        return answer(endpoint, publish_state(endpoint, sk, body, expected, mode, publish_id), mode, expected)

    def replace(sk: str, body: Replace[Any], mode: ModeParameter = "async") -> Response[Receipt]:
        endpoint.check_ttl("replace", body.ttl)
        expected = Expected.of(endpoint.caller().headers, body.version)
        published = publish_state(endpoint, sk, body, expected, mode, endpoint.publish_id())
        return answer(endpoint, published, mode, expected)

    def patch(sk: str, body: Change, mode: ModeParameter = "async") -> Response[Receipt]:
        caller = endpoint.caller()
        expected = Expected.of(caller.headers, body.version)
        change = body.model_dump(exclude_unset=True, exclude={"version"}, by_alias=True)
        if "attributes" in change:
            change["attributes"] = attributes_type(attributes).from_json(
                change["attributes"], path="attributes", keep_computed=True
            )
        content_type = caller.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == _MERGE_PATCH:
            change = _without_nulls(change)
        return _change_state(endpoint, "patch", sk, change, mode, expected)

    def delete(sk: str, version: VersionParameter = None, mode: ModeParameter = "async") -> Response[Receipt]:
        expected = Expected.of(endpoint.caller().headers, version)
        return _change_state(endpoint, "delete", sk, {"isDeleted": True}, mode, expected)

    # What a module's body looks like is known only now.
    publish.__annotations__["body"] = Publish[attributes]
    replace.__annotations__["body"] = Replace[attributes]
    patch.__annotations__["body"] = change_of(attributes)
    created = {201: ("Created (mode=sync)", Receipt)}
    one = "/<sk>"
    return [
        ModuleRoute("publish", "POST", "", publish, ACCEPTED | created, roles, headers=OF_STATE),
        ModuleRoute("replace", "PUT", one, replace, ACCEPTED | created, roles, headers=OF_STATE),
        ModuleRoute("patch", "PATCH", one, patch, ACCEPTED, roles, headers=OF_CHANGE),
        ModuleRoute("delete", "DELETE", one, delete, ACCEPTED, roles, headers=OF_CHANGE),
    ]


def _change_state(  # noqa: PLR0917 - the parts of one command
    endpoint: ModuleEndpoint[Any],
    operation: str,
    sk: str,
    change: dict[str, Any],
    mode: Mode,
    expected: Expected,
) -> Response[Receipt]:
    publish_id = endpoint.publish_id()
    endpoint.check_reachable(sk, publish_id)
    with expected:
        published = endpoint.items.change(
            sk,
            change,
            version=expected.version,
            sync=mode == "sync",
            source=endpoint.source(operation),
            publish_id=publish_id,
        )
    return answer(endpoint, published, mode, expected)


def answer(
    endpoint: ModuleEndpoint[Any], published: CommandModel[Any] | None, mode: Mode, expected: Expected
) -> Response[Receipt]:
    """The answer to one command; None published nothing."""
    if published is None:
        known = {"ETag": entity_tag(expected.version)} if expected.version > 0 else {}
        return Response(HTTPStatus.NO_CONTENT, headers=known)
    status = HTTPStatus.ACCEPTED
    if mode == "sync":
        status = HTTPStatus.CREATED if published.version == 1 else HTTPStatus.OK
    found = receipt(published)
    location = f"{endpoint.prefix}/{quote(found.sk, safe='')}"
    headers = {"ETag": entity_tag(found.version), "Location": location}
    return Response(status, content_type="application/json", body=found, headers=headers)


def receipt(published: CommandModel[Any]) -> Receipt:
    """What the caller gets to know of a command."""
    return Receipt(
        id=published.id,
        sk=remove_sort_key_version(published.sk),
        code=published.code,
        version=published.version,
        request_id=published.request_id,
    )


def publish_state(  # noqa: PLR0917 - the parts of one command
    endpoint: ModuleEndpoint[Any],
    sk: str,
    body: Replace[Any],
    expected: Expected,
    mode: Mode,
    publish_id: str | None,
    content: Mapping[str, Any] | None = None,
) -> CommandModel[Any] | None:
    """Publish the whole next state of an item; None when nothing would change."""
    endpoint.check_reachable(sk, publish_id)
    with expected:
        if expected.conditional and expected.version == VERSION_LATEST:  # If-Match: *
            try:
                endpoint.items.check_there(sk, publish_id=publish_id)
            except ItemNotFoundError as error:
                raise InvalidVersionError(expected.version) from error
        return endpoint.items.put(
            sk,
            body.attributes,
            version=expected.version,
            name=body.name,
            code=body.code,
            seq=body.seq,
            ttl=body.ttl,
            sync=mode == "sync",
            source=endpoint.source("publish"),
            publish_id=publish_id,
            content=content,
        )


def _without_nulls(change: dict[str, Any]) -> dict[str, Any]:
    """A merge patch (RFC 7396) as a partial update: a null takes the key away."""

    def removed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, dict):
            return {name: removed(inner) for name, inner in value.items()}
        return REMOVE if value is None else value

    return change | ({"attributes": removed(change["attributes"])} if "attributes" in change else {})
