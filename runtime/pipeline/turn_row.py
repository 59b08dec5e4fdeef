"""What a turn needs of a cursor row, wherever it is kept: in a table of the store, or in a SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runtime.model.cursor import Cursor
    from runtime.store.port import Check

__all__ = ["TurnRow"]


class TurnRow(Protocol):
    """One cursor row. `runtime.model.cursor_writes.CursorWrites` says of each method what it does."""

    @property
    def cursor(self) -> Cursor:
        """Where the handler was when the row was read, or written, last."""
        ...

    def showing(self) -> AbstractContextManager[object]:
        """Around each version that a handler is shown."""
        ...

    def close(self) -> None:
        """Undo what a turn has left open."""
        ...

    def read(self) -> Cursor:
        """Read the row anew."""
        ...

    def claim(
        self, token: str, seconds: float, witness: Check | None = None, *, counts_deaths: bool = False
    ) -> bool:
        """Take the turn."""
        ...

    def leave(self, version: int) -> bool:
        """Leave a version to whoever has the turn."""
        ...

    def release(self, token: str | None, version: int | None) -> bool:
        """Let the turn go, at its end."""
        ...

    def advance(self, token: str, version: int, *, resume: int | None = None) -> None:
        """Note what is done, and keep the turn."""
        ...

    def let_go(self, token: str | None, version: int | None, *, resume: int | None = None) -> None:
        """Let the turn go half-way."""
        ...

    def unpark(self, token: str, version: int | None, unmoved: Check | None = None) -> bool:
        """Let the turn of a repair go, at its end."""
        ...

    def fail(
        self,
        token: str | None,
        version: int | None,
        failed: int,
        error: Exception,
        hold: float = 0,
        *,
        resume: int | None = None,
    ) -> None:
        """Note a failure."""
        ...

    def count(self) -> bool:
        """Count the failure that was noted."""
        ...

    def park(self, version: int, error: str, witness: Check | None = None) -> bool:
        """Stop the handler."""
        ...

    def park_again(
        self, token: str, done: int | None, version: int, error: str, *, resume: int | None = None
    ) -> None:
        """Let the turn of a repair go, which has failed."""
        ...

    def skip(self, token: str, version: int, error: str, *, resume: int | None = None) -> None:
        """Pass a version over."""
        ...
