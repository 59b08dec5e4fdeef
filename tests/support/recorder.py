"""A data sync handler for tests: it notes what it is shown, and fails as often as it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime import DataSyncHandler

if TYPE_CHECKING:
    from runtime import CommandModel

__all__ = ["Recorder"]


class Recorder(DataSyncHandler):
    """A store that notes what it was told, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.failures: dict[str, int] = {}

    def up(self, command: CommandModel[Any]) -> None:
        if self.failures.get(command.sk, 0) > 0:
            self.failures[command.sk] -= 1
            message = "the store is down"
            raise RuntimeError(message)
        self.seen.append(command.sk)
