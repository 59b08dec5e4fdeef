"""There is a row with this code already."""

from __future__ import annotations

from runtime.errors import BadRequestError

__all__ = ["RowExistsError"]


class RowExistsError(BadRequestError):
    """There is a row with this code already. Nothing was written."""

    status = 409
    code = "already-exists"
