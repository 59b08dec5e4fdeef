"""Checks of the values of options: each message says what would be right."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["text", "url", "whole_number"]


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Make a parser of whole numbers in a range."""

    def parse(value: str) -> int:
        if not (value.isascii() and value.isdecimal()) or not lowest <= int(value) <= highest:
            message = f"must be a whole number from {lowest} to {highest}, got {value!r}"
            raise argparse.ArgumentTypeError(message)
        return int(value)

    return parse


def text(value: str) -> str:
    """A text that is not empty: an unset variable of a script must not mean 'all'."""
    if not value.strip():
        message = "must not be empty"
        raise argparse.ArgumentTypeError(message)
    return value


def url(value: str) -> str:
    """The URL of an endpoint."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        message = f"must be a URL like http://127.0.0.1:4566, got {value!r}"
        raise argparse.ArgumentTypeError(message)
    return value
