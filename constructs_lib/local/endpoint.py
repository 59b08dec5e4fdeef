"""An AWS on this machine, as those see it who talk to it: whoever has started it, and whoever ends it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from constructs_lib.local.environment import ACCOUNT, REGION, client_environment, without_aws
from constructs_lib.local.errors import EmulatorFailedError
from constructs_lib.local.run_folder import read_decisions

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Endpoint"]

_LOG_LINES = 20


class Endpoint:
    """Where an emulator listens, and what it writes.

    Args:
        port: The port that it listens on; 0 before the start.
        run: The folder that holds what this run writes; `None` while it does not run.
    """

    account = ACCOUNT
    region = REGION

    def __init__(self, port: int = 0, run: Path | None = None) -> None:
        self._port = port
        self._run = run

    @property
    def endpoint_url(self) -> str:
        """The URL that every AWS SDK and the CDK CLI are pointed at."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before the start."""
        return self._port

    @property
    def run_folder(self) -> Path:
        """The folder that holds what this run writes; it is gone after the stop.

        Raises:
            EmulatorFailedError: It is not running.
        """
        if self._run is None:
            what = "is not running"
            raise EmulatorFailedError(what, [])
        return self._run

    @property
    def log_path(self) -> Path:
        """The emulator's log, with what the Lambda functions print in it."""
        return self.run_folder / "emulator.log"

    @property
    def environment(self) -> dict[str, str]:
        """The variables to add to a process that shall talk to this emulator."""
        return client_environment(self.endpoint_url)

    def iam_decisions(self) -> list[dict[str, Any]]:
        """What was decided about the calls of roles, in order; nothing without ``iam``.

        Of each: ``principal``, the role's session, ``action``, ``resource``, and ``allowed``.
        """
        return read_decisions(self.run_folder)

    def child_environment(self) -> dict[str, str]:
        """This process's variables, with everything about AWS replaced by the emulator's."""
        return {**without_aws(os.environ), **self.environment}

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3 clients are made at run time
        """A boto3 client for a service of this emulator.

        Args:
            service: The service's name in boto3, such as `dynamodb`.
            options: Further arguments of `boto3.client`.
        """
        import boto3  # noqa: PLC0415 - a deploy needs no boto3

        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="local",  # noqa: S106 - the emulator does not check it
            **options,
        )

    def http_api_url(self, api_id: str, stage: str = "$default") -> str:
        """The base URL of an HTTP API, without a slash at the end.

        The host name that CloudFormation gives for it does not resolve on this machine.
        """
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}/{stage}"

    def log_tail(self, lines: int = _LOG_LINES) -> list[str]:
        """The last lines of the log."""
        try:
            text = self.log_path.read_text(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-lines:]
