"""Lambda's init phase, in which a function imports and makes its clients: garbage is looked for seldom.

Nearly everything that is made there stays, and Python's collector goes through it again and again, which
took a fifth of a start (docs/adr/0058). Outside of Lambda nothing is changed.
"""

from __future__ import annotations

import gc
from typing import Final

from runtime.in_lambda import is_in_lambda

__all__ = ["begin_init_phase", "end_init_phase"]

#: Containers between two looks, instead of 700. A start makes fewer; who never ends the phase, because the
#: function has an entry point of its own, still has a collector.
_SELDOM: Final = 300_000
_usual: Final[list[tuple[int, int, int]]] = []


def begin_init_phase() -> None:
    """Let the collector look seldom, where this process is a function of Lambda."""
    if is_in_lambda() and not _usual:
        _usual.append(gc.get_threshold())
        gc.set_threshold(_SELDOM, *_usual[0][1:])


def end_init_phase() -> None:
    """Let the collector look as often as before, and never again at what is there by now.

    What somebody else has set meanwhile stays.
    """
    if not _usual:
        return
    usual = _usual.pop()
    if gc.get_threshold() == (_SELDOM, *usual[1:]):
        gc.freeze()
        gc.set_threshold(*usual)
