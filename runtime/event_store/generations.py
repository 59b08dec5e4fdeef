"""The registration of one handler: read, kept for half a minute, and moved on without overwriting others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from runtime import clock
from runtime.backoff import back_off
from runtime.errors import ContentionError
from runtime.event_store.registration import SETTLED_AFTER, Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

__all__ = ["Generations", "HandlerRows"]

_KEPT: Final = SETTLED_AFTER.total_seconds() / 2
_MAX_ROUNDS: Final = 50


class HandlerRows(Protocol):
    """Where the rows of handlers are kept, one for each handler."""

    def read_handler(self, name: str) -> Mapping[str, Any] | None:
        """The row of a handler, consistently; None without one."""
        ...

    def write_handler(self, name: str, columns: Mapping[str, Any], *, revision: str | None) -> bool:
        """Put a handler's row in place of the one with a ``revision``; False where that is not there any more.

        Args:
            name: The handler's.
            columns: The whole row: texts and numbers, ``revision`` among them.
            revision: That of the row as it was read; None where there was none.
        """
        ...


class Generations:
    """The registration of one handler.

    Args:
        name: The handler's.
        rows: Gives where its row is, when that is first needed.
    """

    def __init__(self, name: str, rows: Callable[[], HandlerRows]) -> None:
        self._name = name
        self._rows = rows
        self._lock = threading.Lock()
        self._kept: Registration | None = None
        self._kept_until = 0.0

    def current(self) -> Registration | None:
        """The registration, at most 30 seconds old; None while the handler was never started."""
        kept = self._kept
        if kept is not None and clock.seconds() < self._kept_until:
            return kept
        return self.read()

    def read(self) -> Registration | None:
        """The registration as it is now; None while the handler was never started."""
        asked_at = clock.seconds()
        row = self._rows().read_handler(self._name)
        return None if row is None else self._keep(Registration.of(row), asked_at)

    def registered(self, at: datetime) -> Registration:
        """The registration, at most 30 seconds old. The first call of all makes it.

        Args:
            at: When the handler was started, if this is that call.
        """
        return self.current() or self.change(lambda found: found, at)

    def change(
        self, change: Callable[[Registration], Registration], at: datetime | None = None
    ) -> Registration:
        """Move the registration on, whoever else does so meanwhile.

        Args:
            change: What it becomes; it raises what refuses the change. It may be called more than once.
            at: When the handler was started, if it was not before. Default: now.

        Raises:
            ContentionError: Others were faster, again and again. Nothing was changed.
        """
        rows, mine = self._rows(), uuid4().hex
        for attempt in range(_MAX_ROUNDS):
            asked_at = clock.seconds()
            row = rows.read_handler(self._name)
            if row is not None and row["revision"] == mine:
                return self._keep(Registration.of(row), asked_at)  # it was done, and the answer got lost
            before = Registration(started_at=at or clock.now()) if row is None else Registration.of(row)
            after = change(before)
            if row is not None and after == before:
                return self._keep(after, asked_at)
            columns = {**after.columns(), "revision": mine}
            if rows.write_handler(self._name, columns, revision=None if row is None else row["revision"]):
                return self._keep(after, asked_at)
            back_off(attempt, base=0.01, longest=0.5)
        msg = f"others change the handler {self._name} all the time; nothing was changed, repeat the call"
        raise ContentionError(msg)

    def _keep(self, registration: Registration, asked_at: float) -> Registration:
        with self._lock:
            if asked_at + _KEPT >= self._kept_until:  # a slower thread must not bring an older one back
                self._kept, self._kept_until = registration, asked_at + _KEPT
        return registration
