"""What the column ``status`` of a command row says: ``{step}:{state}``."""

from __future__ import annotations

from typing import Final

__all__ = [
    "APPLY_FAILED",
    "FINISHED",
    "HANDLERS_FAILED",
    "HANDLERS_STARTED",
    "is_applied",
    "is_final",
    "is_of_pipeline",
]

FINISHED: Final = "finish:FINISHED"
"""Applied, and every data sync handler has seen it."""
HANDLERS_STARTED: Final = "sync_data:STARTED"
"""Applied; data sync handlers are still to see it."""
HANDLERS_FAILED: Final = "sync_data:FAILED"
"""Applied; a data sync handler is parked at this version or an earlier one."""
APPLY_FAILED: Final = "transform_data:FAILED"
"""Not applied: every attempt failed."""

_STEPS: Final = {
    "check_version",
    "wait_prev_command",
    "set_ttl_command",
    "history_copy",
    "transform_data",
    "sync_data",
    "publish_sync",
    "finish",
}
"""Steps of the pipeline, those of the reference system's among them."""


def is_of_pipeline(status: str) -> bool:
    """Whether a pipeline wrote this status. Any other one is the user's own."""
    return status.partition(":")[0] in _STEPS


def is_final(status: object) -> bool:
    """Whether nobody is at work on a command any more: it is finished, or an operator has to look."""
    return status in {FINISHED, HANDLERS_FAILED, APPLY_FAILED}


def is_applied(status: object) -> bool:
    """Whether a command of ours with this status was written together with its data row."""
    return status in {FINISHED, HANDLERS_STARTED, HANDLERS_FAILED}
