"""Serves the emulator on a socket that the parent process has bound."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import signal
import threading
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """Read the arguments, close the gaps, and serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--stock", action="store_true", help="leave the gaps open")
    parser.add_argument("--outlive", action="store_true", help="go on when the parent process has ended")
    arguments = parser.parse_args()
    if not arguments.outlive:
        threading.Thread(target=_end_with_parent, daemon=True, name="parent-watch").start()
    if not arguments.stock:
        from .patches import apply_all  # noqa: PLC0415 - the stock emulator does without

        apply_all()
    _serve(arguments.fd)


def _serve(fd: int) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - after the patches
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{fd}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    # What is imported stays, as does nearly all that is stored: garbage is looked for seldom.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    asyncio.run(serve(app, config))


def _end_with_parent() -> None:
    """End all of this process group, and remove its folder, when the parent is gone.

    The parent holds the other end of our standard input. The end of the file is the one
    sign of its death that works on every platform, whatever it died of.
    """
    while os.read(0, 1):
        pass
    # The parent made the working directory for this run alone.
    shutil.rmtree(Path.cwd(), ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)
