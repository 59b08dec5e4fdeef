"""`down`: end the emulator of the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.local.console import say
from constructs_lib.local.running import find_running

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["down"]


def down(options: Namespace) -> int:
    """End it and all of its workers, with everything that is in it. Twice is once."""
    running = find_running(options.folder, answering=False)
    if running is None:
        say(f"nothing runs in {options.folder.resolve()}")
        return 0
    running.stop()
    say(f"ended, with everything in it: {running.endpoint_url}, process {running.record.pid}")
    return 0
