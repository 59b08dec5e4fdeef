"""Which Python the functions run on."""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Final

from aws_cdk import aws_lambda as lambda_

from constructs_lib.errors import InvalidPropsError

__all__ = ["check_snap_start", "default_python_runtime", "python_version"]

_KNOWN: Final = ("3.11", "3.12", "3.13", "3.14")
_WITHOUT_SNAPSHOTS: Final = "3.11"


def default_python_runtime() -> lambda_.Runtime:
    """Give Lambda's runtime for the Python that synthesizes: what is tested is what is deployed.

    Raises:
        InvalidPropsError: Lambda has no runtime for the Python that synthesizes.

    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version not in _KNOWN:
        msg = (
            f"python_runtime must be given, got none and Python {version} synthesizes, for which Lambda "
            f"has no known runtime; give one of {', '.join(_KNOWN)}, such as lambda_.Runtime.PYTHON_3_13"
        )
        raise InvalidPropsError(msg)
    return _runtime(version)


@cache
def _runtime(version: str) -> lambda_.Runtime:
    return lambda_.Runtime(
        f"python{version}",
        lambda_.RuntimeFamily.PYTHON,
        supports_inline_code=True,
        supports_snap_start=version != _WITHOUT_SNAPSHOTS,
    )


def check_snap_start(runtime: lambda_.Runtime) -> None:
    """Refuse a Python that cannot start from a snapshot.

    Raises:
        InvalidPropsError: It is older than 3.12.

    """
    if python_version(runtime) == _WITHOUT_SNAPSHOTS:
        msg = (
            f"snap_start needs Python 3.12 or newer, got {runtime.name!r}; give "
            "python_runtime=lambda_.Runtime.PYTHON_3_13, or leave it out"
        )
        raise InvalidPropsError(msg)


def python_version(runtime: lambda_.Runtime) -> str:
    """Give the version of Python of ``runtime``, such as "3.13".

    Raises:
        InvalidPropsError: ``runtime`` is not Python 3.11 or newer.

    """
    match = re.fullmatch(r"python(3\.(\d+))", runtime.name)
    if match is None or int(match.group(2)) < int(_KNOWN[0].split(".")[1]):
        msg = f"python_runtime must be Python {_KNOWN[0]} or newer, got {runtime.name!r}; use PYTHON_3_13"
        raise InvalidPropsError(msg)
    return match.group(1)
