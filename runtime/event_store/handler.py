"""Event handlers: what fills read models, and what reacts to events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from runtime.errors import ConfigurationError
from runtime.event_store.aggregate import Aggregate
from runtime.event_store.bookmark import MEMORY_BOOKMARK, MemoryBookmark, checked_name
from runtime.event_store.callbacks import Callbacks

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence

    from runtime.event_store.callbacks import ErasedCallback, EventCallback
    from runtime.event_store.domain_context import DomainContext
    from runtime.event_store.event_types import EventTypes
    from runtime.event_store.run import Run

__all__ = ["EventHandler", "HandlerOptions", "create_handler"]

OneEventT = TypeVar("OneEventT")
ErasedT = TypeVar("ErasedT", bound="ErasedCallback")

_MAX_ATTEMPTS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerOptions:
    """How a handler goes about its events; see `create_handler`."""

    tail_stream: bool = False
    always_tail_stream: bool = False
    continue_on_error: bool = False
    attempts: int = 10
    exclusive: bool = False
    reaction: bool = False


class EventHandler:
    """A read model's populator, or a reaction. Made by `Domain.create_handler`.

    It is shown each aggregate's events in order, each at least once; between aggregates there is no order.

    Attributes:
        name: What its progress is kept under.
        on_start: Called in front of each page of a run; None for nothing.
        on_end: Called behind each page, with what was done; None for nothing.
    """

    on_start: Callable[[], None] | None = None
    on_end: Callable[[Run], None] | None = None
