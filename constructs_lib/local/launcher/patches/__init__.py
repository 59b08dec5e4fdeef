"""One module for each gap of the stock emulator that is closed here.

Each has a function `apply()`, and says in its docstring what AWS does, with the page that
says so, and what the stock emulator does. `apply()` refuses to run when what it replaces
is no longer there, so a new version of the emulator fails at its start and not in silence.
"""

from __future__ import annotations

from . import (
    alarm_evaluation,
    deletion_protection,
    existing_tables,
    iam_decisions,
    iam_leading_keys,
    iam_variables,
    lambda_burst,
    lambda_path,
    lambda_worker,
    map_history,
    retry_delay,
    shared_files,
    stack_deletion,
    start_execution,
    stream_filter,
    stream_mapping,
    write_attributes,
)

__all__ = ["apply_all"]


def apply_all() -> None:
    """Close every gap.

    Raises:
        PatchError: The emulator is not the one that the patches were made for.
    """
    for patch in (
        alarm_evaluation,
        deletion_protection,
        existing_tables,
        iam_decisions,
        iam_leading_keys,
        iam_variables,
        lambda_burst,
        lambda_path,
        lambda_worker,
        map_history,
        retry_delay,
        shared_files,
        stack_deletion,
        start_execution,
        stream_filter,
        stream_mapping,
        write_attributes,
    ):
        patch.apply()
