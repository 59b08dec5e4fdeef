"""Read your writes over HTTP: a query says which versions it has to show, in the header ``Min-Version``."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from runtime.entry.http.event_endpoint import named_as_sent, tenant_of_request
from runtime.errors import FieldProblem, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.loaded import Loaded
from runtime.identity.context import require_invoke_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.handlers.handler import EventHandler

__all__ = ["check_min_version"]

_HEADER: Final = "min-version"
_MOST: Final = 10
_ENTRY: Final = re.compile(r"[ \t]*([^\s,@]+)@([1-9][0-9]{0,9})[ \t]*")


def check_min_version(handler: EventHandler, stream: Aggregate[Any, Any] | str, *, wait: float = 0.0) -> None:
    """Let a query go on only if its read model shows what the caller has seen happen.

    A command answers with ``ETag: "7"``; a client that wants to see what it did sends ``Min-Version: p1@7``
    with its query. Where the read model has not come so far, the answer is 503 with ``Retry-After``.
    Several aggregates are divided by commas, at most 10; an id is escaped as in a path. They are aggregates
    of the tenant of the request; one that has no such version is none to wait for. Each costs one read of a
    cursor, and one of events where that is behind; without the header nothing is read.

    Example:
        >>> @router.get("/posts")
        ... def posts() -> list[FoundPost]:
        ...     check_min_version(posts_model, post, wait=1)
        ...     return find_posts()

    Args:
        handler: What fills the read model.
        stream: The aggregate that the header is about, or the name of its stream.
        wait: The longest to wait for the read model, in seconds, for all of the aggregates together. Default:
            not at all.

    Raises:
        ReadModelBehindError: The read model does not show one of them.
        InvalidInputError: The header is malformed, or there is no request.
        ForbiddenError: The caller has no tenant, or may not read in the one that they name.
        ConfigurationError: The handler is not over the stream.
    """
    header = require_invoke_context().headers.get(_HEADER)
    if header is None:
        return
    name = stream if isinstance(stream, str) else stream.stream
    tenant, ends = tenant_of_request(), time.monotonic() + wait
    for aggregate_id, version in _entries(header):
        with named_as_sent({"aggregate_id": _HEADER}):
            key = Key.checked(name, aggregate_id, tenant)
        wanted = Loaded(key, version, None)
        handler.wait_for(stream, wanted, timeout=max(0.0, ends - time.monotonic()))


def _entries(header: str) -> Iterator[tuple[str, int]]:
    parts = header.split(",")
    if len(parts) > _MOST:
        message = f"must name at most {_MOST} aggregates"
        raise InvalidInputError([FieldProblem(_HEADER, message)])
    for part in parts:
        entry = _ENTRY.fullmatch(part)
        if entry is None:
            message = "must be an id and a version, such as p1@7, or several of them with commas between"
            raise InvalidInputError([FieldProblem(_HEADER, message)])
        yield unquote(entry[1]), int(entry[2])
