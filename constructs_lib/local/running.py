"""The emulator that runs for a folder, found by a later command."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from constructs_lib.local.claim import clear, is_claimed, look, note_end
from constructs_lib.local.endpoint import Endpoint
from constructs_lib.local.errors import EmulatorFailedError, NotRunningError, StartingError
from constructs_lib.local.network import is_healthy

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.local.claim import Record

__all__ = ["RunningEmulator", "find_running", "need_running"]

_POLL_SECONDS = 0.05


class RunningEmulator(Endpoint):
    """An emulator that another command has started.

    Args:
        folder: The folder that it belongs to, such as `.local-aws`.
        record: What it has said of itself.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        super().__init__(record.port, folder / record.run)
        self._folder = folder
        self.record = record

    def is_there(self) -> bool:
        """Whether it lives, and nobody has ended it.

        Raises:
            EmulatorFailedError: It has ended by itself.
        """
        lives, record = look(self._folder)
        if record is None or record.run != self.record.run:
            return False
        if not lives and not record.ending:
            what = "ended by itself"
            raise EmulatorFailedError(what, self.log_tail())
        return lives

    def stop(self, seconds: float = 10.0) -> None:
        """End it and all of its Lambda workers, and remove what it has written.

        Raises:
            EmulatorFailedError: It does not end.
        """
        note_end(self._folder, self.record.run)
        # It held its lock a moment ago, so the number is still that of its group, and of no other.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.record.pid, signal.SIGKILL)
        deadline = time.monotonic() + seconds
        while is_claimed(self._folder):
            if time.monotonic() > deadline:
                what = f"with process id {self.record.pid} does not end"
                raise EmulatorFailedError(what, self.log_tail())
            time.sleep(_POLL_SECONDS)
        clear(self._folder)


def find_running(folder: Path, *, answering: bool = True, seconds: float = 30.0) -> RunningEmulator | None:
    """The emulator that runs for a folder; `None` without one.

    What a killed one has left is removed.

    Args:
        folder: The folder that it belongs to, such as `.local-aws`.
        answering: Whether it has to answer; who wants to end it does not care.
        seconds: How long to wait for one that is being started.

    Raises:
        StartingError: It is being started, and could not be ended.
        EmulatorFailedError: It is there, and does not answer.
    """
    folder = folder.resolve()
    deadline = time.monotonic() + seconds
    while True:
        lives, record = look(folder)
        if not lives:
            break
        if record and (not answering or is_healthy(record.port)):
            return RunningEmulator(folder, record)
        if time.monotonic() > deadline:
            if record is None:
                raise StartingError(folder)
            what = f"of {folder} does not answer; `down` ends it"
            raise EmulatorFailedError(what, [])
        time.sleep(_POLL_SECONDS)
    clear(folder)
    return None


def need_running(folder: Path) -> RunningEmulator:
    """The emulator that runs for a folder.

    Raises:
        NotRunningError: There is none.
    """
    found = find_running(folder)
    if found is None:
        raise NotRunningError(folder)
    return found
