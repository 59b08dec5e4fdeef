"""Why a task failed, in words."""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = ["cause_text"]

_MESSAGE: Final = re.compile(r'\{\s*"errorMessage"\s*:\s*')
_LONGEST: Final = 2000


def cause_text(cause: str) -> str:
    """The message in the cause that Step Functions gives for a failed function; others as they are.

    Such a cause is a JSON text with the message first and the stack trace last, cut off
    somewhere in it. The trace is in the function's log.
    """
    found = _MESSAGE.match(cause)
    if found:
        try:
            message, _ = json.JSONDecoder().raw_decode(cause, found.end())
        except ValueError:
            return cause[:_LONGEST]
        cause = str(message)
    return cause[:_LONGEST]
