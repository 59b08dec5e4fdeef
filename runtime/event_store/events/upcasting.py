"""Bringing the body of a stored event to the schema of today, one step after the other."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError, UnreadableEventError
from runtime.imports import check_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.event_store.commits.commit import StoredEvent

__all__ = ["check_upcasters", "upcast"]


def check_upcasters(upcasters: object, whose: str) -> None:
    """Refuse what is no list of upcasters, before the first old event finds out.

    Args:
        upcasters: What was given.
        whose: The event that they are for.

    Raises:
        ConfigurationError: It is no list, or one of them is no plain function of a body.
    """
    if not isinstance(upcasters, Sequence) or not all(map(callable, upcasters)):
        msg = f"upcasters of {whose} must be a list of functions, got {upcasters!r}"
        raise ConfigurationError(msg)
    for upcaster in upcasters:
        check_function(upcaster, f"an upcaster of {whose}", ("body",))


def upcast(
    stored: StoredEvent,
    name: str,
    upcasters: Sequence[Callable[[dict[str, Any]], dict[str, Any]]],
    where: str,
) -> dict[str, Any]:
    """The body of an event, under the names of today's schema.

    Args:
        stored: The event.
        name: What its type is called today.
        upcasters: From schema 0 to 1, from 1 to 2, and so on.
        where: What to call the event in messages.

    Raises:
        UnreadableEventError: Its schema is newer than this code, or an upcaster failed.
    """
    if stored.schema > len(upcasters):
        msg = (
            f"{where} ({stored.type}) has the schema {stored.schema}, and this code knows {len(upcasters)}; "
            "deploy the release with its upcaster, or a later one"
        )
        raise UnreadableEventError(msg)
    body = deepcopy(dict(stored.body))  # an upcaster may change it in place
    for schema in range(stored.schema, len(upcasters)):
        body = _step(upcasters[schema], schema, name, body, where)
    return body


def _step(
    upcaster: Callable[[dict[str, Any]], dict[str, Any]],
    schema: int,
    name: str,
    body: dict[str, Any],
    where: str,
) -> dict[str, Any]:
    try:
        result = upcaster(body)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        # Not chained: what the user's code says may quote the event.
        msg = f"the upcaster {schema} of {name!r} raised {type(error).__name__} for {where}; mend it"
        raise UnreadableEventError(msg) from None
    if not isinstance(result, dict):
        msg = f"the upcaster {schema} of {name!r} must return a dict, got {type(result).__name__} for {where}"
        raise UnreadableEventError(msg)
    return result
