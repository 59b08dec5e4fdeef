"""The one emulator of a folder: who may be it, whether it lives, and where it is.

A record alone does not tell whether its process lives: the number may be another process's by
now. So the emulator holds a lock for as long as it lives, by a descriptor that it inherits, and
the operating system lets go of it whatever the emulator died of. Where the lock is held, the
record is true; where it is free, the record is what a killed process has left. Both are looked at
and changed in turns.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Claim", "Record", "clear", "is_claimed", "look", "note_end", "read_record"]

_LOCK = "running.lock"
_RECORD = "running.json"


@dataclass(frozen=True, slots=True)
class Record:
    """Where the emulator of a folder is.

    Attributes:
        pid: Its process id, which is also that of its process group.
        port: The port that it listens on.
        run: Name of its run folder.
        starter: Process id of the command that started it.
        kept: Whether it goes on when that command has ended.
        since: When it was started, in seconds since 1970.
        ending: Whether somebody is about to end it; else it has ended by itself.
    """

    pid: int
    port: int
    run: str
    starter: int
    kept: bool
    since: float
    ending: bool = False


class Claim:
    """The right to be the emulator of a folder.

    Whoever starts one takes it and hands it over; the emulator inherits `descriptor`, and has
    the right for as long as it lives.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self._folder = folder
        self._is_open = True
        self.descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """Take it, and remove what a killed emulator has left; `None` where another one has it."""
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder):
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            if not _lock(descriptor):
                os.close(descriptor)
                return None
            if left := read_record(folder):
                shutil.rmtree(folder / left.run, ignore_errors=True)
                (folder / _RECORD).unlink(missing_ok=True)
            return cls(folder, descriptor)

    def hand_over(self, record: Record) -> None:
        """Leave it to the emulator that has inherited it, and say where that is."""
        _write(self._folder, record)
        self._close()

    def end(self) -> None:
        """Remove the record: the emulator has ended, or has never begun."""
        self._close()
        clear(self._folder)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self.descriptor)


def is_claimed(folder: Path) -> bool:
    """Whether an emulator of this folder lives."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def look(folder: Path) -> tuple[bool, Record | None]:
    """Whether an emulator of this folder lives, and what it has said of itself.

    What lives may have said nothing yet; what is dead may have left something.
    """
    if not (folder / _LOCK).exists():
        return False, None  # so it is on Windows, always
    with contextlib.suppress(FileNotFoundError), _turn(folder):
        return is_claimed(folder), read_record(folder)
    return False, None


def note_end(folder: Path, run: str) -> None:
    """Note that an emulator is about to be ended, for those who see that it has gone.

    Args:
        folder: The folder that it belongs to.
        run: Name of its run folder.
    """
    with _turn(folder):
        if (record := read_record(folder)) and record.run == run:
            _write(folder, replace(record, ending=True))


def read_record(folder: Path) -> Record | None:
    """What the last emulator of this folder has said of itself, living or not."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Record(**json.loads((folder / _RECORD).read_text(encoding="utf-8")))
    return None


def clear(folder: Path) -> None:
    """Remove what an emulator of this folder has left that has been killed."""
    if read_record(folder) and (claim := Claim.take(folder)):
        os.close(claim.descriptor)


def _write(folder: Path, record: Record) -> None:
    # All at once: whoever reads it finds all of it, or none.
    written = folder / f"{_RECORD}.new"
    written.write_text(json.dumps(asdict(record)), encoding="utf-8")
    written.replace(folder / _RECORD)


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Let nobody else look at the lock and the record, or change them, for a moment."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
    import fcntl  # noqa: PLC0415 - Windows has none, and cannot hand descriptors on

    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True
