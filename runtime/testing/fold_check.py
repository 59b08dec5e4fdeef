"""Whether a fold is pure, and whether states that are kept are read again as what they were."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.testing.other_class import other_class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.event_store.aggregates.aggregate import Aggregate
    from runtime.event_store.events.recorded import RecordedEvent

__all__ = ["check_fold"]

StateT = TypeVar("StateT")


def check_fold(aggregate: Aggregate[Any, StateT], events: Iterable[RecordedEvent[Any]]) -> StateT:
    """Fold events as a load does, each twice, and once more from the kept state.

    Args:
        aggregate: Whose.
        events: All of them, from the first one.

    Returns:
        The last state.

    Raises:
        AssertionError: The fold changes the state in place or depends on something else, or a state cannot be
            kept; the message names the event.
    """
    state = aggregate.create()
    _expect_comparable(state)
    _expect_same(aggregate, state, aggregate.create(), "create() makes another state at each call")
    kept = _kept(aggregate, state, "the state without events")
    for recorded in events:
        where = f"event {recorded.meta.version}, {recorded.event!r}"
        before = aggregate.fresh(state)
        result = aggregate.next_state(state, recorded.event, recorded.meta)
        _expect_comparable(result)
        _expect_same(
            aggregate, state, before, f"the fold changes the state in place at {where}; return a new one"
        )
        again = aggregate.next_state(before, recorded.event, recorded.meta)
        _expect_same(
            aggregate,
            again,
            result,
            f"the fold is not pure: {where} gives another state the second time; it may depend on the event, "
            "the state and the meta alone",
        )
        if aggregate.persist is not None:
            from_kept = aggregate.next_state(aggregate.restored(kept), recorded.event, recorded.meta)
            _expect_same(
                aggregate,
                from_kept,
                result,
                f"on a kept state {where} gives another state; what the fold needs must be in the state",
            )
        state = result
        kept = _kept(aggregate, state, f"the state after {where}")
    return state


def _kept(aggregate: Aggregate[Any, Any], state: Any, what: str) -> Any:  # noqa: ANN401 - JSON
    if aggregate.persist is None:
        return None
    try:
        kept = aggregate.kept(state)
    except ValueError as error:
        hint = ""
        if aggregate.persist.state is None and type(state) is not type(aggregate.create()):
            hint = "\nit is of another class than create() makes: name them all, Persist(state=One | Other)"
        msg = f"the aggregate {aggregate.stream!r}: {what} cannot be kept: {error}{hint}\n  {state!r}"
        raise AssertionError(msg) from None
    difference = other_class(state, aggregate.restored(kept), "it")
    if difference is not None:
        msg = (
            f"the aggregate {aggregate.stream!r}: {what} cannot be kept: {difference}; give it a type that "
            f"says what it holds\n  {state!r}"
        )
        raise AssertionError(msg)
    return kept


def _expect_comparable(state: object) -> None:
    # Of None, and of each member of an enum, there is one: it is compared as it is.
    if type(state).__eq__ is object.__eq__ and not (state is None or isinstance(state, Enum)):
        kind = type(state).__name__
        msg = f"two {kind} cannot be compared: make it a dataclass or a model, or give it an __eq__"
        raise AssertionError(msg)


def _expect_same(aggregate: Aggregate[Any, Any], found: object, expected: object, message: str) -> None:
    if found != expected:
        msg = f"the aggregate {aggregate.stream!r}: {message}\n  {found!r}\nand\n  {expected!r}"
        raise AssertionError(msg)
