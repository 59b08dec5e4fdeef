"""Starts the demo, and sees to it that Ctrl-C ends it without a trace."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 130


def main() -> int:
    """Run the demo and return the exit code: 0, 1 with one line that says why, or 130 after Ctrl-C."""
    for ending in _ENDINGS:
        signal.signal(ending, _interrupt)
    try:
        from examples.demo.cli import run  # noqa: PLC0415 - it takes a second, and Ctrl-C may come in it

        return run()
    except KeyboardInterrupt:
        sys.stdout.write("\nStopped, and removed. Nothing is left running.\n")
        return _INTERRUPTED


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: what cleans up must not be interrupted in turn.
    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
