"""An aggregate as it was read: its state, and the proof of the version that an append goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from runtime.frozen import unfrozen

if TYPE_CHECKING:
    from runtime.event_store.address import Key
    from runtime.event_store.provider import Provider

__all__ = ["Loaded", "advanced", "go_on_proof_of", "told"]

StateT = TypeVar("StateT")
StateT_co = TypeVar("StateT_co", covariant=True)

_SAME: Final = ...  # a copy of it is itself


@dataclass(frozen=True, slots=True)
class Loaded(Generic[StateT_co]):
    """An aggregate as it was read. A fresh object for each caller.

    It is also the proof that ``version`` was the last one at some moment: an append takes it, not a number.
    One that was made by hand, of a version that was told, is compared with what is stored; so is one that
    was changed with `dataclasses.replace`, that comes from another provider, or out of a pickle.

    Attributes:
        key: Whose state it is.
        version: Number of the last event that is in the state; 0 where there is none.
        state: The state. Who changes it in place changes nothing of what is appended or kept.
        is_past: Whether it was read with ``at_version`` or ``at_time``: to be looked at, not appended to.
        persisted: `Persist.version` of the kept state that it started from; None after a fold of all events.
        commits_since_kept: How many appends have followed the newest kept state, at most; None where none
            was looked for.
    """

    key: Key
    version: int
    state: StateT_co
    is_past: bool = False
    persisted: str | None = None
    commits_since_kept: int | None = None
    # Where a state can be changed in place, the one that nobody else holds.
    _own: Any = field(default=_SAME, repr=False, compare=False, kw_only=True)
    # What was asked for it. Nobody can give it: what anybody else makes proves nothing, and is read again.
    _proof: _Proof | None = field(default=None, init=False, repr=False, compare=False)

    def is_proof_for(self, provider: Provider) -> bool:
        """Whether it is what ``provider`` has told: another one may have come to another version."""
        return self._proof is not None and self._proof.provider is provider

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


class _Proof:
    """Which provider was asked. It stays the same in a copy, and is none in another process."""

    __slots__ = ("provider",)

    def __init__(self, provider: Provider | None) -> None:
        self.provider = provider

    def __deepcopy__(self, _memo: object) -> _Proof:
        return self

    def __reduce__(self) -> tuple[type[_Proof], tuple[None]]:
        return _Proof, (None,)


_UNFROZEN: Final = unfrozen(Loaded)


def told(
    provider: Provider,
    key: Key,
    version: int,
    state: StateT,
    *,
    persisted: str | None = None,
    commits_since_kept: int | None = None,
) -> Loaded[StateT]:
    """An aggregate that is made of what a provider tells."""
    return _made(key, version, state, persisted, commits_since_kept, _Proof(provider))


def advanced(
    before: Loaded[StateT], version: int, state: StateT, commits_since_kept: int | None
) -> Loaded[StateT]:
    """An aggregate behind more events: as much of a proof as ``before`` is."""
    return _made(before.key, version, state, before.persisted, commits_since_kept, before._proof)  # noqa: SLF001 - of the same module


def _made(  # noqa: PLR0917 - all that is known, and names of arguments cost
    key: Key,
    version: int,
    state: StateT,
    persisted: str | None,
    commits_since_kept: int | None,
    proof: _Proof | None,
) -> Loaded[StateT]:
    """As the class makes it; for each load and append, see `unfrozen`."""
    made = _UNFROZEN()
    made.key, made.version, made.state, made.is_past = key, version, state, False
    made.persisted, made.commits_since_kept = persisted, commits_since_kept
    made._own, made._proof = _SAME, proof  # noqa: SLF001 - of the same module
    made.__class__ = Loaded
    loaded: Loaded[StateT] = made
    return loaded


def go_on_proof_of(before: Loaded[Any], loaded: Loaded[StateT]) -> Loaded[StateT]:
    """An aggregate that was just made of ``before``: as much of a proof as that is."""
    object.__setattr__(loaded, "_proof", before._proof)  # noqa: SLF001 - of the same module
    return loaded
