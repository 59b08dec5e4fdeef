"""What is read of the store and remembered for a while: settings, which change seldom and are read often."""

from __future__ import annotations

from enum import Enum
from threading import Event, Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cachetools import TTLCache

from runtime import clock

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Cached", "Read"]

KeyT = TypeVar("KeyT", bound="Hashable")
KeyT_contra = TypeVar("KeyT_contra", bound="Hashable", contravariant=True)
ValueT = TypeVar("ValueT")
ValueT_co = TypeVar("ValueT_co", covariant=True)


class _Unknown(Enum):
    """Told from None, which says that there is nothing."""

    UNKNOWN = "unknown"


class Read(Protocol[KeyT_contra, ValueT_co]):
    """Reads what there is under a key."""

    def __call__(self, key: KeyT_contra, /, *, consistent: bool) -> ValueT_co:
        """The value; None is one, too."""
        ...


class Cached(Generic[KeyT, ValueT]):
    """Values by their key, each read when it is asked for and remembered for some time.

    That there is nothing is remembered as well; what could not be read is not. Of threads that ask
    for the same key at once one reads, and the others wait for it; no lock is held meanwhile. What
    a change has made `forget` does not come back from a read that had begun before it.

    Args:
        read: Reads a value.
        seconds: How long one is remembered.
        entries: How many are remembered; beyond that, those go that were asked for longest ago.
    """

    def __init__(self, read: Read[KeyT, ValueT], *, seconds: float, entries: int = 1000) -> None:
        self._read = read
        self._values: TTLCache[KeyT, ValueT] = TTLCache(entries, seconds, timer=clock.seconds)
        self._lock = Lock()
        self._reading: dict[tuple[KeyT, int], Event] = {}
        self._forgotten = 0

    def get(self, key: KeyT, *, consistent: bool = False) -> ValueT:
        """What there is under a key.

        Args:
            key: The key.
            consistent: Read it now, strongly consistently, whatever is remembered.

        Raises:
            Exception: What reading raises.
        """
        if consistent:
            return self._read_now(key, consistent=True)
        while True:
            with self._lock:
                if not isinstance(known := self._values.get(key, _Unknown.UNKNOWN), _Unknown):
                    return known
                # Whoever asks after a change does not wait for a read that had begun before it.
                turn = (key, self._forgotten)
                if (other := self._reading.get(turn)) is None:
                    mine = self._reading[turn] = Event()
            if other is None:
                try:
                    return self._read_now(key, consistent=False)
                finally:
                    with self._lock:
                        del self._reading[turn]
                    mine.set()
            other.wait()  # and look; where it could not be read, this thread tries itself

    def _read_now(self, key: KeyT, *, consistent: bool) -> ValueT:
        with self._lock:
            forgotten = self._forgotten
        value = self._read(key, consistent=consistent)
        with self._lock:
            if forgotten == self._forgotten:
                self._values[key] = value
        return value

    def forget(self) -> None:
        """Remember nothing any more: something was changed."""
        with self._lock:
            self._forgotten += 1
            self._values.clear()
