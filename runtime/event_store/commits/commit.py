"""A commit: the events of one append, which are stored, read and shown together."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import from_json

from runtime.frozen import unfrozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from runtime.errors import CorruptRowError
    from runtime.event_store.address import Key
    from runtime.event_store.events.recorded import EventMeta

__all__ = [
    "CommandRecord",
    "Commit",
    "Known",
    "Notice",
    "StoredEvent",
    "UnreadableCommit",
    "made_commit",
    "new_append_id",
]

_APPEND_ID_BYTES = 12  # a multiple of three: nothing is padded


def new_append_id() -> str:
    """What tells an append from every other one: 16 characters of 96 random bits.

    It is only ever compared with that of a rival for the same version, and each character is paid for
    whenever the commit is read.
    """
    return urlsafe_b64encode(os.urandom(_APPEND_ID_BYTES)).decode()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event, as it is stored.

    Attributes:
        type: The name that it is stored under.
        body: What it says, as JSON values; of an event that was made of its text, read when it is asked for.
        schema: How many upcasters its type had when it was appended.
        text: The body as JSON text, where it is at hand; a copy with another body has none.
    """

    type: str
    body: Mapping[str, Any]
    schema: int = 0
    text: str | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of_text(cls, type: str, schema: int, text: str, body: Mapping[str, Any] | None = None) -> StoredEvent:  # noqa: A002 - as the attribute
        """An event whose body is at hand as JSON text: who needs that does not write it anew.

        Args:
            type: The name that it is stored under.
            schema: How many upcasters its type had.
            text: The body as JSON, as short as can be: an object.
            body: What the text says, where it was read. Default: it is read when somebody asks for it.
        """
        made = _UNFROZEN_EVENT()
        made.type, made.schema, made.text = type, schema, text
        if body is not None:
            made.body = body
        made.__class__ = cls
        found: StoredEvent = made
        return found

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - Python asks for what is not set
        """The body that was not read yet: an append needs its text alone."""
        if name != "body" or self.text is None:
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg, name=name, obj=self)
        body = from_json(self.text)
        object.__setattr__(self, name, body)
        return body


_UNFROZEN_EVENT: Final = unfrozen(StoredEvent)


class Known(NamedTuple):
    """What reading the events of a commit gives, where that is known without reading them.

    Each event was read from the text that is stored before it was appended, and nobody can change it.

    Attributes:
        reader: The `EventTypes` that have read them; for any other ones they are to be read.
        events: Each event with what is known of it besides.
    """

    reader: object
    events: Sequence[tuple[Any, EventMeta]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The events of one append.

    Attributes:
        key: Whose events.
        first: Version of the first one; the others follow it without a gap.
        events: What happened, in order; never empty, but in the commit that closes an erased aggregate.
        append_id: Tells this append from every other one: an append that is sent again finds itself by it.
        at: When, in UTC, to the microsecond.
        user_id: Who; None where nobody was signed in.
        metadata: ``correlation``, ``causation``, ``source`` and ``command``, those that are known.
        state: The state after the last event, as JSON; None where it is not kept here.
        fold: `Persist.version` of the fold that made the state; None without one.
        must_keep_state: Whether the state is to be kept even where that costs a write unit. It is otherwise
            only kept where it fits into a unit that the commit takes anyway. Never set on what was read.
        is_erased: Whether the events were blanked: their types and numbers are left, and nothing else.
        closes: Whether it closes an erased aggregate. It takes one version, and has no event.
        known: What reading its events gives, by whom: set where it was appended; see `Known`.
    """

    key: Key
    first: int
    events: tuple[StoredEvent, ...]
    append_id: str
    at: datetime
    user_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    state: Any = None
    fold: str | None = None
    must_keep_state: bool = field(default=False, compare=False)
    is_erased: bool = False
    closes: bool = False
    known: Known | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def last(self) -> int:
        """Version of the last event."""
        return self.first + (len(self.events) or 1) - 1

    @property
    def types(self) -> tuple[str, ...]:
        """The names of the events, in order."""
        return tuple(event.type for event in self.events)


_UNFROZEN_COMMIT: Final = unfrozen(Commit)


def made_commit(  # noqa: PLR0917 - each append and each row calls it, and names of arguments cost
    key: Key,
    first: int,
    events: tuple[StoredEvent, ...],
    append_id: str,
    at: datetime,
    user_id: str | None,
    metadata: Mapping[str, str],
    state: Any = None,  # noqa: ANN401 - JSON
    fold: str | None = None,
    *,
    must_keep_state: bool = False,
    is_erased: bool = False,
    closes: bool = False,
    known: Known | None = None,
) -> Commit:
    """A `Commit`, as its class makes it; for each append and each row, see `unfrozen`."""
    made = _UNFROZEN_COMMIT()
    made.key, made.first, made.events = key, first, events
    made.append_id, made.at, made.user_id, made.metadata = append_id, at, user_id, metadata
    made.state, made.fold, made.must_keep_state = state, fold, must_keep_state
    made.is_erased, made.closes, made.known = is_erased, closes, known
    made.__class__ = Commit
    found: Commit = made
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableCommit:
    """What a scan comes across in place of a commit that makes no sense.

    Attributes:
        pk: The partition key that it stands under.
        key: Whose it is; None where no aggregate can have such a partition key.
        version: A version that it has, or is said to have: its last one, where that can be told.
        types: Names of its events; None where they are not known.
        error: What is wrong with it.
    """

    pk: str
    key: Key | None
    version: int
    types: tuple[str, ...] | None
    error: CorruptRowError


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """What a command with an id has done: it is written in the same transaction as the events.

    Attributes:
        key: The aggregate that the command was for.
        command_id: Its id.
        fingerprint: Digest of the command: another command under the same id is refused.
        first: Version of its first event.
        last: Version of its last one.
        is_kept: Whether it stays for ever, as a reaction's does; otherwise it is forgotten after a day.
    """

    key: Key
    command_id: str
    fingerprint: str
    first: int
    last: int
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A doorbell: some aggregate has come to at least this version.

    Attributes:
        key: Whose doorbell.
        version: Version that it has come to.
        position: Where whoever listens goes on behind it.
        types: Names of the events that it is about; None where they are not known.
        commit: The commit itself, where the provider has it at hand.
    """

    key: Key
    version: int
    position: str
    types: tuple[str, ...] | None = None
    commit: Commit | None = None
