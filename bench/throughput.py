"""Creates and updates per second, of 1 client and of 8, ours beside bare boto3, in one run.

    .venv/bin/python -m bench.throughput [--blocks N] [--calls N]

Bare boto3 sends the very requests that ours was seen to send; see `bench.beside_boto3`. Clients are threads
of one process, and the local AWS is another: on two processors its share of the time is the larger one, the
same for both sides. So a ratio says less of ours than `bench.beside_boto3` does; it says what a caller sees.
"""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.beside_boto3 import Bench, Comparison, Ours
from bench.cpu import environment
from bench.figures import finish, parser_of
from constructs_lib.local import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_ROOT: Final = Path(__file__).parents[1]
_NAME: Final = "beside"
CLIENTS: Final = (1, 8)


@dataclass
class Rate:
    """Calls per second of one thing, by some clients.

    Attributes:
        name: What is done.
        clients: How many clients do it at once.
        ours: Calls per second, by block.
        bare: The same of bare boto3.
        times: Milliseconds of each call of ours.
    """

    name: str
    clients: int
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Ours by bare boto3's: the median of the blocks' ratios."""
        return statistics.median(a / b for a, b in zip(self.ours, self.bare, strict=True))


class Throughput(Bench):
    """Both sides, taking turns, with clocks of the wall."""

    def block_of(self, one: Comparison, rate: Rate, turn: int) -> None:
        """One block of both sides; the first one warms up, and is left out."""
        for is_ours in (True, False) if turn % 2 else (False, True):
            keys = self._keys(one.calls)
            for key in keys:
                one.prepare(key)
            if is_ours:
                spent, times = _clocked(one.call, keys, rate.clients)
                rate.times += times if turn else []
            else:
                requests = [self._of_item(one.requests, key) for key in keys]
                spent, _ = _clocked(partial(self.send, self.bare), requests, rate.clients)
            if turn:
                (rate.ours if is_ours else rate.bare).append(len(keys) / spent)


def _clocked(
    call: Callable[[Any], None], arguments: Sequence[Any], clients: int
) -> tuple[float, list[float]]:
    """Seconds of all calls, and milliseconds of each."""

    def one(argument: object) -> float:
        began = time.perf_counter()
        call(argument)
        return (time.perf_counter() - began) * 1000

    with ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        times = list(pool.map(one, arguments))
        return time.perf_counter() - began, times


def main() -> None:
    """Print the table."""
    parser = parser_of("throughput", __doc__)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--calls", type=int, default=60, help="calls a block")
    options = parser.parse_args()
    with Emulator(folder=_ROOT / ".local-aws") as emulator:
        os.environ |= environment(emulator, _NAME) | {"APP_NAME": _NAME}
        ours = Ours()
        comparisons = [
            Comparison("create", ours.nothing, ours.create, options.calls),
            Comparison("update", ours.create_and_apply, ours.update, options.calls),
        ]
        bench = Throughput(ours, comparisons)
        bench.record()
        rates = [Rate(one.name, clients) for one in comparisons for clients in CLIENTS]
        for turn in range(options.blocks + 1):
            for rate in rates:
                bench.block_of(next(one for one in comparisons if one.name == rate.name), rate, turn)
    figures = [{**vars(rate), "ratio": rate.ratio} for rate in rates]
    finish(parser, options, {"rates": figures}, table)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Both sides, and what a call of ours takes."""
    yield "| publishes per second | clients | ours | bare boto3 | ratio | ours, ms: p50 | p99 |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for rate in figures["rates"]:
        marks = statistics.quantiles(rate["times"], n=100)
        ours, bare = (statistics.median(rate[side]) for side in ("ours", "bare"))
        yield (
            f"| {rate['name']} | {rate['clients']} | {ours:.0f} | {bare:.0f} | {rate['ratio']:.2f} "
            f"| {marks[49]:.1f} | {marks[98]:.1f} |"
        )


if __name__ == "__main__":
    main()
