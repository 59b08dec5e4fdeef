"""The logger of the runtime: JSON lines, without attributes, tokens or personal data."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["log_context", "logger"]

logger = Logger(service="cqrs")


@contextmanager
def log_context(
    *, request_id: str | None = None, execution_id: str | None = None, module: str | None = None
) -> Iterator[None]:
    """Put what an event is about on each line that is logged while the block runs.

    There is a fixed set of keys on purpose: none can hold attributes or personal data.
    Blocks may be nested; a line of the inner one has the keys of both. Each thread has
    its own.

    Args:
        request_id: Id of the request, as on the rows that it wrote.
        execution_id: ARN of the state machine's execution.
        module: Logical name of the module.
    """
    keys = {"request_id": request_id, "execution_id": execution_id, "module": module}
    before = dict(logger.thread_safe_get_current_keys())
    logger.thread_safe_append_keys(**{name: value for name, value in keys.items() if value is not None})
    try:
        yield
    finally:
        logger.thread_safe_clear_keys()
        logger.thread_safe_append_keys(**before)
