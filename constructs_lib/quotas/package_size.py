"""How much Lambda unpacks for a function: its code and its layers."""

from __future__ import annotations

from typing import Final

__all__ = ["MOST_UNPACKED_BYTES"]

#: Of the code and the layers together: 250 MB.
MOST_UNPACKED_BYTES: Final = 250 * 1024**2
