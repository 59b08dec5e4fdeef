"""What happens to users, and what that makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

from pydantic import BaseModel

from runtime import Aggregate, Event, Persist, create_aggregate

if TYPE_CHECKING:
    from runtime import EventMeta

__all__ = ["User", "UserDisabled", "UserEnabled", "UserEvent", "UserRegistered", "user"]


class UserRegistered(Event, type="registered"):
    """Somebody has become a user."""

    name: str


class UserDisabled(Event, type="disabled"):
    """A user may not write any more."""

    reason: Literal["asked", "abuse"] = "asked"


class UserEnabled(Event, type="enabled"):
    """A user may write again."""


UserEvent = UserRegistered | UserDisabled | UserEnabled


class User(BaseModel):
    """What commands have to know of a user."""

    name: str = ""
    enabled: bool = False


def _fold(event: UserEvent, state: User, _meta: EventMeta) -> User:
    match event:
        case UserRegistered(name=name):
            return User(name=name, enabled=True)
        case UserDisabled():
            return state.model_copy(update={"enabled": False})
        case UserEnabled():
            return state.model_copy(update={"enabled": True})
        case _:
            assert_never(event)  # an event that is forgotten here is a type error


user: Aggregate[UserEvent, User] = create_aggregate(
    stream="users",
    events=[UserRegistered, UserDisabled, UserEnabled],
    create=User,
    fold=_fold,
    persist=Persist(version="1"),  # another one whenever the fold or the state changes
)
