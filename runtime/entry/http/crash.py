"""What the log gets to know about an error that nobody expected."""

from __future__ import annotations

from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from runtime.identity.context import current_invoke_context
from runtime.log import logger, shown_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["log_crash"]


def log_crash(error: Exception) -> None:
    """Log the types and the stacks of ``error`` and of what caused it, without any value.

    Messages are left out: an error message often quotes what the client sent. Where texts are shown,
    on one's own machine and at log level DEBUG, the whole traceback is there.
    """
    context = current_invoke_context()
    logger.error(
        "request failed",
        request_id=context.request_id if context else None,
        errors=[_described(link) for link in _chain(error)],
        **shown_text(error),
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _described(error: BaseException) -> dict[str, Any]:
    frames = walk_tb(error.__traceback__)
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "stack": [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in frames],
    }
