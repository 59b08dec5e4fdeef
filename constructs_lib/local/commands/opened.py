"""The emulator that a command works with: the one that runs for the folder, else a new one."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.local.claim import Claim
from constructs_lib.local.console import say
from constructs_lib.local.emulator import Emulator
from constructs_lib.local.errors import AlreadyRunningError
from constructs_lib.local.running import RunningEmulator, find_running, need_running

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Opened", "open_aws"]

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Opened:
    """The emulator of the folder.

    Attributes:
        aws: Where it is.
        started: The emulator, where this command has started it.
        kept: Whether it goes on when the command that has started it ends.
    """

    aws: RunningEmulator
    started: Emulator | None
    kept: bool

    def stay(self) -> None:
        """Be there for as long as the emulator needs this command: until Ctrl-C, or `down`.

        Raises:
            EmulatorFailedError: It has ended by itself.
        """
        if self.kept:
            say("It stays: `python -m constructs_lib.local down` ends it.")
        elif self.started is None:
            say("It was running before; it ends with the command that has started it, or with `down`.")
        else:
            say("Ctrl-C stops it.")
            self.started.wait()
            self.aws.is_there()
            say("It was ended from elsewhere.")


@contextmanager
def open_aws(options: Namespace) -> Iterator[Opened]:
    """Find the emulator of the folder or start it, for the time of a ``with`` block.

    One that was started ends with the block, unless ``options.keep`` is set and nothing failed.

    Raises:
        AlreadyRunningError: One runs that is not as it was asked for.
        LocalAwsError: It did not start; the message says why.
    """
    folder = options.folder.resolve()
    found = _find_or_claim(folder)
    if isinstance(found, RunningEmulator):
        _check(found, options)
        yield Opened(found, None, found.record.kept)
        return
    emulator = Emulator(port=options.port, folder=folder, claim=found, outlives=options.keep)
    with emulator:
        yield Opened(need_running(folder), emulator, options.keep)
        if options.keep:
            emulator.leave()


def _find_or_claim(folder: Path) -> RunningEmulator | Claim:
    while True:
        if running := find_running(folder):
            return running
        if claim := Claim.take(folder):
            return claim
        # Another command was faster by a moment; its emulator is there soon.
        time.sleep(_POLL_SECONDS)


def _check(running: RunningEmulator, options: Namespace) -> None:
    if options.port not in {None, running.port}:
        how = f"at port {running.port}; leave --port out, or end it with `down`"
        raise AlreadyRunningError(how)
    if options.keep and not running.record.kept:
        how = f"and ends with the command that has started it (process {running.record.starter}); end that"
        raise AlreadyRunningError(how)
