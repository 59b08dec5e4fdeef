"""What is known of an append besides its events: by whom, in which request, because of which event."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.event_store.aggregates.guards import outside_of_decisions
from runtime.event_store.events.recorded import EventMeta
from runtime.identity.context import current_invoke_context
from runtime.identity.user import user_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import Commit

__all__ = ["current_event", "event_meta", "gathered", "keeps_command_ids", "meta_in", "reacting_to"]


_TUPLE: Final = tuple.__new__
#: What is not known of an event by its commit: its position, and a generation.
_DEFAULTS: Final = EventMeta._field_defaults["position"], EventMeta._field_defaults["generation"]


@dataclass(frozen=True, slots=True)
class _Reaction:
    meta: EventMeta
    keeps_command_ids: bool


_reaction: ContextVar[_Reaction | None] = ContextVar("reaction", default=None)


@contextmanager
def reacting_to(meta: EventMeta, *, keeps_command_ids: bool = False) -> Iterator[None]:
    """Let what the block appends be caused by an event. The feed calls each handler in such a block.

    Inside, the default tenant is the event's.

    Args:
        meta: The event that is handled.
        keeps_command_ids: Whether the ids of commands that the block executes stay for ever, as those of a
            handler with ``reaction=True``; otherwise they are forgotten after a day.
    """
    token = _reaction.set(_Reaction(meta, keeps_command_ids))
    try:
        with outside_of_decisions():
            yield
    finally:
        _reaction.reset(token)


def current_event() -> EventMeta | None:
    """The event that is being handled, or None outside of a handler."""
    reaction = _reaction.get()
    return None if reaction is None else reaction.meta


def keeps_command_ids() -> bool:
    """Whether the ids of commands that are executed here and now stay for ever."""
    reaction = _reaction.get()
    return reaction is not None and reaction.keeps_command_ids


def gathered(source: str | None, command_id: str | None) -> tuple[str | None, dict[str, str]]:
    """Who appends, and `Commit.metadata`: what is not known is left out.

    Args:
        source: Which code appends.
        command_id: Id of the command.

    Raises:
        ForbiddenError: A claim of the request is malformed.
    """
    found: dict[str, str] = {}
    user_id: str | None = None
    request = current_invoke_context()
    if request is not None:
        user_id = user_id_of(request)
        if request.request_id:
            found["correlation"] = request.request_id
    reaction = _reaction.get()
    if reaction is not None:
        found["causation"] = reaction.meta.event_id
        if reaction.meta.correlation_id:
            # Whichever request it is handled in: the one that it began with is told.
            found["correlation"] = reaction.meta.correlation_id
    if source is not None:
        found["source"] = source
    if command_id is not None:
        found["command"] = command_id
    return user_id, found


def event_meta(
    key: Key,
    version: int,
    event_type: str,
    *,
    at: datetime,
    user_id: str | None,
    metadata: Mapping[str, str],
) -> EventMeta:
    """What folds and handlers are told of an event."""
    stream, aggregate_id, tenant = key
    get = metadata.get
    # Not by way of the class: it is done for each event that is appended or read.
    return _TUPLE(
        EventMeta,
        (
            stream,
            aggregate_id,
            version,
            tenant,
            at,
            event_type,
            user_id,
            get("correlation"),
            get("causation"),
            get("command"),
            get("source"),
            *_DEFAULTS,
        ),
    )


def meta_in(commit: Commit, version: int) -> EventMeta:
    """What is known of one event of a commit.

    Args:
        commit: The commit.
        version: Number of the event; the commit has it.
    """
    return event_meta(
        commit.key,
        version,
        commit.events[version - commit.first].type,
        at=commit.at,
        user_id=commit.user_id,
        metadata=commit.metadata,
    )
