"""32 writers at the same time, in threads and in processes, beside appliers: one winner a version (I4)."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.scale import scaled
from tests.faults.writers import Orders, Won, compete, won_elsewhere
from tests.support.checker import violations
from tests.support.elsewhere import elsewhere
from tests.support.rows import Rows
from tests.support.values import event_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs_lib.local import Emulator
    from tests.faults.site import Process

_WRITERS = 32
_ELSEWHERE = 2  # processes, beside this one
_EACH = _WRITERS // (_ELSEWHERE + 1)
_APPLIERS = 2
_LAST_TRIES = 100
_BATCH = 25
_SEED = 7


@pytest.mark.parametrize("aggregates", [1, 100])
def test_one_winner_for_each_version(
    open_site: Callable[..., Process], emulator: Emulator, aggregates: int
) -> None:
    process = open_site(handlers=False, mode="inline")
    wins = scaled(1, 10) if aggregates == 1 else scaled(2, 30)
    keys = [f"A{number}" for number in range(aggregates)]
    won = _compete(process, emulator, keys, wins)
    rows = Rows.read(process.service.client, process.service.tables)
    assert won.errors == []
    assert len(won.accepted) == _WRITERS * wins
    assert violations(rows, accepted=won.accepted, all_known=True) == []
    # That they met at all: on one aggregate they cannot help it.
    assert won.conflicts > (_WRITERS if aggregates == 1 else 0)
    assert set(won.kinds) == {"async", "sync", "latest", "partial"}
    found = f"{len(won.accepted)} versions won, {won.conflicts} conflicts, {dict(Counter(won.kinds))}"
    print(f"{aggregates} aggregates: {found}")  # noqa: T201 - figures for people


def _compete(process: Process, emulator: Emulator, keys: list[str], wins: int) -> Won:
    names = [f"w{number}" for number in range(_WRITERS)]
    shares = [names[2 * _EACH :], names[:_EACH], names[_EACH : 2 * _EACH]]
    here, *rest = (Orders(share, keys, wins, _SEED) for share in shares)
    orders = [{"site": process.site.fields, "orders": asdict(each)} for each in rest]
    done = threading.Event()
    appliers = [_Applier(process.site.open(), done, number) for number in range(_APPLIERS)]
    with elsewhere("tests.faults.writers", orders, emulator.child_environment()) as others:
        try:
            for applier in appliers:
                applier.start()
            won = compete(process.site, here)
            for other in others:
                won.add(won_elsewhere(other.outcome()))
        finally:
            done.set()
            for applier in appliers:
                applier.join()
    for applier in appliers:
        won.errors += applier.errors
    return won


class _Applier(threading.Thread):
    """The stream function, with whatever is not applied yet, in any order; some of it twice."""

    def __init__(self, process: Process, done: threading.Event, seed: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._done = done
        self._random = Random(seed)  # noqa: S311 - not a secret
        self.errors: list[str] = []
        _ = process.service.resources.store, process.service.resources.sns

    def run(self) -> None:
        left = _LAST_TRIES
        while left:
            last = self._done.is_set()
            found = self._commands()
            pending = [item for item in found if "syncMode" not in item and "status" not in item]
            if last and not pending:
                return
            records = [*pending, *self._random.sample(found, min(2, len(found)))]
            self._random.shuffle(records)
            batch = [self._record(item) for item in records[:_BATCH]]
            if batch:
                # What fails, because too many others are at its aggregate, is delivered again.
                self._process.app({"Records": batch}, None)
            if last:
                left -= 1
            else:
                self._done.wait(0.1)
        self.errors.append(f"{len(pending)} commands cannot be applied")

    def _commands(self) -> list[Any]:
        service = self._process.service
        pages = service.client.get_paginator("scan").paginate(
            TableName=service.tables.command, ConsistentRead=True
        )
        return [item for page in pages for item in page["Items"]]

    def _record(self, item: Any) -> dict[str, Any]:
        table = self._process.service.tables.command
        return {
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/x",
            "dynamodb": {"SequenceNumber": item["sk"]["S"], "NewImage": event_image(item)},
        }
