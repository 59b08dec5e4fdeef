"""Bringing the SQL table back: every stored product once more to the handlers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from product.bodies import Resync
from product.module import product

if TYPE_CHECKING:
    from runtime.pipeline.resync import Progress

__all__ = ["resync"]

#: Below the 30 seconds after which API Gateway stops waiting.
_SECONDS = 15


class _EnoughError(Exception):
    """Ends a request whose time is up."""


def resync(resume_from: str | None, *, seconds: float = _SECONDS) -> Resync:
    """Feed the data table of all tenants to the handlers, page by page, until the time is up.

    Args:
        resume_from: ``resume_token`` of the answer before.
        seconds: After how long no further page is begun.

    Raises:
        ForbiddenError: The caller has no role that crosses all tenants.
        InvalidInputError: The token is none.
    """
    end = time.monotonic() + seconds
    last: list[Progress] = []

    def stop_in_time(progress: Progress) -> None:
        last[:] = [progress]
        if progress.resume_token and time.monotonic() >= end:
            raise _EnoughError

    try:
        rows = product.commands.re_sync_data(resume_from=resume_from, on_page=stop_in_time)
    except _EnoughError:
        return Resync(rows=last[0].total, resume_token=last[0].resume_token)
    return Resync(rows=rows)
