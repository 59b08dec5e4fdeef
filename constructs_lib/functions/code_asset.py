"""The Lambda code of a service."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aws_cdk import aws_lambda as lambda_

from constructs_lib.errors import InvalidPropsError

__all__ = ["code_asset"]

_NOT_DEPLOYED: Final = ["**/__pycache__", "**/*.pyc", "**/.*", "**/tests", "**/*.in", "**/requirements*.txt"]


def code_asset(code: str | Path | lambda_.Code) -> lambda_.Code:
    """Give the Lambda code: ``code`` itself, or a folder without what has no business in Lambda.

    Raises:
        InvalidPropsError: There is no such folder.

    """
    if isinstance(code, lambda_.Code):
        return code
    if not Path(code).is_dir():
        msg = f"code must be a folder, got {str(code)!r}; give the folder that the handler's module is in"
        raise InvalidPropsError(msg)
    return lambda_.Code.from_asset(str(code), exclude=_NOT_DEPLOYED)
