"""Parts of a test that other processes do, at the same time.

A part is a module that is run by its name: it calls `obey`, and so does what it is told and says what came
of it. `elsewhere` starts such processes at once, and tells each to begin when it has imported what it needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Elsewhere", "elsewhere", "obey"]

_READY = "ready"
_ROOT = Path(__file__).parents[2]
_PATIENCE = 900  # seconds


class Elsewhere:
    """One such process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _begin(self, orders: Mapping[str, Any]) -> None:
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stdout.readline() == f"{_READY}\n"
        self._process.stdin.write(json.dumps(orders))
        self._process.stdin.close()
        self._process.stdin = None

    def outcome(self) -> Any:
        """What came of its part, when it is done."""
        printed, _ = self._process.communicate(timeout=_PATIENCE)
        assert self._process.returncode == 0
        *_, last = printed.splitlines()  # before it, what the runtime logs
        return json.loads(last)


@contextmanager
def elsewhere(
    module: str, orders: Sequence[Mapping[str, Any]], environment: Mapping[str, str]
) -> Iterator[list[Elsewhere]]:
    """Processes that have begun; what still runs at the end of the ``with`` block is killed.

    Args:
        module: What each of them runs.
        orders: What each is told: what JSON can hold.
        environment: Their environment variables.
    """
    with ExitStack() as stack:
        processes = [
            subprocess.Popen(  # noqa: S603 - a module of the tests
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=_ROOT,
                env=dict(environment),
                text=True,
            )
            for _ in orders
        ]
        for process in processes:
            stack.callback(process.kill)
        others = [*map(Elsewhere, processes)]
        for other, own in zip(others, orders, strict=True):
            other._begin(own)  # noqa: SLF001 - of this file
        yield others


def obey(act: Callable[..., Any]) -> None:
    """Do one's part: read the orders, which are the arguments of ``act``, and print what it returns."""
    print(_READY, flush=True)  # noqa: T201 - the answer to `elsewhere`
    json.dump(act(**json.load(sys.stdin)), sys.stdout)
