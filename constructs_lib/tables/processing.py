"""How the commands of a module are processed."""

from __future__ import annotations

from enum import StrEnum

from constructs_lib.errors import InvalidPropsError
from runtime.contract import MODE_INLINE, MODE_WORKFLOW

__all__ = ["Processing"]


class Processing(StrEnum):
    """Who applies an asynchronous command: a workflow, or the stream function itself."""

    WORKFLOW = MODE_WORKFLOW
    """One execution of the state machine per command: each step is visible, retried and timed."""

    INLINE = MODE_INLINE
    """The stream function applies the batch. An execution starts only for sync handlers: far
    cheaper and faster, with less to look at."""

    @classmethod
    def _missing_(cls, value: object) -> Processing:
        msg = f"processing must be 'workflow' or 'inline', got {value!r}; use Processing.WORKFLOW"
        raise InvalidPropsError(msg)
