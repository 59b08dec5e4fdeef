"""The command table's stream: new commands ring the doorbell of their aggregate."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runtime.contract import MODE_INLINE
from runtime.errors import ConfigurationError, UnknownTriggerError
from runtime.log import error_fields, log_context, logger
from runtime.model.keys import VERSION_LATEST, DetailKey, get_sort_key_version
from runtime.model.rows import PUBLISH_ID, key_of, life_of
from runtime.pipeline.doorbells import answer_doorbells
from runtime.store.codec import image_row

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from runtime.module_context import HasContext, ModuleContext
    from runtime.store.values import Row

__all__ = ["StreamProcessor"]


@dataclass(frozen=True, slots=True)
class _Doorbell:
    """A new command, as the stream tells of it."""

    context: ModuleContext
    key: DetailKey
    version: int
    image: Row


class StreamProcessor:
    """Handles batches of a command table's stream.

    Args:
        modules: The app's modules by the physical name of their command table.
    """

    def __init__(self, modules: Mapping[str, HasContext]) -> None:
        self._modules = modules

    def preload(self) -> None:
        """Import what the modules' ways of processing need, and make its clients. No call."""
        for module in self._modules.values():
            with suppress(ConfigurationError):  # of a module that is not deployed; its records say so
                context = module.context
                if context.tables.mode == MODE_INLINE:
                    import_module("runtime.pipeline.apply")
                    import_module("runtime.pipeline.finish")
                    _ = context.store
                if context.tables.mode != MODE_INLINE or context.handlers:
                    context.workflow.connect()

    def process(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Ring the doorbells of a batch.

        Returns:
            The partial batch response: the records that have to be delivered again.
        """
        return answer_doorbells(records, self._doorbell, _answer)

    def _doorbell(self, record: Mapping[str, Any]) -> tuple[Hashable, _Doorbell] | None:
        """The command in a record; None for a record that is not about a new, pending one."""
        table = record["eventSourceARN"].split("/")[1]
        module = self._modules.get(table)
        if module is None:
            msg = f"no module of this app has the command table {table}"
            raise UnknownTriggerError(msg)
        change = record["dynamodb"]
        # The mapping's filter says the same; a mapping made by hand may lack it.
        if record["eventName"] != "INSERT" or "syncMode" in change["NewImage"]:
            return None
        image = image_row(change["NewImage"])
        version = get_sort_key_version(image["sk"])
        if version == VERSION_LATEST:
            return None  # not a command: commands carry their version
        doorbell = _Doorbell(module.context, key_of(image), version, image)
        # Two lives of an aggregate have nothing to do with each other.
        return (module.context.name, doorbell.key, life_of(image)), doorbell


def _answer(doorbells: list[_Doorbell]) -> None:
    """Handle the doorbells of one aggregate."""
    context = doorbells[0].context
    with log_context(module=context.name):
        try:
            _handle(context, doorbells)
        except Exception as error:
            logger.error("command not processed", **error_fields(error))
            raise


def _handle(context: ModuleContext, doorbells: list[_Doorbell]) -> None:
    context.check_handlers()
    last = max(doorbells, key=lambda doorbell: doorbell.version)
    first = min(doorbell.version for doorbell in doorbells)
    if context.tables.mode == MODE_INLINE:
        if context.keeps_data:
            from runtime.pipeline.apply import apply  # noqa: PLC0415 - of modules that are processed inline
            from runtime.pipeline.finish import finish_applied  # noqa: PLC0415

            # Without a publish id, nothing tells an image of the row that stands in the table from one of
            # the same version in an earlier life: the row itself is read.
            images = {bell.version: bell.image for bell in doorbells if PUBLISH_ID in bell.image}
            finish_applied(context, apply(context, last.key, last.version, images=images, first=first))
        if not context.handlers:
            return
    context.workflow.start(context.name, context.tables.command, last.key, last.image, first=first)
