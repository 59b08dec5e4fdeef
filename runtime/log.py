"""The logger of the runtime: JSON lines, without attributes, tokens or personal data."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["error_fields", "log_context", "logger", "shown_text", "texts_are_shown"]

logger = Logger(service="cqrs")

#: What AWS sets where it runs code: Lambda both, its containers the second.
_OF_AWS: Final = ("AWS_LAMBDA_FUNCTION_NAME", "AWS_EXECUTION_ENV")
_WITH_MADE_UP_DATA: Final = ("", "local", "dev")


def texts_are_shown() -> bool:
    """Whether errors may be shown with their texts, which often quote what the code works on.

    They are at log level DEBUG, and on one's own machine: where neither AWS nor the emulator of
    `constructs_lib.local` runs the code as a function, and ``NODE_ENV`` is local, dev, or not set.
    """
    if logger.log_level <= logging.DEBUG:
        return True
    is_deployed = any(os.environ.get(name) for name in _OF_AWS)
    return not is_deployed and os.environ.get(Env.NODE_ENV, "") in _WITH_MADE_UP_DATA


def error_fields(error: BaseException) -> dict[str, Any]:
    """What a line of the log says of an error: its kind, and where texts are shown all the rest.

    Example:
        >>> logger.error("record not handled", **error_fields(error))
    """
    return {"error": type(error).__name__, **shown_text(error)}


def shown_text(error: BaseException) -> dict[str, Any]:
    """The traceback of an error with its text and its causes, where texts are shown; else nothing."""
    return {"exception": "".join(format_exception(error))} if texts_are_shown() else {}


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
        if before:
            logger.thread_safe_append_keys(**before)
