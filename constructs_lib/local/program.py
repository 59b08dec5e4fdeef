"""The program: parse, run, and say in the exit code how it went."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from constructs_lib.local.arguments import parse
from constructs_lib.local.aws_errors import aws_errors, one_line
from constructs_lib.local.commands import run
from constructs_lib.local.console import complain, say
from constructs_lib.local.errors import LocalAwsError, check_system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

#: Windows has no SIGHUP.
_ENDINGS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command line. Default: that of the process.

    Returns:
        The exit code: 0, or 1 with one line on standard error that says why. Ctrl-C is the way
        to end what waits or follows, so it is 0, too.
    """
    options = parse(arguments)
    try:
        check_system()
        with _interruptible():
            return run(options)
    except LocalAwsError as error:
        complain(f"error: {error}")
        return 1
    except aws_errors() as error:
        complain(f"error: AWS on this machine did not answer: {one_line(error)}")
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """Clean up however the process is ended; a shell's background jobs ignore Ctrl-C otherwise."""
    before = {ending: signal.getsignal(ending) for ending in _ENDINGS}
    for ending in _ENDINGS:
        signal.signal(ending, signal.default_int_handler)
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
