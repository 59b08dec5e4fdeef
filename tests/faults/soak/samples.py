"""Memory and open files of the emulator and of its Lambda workers, looked at on the way."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Sample", "Sampler", "growth"]

_MB = 1024 * 1024
#: A shorter run is all warm-up.
_FEWEST_SAMPLES, _FEWEST_COMMANDS = 20, 5000


@dataclass(frozen=True)
class Sample:
    """One look.

    Attributes:
        seconds: Since the start.
        commands: Accepted so far.
        under_way: Accepted, and not finished yet.
        emulator_mb: Resident memory of the emulator, with all that it stores.
        emulator_files: What it has open: files, sockets, pipes.
        workers: How many Lambda workers there are.
        worker_mb: Resident memory of the largest of them.
        worker_files: What the one with the most has open.
    """

    seconds: float
    commands: int
    under_way: int
    emulator_mb: float
    emulator_files: int
    workers: int
    worker_mb: float
    worker_files: int


class Sampler:
    """Takes a sample at each interval while its ``with`` block runs, and hands it to ``on_sample``."""

    def __init__(
        self,
        pid: int,
        progress: Callable[[], tuple[int, int]],
        *,
        every: float,
        on_sample: Callable[[Sample], None] = lambda _sample: None,
    ) -> None:
        self._process = psutil.Process(pid)
        self._progress = progress
        self._every = every
        self._on_sample = on_sample
        self._done = threading.Event()
        self._start = time.monotonic()
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._take()

    def _run(self) -> None:
        while not self._done.wait(self._every):
            self._take()

    def _take(self) -> None:
        workers = []
        for child in self._process.children(recursive=True):
            # One may end between the two looks at it.
            with contextlib.suppress(psutil.Error):
                workers.append((child.memory_info().rss / _MB, child.num_fds()))
        commands, under_way = self._progress()
        sample = Sample(
            seconds=time.monotonic() - self._start,
            commands=commands,
            under_way=under_way,
            emulator_mb=self._process.memory_info().rss / _MB,
            emulator_files=self._process.num_fds(),
            workers=len(workers),
            worker_mb=max((memory for memory, _ in workers), default=0.0),
            worker_files=max((files for _, files in workers), default=0),
        )
        self.samples.append(sample)
        self._on_sample(sample)


def growth(samples: list[Sample]) -> list[str]:
    """What grows that must not; empty when all is flat.

    The first tenth is the warm-up. The emulator keeps every row, stream record, execution
    and log line in memory, so its memory grows with the commands: what is checked is that
    a command costs no more of it at the end than in the middle.
    """
    if len(samples) < _FEWEST_SAMPLES or samples[-1].commands < _FEWEST_COMMANDS:
        return []
    part = len(samples) // 10
    early, late = samples[part : 3 * part], samples[-2 * part :]
    found = []
    for what, most in (
        ("emulator_files", 1.25),
        ("worker_mb", 1.25),
        ("worker_files", 1.25),
        ("workers", 1.5),
    ):
        before, after = (median(getattr(s, what) for s in some) for some in (early, late))
        if after > before * most:
            found.append(f"{what} grew from {before:.0f} to {after:.0f}")
    middle = samples[len(samples) // 2]
    first, second = (_slope(samples[part], middle), _slope(middle, samples[-1]))
    if second > first * 1.3:
        found.append(
            f"a command took {first:.1f} KB of the emulator's memory at first, {second:.1f} KB later"
        )
    return found


def _slope(a: Sample, b: Sample) -> float:
    """Memory per command between two samples, in KB."""
    return (b.emulator_mb - a.emulator_mb) * 1024 / max(1, b.commands - a.commands)
