"""How much the fault harness does: a short form in `make test`, all of it in `make faults`."""

from __future__ import annotations

import os

__all__ = ["COMPLETE", "scaled"]

COMPLETE = os.environ.get("CQRS_FAULTS") == "complete"


def scaled(short: int, complete: int) -> int:
    """The number for this run: ``short`` in `make test`, ``complete`` in `make faults`."""
    return complete if COMPLETE else short
