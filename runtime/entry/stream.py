"""The command table's stream: every new command rings the doorbell of its aggregate."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.contract import MODE_INLINE, NO_MODULE
from runtime.errors import UnknownEventError
from runtime.log import log_context, logger
from runtime.model.keys import VERSION_LATEST, DetailKey, get_sort_key_version, remove_sort_key_version
from runtime.pipeline.apply import apply
from runtime.pipeline.finish import finish_applied
from runtime.store.codec import from_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["StreamProcessor"]

_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class _Doorbell:
    """A new command, as the stream tells of it."""

    module: CommandModule[Any]
    key: DetailKey
    version: int
    image: Item
    sequence_number: str


class StreamProcessor:
    """Handles batches of a command table's stream.

    Aggregates of a batch are worked on side by side, the records of one aggregate in
    order. A failure stops its own aggregate only: that record and the later ones of the
    aggregate are reported, the rest of the batch goes on.

    Args:
        modules: The app's modules by the physical name of their command table.
    """

    def __init__(self, modules: Mapping[str, CommandModule[Any]]) -> None:
        self._modules = modules

    def process(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Ring the doorbells of a batch.

        Returns:
            The partial batch response: the records that have to be delivered again.
        """
        aggregates: dict[tuple[str, DetailKey], list[_Doorbell]] = defaultdict(list)
        failed: list[str] = []
        for record in records:
            try:
                doorbell = self._doorbell(record)
            except Exception as error:  # noqa: BLE001 - one bad record must not hold up the batch
                logger.error("stream record not understood", error=type(error).__name__)
                failed.append(record["dynamodb"]["SequenceNumber"])
            else:
                if doorbell is not None:
                    aggregates[doorbell.module.table_name, doorbell.key].append(doorbell)
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
            raise UnknownEventError(msg)
        change = record["dynamodb"]
        # The mapping's filter says the same; a mapping made by hand may lack it.
        if record["eventName"] != "INSERT" or "syncMode" in change["NewImage"]:
            return None
        image = from_event(change["NewImage"])
        pk, sk = image["pk"]["S"], image["sk"]["S"]
        version = get_sort_key_version(sk)
        if version == VERSION_LATEST:
            return None  # not a command: commands carry their version
        key = DetailKey(pk, remove_sort_key_version(sk))
        return _Doorbell(module, key, version, image, change["SequenceNumber"])


def _ring(doorbells: list[_Doorbell]) -> list[str]:
    """Handle the doorbells of one aggregate; the sequence numbers of those that failed."""
    module = doorbells[0].module
    with log_context(module=module.table_name):
        return _handle(module, doorbells)


def _handle(module: CommandModule[Any], doorbells: list[_Doorbell]) -> list[str]:
    try:
        if module.tables.mode == MODE_INLINE:
            _apply_inline(module, doorbells)
            if not module.handlers:
                return []
    except Exception as error:  # noqa: BLE001 - whatever it is, the records come again
        logger.error("apply failed", error=type(error).__name__)
        return [doorbell.sequence_number for doorbell in doorbells]
    for position, doorbell in enumerate(doorbells):
        try:
            module.resources.workflow.start(module, doorbell.key, doorbell.image)
        except Exception as error:  # noqa: BLE001 - whatever it is, the records come again
            logger.error("workflow not started", error=type(error).__name__)
            return [late.sequence_number for late in doorbells[position:]]
    return []


def _apply_inline(module: CommandModule[Any], doorbells: list[_Doorbell]) -> None:
    if module.disable_default_handler:
        return
    done = apply(
        module,
        doorbells[0].key,
        max(doorbell.version for doorbell in doorbells),
        images={doorbell.version: doorbell.image for doorbell in doorbells},
    )
    finish_applied(module, done)
