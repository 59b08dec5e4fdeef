"""An aggregate as it was read: its state, and the proof of the version that an append goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from runtime.event_store.address import Key

__all__ = ["Loaded"]

StateT_co = TypeVar("StateT_co", covariant=True)

_SAME: Final = object()


@dataclass(frozen=True, slots=True)
class Loaded(Generic[StateT_co]):
    """An aggregate as it was read. A fresh object for each caller.

    It is also the proof that ``version`` was the last one at some moment: an append takes it, not a number.
    One that was made by hand, of a version that was told, is compared with what is stored.

    Attributes:
        key: Whose state it is.
        version: Number of the last event that is in the state; 0 where there is none.
        state: The state. Who changes it in place changes nothing of what is appended or kept.
        is_past: Whether it was read with ``at_version`` or ``at_time``: to be looked at, not appended to.
        persisted: `Persist.version` of the kept state that it started from; None after a fold of all events.
        commits_since_kept: How many appends have followed the newest kept state, at most; None where none
            was looked for.
        is_proof: Whether the store was asked for it.
    """

    key: Key
    version: int
    state: StateT_co
    is_past: bool = False
    persisted: str | None = None
    commits_since_kept: int | None = None
    # Where a state can be changed in place, the one that nobody else holds.
    _own: Any = field(default=_SAME, repr=False, compare=False, kw_only=True)
    # Whether the store was asked: what anybody else makes proves nothing, so an append reads it again.
    is_proof: bool = field(default=False, repr=False, compare=False, kw_only=True)

    @property
    def folded(self) -> StateT_co:
        """The state to fold on: what the events made, whatever became of ``state`` since."""
        own = self._own
        return self.state if own is _SAME else own

    @property
    def aggregate_id(self) -> str:
        """Id of the aggregate."""
        return self.key.aggregate_id

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.key.tenant

    @property
    def exists(self) -> bool:
        """Whether anything was ever appended."""
        return self.version > 0
