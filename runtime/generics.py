"""Type variables that several parts share."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeVar

__all__ = ["AttributesT"]

AttributesT = TypeVar("AttributesT", default=dict[str, Any] | None)
"""A module's attributes: its own model, or a plain dictionary, which may be missing."""
