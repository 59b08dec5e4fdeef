"""How much one answer to an operator may hold: what Lambda passes on, whatever keys and errors say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.store.answer_size import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["fitting"]


def fitting(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of ``entries`` that together fit into an answer; one at least."""
    found: list[dict[str, Any]] = []
    used = 0
    for entry in entries:
        used += len(json.dumps(entry))
        if found and used > PAGE_BYTES:
            break
        found.append(entry)
    return found
