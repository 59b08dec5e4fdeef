"""The records of a batch, as doorbells: grouped by aggregate, answered side by side, and reported."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from runtime import metrics
from runtime.contract import NO_MODULE
from runtime.log import error_fields, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

__all__ = ["Rung", "answer_doorbells", "read_doorbells", "response", "side_by_side"]

BellT = TypeVar("BellT")
WhoseT = TypeVar("WhoseT", bound="Hashable")
AnswerT = TypeVar("AnswerT")

_THREADS: Final = 8


@dataclass(slots=True)
class Rung(Generic[WhoseT, BellT]):
    """Whose doorbells a batch has rung.

    Attributes:
        bells: The doorbells of each aggregate, in the order of their records.
        numbers: The sequence numbers of those records.
        unreadable: The sequence numbers of records that nobody understands.
    """

    bells: dict[WhoseT, list[BellT]] = field(default_factory=lambda: defaultdict(list))
    numbers: dict[WhoseT, list[str]] = field(default_factory=lambda: defaultdict(list))
    unreadable: list[str] = field(default_factory=list)


def answer_doorbells(
    records: Sequence[Mapping[str, Any]],
    doorbell: Callable[[Mapping[str, Any]], tuple[WhoseT, BellT] | None],
    answer: Callable[[list[BellT]], None],
) -> dict[str, Any]:
    """Answer the doorbells in a batch of a table's stream.

    Aggregates are worked on side by side, each once however many records it has: what its last record
    rings for, the ones before ring for as well. A failure stops its own aggregate only: its records are
    reported, the rest of the batch goes on.

    Args:
        records: The records.
        doorbell: See `read_doorbells`.
        answer: Answers the doorbells of one aggregate. Whatever it raises means that all of them come
            again; it has been logged by then.

    Returns:
        The partial batch response: the records that have to be delivered again.
    """
    rung = read_doorbells(records, doorbell)

    def is_answered(bells: list[BellT]) -> bool:
        try:
            answer(bells)
        except Exception:  # noqa: BLE001 - whatever it is, the records come again
            return False
        return True

    answered = side_by_side(is_answered, list(rung.bells.values()))
    again = [whose for whose, is_done in zip(rung.bells, answered, strict=True) if not is_done]
    return response(rung, again)


def read_doorbells(
    records: Sequence[Mapping[str, Any]],
    doorbell: Callable[[Mapping[str, Any]], tuple[WhoseT, BellT] | None],
) -> Rung[WhoseT, BellT]:
    """The doorbells in a batch, by aggregate.

    Args:
        records: The records.
        doorbell: Whose doorbell a record rings, and for what; None for one that rings none.
    """
    rung: Rung[WhoseT, BellT] = Rung()
    for record in records:
        number = record["dynamodb"]["SequenceNumber"]
        try:
            found = doorbell(record)
        except Exception as error:  # noqa: BLE001 - one bad record must not hold up the batch
            logger.error("stream record not understood", **error_fields(error))
            rung.unreadable.append(number)
        else:
            if found is not None:
                rung.bells[found[0]].append(found[1])
                rung.numbers[found[0]].append(number)
    return rung


def side_by_side(answer: Callable[[BellT], AnswerT], bells: Sequence[BellT]) -> list[AnswerT]:
    """The answers to some doorbells, in 8 threads; in this one where there is only one doorbell."""
    if len(bells) < 2:  # noqa: PLR2004 - one needs no threads
        return [answer(bell) for bell in bells]
    with ThreadPoolExecutor(_THREADS) as pool:
        # Each thread works in the context of the invocation: its deadline, for one.
        work = [pool.submit(copy_context().run, answer, bell) for bell in bells]
        return [done.result() for done in work]


def response(rung: Rung[WhoseT, BellT], again: Iterable[WhoseT]) -> dict[str, Any]:
    """The partial batch response: the records of aggregates that come again, and those nobody understands."""
    failed = [*rung.unreadable, *(number for whose in again for number in rung.numbers[whose])]
    metrics.count(metrics.RECORDS_FAILED, NO_MODULE, len(failed))
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
