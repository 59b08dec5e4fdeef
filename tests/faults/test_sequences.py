"""Clients die at random, deliveries come again: numbers of commands have no gap and no duplicate."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ContentionError, SequenceModule, Series
from tests.faults.scale import COMPLETE, scaled
from tests.features.sequences.lab import Lab
from tests.support.service import DYNAMODB, MEMORY

if TYPE_CHECKING:
    from tests.support.service import Services
    from tests.support.wire import Call

INVOICE = Series("invoice", format="INV-%%no#:0>4%%", gapless=True)
TICKET = Series("ticket", format="T%%no%%", issue_log=True)
CLIENTS = scaled(4, 8)
REQUESTS = scaled(10, 20)
SEEDS = scaled(5, 10)


class Death(BaseException):
    """The end of a process: nothing may catch it."""


class Client:
    """One client: each of its requests dies at some call, and is delivered until it comes through."""

    def __init__(self, lab: Lab, seed: str) -> None:
        self._lab = lab
        self._chance = random.Random(seed)  # noqa: S311 - to do it again

    def deliver(self, act: Any) -> Any:
        while True:
            own = self._lab.again()
            step, when = self._chance.randrange(4), self._chance.choice(["before", "after"])
            calls = iter(range(step, -1, -1))

            def die(_call: Call, calls: Any = calls) -> None:
                if next(calls, None) == 0:
                    raise Death

            setattr(own.service.steps, when, die)
            with suppress(Death, ContentionError):
                return act(own)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)


@pytest.mark.parametrize("make_service", [DYNAMODB if COMPLETE else MEMORY], indirect=True)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_gap_and_no_duplicate(make_service: Services, seed: int) -> None:
    table = make_service.table()
    lab = Lab(make_service(sequences_override=table), SequenceModule([INVOICE, TICKET]), table)

    def work(client: int) -> list[tuple[str, int]]:
        found = []
        delivered = Client(lab, f"{seed}-{client}")
        for request in range(REQUESTS):
            key = f"{client}-{request}"
            sync = bool(request % 2)
            for _twice in range(2):
                made = delivered.deliver(
                    lambda own, key=key, sync=sync: own.publish(
                        "invoice", publish_id=key, sync=sync, attempts=500
                    )
                )
                taken = delivered.deliver(lambda own, key=key: own.next("ticket", idempotency_key=key))
            found.append((made.sk, taken.no))
        return found

    with ThreadPoolExecutor(CLIENTS) as threads:
        found = [pair for pairs in threads.map(work, range(CLIENTS)) for pair in pairs]
    numbers = range(1, CLIENTS * REQUESTS + 1)
    assert sorted(sk for sk, _ in found) == [f"INV-{no:04}@1" for no in numbers]
    assert Counter(no for _, no in found) == Counter(numbers)
    assert {sk: row["seq"] for sk, row in lab.rows().items()} == {
        "invoice#none": len(numbers),
        "ticket#none": len(numbers),
    }
    for series in ("invoice", "ticket"):
        assert lab.sequences.gaps(series, tenant_code="acme") == []
    commands = sorted(sk for _, sk in lab.service.everything()["command"])
    assert commands == [f"INV-{no:04}@1" for no in numbers]
