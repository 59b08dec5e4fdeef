"""Showing a handler one event: its callback is called, and whatever appends in there is told why."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError
from runtime.event_store.events.recorded import RecordedEvent
from runtime.event_store.metadata import event_meta, meta_in, reacting_to
from runtime.imports import check_done
from runtime.in_lambda import is_in_lambda
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.callbacks import Callbacks
    from runtime.event_store.provider import Provider

__all__ = ["Showing", "at_position"]

_position: ContextVar[str | None] = ContextVar("position", default=None)


@contextmanager
def at_position(position: str | None) -> Iterator[None]:
    """Let what the block shows be at a place in the order of all events; None for no such order."""
    token = _position.set(position)
    try:
        yield
    finally:
        _position.reset(token)


class Showing:
    """Calls the callbacks of one handler.

    Args:
        name: The handler's.
        callbacks: Its callbacks.
        provider: Gives the provider, whose ``on_error`` is told of what fails.
        is_reaction: Whether ids of commands that callbacks execute stay for ever.
        continue_on_error: Whether what fails is passed over.
    """

    def __init__(
        self,
        name: str,
        callbacks: Callbacks,
        provider: Callable[[], Provider],
        *,
        is_reaction: bool,
        continue_on_error: bool,
    ) -> None:
        self._name = name
        self._callbacks = callbacks
        self._provider = provider
        self._is_reaction = is_reaction
        self._continue_on_error = continue_on_error

    def minds(self, commit: Commit, version: int) -> bool:
        """Whether there is a callback for an event of a commit."""
        return self._callback(commit, version) is not None

    def show(self, commit: Commit, version: int, *, generation: int = 1) -> bool | None:
        """Show one event of a commit; of one that closes an erased aggregate, that it was erased.

        Args:
            commit: The commit.
            version: Number of the event.
            generation: Of the read model that the call is for.

        Returns:
            Whether the callback has worked; None where there is none for it.

        Raises:
            Exception: Whatever the callback raises, or that nothing reads the event, or that the callback has
                returned its work instead of doing it, unless the handler passes over what fails. The provider
                was told.
        """
        callback = self._callback(commit, version)
        if callback is None:
            return None
        meta = _meta(commit, version)._replace(generation=generation, position=_position.get())
        event: RecordedEvent[Any] | None = None
        try:
            with at_position(None), reacting_to(meta, keeps_command_ids=self._is_reaction):
                if commit.closes:
                    self._call(callback, meta, meta.aggregate_id, meta)
                else:
                    read = self._callbacks.event_in(commit.events[version - commit.first], meta)
                    event = RecordedEvent(read, meta)
                    self._call(callback, meta, meta.aggregate_id, read, meta)
        except Exception as error:
            self.tell(error, event)
            if not self._continue_on_error:
                raise
            return False
        return True

    def _call(self, callback: Callable[..., object], meta: EventMeta, *arguments: object) -> None:
        """Call a callback to its end.

        Raises:
            ConfigurationError: It has not come to its end, and would not when it is called again.
            BaseException: Whatever else it raises.
        """
        what = f"handler {self._name}: the callback of {meta.event_type or 'erasures'!r}"
        try:
            result = callback(*arguments)
        except (Exception, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as end:
            if not is_in_lambda():
                raise  # it may well be meant to: by the handler of a signal
            msg = (
                f"{what} raised {type(end).__name__}, which would end the function each time that it is "
                "shown the event; raise an Exception"
            )
            raise ConfigurationError(msg) from end
        check_done(result, what)

    def tell(self, error: Exception, event: RecordedEvent[Any] | None = None) -> None:
        """Tell the provider what failed. What it raises is logged: it must not hide the error."""
        streams = ", ".join(self._callbacks.streams)
        try:
            self._provider().on_error(error, streams, self._name, event)
        except Exception as problem:  # noqa: BLE001 - it is the user's code
            logger.error("on_error failed", handler=self._name, **error_fields(problem))

    def _callback(self, commit: Commit, version: int) -> Callable[..., object] | None:
        if commit.closes:
            return self._callbacks.find_erased(commit.key.stream)
        if commit.is_erased:
            return None  # what it said is gone
        return self._callbacks.find(commit.key.stream, commit.events[version - commit.first].type)


def _meta(commit: Commit, version: int) -> EventMeta:
    if not commit.closes:
        return meta_in(commit, version)
    # Nobody's event: only whose aggregate it was, and when it went.
    return event_meta(commit.key, version, "", at=commit.at, user_id=commit.user_id, metadata=commit.metadata)
