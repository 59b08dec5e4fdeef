"""`setup`: install the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.local.console import say
from constructs_lib.local.venv import ensure_venv

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["setup"]


def setup(options: Namespace) -> int:
    """Install the emulator; the only command that needs a package index."""
    say(f"ready: {ensure_venv(options.folder)}")
    return 0
