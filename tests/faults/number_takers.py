"""Clients that take numbers of the same counters, and lose answers: threads, here or in another process.

``tests.faults.number_takers`` is a part for `elsewhere`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from runtime import ContentionError, OutcomeUnknownError, SequenceModule, Series
from tests.faults.site import Site
from tests.features.sequences.lab import Lab
from tests.support.elsewhere import obey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Call

__all__ = ["SERIES", "Given", "Orders", "lab_at", "take"]

SERIES: Final = (
    Series("invoice", format="INV-%%no#:0>5%%", gapless=True),
    Series("ticket", issue_log=True),
    Series("plain"),
)
_WRITES: Final = {"TransactWriteItems", "UpdateItem"}


@dataclass(frozen=True)
class Orders:
    """What the clients of one process do.

    Attributes:
        names: Of the clients; each is a thread.
        requests: How many requests each of them makes.
        lost: How many of a hundred answers to writes get lost.
    """

    names: list[str]
    requests: int
    lost: int


#: The numbers that the clients of one process were given, by the series.
Given = dict[str, list[int]]


def lab_at(site: Site) -> Lab:
    """The module's sequences, with clients of their own."""
    service = site.open().service
    return Lab(service, SequenceModule(SERIES), service.resources.settings.sequences_table)


def take(site: Site, orders: Orders) -> Given:
    """Let every client take its numbers, all at the same time; each request is repeated under its key."""
    given: Given = {series.type_code: [] for series in SERIES}
    labs = [lab_at(site) for _ in orders.names]  # boto3 cannot make several clients at the same time

    def work(name: str, lab: Lab) -> list[tuple[str, int]]:
        chance = Random(name)  # noqa: S311 - to do it again

        def is_lost(call: Call) -> bool:
            return call.operation in _WRITES and chance.randrange(100) < orders.lost

        lab.service.wire.time_out(is_lost)
        found: list[tuple[str, int]] = []
        for request in range(orders.requests):
            key = f"{name}-{request}"
            sync = bool(request % 2)
            command = _answered(lab.publish, "invoice", publish_id=key, sync=sync, attempts=500)
            found.append(("invoice", int(command.sk.removeprefix("INV-").partition("@")[0])))
            for series in ("ticket", "plain"):
                item = _answered(lab.next, series, idempotency_key=key)
                found.append((series, item.no))
        return found

    with ThreadPoolExecutor(len(labs)) as threads:
        for found in threads.map(work, orders.names, labs):
            for series, no in found:
                given[series].append(no)
    return given


def _answered(act: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Ask until there is an answer, as a client does that has lost it."""
    while True:
        try:
            return act(*args, **options)
        except (ContentionError, OutcomeUnknownError):
            continue


def _take(site: dict[str, Any], orders: dict[str, Any]) -> Given:
    return take(Site(**site), Orders(**orders))


if __name__ == "__main__":
    obey(_take)
