"""Failures of event handlers: counted, parked, or taken for an outage of the read model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime import clock, metrics
from runtime.errors import CorruptRowError, CqrsError
from runtime.event_store.feed.tries import has_failed_enough
from runtime.log import logger
from runtime.model.cursor import TurnDiedError, error_text
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.event_store.feed.cursors import CursorKey
    from runtime.event_store.feed.drain import Drained

__all__ = ["OUTAGE_FROM", "park_what_fails"]

OUTAGE_FROM: Final = 3
"""Where so many aggregates are tried, and none succeeds, it is not the events' fault."""

#: An outage holds the stream no longer than this, in seconds: what Lambda drops after six hours would be
#: behind, and nobody would know.
_LONGEST_OUTAGE: Final = 5 * 3600


def park_what_fails(
    batch: Sequence[Drained],
    attempts: int,
    module: str,
    on_parked: Callable[[CursorKey, int, Exception], None] | None = None,
) -> set[CursorKey]:
    """Count the failures in a batch, and park what has failed often enough, and for a minute at least.

    For five minutes, where the error says that something is busy or out of reach. What ends the process is
    parked after three times; `runtime.event_store.feed.drain` counts those.

    A failure is counted where it is the event's own, as far as can be told: the handler has succeeded for
    another aggregate in a call that began after the event had failed, now or in an earlier batch; or what is
    stored makes no sense, or ends the process; or, unless the error says that something is out of reach
    (`runtime.unavailable`), fewer than three aggregates were tried, or the same event was counted before.
    Anything else is taken for an outage of the read model: nothing is counted, and the records come
    again. An outage that begins in the middle of a batch is one, too.

    Args:
        batch: What came of the aggregates that one handler and generation was shown, side by side.
        attempts: How often one event fails before its aggregate is parked.
        module: Name of the module, for the metric.
        on_parked: Told of each aggregate that is parked now, with the version and the error.

    Returns:
        What is parked now. One write for each failure that is counted.
    """
    tried = [one for one in batch if one.error is not None or one.succeeded_at]
    is_small = len(tried) < OUTAGE_FROM
    parked: set[CursorKey] = set()
    for one in tried:
        error, cursor = one.error, one.row.cursor
        # The row tells of the failure unless somebody else has been there since.
        if error is None or cursor.failed_version is None or cursor.parked_version is not None:
            continue
        now = clock.seconds()
        since = now if cursor.failed_since is None else cursor.failed_since
        # Calls side by side begin at once: where an event failed before, all of this batch began after that.
        failed_at = 0.0 if one.has_failed_before else one.failed_at
        others_succeed = any(
            other.succeeded_at and other.succeeded_at >= failed_at for other in tried if other is not one
        )
        # However many aggregates have such an event, that is nobody's outage.
        is_own = (
            others_succeed
            or now - since >= _LONGEST_OUTAGE
            or (isinstance(error, CorruptRowError | TurnDiedError) and not one.is_told)
        )
        if not is_own and (is_unavailable(error) or not (is_small or cursor.attempts)):
            continue
        try:
            if not has_failed_enough(cursor, error, attempts):
                one.row.count()
                continue
            is_parked = one.row.park(cursor.failed_version, error_text(error))
        except CqrsError as problem:  # the records come again, and are counted then
            logger.warning("failure not counted", handler=one.whose.handler, error=type(problem).__name__)
            continue
        if is_parked:
            parked.add(one.whose)
            metrics.count(metrics.EVENT_HANDLERS_PARKED, module)
            logger.error("event handler parked", handler=one.whose.handler, version=cursor.failed_version)
            if on_parked is not None:
                on_parked(one.whose, cursor.failed_version, error)
    return parked
