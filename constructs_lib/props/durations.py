"""How long a `Duration` is, asked once: it never changes, and each question is a call of Node.js."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from aws_cdk import Duration

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["human", "milliseconds_of"]

_KNOWN: Final[MutableMapping[Duration, float | None]] = WeakKeyDictionary()
_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds_of(duration: Duration | timedelta) -> float | None:
    """Give the length of ``duration`` in milliseconds; None where it is known at deployment only."""
    if isinstance(duration, timedelta):
        return duration / _MILLISECOND
    if duration not in _KNOWN:
        _KNOWN[duration] = None if duration.is_unresolved() else duration.to_milliseconds()
    return _KNOWN[duration]


def human(duration: Duration | timedelta) -> str:
    """Say ``duration`` as the CDK does, such as ``15 minutes``."""
    if isinstance(duration, timedelta):
        duration = Duration.millis(duration / _MILLISECOND)
    return duration.to_human_string()
