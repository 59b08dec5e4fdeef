"""Aggregates: which events there are, and how they make a state. Pure: no store is known here."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from runtime.errors import ConfigurationError
from runtime.event_store.address import check_stream_name
from runtime.event_store.events.event_types import EventTypes
from runtime.event_store.events.json_form import json_form
from runtime.imports import check_done, check_function

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from runtime.event_store.events.recorded import EventMeta

__all__ = ["Aggregate", "Change", "Persist", "Upcaster", "create_aggregate"]

EventT = TypeVar("EventT")
StateT = TypeVar("StateT")

Change = Mapping[str, Any]
"""A partial state, as evtstore's fold returns it: merged over the previous one, shallowly."""

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Body of an event of one schema, under the names it is stored with, to that of the next."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Keep the state inside the append's own item.

    Attributes:
        version: Stamp of the fold. Where another one is stored, the state is folded anew: change it together
            with the fold.
        every: Appends after which the state is written even where it costs a write unit. It is always written
            where it fits into the unit that the append pays for anyway. Default: 20.
        state: Type of the states, where it is more than the class that ``create`` makes:
            ``Draft | Published``. Default: that class.

    Raises:
        ConfigurationError: The version is empty, or ``every`` is below 1.
    """

    version: str
    every: int = 20
    state: Any = None

    def __post_init__(self) -> None:
        """Refuse what could never be found again."""
        if not isinstance(self.version, str) or not self.version:
            msg = f'Persist(version=) must be a text that is not empty, such as "1", got {self.version!r}'
            raise ConfigurationError(msg)
        if not isinstance(self.every, int) or self.every < 1:
            msg = f"Persist(every=) must be a number of appends, 1 or more, got {self.every!r}"
            raise ConfigurationError(msg)


@dataclass(frozen=True, eq=False)
class Aggregate(Generic[EventT, StateT]):
    """One kind of aggregate. Made by `create_aggregate`.

    Attributes:
        stream: Name of its stream.
        types: Its events.
        create: Makes the state of an aggregate without events.
        fold: Makes the next state.
        persist: Whether, and under which stamp, states are kept.
    """

    stream: str
    types: EventTypes = field(repr=False)
    create: Callable[[], StateT] = field(repr=False)
    fold: Callable[[EventT, StateT, EventMeta], StateT | Change | None] = field(repr=False)
    persist: Persist | None = None

    def next_state(self, state: StateT, event: EventT, meta: EventMeta) -> StateT:
        """The state after an event: what the fold returns, or what it changes of ``state``.

        Raises:
            ConfigurationError: The fold returned something else.
            Exception: Whatever the fold raises.
        """
        result = self.fold(event, state, meta)
        if type(result) is type(state) and not isinstance(result, dict):
            return result
        if result is None:
            return state
        if isinstance(state, dict):
            if not isinstance(result, Mapping):
                raise self._wrong(result, state)
            return {**state, **result}  # type: ignore[return-value]
        if isinstance(result, Mapping):
            return dict(result) if state is None else self._changed(state, result)  # type: ignore[return-value]
        check_done(result, f"the fold of {self.stream!r}")
        if self._may_follow(state, result):
            return result
        raise self._wrong(result, state)

    def _may_follow(self, state: StateT, result: Any) -> bool:  # noqa: ANN401 - whatever a fold has returned
        """Whether a state may become one of another class."""
        if isinstance(result, type) or type(result) in self.types.classes:
            return False
        if state is None or _is_record(result):
            return True  # what there was not before; or one of several classes: a draft that was published
        return {type(state), type(result)} == {int, float}

    def _changed(self, state: StateT, change: Change) -> StateT:
        known: set[str] | None = None
        if isinstance(state, BaseModel):
            known = set(type(state).model_fields)
        elif dataclasses.is_dataclass(state):
            known = {one.name for one in dataclasses.fields(state) if one.init}
        if known is None:
            raise self._wrong(change, state)
        if unknown := sorted(set(change) - known, key=str):
            msg = (
                f"the fold of {self.stream!r} changes {unknown}, and {type(state).__name__} has no such "
                f"fields to be changed; it has {sorted(known)}"
            )
            raise ConfigurationError(msg)
        if isinstance(state, BaseModel):
            return state.model_copy(update=dict(change))
        return dataclasses.replace(state, **change)  # type: ignore[type-var]

    def _wrong(self, result: object, state: object) -> ConfigurationError:
        msg = (
            f"the fold of {self.stream!r} must return a {type(state).__name__}, a mapping of changes "
            f"or None, got {type(result).__name__}"
        )
        return ConfigurationError(msg)

    def fresh(self, state: StateT) -> StateT:
        """A copy of a state that nobody else holds."""
        return copy.deepcopy(state)

    def kept(self, state: StateT) -> Any:  # noqa: ANN401 - JSON
        """A state as JSON values.

        Raises:
            ValueError: It cannot be kept: it has no JSON form, or would be read again as something else.
            ConfigurationError: Its class has no JSON form at all.
        """
        text = self._state_type.dump_json(state, by_alias=True, warnings="error")
        if self._state_type.validate_json(text) != state:
            msg = f"a state of {self.stream!r} would be read again as something else"
            raise ValueError(msg)
        return from_json(text)

    def restored(self, kept: Any) -> StateT:  # noqa: ANN401 - JSON
        """The state that was kept.

        Raises:
            ValueError: Today's class does not accept it.
            ConfigurationError: The class has no JSON form.
        """
        validate = self._state_type.validate_json
        try:
            return validate(to_json(kept))
        except Exception as error:  # noqa: BLE001 - whatever the user's class raises
            msg = f"a kept state of {self.stream!r} is not accepted any more ({type(error).__name__})"
            raise ValueError(msg) from None

    @cached_property
    def _state_type(self) -> TypeAdapter[StateT]:
        given = None if self.persist is None else self.persist.state
        kind = type(self.create()) if given is None else given
        return json_form(kind, f"the state of {self.stream!r}")


def _is_record(value: object) -> bool:
    """Whether its class says what a value is: a model, a dataclass, a named tuple, a member of an enum."""
    is_named = isinstance(value, tuple) and hasattr(value, "_fields")
    return isinstance(value, BaseModel | Enum) or is_named or dataclasses.is_dataclass(value)


def create_aggregate(
    *,
    stream: str,
    events: Sequence[type[EventT]],
    create: Callable[[], StateT],
    fold: Callable[[EventT, StateT, EventMeta], StateT | Change | None],
    persist: Persist | None = None,
    upcasters: Mapping[str, Sequence[Upcaster]] | None = None,
) -> Aggregate[EventT, StateT]:
    """Describe an aggregate.

    Example:
        >>> user: Aggregate[UserEvent, User] = create_aggregate(
        ...     stream="users", events=[UserCreated, UserDisabled], create=User, fold=fold_user
        ... )

    Args:
        stream: Name of its stream: it begins the keys of all its events, so it never changes.
        events: The classes of its events.
        create: Makes the state of an aggregate without events, which may be None; called for each load.
        fold: Gets an event, the state before it and what else is known of the event; returns the next
            state, a mapping of changes (merged shallowly, into a state that is a dictionary as well), or None
            for no change. It must be pure.
        persist: Keep states, so that a load need not fold all events. Default: it always does.
        upcasters: By the name of an event: its bodies from schema 0 to 1, from 1 to 2, and so on. Each list
            only ever grows at its end. Default: none.

    Raises:
        ConfigurationError: Two events have one name, something is no event, the stream cannot be called
            that, ``create``, ``fold`` or an upcaster is no plain function of what it is called with, or an
            upcaster is for an event that the aggregate has not.
    """
    try:
        check_stream_name(stream)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if persist is not None and not isinstance(persist, Persist):
        msg = f"persist of the aggregate {stream!r} must be a Persist(version=...), got {persist!r}"
        raise ConfigurationError(msg)
    check_function(create, f"create of the aggregate {stream!r}", ())
    check_function(fold, f"fold of the aggregate {stream!r}", ("event", "state", "meta"))
    return Aggregate(stream, EventTypes(stream, events, upcasters or {}), create, fold, persist)
