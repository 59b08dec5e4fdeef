"""What a function does once it was restored from a snapshot, with Lambda SnapStart."""

from __future__ import annotations

import random
from importlib import import_module

__all__ = ["draw_anew_when_restored"]


def draw_anew_when_restored() -> None:
    """Let each process that is restored from this one have random numbers of its own.

    What the library draws is of the system's source, which no two processes share. Others that use
    the module `random`, such as botocore for the waits between attempts, would go on from the same state.
    """
    # In Lambda's own Python; nobody else needs it.
    import_module("snapshot_restore_py").register_after_restore(random.seed)
