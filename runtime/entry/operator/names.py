"""Names of the operations that the operator function has without features."""

from __future__ import annotations

from typing import Final

from runtime.contract import CHECK_OPERATION, HEAL_OPERATION

__all__ = ["BUILT_IN_OPERATIONS"]

#: Here as well as where they are defined, since to find that two names collide must import none of them.
BUILT_IN_OPERATIONS: Final = frozenset(
    {
        CHECK_OPERATION,
        HEAL_OPERATION,
        "behind",
        "buildHandler",
        "drop",
        "health",
        "listAggregates",
        "listEvents",
        "listHandlers",
        "modules",
        "parked",
        "rebuildHandler",
        "reconcile",
        "redrive",
        "replayNotifications",
        "replayRecords",
        "resync",
        "retireHandler",
        "show",
        "showEvent",
        "skip",
        "switchHandler",
        "verifyEvents",
    }
)
