"""States of dispatched events: a pure function from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.event_store.dispatch.event import DomainEvent

__all__ = ["Reducer", "rehydrate"]

StateT = TypeVar("StateT")


class Reducer(Protocol[StateT]):
    """A pure function from a state and an event to the next state.

    For an event that it does not know it returns the state as it is.
    """

    def __call__(self, state: StateT, event: DomainEvent[Any], /) -> StateT:
        """The state after ``event``."""
        ...


def rehydrate(events: Iterable[DomainEvent[Any]], reducer: Reducer[StateT], initial: StateT) -> StateT:
    """The state that events make.

    Example:
        >>> rehydrate(store.get_events("users", "ann"), reduce_user, User())
        User(email='ann@example.com')

    Args:
        events: The events, the oldest first, as `EventStore.get_events` gives them.
        reducer: Makes each next state.
        initial: The state before the first event.
    """
    state = initial
    for event in events:
        state = reducer(state, event)
    return state
