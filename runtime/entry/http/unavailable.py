"""Telling a service that is busy or out of reach from a mistake of a route's own code."""

from __future__ import annotations

from runtime.unavailable import is_unavailable

__all__ = ["is_unavailable"]
