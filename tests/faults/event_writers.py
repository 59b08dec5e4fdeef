"""Writers that compete for the versions of one aggregate: threads, here or in another process.

``python -m tests.faults.event_writers`` is such a process: it reads its orders from standard input and
prints what its writers won. Of what they send, answers get lost: after it was done, or before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from runtime import clock
from runtime.errors import OutcomeUnknownError, StoreUnavailableError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Commit, StoredEvent, new_append_id
from runtime.event_store.provider import AppendRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.event_store.provider import Provider
    from runtime.store.port import Store, Write
    from tests.support.wire import Call

__all__ = ["LossyStore", "LostAnswers", "Orders", "Won", "compete", "read_won", "start_elsewhere"]

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


def start_elsewhere(
    settings: Mapping[str, Any], orders: Orders, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    """Start a process that competes; `read_won` waits for it.

    Args:
        settings: Fields of `Settings`, where the tables are.
        orders: What its writers do.
        environment: Its environment variables.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.event_writers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=dict(environment),
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps({"settings": settings, "orders": asdict(orders)}))
    process.stdin.close()
    process.stdin = None
    return process


def read_won(process: subprocess.Popen[str]) -> Won:
    """What the writers of another process won, when they are done."""
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == 0
    *_, last = printed.splitlines()  # before it, what the runtime logs
    found = json.loads(last)
    return Won([(first, labels) for first, labels in found.pop("appended")], **found)


def _main() -> None:
    from runtime import Resources, Settings  # noqa: PLC0415 - of a process of its own
    from runtime.event_store.providers.dynamo_provider import DynamoProvider  # noqa: PLC0415
    from tests.support.event_tables import MODULE  # noqa: PLC0415
    from tests.support.wire import Wire  # noqa: PLC0415

    given = json.load(sys.stdin)
    orders = Orders(**given["orders"])
    provider = DynamoProvider(MODULE, Resources(Settings(**given["settings"])))
    wire = Wire()
    wire.lose_answers(LostAnswers(orders.seed))
    wire.listen(vars(provider.storage.store)["_client"])
    json.dump(asdict(compete(provider, orders)), sys.stdout)


if __name__ == "__main__":
    _main()
