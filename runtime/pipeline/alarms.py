"""What operators are told: of many aggregates with the same trouble, the first one.

A handler that is down, or a value that it cannot take, parks the commands of many users at once.
Their cursors say so one by one, and the metrics count them; an alarm goes out for the first one of
a partition, then none for as long as others like it follow within a minute, or for a quarter of an
hour. The row that remembers it is in the sync table, in the aggregates' own partition.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.errors import CqrsError
from runtime.log import logger
from runtime.model.keys import add_sort_key_version
from runtime.module_context import ALARM
from runtime.store.port import ConditionFailedError, Set
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["TOLD", "is_cursor", "tell_operators"]

TOLD: Final = "told"
"""Column with the aggregate that the alarm named."""

_UNTIL, _SINCE = "until", "since"
#: Seconds after the last one like it; and after an alarm, however many there are.
_SILENCE: Final = 60
_LONGEST_SILENCE: Final = 900
_MAX_TROUBLE: Final = 300  # characters, so that the row's key fits


def tell_operators(
    context: ModuleContext, key: DetailKey, version: int, trouble: str, execution_id: str | None
) -> None:
    """Raise an alarm, unless one about the same trouble in the partition went out a moment ago.

    Args:
        context: Module of the command.
        key: Key of the aggregate.
        version: Version of the command.
        trouble: What is wrong, without a text of an error.
        execution_id: ARN of the execution that gave up.
    """
    if _is_news(context, key, trouble):
        sk = add_sort_key_version(key.sk, version)
        context.notifier.alarm(context.name, key.pk, sk, trouble, execution_id)


def is_cursor(row: Row) -> bool:
    """Whether a row of the sync table is about a handler or an aggregate, and not about an alarm."""
    return not str(row["sk"]).startswith(f"{ALARM}#")


def _is_news(context: ModuleContext, key: DetailKey, trouble: str) -> bool:
    if not context.tables.has_sync_table:
        return True
    now = int(clock.seconds())
    place = Place(context.tables.sync, key.pk, f"{ALARM}#{trouble[:_MAX_TROUBLE]}")
    quiet = {_UNTIL: now + _SILENCE}
    # A try that died between the row and the message may tell of its own aggregate again.
    is_over = Attr(_UNTIL).not_exists() | Attr(_UNTIL).lte(now) | Attr(_SINCE).lte(now - _LONGEST_SILENCE)
    free = is_over | Attr(TOLD).eq(key.sk)
    try:
        context.store.write(Set(place=place, columns={**quiet, _SINCE: now, TOLD: key.sk}, condition=free))
    except ConditionFailedError:
        with suppress(ConditionFailedError, CqrsError):
            context.store.write(Set(place=place, columns=quiet, condition=Attr(_UNTIL).exists()))
        return False
    except CqrsError as problem:
        logger.warning("alarm not remembered", error=type(problem).__name__)
    return True
