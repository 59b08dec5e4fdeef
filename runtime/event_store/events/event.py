"""Events: frozen pydantic models or dataclasses, each stored under a name of its own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from runtime.errors import ConfigurationError
from runtime.event_store.address import is_unicode

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

__all__ = ["Event", "HasEventType", "can_be_name", "event_type", "name_of"]

ClassT = TypeVar("ClassT")

_MAX_NAME: Final = 255


class Event(BaseModel):
    """Base of a typed event: its class is the tag of the union, ``type`` the name that it is stored under.

    Frozen. Fields that are stored and not known any more are passed over, so that a release that has
    forgotten one can read what an earlier one wrote.

    Example:
        >>> class UserCreated(Event, type="created"):
        ...     name: str

    Args (of the class statement):
        type: The name. Default: that of the class; of a generic event, ``Changed[int]``, the name of
            ``Changed`` with ``[int]`` behind it.
        aliases: Names that it was stored under before.

    Raises:
        ConfigurationError: Of the class statement: something is no name, or a field is called ``event_type``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    event_type: ClassVar[str] = ""
    event_aliases: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls,
        *,
        type: str | None = None,  # noqa: A002 - what users write: class UserCreated(Event, type="created")
        aliases: tuple[str, ...] = (),
        **kwargs: Any,  # noqa: ANN401 - pydantic's own
    ) -> None:
        super().__init_subclass__(**kwargs)
        _, is_parametrized, parameters = cls.__name__.partition("[")
        if type is None and is_parametrized:
            # Pydantic makes the class of `Changed[int]`: its name goes by the one that Changed was given.
            base: builtins.type[Event] = cls.__mro__[1]
            type = f"{base.event_type}[{parameters}"  # noqa: A001
            aliases = tuple(f"{alias}[{parameters}" for alias in base.event_aliases)
        cls.event_type = _name(cls, cls.__name__ if type is None else type)
        cls.event_aliases = _names(cls, aliases)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - pydantic's own
        """Refuse a field that would hide what makes it an event."""
        super().__pydantic_init_subclass__(**kwargs)
        for field in ("event_type", "event_aliases"):
            if field in cls.model_fields:
                msg = (
                    f"{cls.__name__} has a field {field}, which is where the class keeps its name; rename "
                    f"it, with Field(alias={field!r}) where it is stored so"
                )
                raise ConfigurationError(msg)


@runtime_checkable
class HasEventType(Protocol):
    """What makes a class an event: `Event` has it, and what `event_type` decorates."""

    event_type: ClassVar[str]
    event_aliases: ClassVar[tuple[str, ...]]


def event_type(name: str, *, aliases: tuple[str, ...] = ()) -> Callable[[type[ClassT]], type[ClassT]]:
    """Decorator of a dataclass that is an event. It stands above ``@dataclass(frozen=True)``.

    Example:
        >>> @event_type("postArchived", aliases=("archived",))
        ... @dataclass(frozen=True)
        ... class PostArchived:
        ...     by: str

    Args:
        name: The name that it is stored under.
        aliases: Names that it was stored under before.

    Raises:
        ConfigurationError: What it decorates is no dataclass, or something is no name.
    """

    def mark(cls: type[ClassT]) -> type[ClassT]:
        if not dataclasses.is_dataclass(cls):
            msg = f"@event_type({name!r}) must stand above @dataclass, and {cls.__name__} is no dataclass yet"
            raise ConfigurationError(msg)
        cls.event_type = _name(cls, name)  # type: ignore[attr-defined]
        cls.event_aliases = _names(cls, aliases)  # type: ignore[attr-defined]
        return cls

    return mark


def can_be_name(name: object) -> bool:
    """Whether events can be stored under a name."""
    if not isinstance(name, str) or not 1 <= len(name) <= _MAX_NAME:
        return False
    return is_unicode(name)


def _name(cls: type, name: str) -> str:
    if can_be_name(name):
        return name
    msg = (
        f"the name of {cls.__name__} must be text of 1 to {_MAX_NAME} characters, valid Unicode, got {name!r}"
    )
    raise ConfigurationError(msg)


def _names(cls: type, aliases: object) -> tuple[str, ...]:
    """Aliases, if they are names; a single text would be as many as it has letters."""
    if isinstance(aliases, tuple | list) and all(map(can_be_name, aliases)):
        return tuple(aliases)
    msg = (
        f"aliases of {cls.__name__} must be names of 1 to {_MAX_NAME} characters, such as ('old',), "
        f"got {aliases!r}"
    )
    raise ConfigurationError(msg)


def name_of(event: type | object) -> str:
    """The name that an event, or a class of events, is stored under.

    Raises:
        ConfigurationError: It is no event.
    """
    name = getattr(event, "event_type", None)
    if not isinstance(name, str) or not name:
        what = event if isinstance(event, type) else type(event)
        msg = (
            f"{what.__name__} is no event: inherit it from Event, or put "
            '@event_type("...") above its dataclass'
        )
        raise ConfigurationError(msg)
    return name
