"""What can go wrong in the demo itself."""

from __future__ import annotations

__all__ = ["DemoError"]


class DemoError(Exception):
    """Something that should have happened did not; the message is one line."""
