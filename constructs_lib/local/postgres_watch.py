"""Ends a PostgreSQL whose owner has died; run by its path, with the standard library alone.

The owner holds the other end of the standard input. When that ends, the server that the
folder still names is stopped at once, and the folder is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

__all__ = ["main"]


def main(data: Path, temporary: str) -> None:
    """Wait for the end of the owner.

    Args:
        data: The server's data folder.
        temporary: The folder to remove afterwards; empty for none.
    """
    while os.read(0, 1):
        pass
    # It is there while the server runs, with its process id in the first line.
    with contextlib.suppress(OSError, ValueError):
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        # An immediate shutdown: the server itself ends all of its processes.
        os.kill(pid, signal.SIGQUIT)
        _wait_for_end(data)
    if temporary:
        shutil.rmtree(temporary, ignore_errors=True)


def _wait_for_end(data: Path) -> None:
    deadline = time.monotonic() + 10
    while (data / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
