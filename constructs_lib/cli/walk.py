"""Going over many rows: several places side by side, a page at a time, with a way to go on."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from constructs_lib.cli.errors import CliError
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.progress import progress
from constructs_lib.cli.resume import Position
from constructs_lib.cli.screen import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from constructs_lib.cli.context import Context
    from constructs_lib.cli.modules import Module

__all__ = ["MANY", "MOST_SEGMENTS", "Walk", "positions", "scan"]

P = TypeVar("P")

#: Rows of a page where each row costs next to nothing.
MANY: Final = 1000
MOST_SEGMENTS: Final = 64
_ROWS_PER_SEGMENT: Final = 10_000
_SEGMENTS_UNASKED: Final = 8


class Walk(Generic[P]):
    """One walk over all positions.

    Args:
        positions: Where to begin: one for each place, such as a segment of a table.
        ask: Asks the service for the page at a position. Called by several threads at once.
        take: Is given each page with its position, and returns that of the place's next page,
            or None after the last one. Called by one thread at a time.
        threads: How many places are worked on at once.

    Attributes:
        interrupted: Whether Ctrl-C has ended it before its end.
        error: What has ended it; None where nothing has.
    """

    def __init__(
        self,
        positions: Sequence[P],
        ask: Callable[[P], dict[str, Any]],
        take: Callable[[P, dict[str, Any]], P | None],
        *,
        threads: int,
    ) -> None:
        self.interrupted = False
        self.error: CliError | None = None
        self._crash: Exception | None = None
        self._ask = ask
        self._take = take
        self._threads = min(threads, len(positions))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._working = self._threads
        if not self._threads:
            self._ended.set()
        self._waiting = deque(range(len(positions)))
        # Positions that are not at their end, in the order in which they were given.
        self._open = dict(enumerate(positions))

    @classmethod
    def nowhere(cls) -> Walk[P]:
        """Give a walk that is at its end, for what takes a single step."""
        return cls([], lambda _: {}, lambda _, __: None, threads=0)

    @property
    def left(self) -> list[P]:
        """Where to go on: the first page of each place that is not done."""
        with self._lock:
            return list(self._open.values())

    def run(self, on_interrupt: Callable[[], None]) -> None:
        """Walk to the end, or until an error or Ctrl-C.

        The first Ctrl-C lets the pages under way come to their end, so that what they did
        is counted. The second does not wait: whoever resumes does those pages again, which is
        harmless.

        Args:
            on_interrupt: Called at the first Ctrl-C.

        Raises:
            Exception: An error in ``ask`` or ``take`` that is not a `CliError`.
        """
        # Daemons: whoever has pressed Ctrl-C twice does not wait for an answer.
        for _ in range(self._threads):
            threading.Thread(target=self._work, daemon=True).start()
        told = False
        # Not `Thread.join`: Python 3.11 takes a thread for ended whose join was interrupted.
        while not self._ended.is_set():
            try:
                if self.interrupted and not told:
                    told = True
                    on_interrupt()
                self._ended.wait()
            except KeyboardInterrupt:
                if self.interrupted:
                    return
                self.interrupted = True
                self._stop.set()
        # The pages under way may have been the last ones: then it came to its end after all.
        self.interrupted = bool(self.interrupted and self.left)
        if self._crash:
            raise self._crash

    def ending(self, *, attention: bool) -> tuple[dict[str, Any], ExitCode, list[str]]:
        """Give how it ended: fields for the document, the exit code, and lines for people.

        Args:
            attention: Whether something needs an operator, where it came to its end.
        """
        error = self.error
        document = {
            "interrupted": self.interrupted,
            "error": {"type": error.kind, "message": str(error)} if error else None,
        }
        if error:
            return document, error.code, [f"cqrs: error: {error}"]
        code = ExitCode.ATTENTION if attention else ExitCode.FINE
        return document, ExitCode.INTERRUPTED if self.interrupted else code, []

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                with self._lock:
                    if not self._waiting:
                        return
                    number = self._waiting.popleft()
                self._follow(number)
        except CliError as error:
            with self._lock:
                self.error = self.error or error
            self._stop.set()
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self._crash = error
            self._stop.set()
        finally:
            with self._lock:
                self._working -= 1
                if not self._working:
                    self._ended.set()

    def _follow(self, number: int) -> None:
        position = self._open[number]
        while not self._stop.is_set():
            page = self._ask(position)
            with self._lock:
                following = self._take(position, page)
                if following is None:
                    del self._open[number]
                    return
                position = self._open[number] = following


def positions(operation: str, modules: Sequence[Module], segments: int | None) -> list[Position]:
    """Give where to begin: each segment of each module's table.

    Args:
        operation: What is done with the rows.
        modules: Whose tables.
        segments: Segments of each table. Default: one for each 10 000 rows, at most 8.
    """
    found = []
    for module in modules:
        total = segments or min(1 + (module.rows or 0) // _ROWS_PER_SEGMENT, _SEGMENTS_UNASKED)
        found += [Position(operation, module.name, segment, total) for segment in range(total)]
    return found


def scan(
    context: Context,
    start: Sequence[Position],
    arguments: Mapping[str, Mapping[str, object]],
    take: Callable[[Position, dict[str, Any]], str],
    *,
    rows: int,
) -> Walk[Position]:
    """Go over tables, and show how far it is.

    Args:
        context: The command.
        start: Where to begin.
        arguments: What else the function is asked, by the name of the operation.
        take: Is given each page with its position; returns what was found so far, in words.
        rows: About how many rows there are.
    """

    def ask(position: Position) -> dict[str, Any]:
        return context.operator.ask(
            position.operation,
            module=position.module,
            segment=position.segment,
            totalSegments=position.total,
            resumeToken=position.page,
            **arguments[position.operation],
        )

    with progress(context.options.command, rows) as shown:

        def taken(position: Position, page: dict[str, Any]) -> Position | None:
            shown.advance(page["scanned"], take(position, page))
            return position.after(page)

        threads = max((position.total for position in start), default=1)
        walk = Walk(start, ask, taken, threads=threads)
        walk.run(lambda: say("stopping after the pages under way; Ctrl-C again stops at once"))
    return walk
