"""A daemon thread that does the same again and again, and that nobody has to wait for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Poller"]


class Poller:
    """A thread that can be started and stopped, as often as one likes.

    Args:
        name: Of the thread.
        step: What to do; it returns how many seconds to wait before the next time.
    """

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        self._name = name
        self._step = step
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since, nor ended by what it does, as ``sys.exit`` does."""
        return self._thread is not None and self._thread.is_alive() and not self._stopped.is_set()

    def start(self) -> None:
        """Begin. One that has begun goes on."""
        with self._lock:
            if self.is_running:
                return
            # One that is still ending has its own event, and must not be revived by this one's.
            self._stopped = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stopped,), name=self._name, daemon=True
            )
            self._thread.start()

    def stop(self, timeout: float | None) -> bool:
        """Let the step in progress end, and do no more.

        Args:
            timeout: Seconds to wait for that. None: as long as it takes. The thread itself does not wait.

        Returns:
            Whether it has ended.
        """
        with self._lock:
            self._stopped.set()
            thread = self._thread
        if thread is None:
            return True
        if thread is threading.current_thread():
            return False
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            stopped.wait(self._step())
