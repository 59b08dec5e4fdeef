"""Failures of event handlers: counted, parked, or taken for an outage of the read model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from runtime import clock, metrics
from runtime.errors import CorruptRowError, CqrsError
from runtime.event_store.feed.probing import Verdict
from runtime.event_store.feed.tries import PARKED_AFTER_UNSURE, has_failed_enough, patience_with
from runtime.log import logger
from runtime.model.cursor import TurnDiedError, error_text
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.event_store.feed.cursors import CursorKey
    from runtime.event_store.feed.drain import Drained
    from runtime.event_store.feed.fed_handler import FedHandler
    from runtime.event_store.feed.probing import Probes

__all__ = ["OUTAGE_FROM", "park_what_fails"]

OUTAGE_FROM: Final = 3
"""Where so many aggregates are tried, and none succeeds, it is not the events' fault."""

#: Most of what fails, fails once: nobody is asked for that.
_ASKED_AFTER: Final = 30
#: An outage holds the stream no longer than this, in seconds: what Lambda drops after six hours would be
#: behind, and nobody would know.
_LONGEST_OUTAGE: Final = 5 * 3600


def park_what_fails(
    batch: Sequence[Drained],
    handler: FedHandler,
    module: str,
    on_parked: Callable[[CursorKey, int, Exception], None] | None = None,
    *,
    probes: Probes | None = None,
) -> set[CursorKey]:
    """Count the failures in a batch, and park what has failed often enough, and for a minute at least.

    A failure is counted where it is the event's own, as far as can be told. It is where nobody can read the
    event, or where it ends the process; or where the handler has succeeded for another aggregate in a call
    that began after the event had failed, now or in an earlier batch. Where none has, the handler is asked
    (`Probes`) once an event has failed for half a minute: it is shown something once more that it took
    before. If it takes that, what fails is at fault itself. If it takes nothing, it is an outage.

    Where it has seen nothing yet that could be shown, and for reactions, which others see, a failure is
    counted unless the error says that something is out of reach (`runtime.unavailable`), if fewer than three
    aggregates were tried, or a failure of the same event was counted before. Anything else is taken for an
    outage of the read model: nothing is counted, and the records come again. An outage that begins in the
    middle of a batch is one, too.

    It takes five minutes instead of one, where the error says that something is busy or out of reach, or
    where three or more fail, and the handler took something of another kind only. What ends the process is
    parked after three times; `runtime.event_store.feed.drain` counts those.

    Args:
        batch: What came of the aggregates that one handler and generation was shown, side by side.
        handler: That handler.
        module: Name of the module, for the metric.
        on_parked: Told of each aggregate that is parked now, with the version and the error.
        probes: Asks the handler. Default: nobody does.

    Returns:
        What is parked now. One write for each failure that is counted.
    """
    tried = [one for one in batch if one.error is not None or one.succeeded_at]
    ask = None if probes is None or handler.is_reaction else partial(probes.ask, handler, batch=batch)
    parked: set[CursorKey] = set()
    for one in tried:
        error, cursor = one.error, one.row.cursor
        # The row tells of the failure unless somebody else has been there since.
        if error is None or cursor.failed_version is None or cursor.parked_version is not None:
            continue
        age = 0.0 if cursor.failed_since is None else clock.seconds() - cursor.failed_since
        patience = _patience_with(one, error, tried, age, ask)
        if patience is None:
            continue
        try:
            if not has_failed_enough(cursor, error, handler.attempts, patience):
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


def _patience_with(
    one: Drained,
    error: Exception,
    tried: Sequence[Drained],
    age: float,
    ask: Callable[[Drained], Verdict] | None,
) -> float | None:
    """How many seconds an event fails before it is parked; None where an outage is to blame."""
    patience = patience_with(error)
    # Calls side by side begin at once: where an event failed before, all of this batch began after that.
    failed_at = 0.0 if one.has_failed_before else one.failed_at
    others_succeed = any(
        other.succeeded_at and other.succeeded_at >= failed_at for other in tried if other is not one
    )
    # However many aggregates have such an event, that is nobody's outage.
    is_own = isinstance(error, CorruptRowError | TurnDiedError) and not one.is_told
    if others_succeed or is_own or age >= _LONGEST_OUTAGE:
        return patience
    answer = Verdict.UNKNOWN if ask is None or age < _ASKED_AFTER else ask(one)
    is_small = len(tried) < OUTAGE_FROM
    if answer is Verdict.UNKNOWN:
        is_likely = is_small or one.row.cursor.attempts > 0
        return patience if is_likely and not is_unavailable(error) else None
    if answer is Verdict.FAILS:
        return None
    return patience if is_small or answer is Verdict.WORKS else PARKED_AFTER_UNSURE
