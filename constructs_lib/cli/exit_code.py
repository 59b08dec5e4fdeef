"""What the exit code says to a script."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode", "exit_codes_text"]


class ExitCode(IntEnum):
    """Exit codes of `cqrs`; part of its interface."""

    FINE = 0
    ATTENTION = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


_MEANINGS = {
    ExitCode.FINE: "fine",
    ExitCode.ATTENTION: "something needs attention: status or a check found something, a handler was parked "
    "again, a part could not be repaired or was not taken",
    ExitCode.USAGE: "wrong usage; nothing was done",
    ExitCode.UNREACHABLE: "AWS could not be reached, or did not allow it",
    ExitCode.REFUSED: "not found, refused by the service, or failed in it",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C or SIGTERM; what was done stays done",
}


def exit_codes_text() -> str:
    """The codes and their meanings, a line each."""
    return "\n".join(f"  {code.value:<4} {meaning}" for code, meaning in _MEANINGS.items())
