"""What the feed needs to know of a handler: `runtime.event_store.handlers.handler.EventHandler` is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.feed.cursors import Cursors

__all__ = ["FedHandler"]


class FedHandler(Protocol):
    """A handler, as the feed knows it."""

    @property
    def name(self) -> str:
        """What its cursors are kept under."""
        ...

    @property
    def attempts(self) -> int:
        """How often one event fails before its aggregate is parked."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether it claims its turns, so that no two at one aggregate overlap."""
        ...

    @property
    def is_reaction(self) -> bool:
        """Whether what it does is seen by others, so that nothing is shown again without need."""
        ...

    @property
    def since(self) -> datetime | None:
        """The time before which events are passed over, for an aggregate that is new to it; None for none."""
        ...

    def cursors(self) -> Cursors:
        """Where its cursors are."""
        ...

    def generations(self, at: datetime) -> Sequence[int]:
        """The generations that are fed. The first call of all registers the handler.

        Args:
            at: When it was started, if this is that call.
        """
        ...

    def minds(self, stream: str, types: Sequence[str] | None) -> bool:
        """Whether it has to do anything about a commit of a stream.

        Args:
            stream: The stream.
            types: Names of the commit's events; None for one that closes an erased aggregate.
        """
        ...

    def show(self, commit: Commit, version: int, *, generation: int) -> bool | None:
        """Show it one event of a commit; of a commit that closes an erased aggregate, that it was erased.

        Args:
            commit: The commit.
            version: Number of the event.
            generation: Of the read model that this is for.

        Returns:
            True where its callback has worked, False where it failed and is passed over, None without one.

        Raises:
            Exception: Whatever the callback raises, or that nothing reads the event. It has been told of.
        """
        ...
