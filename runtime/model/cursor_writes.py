"""What may be written to a cursor row, wherever it is kept: in a store, or in a SQL database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from runtime import clock
from runtime.model.cursor import MAX_ERROR, Cursor, TurnDiedError, error_text

__all__ = ["CLAIM", "CursorWrites"]

CLAIM: Final = ("claim", "claimUntil")
_FAILURE: Final = ("failedVersion", "failedError", "failedSince", "attempts")
_PARKING: Final = ("parkedVersion", "parkedAt", "parkedError")


class CursorWrites(ABC):
    """The writes to one cursor row, as a turn needs them.

    Each holds only while the row is as it was read, or while the turn is still ``token``'s; None stands
    for a turn that was not claimed. So turns do not overlap where they are claimed, and no cursor goes back.

    Attributes:
        cursor: The cursor as it was read, or written, last.
    """

    cursor: Cursor

    @abstractmethod
    def read(self) -> Cursor:
        """Read the row anew."""

    @abstractmethod
    def leave(self, version: int) -> bool:
        """Leave a version to whoever has the turn; False when that has changed since it was read."""

    @abstractmethod
    def _change_as_read(
        self,
        columns: dict[str, Any],
        remove: tuple[str, ...],
        witness: Any = None,  # noqa: ANN401 - the store's own
    ) -> bool:
        """Change the row, or make it, if it is as it was read."""

    @abstractmethod
    def _change_mine(
        self, token: str, columns: dict[str, Any], remove: tuple[str, ...], wanted_up_to: int | None
    ) -> bool:
        """Change the row while the turn is ``token``'s, and, unless None, nobody wants a version beyond.

        Returns:
            False when somebody does.

        Raises:
            TurnLostError: Somebody else has the turn.
        """

    @abstractmethod
    def _with_skipped(self, entry: dict[str, Any]) -> Any:  # noqa: ANN401 - as it is stored
        """The column ``skipped`` with one more entry."""

    def showing(self) -> AbstractContextManager[object]:
        """Around each version that a handler is shown. Default: nothing."""
        return nullcontext()

    def close(self) -> None:
        """Undo what a turn has left open that ended without a word. Default: nothing is ever open."""
        return

    def claim(
        self,
        token: str,
        seconds: float,
        witness: Any = None,  # noqa: ANN401 - the store's own
        *,
        counts_deaths: bool = False,
    ) -> bool:
        """Take the turn; False when the row is not as it was read any more.

        The first row of a life is made only while the aggregate exists: what is late for one
        that was erased must leave nothing behind.

        Args:
            token: Says who has the turn.
            seconds: How long the turn may take.
            witness: What must hold for the first row of a life to be made. Default: nothing.
            counts_deaths: Whether to note that the turn which is taken over has died. Default: somebody else
                counts that, as a state machine does.
        """
        columns = {"claim": token, "claimUntil": int(clock.seconds() + seconds) + 1}
        if counts_deaths and self.cursor.has_died():
            columns |= self._death()
        return self._change_as_read(columns, (), witness)

    def _death(self) -> dict[str, Any]:
        """What a turn that has died leaves on the row.

        The first one of them went without a note of its steps, so that nobody knows what it was at: it does
        not count. Of the next ones the row tells.
        """
        cursor, failed = self.cursor, self.cursor.next_version()
        counted = int(cursor.has_died_before())
        columns: dict[str, Any] = {"failedError": error_text(TurnDiedError())}
        if cursor.failed_version == failed and cursor.failed_since is not None:
            return {**columns, "attempts": cursor.attempts + counted}
        return {**columns, "failedVersion": failed, "failedSince": int(clock.seconds()), "attempts": counted}

    def release(self, token: str | None, version: int | None) -> bool:
        """Let the turn go, with ``version`` done. False when others want a later one done by it first.

        Args:
            token: Who has the turn; None where none was claimed. Then it holds while the row is as it was
                read, and False means that it is not.
            version: Last version that was done; None for none.

        Raises:
            TurnLostError: Somebody else has the turn: this one has taken longer than it said.
        """
        remove: tuple[str, ...] = (*CLAIM, "wanted", *_FAILURE)
        if token is None and (self.cursor.wanted or 0) > (version or 0):
            remove = (*CLAIM, *_FAILURE)  # left to a turn that is over: whoever comes next goes on to it
        return self._end(token, version, {}, remove, version or 0)

    def advance(self, token: str, version: int, *, resume: int | None = None) -> None:
        """Note that ``version`` is done, and keep the turn."""
        self._end(token, version, {}, (), resume=resume)

    def let_go(self, token: str | None, version: int | None, *, resume: int | None = None) -> None:
        """Let the turn go half-way, with ``version`` done; what others want stays on the row."""
        self._end(token, version, {}, CLAIM, resume=resume)

    def unpark(self, token: str, version: int | None, unmoved: Any = None) -> bool:  # noqa: ANN401
        """`release` of a parked handler that has caught up; False when a later version has come meanwhile.

        Args:
            token: Who has the turn.
            version: Last version that was done.
            unmoved: What holds while none has come. Default: that nobody has left one on the row.

        Raises:
            TurnLostError: See `release`.
        """
        assert unmoved is None  # noqa: S101 - where rows are that can be checked, this is another one
        return self._end(token, version, {}, self._unparked, version or 0)

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
        """Note that ``failed`` has failed, with ``version`` done. Nothing is counted yet; see `count`.

        Args:
            token: Who has the turn; None where none was claimed: then a row that says so already stays.
            version: Last version that was done; None for none.
            failed: Version that failed.
            error: Why. It may quote the data, so it goes into this row and nowhere else.
            hold: Seconds for which the turn is kept for the same token to try again; 0 lets it go.
            resume: Where the commit begins that ``version`` is in the middle of.
        """
        cursor, text = self.cursor, error_text(error)
        is_known = (cursor.version, cursor.failed_version, cursor.failed_error) == (version, failed, text)
        if token is None and is_known:
            return
        columns: dict[str, Any] = {"failedVersion": failed, "failedError": text}
        remove = () if hold else CLAIM
        if hold:
            columns["claimUntil"] = int(clock.seconds() + hold) + 1
        if cursor.failed_version != failed or cursor.failed_since is None:
            columns["failedSince"] = int(clock.seconds())
            remove = (*remove, "attempts")
        self._end(token, version, columns, remove, resume=resume)

    def count(self) -> bool:
        """Count the failure that the row tells of; False when the row is not as it was read any more."""
        return self._change_as_read({"attempts": self.cursor.attempts + 1}, ())

    def park(self, version: int, error: str, witness: Any = None) -> bool:  # noqa: ANN401 - the store's own
        """Stop the handler at ``version``; False when the row is not as it was read any more. See `claim`."""
        return self._change_as_read(_parking(version, error), (*CLAIM, *_FAILURE), witness)

    def park_again(
        self, token: str, done: int | None, version: int, error: str, *, resume: int | None = None
    ) -> None:
        """Let the turn at a parked handler go, which fails at ``version`` now."""
        self._end(token, done, _parking(version, error), (*CLAIM, *_FAILURE), resume=resume)

    def skip(self, token: str, version: int, error: str, *, resume: int | None = None) -> None:
        """Pass ``version`` over, and say so in the row, during a turn."""
        entry = {"version": version, "at": clock.now().isoformat(timespec="milliseconds"), "error": error}
        self._end(token, version, {"skipped": self._with_skipped(entry)}, (), resume=resume)

    @property
    def _unparked(self) -> tuple[str, ...]:
        return (*CLAIM, "wanted", *_FAILURE, *_PARKING)

    def _end(
        self,
        token: str | None,
        version: int | None,
        columns: dict[str, Any],
        remove: tuple[str, ...],
        wanted_up_to: int | None = None,
        *,
        resume: int | None = None,
    ) -> bool:
        if version is not None:
            columns = {"version": version, **columns}
            if resume is not None:
                columns["resume"] = resume
            else:
                remove = (*remove, "resume")
        if token is None:
            return self._change_as_read(columns, remove)
        return self._change_mine(token, columns, remove, wanted_up_to)


def _parking(version: int, error: str) -> dict[str, Any]:
    return {
        "parkedVersion": version,
        "parkedAt": clock.now().isoformat(timespec="milliseconds"),
        "parkedError": error[:MAX_ERROR],
    }
