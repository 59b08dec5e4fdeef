"""Showing a handler one event: its callback is called, and whatever appends there is told why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.event_store.metadata import event_meta, meta_in, reacting_to
from runtime.event_store.recorded import RecordedEvent
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.event_store.callbacks import Callbacks
    from runtime.event_store.commit import Commit
    from runtime.event_store.provider import Provider
    from runtime.event_store.recorded import EventMeta

__all__ = ["Showing"]


class Showing:
    """Calls the callbacks of one handler.

    Args:
        name: The handler's.
        callbacks: Its callbacks.
        provider: Gives the provider, whose ``on_error`` is told of what fails.
        keeps_command_ids: Whether ids of commands that callbacks execute stay for ever: it is a reaction.
        continue_on_error: Whether what fails is passed over.
    """

    def __init__(
        self,
        name: str,
        callbacks: Callbacks,
        provider: Callable[[], Provider],
        *,
        keeps_command_ids: bool,
        continue_on_error: bool,
    ) -> None:
        self._name = name
        self._callbacks = callbacks
        self._provider = provider
        self._keeps_command_ids = keeps_command_ids
        self._continue_on_error = continue_on_error

    def show(self, commit: Commit, version: int, generation: int = 1, position: str | None = None) -> bool:
        """Show one event of a commit, or that the commit closes an erased aggregate.

        Args:
            commit: The commit.
            version: Number of the event.
            generation: Of the read model that this is for.
            position: Of the event, where the provider keeps an order of all events.

        Returns:
            Whether there is a callback for it, and it has not failed.

        Raises:
            Exception: Whatever the callback raises, or that nothing reads the event; after ``on_error`` was told,
                and unless the handler passes over what fails.
        """
        call = self._call_for(commit, version, generation, position)
        if call is None:
            return False
        shown: RecordedEvent[Any] | None = None
        try:
            meta, event, callback = call
            ...
        except Exception as error:
            self.tell(error, shown)
            if not self._continue_on_error:
                raise
            return False
        return True
