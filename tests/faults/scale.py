"""How much the fault harness does: a short form in `make test`, all of it in `make faults`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["COMPLETE", "chosen", "scaled"]

COMPLETE = os.environ.get("CQRS_FAULTS") == "complete"


_EACH: Final = 5  # an odd number, so that of the two moments of a call both have their turns
_T = TypeVar("_T")


def scaled(short: int, complete: int) -> int:
    """The number for this run: ``short`` in `make test`, ``complete`` in `make faults`."""
    return complete if COMPLETE else short


def chosen(faults: Iterable[_T], *, at_least: int) -> list[_T]:
    """The faults for this run: each fifth one in `make test`, all of them in `make faults`.

    Args:
        faults: All faults.
        at_least: How many of them there must be, so that a story which has lost its calls is noticed.
    """
    found = list(faults)
    assert len(found) >= at_least
    return found[:: scaled(_EACH, 1)]
