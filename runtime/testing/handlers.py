"""Data sync handlers, watched: what they saw, and failing where a test wants them to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.imports import check_done
from runtime.model.handlers import DataSyncHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.errors import FieldProblem
    from runtime.model.models import CommandModel

__all__ = ["WatchedHandler"]


class WatchedHandler(DataSyncHandler):
    """A handler of the service, with an eye on it.

    Args:
        name: Name of the handler.
        make: Gives the handler itself. It is called when the handler is first needed.

    Attributes:
        name: Name of the handler.
        seen: The commands that ``up`` was called with and took, in order.
        taken_out: The commands that ``down`` was called with, in order.
        error: What ``up`` raises instead of working. None while it works.
        is_replaced: Whether the handler itself is left out: then its calls are watched, and no more.
    """

    def __init__(self, name: str, make: Callable[[], DataSyncHandler]) -> None:
        self.name = name
        self.seen: list[CommandModel[Any]] = []
        self.taken_out: list[CommandModel[Any]] = []
        self.error: Exception | None = None
        self.is_replaced = False
        self._make = make
        self._failures_left: int | None = None

    def fail(self, error: Exception | None = None, *, times: int | None = None) -> None:
        """Let the next calls of ``up`` fail.

        Args:
            error: What they raise. Default: a `RuntimeError`. A `ConnectionError` is tried
                again for longer, as it says that the store is out of reach.
            times: How many calls. Default: all of them, until `heal`.
        """
        self.error = error or RuntimeError(f"{self.name} fails, as the test wants it")
        self._failures_left = times

    def heal(self) -> None:
        """Let the handler work again."""
        self.error, self._failures_left = None, None

    def replace(self) -> None:
        """Leave the handler itself out: for a test that has no database."""
        self.is_replaced = True

    def versions(self, sk: str) -> list[int]:
        """Versions of an aggregate that it saw, in order.

        Args:
            sk: Sort key of the aggregate, without a version.
        """
        return [command.version for command in self.seen if command.sk.rpartition("@")[0] == sk]

    def up(self, command: CommandModel[Any]) -> None:
        """Call the handler, and remember what it took."""
        if self.error is not None:
            error = self.error
            if self._failures_left is not None:
                self._failures_left -= 1
                if self._failures_left <= 0:
                    self.heal()
            raise error
        if not self.is_replaced:
            check_done(self._make().up(command), f"{self.name}.up")
        self.seen.append(command)

    def problems(self, command: CommandModel[Any]) -> Sequence[FieldProblem]:
        """What the handler says of a command; nothing while it is replaced."""
        return () if self.is_replaced else self._make().problems(command)

    def down(self, command: CommandModel[Any]) -> None:
        """Call the handler, and remember what it took out."""
        if not self.is_replaced:
            check_done(self._make().down(command), f"{self.name}.down")  # type: ignore[func-returns-value]
        self.taken_out.append(command)
