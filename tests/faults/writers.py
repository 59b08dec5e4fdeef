"""Writers that compete for versions: threads with clients of their own, here or in another process.

``tests.faults.writers`` is a part for `elsewhere`.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from runtime import CommandModule, Resources, VersionConflictError
from tests.faults.site import Site
from tests.support.checker import Accepted
from tests.support.elsewhere import obey
from tests.support.service import PK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.service import Service

__all__ = ["Orders", "Won", "compete", "won_elsewhere"]


@dataclass(frozen=True)
class Orders:
    """What the writers of one process do.

    Attributes:
        names: Of the writers; each is a thread.
        keys: Sort keys of the aggregates that they write.
        wins: How many versions each of them has to win.
        seed: Of their choices.
    """

    names: list[str]
    keys: list[str]
    wins: int
    seed: int


@dataclass
class Won:
    """What the writers of one process were told."""

    accepted: list[Accepted] = field(default_factory=list)
    conflicts: int = 0
    kinds: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, other: Won) -> None:
        self.accepted += other.accepted
        self.conflicts += other.conflicts
        self.kinds += other.kinds
        self.errors += other.errors


def compete(site: Site, orders: Orders) -> Won:
    """Let every writer win its versions, all at the same time."""
    service = site.open().service
    total, lock, barrier = Won(), threading.Lock(), threading.Barrier(len(orders.names))

    def write(name: str) -> None:
        won = Won()
        barrier.wait()
        try:
            _Writer(service, name, orders, won).run()
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


class _OwnClients(Resources):
    """Clients that no other writer uses. boto3 cannot make several at the same time."""

    _lock = threading.Lock()

    def client(self, service: str, *, patient: bool = True) -> Any:
        with self._lock:
            return super().client(service, patient=patient)


class _Writer:
    def __init__(self, service: Service, name: str, orders: Orders, won: Won) -> None:
        self._service = service
        resources = _OwnClients(service.resources.settings)
        self._commands = CommandModule("todo", resources=resources).commands
        self._name = name
        self._orders = orders
        self._won = won
        self._random = Random(f"{orders.seed} {name}")  # noqa: S311 - not a secret

    def run(self) -> None:
        while len(self._won.accepted) < self._orders.wins:
            # Kept until it wins: a synchronous publish takes longest, and loses most often.
            kind = self._random.choice(["async", "sync", "latest", "partial"])
            sk, version = self._win(kind)
            self._won.kinds.append(kind)
            self._won.accepted.append(Accepted(PK, sk, version, self._next))

    def _win(self, kind: str) -> tuple[str, int]:
        while True:
            sk = self._random.choice(self._orders.keys)
            try:
                return sk, self._publish(sk, kind)
            except VersionConflictError:
                self._won.conflicts += 1

    @property
    def _next(self) -> str:
        """A name that no other publish has: it tells whose command is stored."""
        return f"{self._name} {len(self._won.accepted)}"

    def _publish(self, sk: str, kind: str) -> int:
        user = self._service.user(self._name)
        base = -1
        if kind != "latest":
            latest = self._commands.get_latest_item((PK, sk), invoke_context=user)
            base = latest.version if latest else 0
        command: Mapping[str, Any] = self._service.command(sk, base, name=self._next)
        if kind == "partial" and base > 0:
            change = {"pk": PK, "sk": sk, "version": base, "name": self._next}
            written = self._commands.publish_partial_update_async(change, invoke_context=user)
        elif kind == "sync":
            written = self._commands.publish_sync(command, invoke_context=user)
        else:
            written = self._commands.publish_async(command, invoke_context=user)
        assert written, "its name is new, so it changes something"
        return int(written.version)


def won_elsewhere(outcome: dict[str, Any]) -> Won:
    """What the writers of another process won."""
    return Won([Accepted(*won) for won in outcome.pop("accepted")], **outcome)


def _compete(site: dict[str, Any], orders: dict[str, Any]) -> dict[str, Any]:
    return asdict(compete(Site(**site), Orders(**orders)))


if __name__ == "__main__":
    obey(_compete)
