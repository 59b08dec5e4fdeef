"""The command table's stream: new commands ring the doorbell of their aggregate."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.contract import MODE_INLINE, NO_MODULE
from runtime.errors import UnknownTriggerError
from runtime.log import error_fields, log_context, logger
from runtime.model.keys import VERSION_LATEST, DetailKey, get_sort_key_version
from runtime.model.rows import PUBLISH_ID, key_of, life_of
from runtime.pipeline.apply import apply
from runtime.pipeline.finish import finish_applied
from runtime.store.codec import image_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.module_context import HasContext, ModuleContext
    from runtime.store.values import Row

__all__ = ["StreamProcessor"]

_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class _Doorbell:
    """A new command, as the stream tells of it."""

    context: ModuleContext
    key: DetailKey
    version: int
    image: Row
    sequence_number: str


class StreamProcessor:
    """Handles batches of a command table's stream.

    Aggregates of a batch are worked on side by side, each once however many records it has: what
    its last record rings for, the ones before ring for as well. A failure stops its own aggregate
    only: its records are reported, the rest of the batch goes on.

    Args:
        modules: The app's modules by the physical name of their command table.
    """

    def __init__(self, modules: Mapping[str, HasContext]) -> None:
        self._modules = modules

    def process(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Ring the doorbells of a batch.

        Returns:
            The partial batch response: the records that have to be delivered again.
        """
        aggregates: dict[tuple[str, DetailKey, str | None], list[_Doorbell]] = defaultdict(list)
        failed: list[str] = []
        for record in records:
            try:
                doorbell = self._doorbell(record)
            except Exception as error:  # noqa: BLE001 - one bad record must not hold up the batch
                logger.error("stream record not understood", **error_fields(error))
                failed.append(record["dynamodb"]["SequenceNumber"])
            else:
                if doorbell is not None:
                    # Two lives of an aggregate have nothing to do with each other.
                    life = life_of(doorbell.image)
                    aggregates[doorbell.context.name, doorbell.key, life].append(doorbell)
        if len(aggregates) == 1:
            failed += _ring(*aggregates.values())
        elif aggregates:
            with ThreadPoolExecutor(_THREADS) as pool:
                for numbers in pool.map(_ring, aggregates.values()):
                    failed += numbers
        metrics.count(metrics.RECORDS_FAILED, NO_MODULE, len(failed))
        return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}

    def _doorbell(self, record: Mapping[str, Any]) -> _Doorbell | None:
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
        return _Doorbell(module.context, key_of(image), version, image, change["SequenceNumber"])


def _ring(doorbells: list[_Doorbell]) -> list[str]:
    """Handle the doorbells of one aggregate; the sequence numbers of those that failed."""
    context = doorbells[0].context
    with log_context(module=context.name):
        try:
            _handle(context, doorbells)
        except Exception as error:  # noqa: BLE001 - whatever it is, the records come again
            logger.error("command not processed", **error_fields(error))
            return [doorbell.sequence_number for doorbell in doorbells]
    return []


def _handle(context: ModuleContext, doorbells: list[_Doorbell]) -> None:
    context.check_handlers()
    last = max(doorbells, key=lambda doorbell: doorbell.version)
    if context.tables.mode == MODE_INLINE:
        if context.keeps_data:
            # Without a publish id, nothing tells an image of the row that stands in the table from one of
            # the same version in an earlier life: the row itself is read.
            images = {bell.version: bell.image for bell in doorbells if PUBLISH_ID in bell.image}
            finish_applied(context, apply(context, last.key, last.version, images=images))
        if not context.handlers:
            return
    context.workflow.start(context.name, context.tables.command, last.key, last.image)
