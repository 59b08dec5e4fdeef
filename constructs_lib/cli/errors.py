"""What can go wrong: each message is one line that names what to change."""

from __future__ import annotations

from typing import ClassVar

from constructs_lib.cli.exit_code import ExitCode

__all__ = ["CliError", "RefusedError", "UnreachableError", "UsageError"]


class CliError(Exception):
    """Base class of the errors that the command line raises on purpose.

    Attributes:
        code: The exit code that it becomes.
        kind: Name of the error for scripts: ``error.type`` of the JSON document.
    """

    code: ClassVar[ExitCode] = ExitCode.REFUSED

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind or type(self).__name__


class UsageError(CliError):
    """The command line, or a variable that stands for a part of it, is wrong. Nothing was done."""

    code = ExitCode.USAGE


class UnreachableError(CliError):
    """AWS could not be reached, or did not allow the call."""

    code = ExitCode.UNREACHABLE


class RefusedError(CliError):
    """Something was not found, or the service refused or failed. ``kind`` is the service's own error."""
