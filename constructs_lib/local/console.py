"""What the commands print: lines for people on standard output, errors on standard error."""

from __future__ import annotations

import sys
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

from constructs_lib.cli.screen import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["complain", "say", "seconds_text"]

#: Logs are shown by a thread of their own.
_lock = Lock()


def say(text: str = "", *, style: str = "") -> None:
    """Print lines.

    Args:
        text: The lines.
        style: How rich shows them on a terminal; it is an extra, and without it they are plain.
    """
    # What users wrote into a log must not steer the terminal.
    shown = "\n".join(printable(line) for line in text.split("\n"))
    console = _console() if style else None
    with _lock:
        if console is None:
            sys.stdout.write(shown + "\n")
            sys.stdout.flush()
        else:
            console.print(shown, style=style, soft_wrap=True)


def complain(text: str) -> None:
    """Print one line on standard error."""
    with _lock:
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()


def seconds_text(seconds: float) -> str:
    """A duration for people: milliseconds below a second.

    >>> seconds_text(0.0421), seconds_text(12.34)
    ('42 ms', '12.3 s')
    """
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


@cache
def _console() -> Console | None:
    if not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return Console(highlight=False, markup=False, emoji=False)
