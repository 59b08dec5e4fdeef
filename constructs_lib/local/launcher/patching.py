"""Replacing a function of the emulator, with a check that it is still the one that was meant."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

__all__ = ["PatchError", "replace", "replace_text"]


class PatchError(Exception):
    """What a patch replaces is no longer there, or has changed."""

    def __init__(self, where: str, expected: str) -> None:
        super().__init__(
            f"ministack {version('ministack')}: {where} does not hold {expected!r} any more; "
            "look at the patch that replaces it, and at its tests",
        )


def replace(owner: Any, name: str, new: Any, *, holding: tuple[str, ...]) -> Any:
    """Put a function in the place of another.

    Args:
        owner: The module or class that has it.
        name: Its name there.
        new: What takes its place.
        holding: Pieces of source text that the old function has to have. Choose those
            that make the gap, so that the patch does not outlive it.

    Returns:
        The old function.

    Raises:
        PatchError: It is not there, or does not have that text.
    """
    old = getattr(owner, name, None)
    where = f"{getattr(owner, '__name__', owner)}.{name}"
    if old is None:
        raise PatchError(where, "anything")
    source = inspect.getsource(old)
    for text in holding:
        if text not in source:
            raise PatchError(where, text)
    setattr(owner, name, new)
    return old


def replace_text(where: str, text: str, old: str, new: str) -> str:
    """Replace a piece of a program's text that has to occur in it exactly once.

    Raises:
        PatchError: It does not.
    """
    if text.count(old) != 1:
        raise PatchError(where, old)
    return text.replace(old, new)
