"""HTTP for sequences, in one line."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query

from runtime.entry.http.event_endpoint import named_as_sent, tenant_of_request
from runtime.entry.http.features.sequence_bodies import (
    IssuedNumber,
    NumberWanted,
    ShownCounter,
    ShownCounters,
    WantedCounter,
    WantedVoid,
)
from runtime.entry.http.module_endpoint import IF_MATCH, IF_NONE_MATCH, OF_MANY, ModuleRoute
from runtime.entry.http.route_table import MadeRouter, add_route, prefix_problems
from runtime.errors import (
    ConfigurationError,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    ItemNotFoundError,
)
from runtime.features.sequences.series import MAX_NUMBER
from runtime.identity.access import check_role
from runtime.identity.context import HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE, require_invoke_context
from runtime.identity.guard import guarded
from runtime.identity.tenant import crosses
from runtime.log import log_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.features.sequences.items import SequenceItem
    from runtime.features.sequences.module import SequenceModule

__all__ = ["sequence_routes"]

_OWNER: Final = "sequence"
#: What callers of the library say, as it is called in paths, queries and bodies.
_NAMES: Final = {
    "type_code": "type",
    "idempotency_key": HEADER_IDEMPOTENCY_KEY,
    "start_from_sk": "startFromSk",
}
#: Where the codes are in the query, and not in the body.
_CODES: Final = {f"codes.{number}": f"code{number + 1}" for number in range(5)}
_PROBLEMS: Final = {403: "Not allowed", 404: "There is no such series"}
_OF_NUMBERS: Final = _PROBLEMS | {409: "The series has no number left"}

#: One parameter for each, as in formats: an HTTP API joins those that are repeated with a comma.
Code = Annotated[str | None, Query(max_length=64, description="A code of the counter, as formats call it")]
Bucket = Annotated[str, Path(min_length=1, max_length=16)]
Number = Annotated[int, Path(ge=0, le=MAX_NUMBER)]
Limit = Annotated[int, Query(ge=1, le=1000)]
StartFromSk = Annotated[
    str | None,
    Query(alias="startFromSk", min_length=1, max_length=1024, description="lastSk of the page before"),
]


def sequence_routes(sequences: SequenceModule, *, prefix: str = "/sequences") -> Router:
    """Routes to take numbers, and to look after counters, for the series that have ``roles``.

    ========  ===================================  =====================================================
    issue     POST ``{prefix}/{type}``             takes the next number; heeds ``Idempotency-Key``
    preview   GET ``{prefix}/{type}/preview``      the next number, not taken
    counters  GET ``{prefix}/{type}``              a page of the tenant's counters
    set       PUT ``{prefix}/{type}/{bucket}``     lets a counter have given numbers up to one
    void      POST ``{prefix}/{type}/{no}/void``   records that nothing has a number
    ========  ===================================  =====================================================

    The counters are those of the caller's own tenant; a caller whose role crosses tenants may name another
    one in the header ``x-tenant-code``. The first three take one of the series' roles, the others a role that
    crosses tenants. A series without roles is not there. What is printed beside the number, and of which day,
    is not for clients to say.

    Example:
        >>> app = CqrsApp(modules=[...], features=[sequences], routes=[sequence_routes(sequences)])

    Args:
        sequences: The sequences.
        prefix: First part of the paths.

    Raises:
        ConfigurationError: ``prefix`` cannot be the first part of paths.
    """
    if problems := prefix_problems(prefix, "/sequences"):
        raise ConfigurationError("; ".join(problems))
    router = MadeRouter(f"sequence_routes at {prefix}", prefix)
    for route in [*_reads(sequences), *_writes(sequences)]:
        add_route(router, route, _guarded(route), owner=_OWNER, summary=route.summary)
    return router


def _guarded(route: ModuleRoute) -> Callable[..., Any]:
    """The route's function, after the check of what it would not heed, with the feature on its log lines."""

    @contextmanager
    def guard() -> Iterator[None]:
        with log_context(module=_OWNER):
            if route.method != "GET":
                _check_conditions()
            yield

    return guarded(route.function, guard)


def _check_conditions() -> None:
    """Refuse a condition that a write would not heed.

    Raises:
        InvalidInputError: There is one.
    """
    headers = require_invoke_context().headers
    message = "is about the version of an item, and numbers have none; leave it out"
    names = (name.lower() for name in (IF_MATCH, IF_NONE_MATCH))
    if problems := [FieldProblem(name, message) for name in names if name in headers]:
        raise InvalidInputError(problems)


def _reads(sequences: SequenceModule) -> list[ModuleRoute]:
    def preview(
        type: str,  # noqa: A002 - as in the path
        *,
        code1: Code = None,
        code2: Code = None,
        code3: Code = None,
        code4: Code = None,
        code5: Code = None,
    ) -> IssuedNumber:
        tenant = _admitted(sequences, type)
        with named_as_sent(_NAMES | _CODES):
            codes = _without_gaps([code1, code2, code3, code4, code5])
            return _issued(sequences.preview(type, tenant_code=tenant, codes=codes))

    def counters(type: str, limit: Limit = 100, start_from_sk: StartFromSk = None) -> ShownCounters:  # noqa: A002
        tenant = _admitted(sequences, type)
        with named_as_sent(_NAMES):
            page = sequences.list_sequences(
                type, tenant_code=tenant, limit=limit, start_from_sk=start_from_sk
            )
        return ShownCounters(items=[ShownCounter.of(one) for one in page.items], last_sk=page.last_sk)

    return [
        ModuleRoute(
            "preview",
            "GET",
            "/<type>/preview",
            preview,
            {200: ("The number that is next; nobody has it yet", IssuedNumber)},
            summary="The next number, without taking it",
            problems=_OF_NUMBERS,
            headers=OF_MANY,
        ),
        ModuleRoute(
            "counters",
            "GET",
            "/<type>",
            counters,
            {200: ("A page", ShownCounters)},
            summary="A page of the counters of a series",
            problems=_PROBLEMS,
            headers=OF_MANY,
        ),
    ]


def _writes(sequences: SequenceModule) -> list[ModuleRoute]:
    def issue(
        type: str,  # noqa: A002 - as in the path
        body: Annotated[NumberWanted | None, Body()] = None,
    ) -> Response[IssuedNumber]:
        tenant = _admitted(sequences, type)
        with named_as_sent(_NAMES):
            item = sequences.generate_sequence_item(
                type,
                tenant_code=tenant,
                codes=body.codes if body else (),
                idempotency_key=require_invoke_context().publish_id,
            )
        return Response(HTTPStatus.CREATED, content_type="application/json", body=_issued(item))

    def set_counter(type: str, bucket: Bucket, body: Annotated[WantedCounter, Body()]) -> ShownCounter:  # noqa: A002
        tenant = _admitted_operator(sequences, type)
        with named_as_sent(_NAMES):
            counter = sequences.set_sequence(
                type, body.no, bucket=bucket, tenant_code=tenant, codes=body.codes
            )
        return ShownCounter.of(counter)

    def void(type: str, no: Number, body: Annotated[WantedVoid, Body()]) -> Response[None]:  # noqa: A002
        tenant = _admitted_operator(sequences, type)
        with named_as_sent(_NAMES):
            sequences.void(
                type, no, reason=body.reason, bucket=body.bucket, tenant_code=tenant, codes=body.codes
            )
        return Response(HTTPStatus.NO_CONTENT)

    return [
        ModuleRoute(
            "issue",
            "POST",
            "/<type>",
            issue,
            {201: ("The number, taken", IssuedNumber)},
            summary="Take the next number",
            problems=_OF_NUMBERS | {422: "The Idempotency-Key was used for another call"},
            headers=(HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE),
        ),
        ModuleRoute(
            "set",
            "PUT",
            "/<type>/<bucket>",
            set_counter,
            {200: ("The counter", ShownCounter)},
            summary="Let a counter have given numbers up to one",
            problems=_PROBLEMS,
            headers=OF_MANY,
        ),
        ModuleRoute(
            "void",
            "POST",
            "/<type>/<no>/void",
            void,
            {204: ("Recorded", None)},
            summary="Record that nothing has a number",
            problems=_void_problems(),
            headers=OF_MANY,
        ),
    ]


def _void_problems() -> Mapping[int, str]:
    return {**_PROBLEMS, 404: "There is no such series, or the number was not given yet"}


def _admitted(sequences: SequenceModule, type_code: str) -> str:
    """The tenant of the request, whose caller has a role of the series.

    Raises:
        ItemNotFoundError: There is no such series over HTTP.
        ForbiddenError: The caller has none of its roles, or may not act in the tenant.
    """
    roles = _roles_of(sequences, type_code)
    check_role(*roles)
    return tenant_of_request(write=True)


def _admitted_operator(sequences: SequenceModule, type_code: str) -> str:
    """The tenant of the request, whose caller has a role that crosses tenants."""
    _roles_of(sequences, type_code)
    tenant = tenant_of_request(write=True)
    if not crosses(require_invoke_context(), tenant, sequences.resources.settings):
        msg = "this takes a role that crosses tenants"
        raise ForbiddenError(msg)
    return tenant


def _roles_of(sequences: SequenceModule, type_code: str) -> tuple[str, ...]:
    series = sequences.series.get(type_code)
    if series is None or not series.roles:
        msg = "there is no such series"
        raise ItemNotFoundError(msg)
    return series.roles


def _without_gaps(codes: list[str | None]) -> list[str]:
    """The codes that a query names.

    Raises:
        InvalidInputError: It leaves one out, and names one after it.
    """
    while codes and codes[-1] is None:
        codes.pop()
    message = "is required where a later code is given"
    if problems := [FieldProblem(f"codes.{n}", message) for n, code in enumerate(codes) if code is None]:
        raise InvalidInputError(problems)
    return [code for code in codes if code is not None]


def _issued(item: SequenceItem) -> IssuedNumber:
    values: dict[str, Any] = {
        "id": item.id,
        "no": item.no,
        "formatted_no": item.formatted_no,
        "issued_at": item.issued_at,
        "bucket": item.bucket,
    }
    return IssuedNumber(**values)
