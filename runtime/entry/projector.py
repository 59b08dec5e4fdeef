"""The streams of events tables: commits ring for the handlers of their module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.entry.trigger import name_in_arn, source_arn
from runtime.errors import UnknownTriggerError
from runtime.log import log_context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.event_store.event_module import EventModule
    from runtime.event_store.feed.processor import EventProcessor

__all__ = ["Projector"]


class Projector:
    """Gives the records of an events table to the handlers of its module.

    Args:
        modules: The app's modules of events by the physical name of their events table.
    """

    def __init__(self, modules: Mapping[str, EventModule]) -> None:
        self._modules = modules
        self._processors: dict[str, EventProcessor] = {}

    def process(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Ring the doorbells of a batch, which is of one table.

        Returns:
            The partial batch response: the records that have to be delivered again.

        Raises:
            UnknownTriggerError: The app has no module with this table.
            ModuleMismatchError: The module has no handlers in this code: its events wait.
        """
        table = name_in_arn(source_arn(records[0]))
        module = self._modules.get(table)
        if module is None:
            msg = f"no module of this app has the events table {table}"
            raise UnknownTriggerError(msg)
        with log_context(module=module.name):
            return self._processor(module).process(records)

    def _processor(self, module: EventModule) -> EventProcessor:
        module.check_handlers()
        if module.name not in self._processors:
            self._processors[module.name] = module.processor()
        return self._processors[module.name]
