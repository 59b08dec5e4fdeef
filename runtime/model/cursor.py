"""Where one handler is with one aggregate: what a cursor row says, wherever it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime import clock
from runtime.model.rows import LIFE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAX_ERROR",
    "Cursor",
    "CursorPage",
    "KeptCursor",
    "TurnDiedError",
    "TurnLostError",
    "error_text",
]

MAX_ERROR: Final = 2000
"""How many characters of an error's text a cursor row keeps."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a handler is with one life of an aggregate.

    Attributes:
        version: Last version done; None when it has never seen the aggregate.
        parked_version: Version that it gave up at; None when it is not parked.
        parked_error: Why it gave up; None when it is not parked.
        failed_version: Version that failed at the last try; None when none did.
        failed_error: Why.
        claim: Who has the turn; None when nobody has.
        claim_until: Until when, in seconds since 1970.
        wanted: A version that others have left to whoever has the turn; None when there is none.
        attempts: How often ``failed_version`` has failed, as far as that was counted.
        failed_since: When it failed first, in seconds since 1970; None when none did.
        resume: Where the commit begins that ``version`` is in the middle of; None when it is its last one.
        has_skipped: Whether an operator has passed a version over.
    """

    version: int | None = None
    parked_version: int | None = None
    parked_error: str | None = None
    failed_version: int | None = None
    failed_error: str | None = None
    claim: str | None = None
    claim_until: int = 0
    wanted: int | None = None
    attempts: int = 0
    failed_since: int | None = None
    resume: int | None = None
    has_skipped: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any] | None, life: str | None) -> Cursor:
        """The cursor in a row; an empty one where the row is of another life.

        Args:
            row: The row.
            life: Life of the aggregate; None where its rows do not tell, which is any.
        """
        if row is None or (life is not None and row.get(LIFE) != life):
            return cls()
        parked = row.get("parkedVersion")
        return cls(
            row.get("version"),
            parked,
            None if parked is None else row.get("parkedError"),
            row.get("failedVersion"),
            row.get("failedError"),
            row.get("claim"),
            row.get("claimUntil") or 0,
            row.get("wanted"),
            row.get("attempts") or 0,
            row.get("failedSince"),
            row.get("resume"),
            row.get("skipped") is not None,
        )

    def is_claimed(self) -> bool:
        """Whether somebody has the turn now."""
        return self.claim is not None and self.claim_until > clock.seconds()

    def is_abandoned(self) -> bool:
        """Whether a version was left to a turn that has ended without it, for want of time."""
        is_open = self.wanted is not None and not self.has_seen(self.wanted)
        return is_open and self.parked_version is None and not self.is_claimed()

    def has_died(self) -> bool:
        """Whether whoever had the turn has never let it go: the process ended in it, or it takes too long."""
        return self.claim is not None and self.parked_version is None and not self.is_claimed()

    def has_died_before(self) -> bool:
        """Whether the row says already that a turn has died; the ones after that note each step."""
        return (self.failed_error or "").startswith(TurnDiedError.__name__)

    def has_died_again(self) -> bool:
        """Whether the turn that has died was at an event that others had died, or failed, at before."""
        is_known = self.has_died_before() and self.failed_version == self.next_version()
        return is_known and self.has_died()

    def next_version(self) -> int:
        """The version behind the last one that was done: what a turn that notes each step was at."""
        return (self.version or 0) + 1

    def has_seen(self, version: int) -> bool:
        """Whether the handler is past ``version``."""
        return self.version is not None and self.version >= version


@dataclass(frozen=True, slots=True)
class KeptCursor:
    """A cursor, as operators list them.

    Attributes:
        handler: Name of the handler.
        generation: Of its read model.
        pk: Partition key of the aggregate.
        version: Last version that was done; None for none.
        parked_version: Version that the handler gave up at; None where it is not parked.
        parked_at: When, in UTC, as ISO 8601.
        error: Why. It may quote the data.
    """

    handler: str
    generation: int
    pk: str
    version: int | None
    parked_version: int | None
    parked_at: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class CursorPage:
    """One page of cursors.

    Attributes:
        cursors: Those that were asked for.
        scanned: How many rows were looked at.
        resume_token: Goes on after this page; None after the last one.
    """

    cursors: tuple[KeptCursor, ...]
    scanned: int
    resume_token: str | None


class TurnDiedError(Exception):
    """The process that had the turn has ended in it: at its time limit, out of memory, or in a crash."""

    def __init__(self) -> None:
        super().__init__(
            "the process ended while the handler was shown this, again and again: a call without a time "
            "limit, too little memory, or a crash"
        )


class TurnLostError(Exception):
    """A turn took longer than it was claimed for, and somebody else has begun one."""


def error_text(error: Exception) -> str:
    """What a cursor row keeps of an error. It may quote the data, so it goes there and nowhere else."""
    return f"{type(error).__name__}: {error}"[:MAX_ERROR]
