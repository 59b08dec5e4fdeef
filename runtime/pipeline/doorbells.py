"""The records of a batch, as doorbells: grouped by aggregate, answered side by side, and reported."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from runtime import metrics
from runtime.contract import NO_MODULE
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

__all__ = ["answer_doorbells"]

BellT = TypeVar("BellT")

_THREADS: Final = 8


def answer_doorbells(
    records: Sequence[Mapping[str, Any]],
    doorbell: Callable[[Mapping[str, Any]], tuple[Hashable, BellT] | None],
    answer: Callable[[list[BellT]], None],
) -> dict[str, Any]:
    """Answer the doorbells in a batch of a table's stream.

    Aggregates are worked on side by side, each once however many records it has: what its last record
    rings for, the ones before ring for as well. A failure stops its own aggregate only: its records are
    reported, the rest of the batch goes on.

    Args:
        records: The records.
        doorbell: Whose doorbell a record rings, and for what; None for one that rings none.
        answer: Answers the doorbells of one aggregate, in the order of their records. Whatever it raises
            means that all of them come again; it has been logged by then.

    Returns:
        The partial batch response: the records that have to be delivered again.
    """
    rung: dict[Hashable, list[tuple[str, BellT]]] = defaultdict(list)
    failed: list[str] = []
    for record in records:
        try:
            found = doorbell(record)
        except Exception as error:  # noqa: BLE001 - one bad record must not hold up the batch
            logger.error("stream record not understood", **error_fields(error))
            failed.append(record["dynamodb"]["SequenceNumber"])
        else:
            if found is not None:
                rung[found[0]].append((record["dynamodb"]["SequenceNumber"], found[1]))

    def numbers_to_repeat(bells: list[tuple[str, BellT]]) -> list[str]:
        try:
            answer([bell for _, bell in bells])
        except Exception:  # noqa: BLE001 - whatever it is, the records come again
            return [number for number, _ in bells]
        return []

    if len(rung) == 1:
        failed += numbers_to_repeat(*rung.values())
    elif rung:
        with ThreadPoolExecutor(_THREADS) as pool:
            # Each thread works in the context of the invocation: its deadline, and the module's name.
            work = [pool.submit(copy_context().run, numbers_to_repeat, bells) for bells in rung.values()]
            for done in work:
                failed += done.result()
    metrics.count(metrics.RECORDS_FAILED, NO_MODULE, len(failed))
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
