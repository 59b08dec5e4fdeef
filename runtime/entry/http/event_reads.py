"""The routes that read an aggregate, and its events."""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation

from runtime.entry.http.conditions import entity_tag, is_unmodified
from runtime.entry.http.event_bodies import AggregateState, EventPage, ShownEvent, page_of
from runtime.entry.http.event_endpoint import EventEndpoint, named_as_sent, not_found, tenant_of_request
from runtime.entry.http.json_format import dumps
from runtime.entry.http.module_endpoint import OF_MANY, OF_READ, ModuleRoute
from runtime.model.keys import MAX_VERSION
from runtime.store.answer_size import PAGE_BYTES, answer_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.event_store.events.recorded import RecordedEvent

__all__ = ["events_route", "state_route"]

Limit = Annotated[int, Query(ge=1, le=100)]
StartFromVersion = Annotated[
    int,
    Query(alias="startFromVersion", ge=0, le=MAX_VERSION, description="lastVersion of the page before"),
]

_PROBLEMS = {403: "Not allowed", 404: "There is no such aggregate", 410: "The aggregate was erased"}


def state_route(endpoint: EventEndpoint, roles: tuple[str, ...]) -> ModuleRoute:
    """The route that reads an aggregate."""

    def get(id: str) -> Response[AggregateState[Any]]:  # noqa: A002 - as in the path
        with named_as_sent():
            loaded = endpoint.load(id)
        headers = {"ETag": entity_tag(loaded.version)}
        if is_unmodified(endpoint.caller().headers, loaded.version):
            return Response(HTTPStatus.NOT_MODIFIED, headers=headers)
        body = AggregateState[Any].model_construct(
            id=loaded.aggregate_id, version=loaded.version, state=loaded.state
        )
        return Response(HTTPStatus.OK, content_type="application/json", body=body, headers=headers)

    state = _described(type(endpoint.repository.aggregate.create()))
    responses = {200: ("The aggregate", AggregateState[state]), 304: ("Not modified", None)}  # type: ignore[valid-type]
    return ModuleRoute(
        "get",
        "GET",
        "/<id>",
        get,
        responses,
        roles,
        summary="The aggregate, as its events make it",
        problems=_PROBLEMS,
        headers=OF_READ,
    )


def events_route(endpoint: EventEndpoint, roles: tuple[str, ...]) -> ModuleRoute:
    """The route that reads the events of an aggregate."""

    def events(
        id: str,  # noqa: A002 - as in the path
        limit: Limit = 20,
        start_from_version: StartFromVersion = 0,
    ) -> EventPage:
        tenant = tenant_of_request()
        with named_as_sent():
            found = endpoint.repository.events(
                id, after=start_from_version, until=start_from_version + limit + 1, tenant=tenant
            )
            recorded = list(islice(found, limit + 1))
            if not recorded and not _is_there(endpoint, id, tenant, start_from_version):
                raise not_found()
        items = _fitting(map(_shown, recorded[:limit]))
        is_last = len(items) == len(recorded)
        return EventPage(items=items, last_version=None if is_last else items[-1].version)

    page = page_of(endpoint.repository.aggregate.types, f"EventPage_{endpoint.owner}_")
    return ModuleRoute(
        "events",
        "GET",
        "/<id>/events",
        events,
        {200: ("A page", page)},
        roles,
        summary="The events of the aggregate, the oldest first",
        problems=_PROBLEMS,
        headers=OF_MANY,
    )


def _is_there(endpoint: EventEndpoint, aggregate_id: str, tenant: str, after: int) -> bool:
    """Whether there is anything before an empty page."""
    if after == 0:
        return False
    return any(True for _ in endpoint.repository.events(aggregate_id, until=1, tenant=tenant))


def _shown(recorded: RecordedEvent[Any]) -> ShownEvent:
    meta = recorded.meta
    return ShownEvent.model_construct(
        version=meta.version,
        type=meta.event_type,
        at=meta.timestamp,
        user_id=meta.user_id,
        event=recorded.event,
    )


def _fitting(items: Iterable[ShownEvent]) -> list[ShownEvent]:
    """The events that fit into an answer; one at least."""
    shown: list[ShownEvent] = []
    used = 0
    for item in items:
        used += answer_bytes(dumps(item))
        if shown and used > PAGE_BYTES:
            break
        shown.append(item)
    return shown


def _described(kind: type[Any]) -> Any:  # noqa: ANN401 - a type
    """A type of states for the OpenAPI document: anything, where pydantic does not know it."""
    if kind is dict:
        return dict[str, Any]
    try:
        TypeAdapter(kind)
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return Any
    return kind
