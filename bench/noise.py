"""What a client in a loop of crashes does to the latency of another tenant, on a deployed service.

A small service is deployed to the local AWS. One tenant reads an item, request by request, and its
latency is taken in three situations, which take turns: alone; beside a client of another tenant that
calls a route that crashes, over and over; and, to compare, beside one that reads an item over and over.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Final

from bench.deployed import deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.deployed import Deployed

_SITUATIONS: Final = {"alone": None, "beside crashes": "/crash", "beside reads": "/docs/B1"}


class Tenant:
    """A user of a tenant, with one item.

    Args:
        service: The service.
        name: The tenant.
        sk: Sort key of the item.
    """

    def __init__(self, service: Deployed, name: str, sk: str) -> None:
        self._client = service.user(name)
        body = {"sk": sk, "version": 0, "name": sk, "attributes": {"text": "x" * 1000}}
        self._client.post("/docs", json=body, params={"mode": "sync"}).raise_for_status()

    def get(self, path: str, status: int) -> float:
        """Seconds that a request takes."""
        began = time.perf_counter()
        answer = self._client.get(path)
        took = time.perf_counter() - began
        assert answer.status_code == status, answer.text  # noqa: S101
        return took

    @contextmanager
    def hammering(self, path: str | None) -> Iterator[list[float]]:
        """Ask for ``path`` over and over meanwhile; how long each request took."""
        took: list[float] = []
        over = Event()

        def loop() -> None:
            while path is not None and not over.is_set():
                took.append(self.get(path, 500 if path == "/crash" else 200))

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(loop)
            try:
                yield took
            finally:
                over.set()
                running.result()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--requests", type=int, default=60, help="of the tenant that is measured, a turn")
    arguments = parser.parse_args()
    with deployed() as service:
        ann = Tenant(service, "innocent", "A1")
        eve = Tenant(service, "noisy", "B1")
        latency: dict[str, list[float]] = {name: [] for name in _SITUATIONS}
        noise: dict[str, int] = dict.fromkeys(_SITUATIONS, 0)
        for path in _SITUATIONS.values():  # the first turn warms up
            with eve.hammering(path):
                _ = [ann.get("/docs/A1", 200) for _ in range(10)]
        for turn in range(arguments.turns):
            names = list(_SITUATIONS)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                with eve.hammering(_SITUATIONS[name]) as took:
                    latency[name] += [ann.get("/docs/A1", 200) for _ in range(arguments.requests)]
                noise[name] += len(took)
    print("| GET of an item, ms | p50 | p95 | requests | of the other client meanwhile |")  # noqa: T201
    print("| --- | ---: | ---: | ---: | ---: |")  # noqa: T201
    for name, values in latency.items():
        p50, p95 = (1000 * statistics.quantiles(values, n=100)[at - 1] for at in (50, 95))
        print(f"| {name} | {p50:.1f} | {p95:.1f} | {len(values)} | {noise[name]} |")  # noqa: T201


if __name__ == "__main__":
    main()
