"""The registration of one handler: read, kept for half a minute, and moved on without overwriting others."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from runtime import clock
from runtime.backoff import back_off
from runtime.errors import ContentionError
from runtime.event_store.handlers.registration import SETTLED_AFTER, Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Generations", "HandlerRows"]

_KEPT: Final = SETTLED_AFTER.total_seconds() / 2
_MAX_ROUNDS: Final = 50
_FIRST_WAIT: Final = 0.01
_LONGEST_WAIT: Final = 0.5


class HandlerRows(Protocol):
    """Where the rows of handlers are kept, one for each handler."""

    def read_handler(self, name: str) -> Mapping[str, Any] | None:
        """The row of a handler, consistently; None without one."""
        ...

    def write_handler(self, name: str, columns: Mapping[str, Any], *, revision: str | None) -> bool:
        """Put a handler's row in place of the one with a ``revision``; False where that is gone.

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
        self._row: Mapping[str, Any] | None = None
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
        return None if row is None else self._keep(row, asked_at)

    def registered(self, make: Callable[[], Registration] | None = None) -> Registration:
        """The registration, at most 30 seconds old. The first call of all makes it.

        Args:
            make: Makes it, if this is that call. Default: it was started now.
        """
        found = self.current()
        return found if found is not None else self.change(lambda same: same, make)

    def fresh(self) -> Registration:
        """The registration as it is now; that of a handler which is started now where it never was."""
        return self.read() or _started_now()

    def forget(self) -> None:
        """Forget the registration that is kept in memory."""
        with self._lock:
            self._row = self._kept = None
            self._kept_until = 0.0

    def change(
        self, change: Callable[[Registration], Registration], make: Callable[[], Registration] | None = None
    ) -> Registration:
        """Move the registration on, whoever else does so meanwhile.

        Args:
            change: What it becomes; it raises what refuses the change. It may be called more than once.
            make: What it is where the handler was never started. Default: it was started now.

        Raises:
            ContentionError: Others were faster, again and again. Nothing was changed.
        """
        rows, mine = self._rows(), uuid4().hex
        for attempt in range(_MAX_ROUNDS):
            asked_at = clock.seconds()
            row = rows.read_handler(self._name)
            if row is not None and row["revision"] == mine:
                return self._keep(row, asked_at)  # it was done, and the answer got lost
            before = (make or _started_now)() if row is None else Registration.of(row)
            after = change(before)
            if row is not None and after == before:
                return self._keep(row, asked_at)
            if self._write(rows, after, mine, row, asked_at):
                return after
            back_off(attempt, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
        msg = f"others change the handler {self._name} all the time; nothing was changed, repeat the call"
        raise ContentionError(msg)

    def move(self, position: str) -> None:
        """Note where whoever pulls goes on: one write, unless somebody else has changed the row meanwhile."""
        row = self._row
        if row is not None:
            after = replace(Registration.of(row), position=position)
            # What it says besides is not younger than it was.
            if self._write(self._rows(), after, uuid4().hex, row, self._kept_until - _KEPT):
                return
        self.change(lambda found: replace(found, position=position))

    def _write(
        self,
        rows: HandlerRows,
        after: Registration,
        revision: str,
        row: Mapping[str, Any] | None,
        asked_at: float,
    ) -> bool:
        columns = {**after.columns(), "revision": revision}
        if not rows.write_handler(self._name, columns, revision=None if row is None else row["revision"]):
            return False
        self._keep(columns, asked_at)
        return True

    def _keep(self, row: Mapping[str, Any], asked_at: float) -> Registration:
        registration = Registration.of(row)
        with self._lock:
            if asked_at + _KEPT >= self._kept_until:  # a slower thread must not bring an older one back
                self._row, self._kept, self._kept_until = row, registration, asked_at + _KEPT
        return registration


def _started_now() -> Registration:
    return Registration(started_at=clock.now())
