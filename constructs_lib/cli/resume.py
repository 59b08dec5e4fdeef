"""Where a walk over a table was, as a word that goes on a command line."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from constructs_lib.cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Position", "positions_of"]

_TOKEN = re.compile(
    r"(?P<operation>\w+):(?P<module>[^:/]+):(?P<segment>\d+)/(?P<total>\d+)(?::(?P<page>[\w=-]*))?"
)


@dataclass(frozen=True, slots=True)
class Position:
    """The next page of one segment of a module's table.

    Attributes:
        operation: What is done with the rows.
        module: Whose table.
        segment: Which part of it, from 0.
        total: Into how many parts it is divided.
        page: The service's own token for the page; None for the first one.
    """

    operation: str
    module: str
    segment: int = 0
    total: int = 1
    page: str | None = None

    def after(self, page: Mapping[str, Any]) -> Position | None:
        """The position after a page; None after the last one."""
        token = page.get("resumeToken")
        return None if token is None else replace(self, page=token)

    def __str__(self) -> str:
        """The token: ``operation:module:segment/total`` and, after the first page, ``:page``.

        The service's token has keys in it, so it is encoded for the shell.
        """
        begin = f"{self.operation}:{self.module}:{self.segment}/{self.total}"
        if self.page is None:
            return begin
        return f"{begin}:{base64.urlsafe_b64encode(self.page.encode()).decode()}"

    @classmethod
    def parse(cls, token: str) -> Position:
        """Read a position from a token.

        Raises:
            UsageError: ``token`` is not one that this program has printed.
        """
        found = _TOKEN.fullmatch(token)
        page = _decoded(found["page"]) if found and found["page"] else None
        if not found or int(found["segment"]) >= int(found["total"]) or page == "":
            message = f"--resume: must be a token that an interrupted run has printed, got {token!r}"
            raise UsageError(message)
        return cls(found["operation"], found["module"], int(found["segment"]), int(found["total"]), page)


def positions_of(tokens: list[str], operation: str) -> list[Position]:
    """Read the positions from the tokens of ``--resume``.

    Raises:
        UsageError: A token is malformed, belongs to another command, or is given twice.
    """
    found: dict[tuple[str, int, int], Position] = {}
    for token in tokens:
        position = Position.parse(token)
        if position.operation != operation:
            message = f"--resume: {token!r} goes on a {position.operation}, not a {operation}"
            raise UsageError(message)
        place = (position.module, position.segment, position.total)
        if place in found:
            message = (
                f"--resume: segment {position.segment}/{position.total} of {position.module} is given twice"
            )
            raise UsageError(message)
        found[place] = position
    return list(found.values())


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
