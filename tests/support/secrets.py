"""Secrets to plant, and a look for them."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Secrets"]


class Secrets:
    """A text of its own for each place that something secret can be put into.

    Example:
        >>> secrets = Secrets()
        >>> publish(name=secrets["name"])
        >>> assert secrets.found_in(lines) == {}
    """

    def __init__(self) -> None:
        self._planted: dict[str, str] = {}

    def __getitem__(self, place: str) -> str:
        return self._planted.setdefault(place, f"geheim{uuid.uuid4().hex}")

    def add(self, place: str, secret: str) -> None:
        """Look for a text that was made elsewhere."""
        self._planted[place] = secret

    def found_in(self, texts: Iterable[str]) -> dict[str, str]:
        """The places whose secret a text has, plain or encoded, each with the start of the text."""
        found: dict[str, str] = {}
        for text in texts:
            lower = text.lower()
            for place, secret in self._planted.items():
                if any(form.lower() in lower for form in forms(secret)):
                    found.setdefault(place, text[:500])
        return found


def forms(secret: str) -> list[str]:
    """A text as it may appear: also in base64, wherever it begins there, and in a URL."""
    encoded = [base64.b64encode(b" " * shift + secret.encode()).decode()[4:-4] for shift in range(3)]
    return [secret, quote(secret, safe=""), *encoded]
