"""Whoever dies at whatever call, is delivered twice, or loses an answer: no gap, and no number twice."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ContentionError, Gap, SequenceModule, Series
from tests.faults.number_takers import SERIES, Orders, lab_at, take
from tests.faults.scale import COMPLETE, scaled
from tests.features.sequences.lab import Lab
from tests.support.elsewhere import elsewhere
from tests.support.service import DYNAMODB, MEMORY, make_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from tests.faults.site import Process, Site
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


# One after the other: each call, of each operation, is the last one of a process.

ALL = (
    Series("plain", format="P%%no%%"),
    Series("logged", format="L%%no%%", issue_log=True),
    Series("gapless", format="G%%no%%", gapless=True),
)
each_store = pytest.mark.parametrize(
    "make_service", [MEMORY, DYNAMODB] if COMPLETE else [MEMORY], indirect=True
)


@pytest.fixture
def lab(make_service: Services) -> Lab:
    table = make_service.table()
    return Lab(make_service(sequences_override=table), SequenceModule(ALL), table)


def deaths(lab: Lab, act: Callable[[Lab, int], Any], *, least: int) -> Iterator[tuple[int, bool, Any]]:
    """Let a process die before and after each call of an operation; and the last time, at none.

    Args:
        lab: The sequences.
        act: The operation, of a number from 1 that no other has.
        least: How many calls it makes at least.

    Yields:
        The number; whether the process had done a write; and the outcome, None of one that died.
    """
    number = 0
    for when in ("before", "after"):
        for at in count():
            number += 1
            dying, calls, outcome = lab.again(), iter(range(at, -1, -1)), None
            seen: list[Call] = []

            def die(call: Call, calls: Any = calls, seen: list[Call] = seen) -> None:
                seen.append(call)
                if next(calls, None) == 0:
                    raise Death

            setattr(dying.service.steps, when, die)
            with suppress(Death):
                outcome = act(dying, number)
            wrote = sum(call.operation in {"write", "update"} for call in seen)
            yield number, bool(wrote) and (when == "after" or outcome is not None), outcome
            if outcome is not None:
                assert at >= least
                break


def publisher(series: str, *, sync: bool) -> Callable[[Lab, int], Any]:
    return lambda lab, n: lab.publish(series, publish_id=f"k{n}", sync=sync).sk


UNDER_A_KEY: dict[str, tuple[str, Callable[[Lab, int], Any]]] = {
    "a number": ("plain", lambda lab, n: lab.next("plain", idempotency_key=f"k{n}").no),
    "a recorded number": ("logged", lambda lab, n: lab.next("logged", idempotency_key=f"k{n}").no),
    **{
        f"a command {'at once ' if sync else ''}with a {series} number": (
            series,
            publisher(series, sync=sync),
        )
        for series in ("plain", "logged", "gapless")
        for sync in (False, True)
    },
}


@each_store
@pytest.mark.parametrize("name", UNDER_A_KEY)
def test_under_a_key_any_call_may_be_the_last(lab: Lab, name: str) -> None:
    """The repeat, which comes twice, has the number that the dead one took, or else the next."""
    series, act = UNDER_A_KEY[name]
    number = 0
    for number, _, outcome in deaths(lab, act, least=2):
        expected = f"{series[0].upper()}{number}@1" if "command" in name else number
        assert [act(lab, number) for _delivery in range(2)] == [expected] * 2
        assert outcome in {None, expected}
    assert lab.rows()[f"{series}#none"]["seq"] == len(lab.rows("SEQ_KEY#")) == number
    if series != "plain":
        assert lab.sequences.gaps(series, tenant_code="acme") == []
        assert len(lab.rows("SEQ_ISSUE#")) == number
    commands = sorted(sk for _, sk in lab.service.everything()["command"])
    assert commands == sorted(f"{series[0].upper()}{n}@1" for n in range(1, number + 1) if "command" in name)


WITHOUT_A_KEY: dict[str, tuple[str, int, Callable[[Lab, int], Any]]] = {
    "a number": ("plain", 1, lambda lab, _n: [lab.next("plain").no]),
    "a recorded number": ("logged", 1, lambda lab, _n: [lab.next("logged").no]),
    "a range": (
        "plain",
        3,
        lambda lab, _n: [
            item.no for item in lab.sequences.generate_sequence_range("plain", 3, tenant_code="acme")
        ],
    ),
    "a command": ("gapless", 1, lambda lab, _n: [int(lab.publish("gapless").sk[1:].partition("@")[0])]),
}


@each_store
@pytest.mark.parametrize("name", WITHOUT_A_KEY)
def test_without_a_key_no_number_is_given_twice(lab: Lab, name: str) -> None:
    """What a dead one took is lost, and nothing else is."""
    series, each, act = WITHOUT_A_KEY[name]
    given: list[int] = []
    lost = 0
    for number, wrote, outcome in deaths(lab, act, least=1):
        given += outcome or []
        lost += each * (wrote and outcome is None)
        given += act(lab, number)
    assert lost > 0
    assert len(given) == len(set(given))
    assert max(given) == lab.rows()[f"{series}#none"]["seq"] == len(given) + lost
    if series != "plain":
        assert lab.sequences.gaps(series, tenant_code="acme") == []


@each_store
@pytest.mark.parametrize("is_recorded", [True, False])
def test_whoever_dies_over_a_void_number_may_do_it_again(lab: Lab, is_recorded: bool) -> None:  # noqa: FBT001
    before = lab if is_recorded else lab.again(Series("logged"))
    for _ in range(12):
        before.next("logged")

    def act(own: Lab, number: int) -> str:
        own.sequences.void("logged", number, reason=f"r{number}", tenant_code="acme")
        return "done"

    number = 0
    for number, _, _ in deaths(lab, act, least=1 if is_recorded else 2):
        for _delivery in range(2):
            act(lab, number)
    assert number < 12
    gaps = lab.sequences.gaps("logged", tenant_code="acme")
    assert gaps[:number] == [Gap(n, n, f"r{n}") for n in range(1, number + 1)]
    assert gaps[number:] == ([] if is_recorded else [Gap(number + 1, 12)])
    assert lab.next("logged").no == 13


@each_store
@pytest.mark.parametrize("series", [series.type_code for series in ALL])
def test_whoever_dies_over_a_counter_may_set_it_again(lab: Lab, series: str) -> None:
    def act(own: Lab, number: int) -> int:
        return int(own.sequences.set_sequence(series, 10 * number, tenant_code="acme").no)

    number = 0
    for number, _, _ in deaths(lab, act, least=2):
        assert [act(lab, number) for _delivery in range(2)] == [10 * number] * 2
    assert lab.rows()[f"{series}#none"]["seq"] == 10 * number
    if series != "plain":
        assert lab.sequences.gaps(series, tenant_code="acme") == [
            Gap(10 * n + 1, 10 * n + 10, f"set from {10 * n} to {10 * n + 10} by system")
            for n in range(number)
        ]


# Many at once


@pytest.fixture
def site(open_site: Callable[..., Process], emulator: Emulator) -> Iterator[Site]:
    """A module with a table of sequences, which other processes can open."""
    found = open_site(handlers=False).site
    make_tables(emulator, f"local-{found.app_name}", ("sequences",))
    yield found
    emulator.client("dynamodb").delete_table(TableName=f"local-{found.app_name}-sequences")


def test_clients_that_lose_answers_share_counters(site: Site, emulator: Emulator) -> None:
    """Threads, and other processes: each request has one number, and each number one request."""
    names = [f"c{number}" for number in range(scaled(4, 12))]
    share = len(names) // scaled(2, 3)
    orders = [Orders(names[at : at + share], scaled(3, 15), lost=20) for at in range(0, len(names), share)]
    here, *rest = orders
    theirs = [{"site": site.fields, "orders": asdict(each)} for each in rest]
    with elsewhere("tests.faults.number_takers", theirs, emulator.child_environment()) as others:
        given = [take(site, here), *(other.outcome() for other in others)]
    numbers = [*range(1, len(names) * here.requests + 1)]
    lab = lab_at(site)
    for series in (series.type_code for series in SERIES):
        assert sorted(no for found in given for no in found[series]) == numbers
        assert lab.rows()[f"{series}#none"]["seq"] == len(numbers)
    for series in ("invoice", "ticket"):
        assert lab.sequences.gaps(series, tenant_code="acme") == []
    commands = sorted(sk for _, sk in lab.service.everything()["command"])
    assert commands == [f"INV-{no:05}@1" for no in numbers]
