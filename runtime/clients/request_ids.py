"""The request that a notification answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["request_id_of"]


def request_id_of(notification: Mapping[str, Any]) -> str | None:
    """The request that a notification answers, for the log; None where a key is its id instead."""
    identifier, pk = notification.get("id"), notification.get("pk")
    return None if pk and str(pk) in str(identifier) else identifier
