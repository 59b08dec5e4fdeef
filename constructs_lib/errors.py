"""Errors raised while a stack is being composed.

ConstructError
├── InvalidPropsError   (also a ValueError)
└── BundlingError       (also a RuntimeError)
"""

from __future__ import annotations

__all__ = ["BundlingError", "ConstructError", "InvalidPropsError"]


class ConstructError(Exception):
    """Base class of every error that the constructs raise at synthesis time."""


class InvalidPropsError(ConstructError, ValueError):
    """A construct was given a property, or a combination of them, that cannot be deployed."""


class BundlingError(ConstructError, RuntimeError):
    """The contents of a Lambda layer could not be built on this machine."""
