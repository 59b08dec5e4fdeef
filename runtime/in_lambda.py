"""Whether this process is a function of Lambda."""

from __future__ import annotations

import os

from runtime.contract import Env

__all__ = ["is_in_lambda"]


def is_in_lambda() -> bool:
    """Whether this process is a function of Lambda: it stands still between invocations."""
    return bool(os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or os.environ.get(Env.FUNCTION))
