"""The events of one aggregate by the names that they are stored under: how each is written and read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError, UnreadableEventError
from runtime.event_store.commits.commit import StoredEvent
from runtime.event_store.events.event import HasEventType, name_of
from runtime.event_store.events.json_form import json_form
from runtime.event_store.events.upcasting import check_upcasters, upcast

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import TypeAdapter

    from runtime.event_store.address import Key

__all__ = ["EventTypes"]

_FIELD_NAME: Final = re.compile(r"field_name='([^']+)'")
_UNWRITABLE: Final = "cannot be stored: it holds another type than it says, or one without a JSON form"
_UNREADABLE: Final = "would be read again as something else; give it a type that says what it holds"
_INCOMPARABLE: Final = (
    "cannot be compared with what would be read again: two of its class never equal; leave eq=False away"
)


class EventTypes:
    """The event classes of one aggregate.

    Args:
        stream: Name of its stream, for messages.
        classes: The classes.
        upcasters: By the name of an event: its bodies from schema 0 to 1, from 1 to 2, and so on.

    Raises:
        ConfigurationError: A class is no event, two have one name, or an upcaster is for none of them.
    """

    def __init__(
        self,
        stream: str,
        classes: Iterable[type[Any]],
        upcasters: Mapping[str, Sequence[Callable[[dict[str, Any]], dict[str, Any]]]],
    ) -> None:
        self._stream = stream
        _check_upcasters(stream, upcasters)
        self._types: dict[str, _EventType] = {}
        self._of_class: dict[type[Any], _EventType] = {}
        for cls in _listed(stream, classes):
            self._add(cls, upcasters)
        if not self._of_class:
            msg = f"the aggregate {stream!r} has no events; list their classes in events=[...]"
            raise ConfigurationError(msg)
        if unknown := set(upcasters) - {found.name for found in self._of_class.values()}:
            msg = (
                f"the aggregate {stream!r} has upcasters for {sorted(unknown)}, which are none of its events"
            )
            raise ConfigurationError(msg)

    def _add(self, cls: type[Any], upcasters: Mapping[str, Sequence[Any]]) -> None:
        if not isinstance(cls, type) or not isinstance(cls, HasEventType):
            msg = (
                f"the aggregate {self._stream!r} lists {cls!r}, which is no event: inherit it from Event, "
                'or put @event_type("...") above its dataclass'
            )
            raise ConfigurationError(msg)
        name = name_of(cls)
        if "event_type" not in vars(cls):
            other = next(base.__name__ for base in cls.__mro__ if "event_type" in vars(base))
            msg = (
                f"the aggregate {self._stream!r} lists {cls.__name__}, which has the name {name!r} from "
                f'{other}: put @event_type("...") above it, so that it has one of its own'
            )
            raise ConfigurationError(msg)
        if cls in self._of_class:
            msg = f"the aggregate {self._stream!r} lists {cls.__name__} twice"
            raise ConfigurationError(msg)
        found = _EventType(cls, name, tuple(upcasters.get(name, ())))
        for each in (name, *cls.event_aliases):
            if each in self._types:
                other = self._types[each].cls.__name__
                msg = (
                    f"two events of the aggregate {self._stream!r} are stored as {each!r}: {other} and "
                    f"{cls.__name__}; give one of them another name"
                )
                raise ConfigurationError(msg)
            self._types[each] = found
        self._of_class[cls] = found

    @property
    def classes(self) -> tuple[type[Any], ...]:
        """The classes, as they were listed."""
        return tuple(self._of_class)

    def has(self, cls: type[Any]) -> bool:
        """Whether a class is one of them."""
        return cls in self._of_class

    def names_of(self, cls: type[Any]) -> frozenset[str]:
        """All names that events of a class are, or were, stored under; none for another aggregate's class."""
        found = self._of_class.get(cls)
        return frozenset() if found is None else frozenset((found.name, *cls.event_aliases))

    def class_of(self, name: str) -> type[Any] | None:
        """The class of what is stored under a name; None where the aggregate has no such event."""
        found = self._types.get(name)
        return None if found is None else found.cls

    def stored(self, event: object) -> tuple[StoredEvent, Any]:
        """An event as it is stored, and as it will be read again.

        Raises:
            InvalidInputError: It is an event of another aggregate, cannot be stored, or would not be read
                again as what it is.
            ConfigurationError: Its class has no JSON form.
        """
        found = self._type_of(event)
        write, validate = found.to_json, found.validate_json
        try:
            text = write(event, by_alias=True, warnings="error")
            again = validate(text)
        except PydanticSerializationError as error:
            names = _FIELD_NAME.findall(str(error)) or found.unwritable_fields(event)
            raise InvalidInputError(_by_field(found, names, _UNWRITABLE)) from None
        except ValidationError as error:
            raise InvalidInputError(_problems(f"events.{found.name}", error)) from None
        except Exception as error:  # noqa: BLE001 - whatever the user's class raises
            message = f"cannot be read again ({type(error).__name__})"
            raise InvalidInputError([FieldProblem(f"events.{found.name}", message)]) from None
        # Of most events the fields are all there is to compare, and dicts are compared at once.
        if (not found.is_its_fields or again.__dict__ != event.__dict__) and again != event:
            names = [name for name in found.fields if getattr(again, name) != getattr(event, name)]
            message = _UNREADABLE if type(event).__eq__ is not object.__eq__ else _INCOMPARABLE
            raise InvalidInputError(_by_field(found, names, message))
        if b"NaN" in text or b"Infinity" in text:
            # Perhaps pydantic was told to write numbers that JSON has not: a provider looks at the body.
            return StoredEvent(found.name, from_json(text), found.schema), again
        return StoredEvent.of_text(found.name, found.schema, text.decode()), again

    def check(self, event: object) -> None:
        """Refuse what is no event of the aggregate.

        Raises:
            InvalidInputError: It is of another aggregate, or no event at all.
        """
        self._type_of(event)

    def _type_of(self, event: object) -> _EventType:
        found = self._of_class.get(type(event))
        if found is None:
            message = (
                f"must be an event of the aggregate {self._stream!r} "
                f"({', '.join(cls.__name__ for cls in self._of_class)}), got {type(event).__name__}"
            )
            raise InvalidInputError([FieldProblem("events", message)])
        return found

    def read(self, stored: StoredEvent, key: Key, version: int) -> Any:  # noqa: ANN401 - one of the classes
        """The event in what is stored.

        Raises:
            UnreadableEventError: Nothing in this code reads it: its name is unknown, its schema is newer, an
                upcaster failed, or the class does not accept it.
            ConfigurationError: The class has no JSON form.
        """
        found = self._types.get(stored.type)
        if found is None:
            msg = (
                f"{_where(key, version)} is stored as {stored.type!r}, which is no event of the aggregate "
                f"{self._stream!r}: add its class to events=[...], or the name to the aliases of the class "
                "that it became"
            )
            raise UnreadableEventError(msg)
        text = stored.text if stored.schema == found.schema else None
        body: Mapping[str, Any] = {}
        if text is None:  # a body that was not read yet stays so where its text is all that is needed
            is_current = stored.schema == found.schema
            where = _where(key, version)
            body = stored.body if is_current else upcast(stored, found.name, found.upcasters, where)
        validate = found.validate_json
        try:
            return validate(to_json(body) if text is None else text)
        except ValidationError as error:
            problems = _kinds(found.name, error)
        except Exception as error:  # noqa: BLE001 - whatever the user's class raises
            problems = f"{found.name}: {type(error).__name__}"
        # Not chained: what a class says may quote the event.
        msg = (
            f"{_where(key, version)} ({stored.type}) is not accepted by {found.cls.__name__}: {problems}; "
            "add an upcaster"
        )
        raise UnreadableEventError(msg)


class _EventType:
    def __init__(
        self, cls: type[Any], name: str, upcasters: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...]
    ) -> None:
        self.cls = cls
        self.name = name
        self.upcasters = upcasters
        self.schema = len(upcasters)
        self.is_its_fields = (
            issubclass(cls, BaseModel)
            and cls.__eq__ is BaseModel.__eq__
            and not cls.__private_attributes__
            and cls.model_config.get("extra") != "allow"
        )

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        """Made when the first one is read or written: a function may have many and use few."""
        return json_form(self.cls, f"the event {self.cls.__name__}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields of the class."""
        if issubclass(self.cls, BaseModel):
            return tuple(self.cls.model_fields)
        return tuple(one.name for one in dataclasses.fields(self.cls)) if is_dataclass(self.cls) else ()

    def unwritable_fields(self, event: object) -> list[str]:
        """The fields of an event that have no JSON form: some of pydantic's errors name none."""
        return [name for name in self.fields if not self._can_write(event, name)]

    def _can_write(self, event: object, field: str) -> bool:
        try:
            self.to_json(event, include={field}, by_alias=True, warnings="error")
        except Exception:  # noqa: BLE001 - whatever the user's class raises
            return False
        return True

    @cached_property
    def validate_json(self) -> Callable[[str | bytes], Any]:
        """Makes the event of its JSON text."""
        return self._adapter.validator.validate_json

    @cached_property
    def to_json(self) -> Callable[..., bytes]:
        """Makes the JSON text of the event."""
        return self._adapter.serializer.to_json


def _check_upcasters(stream: str, upcasters: Any) -> None:  # noqa: ANN401 - whatever somebody has given
    if not isinstance(upcasters, Mapping):
        msg = (
            f"upcasters of the aggregate {stream!r} must be a mapping of lists by the names of events, got "
            f"{type(upcasters).__name__}"
        )
        raise ConfigurationError(msg)
    for name, steps in upcasters.items():
        check_upcasters(steps, f"{name!r} of the aggregate {stream!r}")


def _listed(stream: str, classes: Any) -> Iterable[type[Any]]:  # noqa: ANN401 - as above
    if isinstance(classes, type) or not isinstance(classes, Iterable):
        msg = (
            f"events of the aggregate {stream!r} must be a list of classes, [Created, Closed], got "
            f"{classes!r}"
        )
        raise ConfigurationError(msg)
    return classes


def _where(key: Key, version: int) -> str:
    return f"event {version} of {key.pk}"


def _by_field(found: _EventType, names: Sequence[str], message: str) -> list[FieldProblem]:
    """What is wrong with some fields, or with the whole event; pydantic's own texts quote the values."""
    prefix = f"events.{found.name}"
    return [FieldProblem(f"{prefix}.{name}", message) for name in names] or [FieldProblem(prefix, message)]


def _problems(prefix: str, error: ValidationError) -> list[FieldProblem]:
    """What a model has to say, by field, and nothing of the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [FieldProblem(".".join((prefix, *map(str, one["loc"]))), one["msg"]) for one in found]


def _kinds(prefix: str, error: ValidationError) -> str:
    """What is wrong with a stored event, for logs: fields and kinds; texts, and keys within, may quote it."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join((prefix, *map(str, one['loc'][:1])))}: {one['type']}" for one in found)
