"""Writers that compete for the versions of one aggregate: threads, here or in another process.

``tests.faults.event_writers`` is a part for `elsewhere`. Of what the writers send, answers get lost: after it
was done, or before.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from runtime import Resources, Settings, clock
from runtime.errors import OutcomeUnknownError, StoreUnavailableError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Commit, StoredEvent, new_append_id
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from tests.support.elsewhere import obey
from tests.support.event_tables import MODULE
from tests.support.wire import Wire

if TYPE_CHECKING:
    from runtime.event_store.provider import Provider
    from runtime.store.port import Store, Write
    from tests.support.wire import Call

__all__ = ["LossyStore", "LostAnswers", "Orders", "Won", "compete", "won_elsewhere"]

_ONE_IN = 12


@dataclass(frozen=True)
class Orders:
    """What the writers of one process do.

    Attributes:
        names: Of the writers; each is a thread.
        aggregate_id: Whose versions they compete for.
        wins: How many appends each of them has to win.
        seed: Of their choices.
    """

    names: list[str]
    aggregate_id: str
    wins: int
    seed: int

    @property
    def key(self) -> Key:
        return Key("races", self.aggregate_id, "acme")


@dataclass
class Won:
    """What the writers of one process were told.

    Attributes:
        appended: Of each append that was won: its first version, and the labels of its events.
        conflicts: How often somebody else was faster.
        winners: How many of these came with the commit that stands at the version that was lost.
        errors: What should not have been.
    """

    appended: list[tuple[int, list[str]]] = field(default_factory=list)
    conflicts: int = 0
    winners: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, other: Won) -> None:
        self.appended += other.appended
        self.conflicts += other.conflicts
        self.winners += other.winners
        self.errors += other.errors


def compete(provider: Provider, orders: Orders) -> Won:
    """Let every writer win its appends, all at the same time."""
    total, lock, barrier = Won(), threading.Lock(), threading.Barrier(len(orders.names))

    def write(name: str) -> None:
        won = Won()
        barrier.wait()
        try:
            _write(provider, name, orders, won)
        except Exception as error:  # noqa: BLE001 - it is the outcome, not this thread's end
            won.errors.append(f"{name}: {type(error).__name__}: {error}")
        with lock:
            total.add(won)

    threads = [threading.Thread(target=write, args=(name,)) for name in orders.names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return total


def _write(provider: Provider, name: str, orders: Orders, won: Won) -> None:
    chance = Random(f"{orders.seed} {name}")  # noqa: S311 - not a secret
    last = next((commit.last for commit in provider.read_back(orders.key, likely=1)), 0)
    while len(won.appended) < orders.wins:
        labels = [f"{name} {len(won.appended)} {number}" for number in range(chance.randint(1, 3))]
        commit = Commit(
            key=orders.key,
            first=last + 1,
            events=tuple(StoredEvent("written", {"label": label}) for label in labels),
            append_id=new_append_id(),
            at=clock.now(),
        )
        try:
            provider.append([commit])
        except AppendRefusedError as refused:
            won.conflicts += 1
            winner = refused.moved[orders.key]
            # What it goes on with: it reads nothing.
            if winner is not None and winner.first == commit.first:
                won.winners += 1
                last = winner.last
        else:
            won.appended.append((commit.first, labels))
            last = commit.last


class LostAnswers:
    """Loses the answer to one write in twelve. Threads may share it."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)  # noqa: S311 - not a secret
        self._lock = threading.Lock()
        self.lost = 0

    def __call__(self, call: Call | None = None) -> bool:
        with self._lock:
            is_lost = self._chance.randrange(_ONE_IN) == 0
            if call is not None and call.operation not in {"PutItem", "TransactWriteItems"}:
                return False
            self.lost += is_lost
            return is_lost


class LossyStore:
    """A store that loses answers to writes, after they were done or before, and is busy at times."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._after, self._before, self._busy = (LostAnswers(seed + number) for number in range(3))

    @property
    def lost(self) -> int:
        return self._after.lost + self._before.lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, *writes: Write) -> None:
        service = "the store"
        if self._busy():
            raise StoreUnavailableError(service, "busy")
        if self._before():
            raise OutcomeUnknownError(service, "it was not done")
        self._store.write(*writes)
        if self._after():
            raise OutcomeUnknownError(service, "it was done")


def won_elsewhere(outcome: dict[str, Any]) -> Won:
    """What the writers of another process won."""
    return Won([(first, labels) for first, labels in outcome.pop("appended")], **outcome)


def _compete(settings: dict[str, Any], orders: dict[str, Any]) -> dict[str, Any]:
    own = Orders(**orders)
    provider = DynamoProvider(MODULE, Resources(Settings(**settings)))
    wire = Wire()
    wire.lose_answers(LostAnswers(own.seed))
    wire.listen(vars(provider.storage.store)["_client"])
    return asdict(compete(provider, own))


if __name__ == "__main__":
    obey(_compete)
