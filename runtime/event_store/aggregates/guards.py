"""What a command reads of others while it decides: its append holds only while they have not moved."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token

    from runtime.event_store.address import Key
    from runtime.event_store.provider import Provider

__all__ = ["Decision", "current_decision", "deciding", "note_read", "outside_of_decisions"]


class Decision(NamedTuple):
    """A command that is being decided.

    Attributes:
        key: The aggregate that it is for. Its tenant is the default of what the command reads.
        provider: Where its events will go. What another provider has cannot be guarded in one transaction.
        reads: The other aggregates that were read, each with the version that it was first seen at.
    """

    key: Key
    provider: Provider
    reads: dict[Key, int]


_decision: ContextVar[Decision | None] = ContextVar("decision", default=None)


def current_decision() -> Decision | None:
    """The command that is being decided, or None outside of a command handler."""
    return _decision.get()


class deciding:  # noqa: N801 - it is called as a function is
    """Note what the block reads. A command inside of a command has reads of its own.

    A class, as each command is decided in one: it takes a third of the time of a generator.
    """

    __slots__ = ("_decided", "_token")

    def __init__(self, key: Key, provider: Provider) -> None:
        self._decided = Decision(key, provider, {})

    def __enter__(self) -> Decision:
        self._token: Token[Decision | None] = _decision.set(self._decided)
        return self._decided

    def __exit__(self, *_: object) -> None:
        _decision.reset(self._token)


@contextmanager
def outside_of_decisions() -> Iterator[None]:
    """Let the block be no part of the command that is being decided: a handler that is called meanwhile."""
    token = _decision.set(None)
    try:
        yield
    finally:
        _decision.reset(token)


def note_read(provider: Provider, key: Key, version: int) -> None:
    """Note that an aggregate was read as it is now.

    The version that was seen first counts: should the aggregate have moved between two reads of one command,
    the command has seen two states that do not go together, and its append must fail.
    """
    decision = _decision.get()
    if decision is not None and decision.provider is provider and key != decision.key:
        decision.reads.setdefault(key, version)
