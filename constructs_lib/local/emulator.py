"""Starts and stops the embedded AWS: one process of its own, one folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from constructs_lib.local.environment import (
    ACCOUNT,
    REGION,
    client_environment,
    emulator_environment,
    without_aws,
)
from constructs_lib.local.errors import EmulatorFailedError, check_system
from constructs_lib.local.network import is_healthy, listen
from constructs_lib.local.run_folder import make_run_folder, read_decisions
from constructs_lib.local.venv import DEFAULT_FOLDER, ensure_venv

if TYPE_CHECKING:
    import socket
    from types import TracebackType

__all__ = ["Emulator"]

_LAUNCHER = Path(__file__).with_name("launcher") / "__main__.py"
_POLL_SECONDS = 0.02
_LOG_LINES = 20


class Emulator:
    """An AWS on this machine, for the time of a `with` block.

    It is a subprocess that listens on the loopback interface only. Its state is in memory
    and ends with it. Everything that it writes is in a folder of its own, which is removed
    when it stops. It also stops when the process that started it dies, whatever the cause.

    Args:
        port: The port to listen on. Default: one that is free.
        folder: Where the emulator's environment and its files go. Default: `.local-aws`
            under the working directory.
        patches: Whether the known gaps of the stock emulator are closed. Off only to look
            at the stock behaviour.
        wait_scale: Factor for the waits and retry intervals of Step Functions; 0.1 makes
            them ten times as short.
        iam: Whether signatures are verified, and the policies of roles, buckets, topics and
            queues enforced. The account's own key, which `client` has, may do everything.
        start_seconds: How long a start may take.
    """

    account = ACCOUNT
    region = REGION

    def __init__(
        self,
        *,
        port: int | None = None,
        folder: Path = DEFAULT_FOLDER,
        patches: bool = True,
        wait_scale: float = 1.0,
        iam: bool = False,
        start_seconds: float = 30.0,
    ) -> None:
        self._wanted_port = port
        self._folder = folder.resolve()
        self._patches = patches
        self._wait_scale = wait_scale
        self._iam = iam
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._run: Path | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """The URL that every AWS SDK and the CDK CLI are pointed at."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before the start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The process id, which is also that of its process group; `None` while it does not run."""
        return self._process.pid if self._process else None

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

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            UnsupportedSystemError: This is Windows.
            PortTakenError: The port belongs to another process.
            SetupFailedError: Its environment could not be installed.
            EmulatorFailedError: It ended, or did not answer in time.
            NoSpaceError: The disk is full.
        """
        check_system()
        listener = listen(self._wanted_port)
        try:
            python = ensure_venv(self._folder)
            self._port = listener.getsockname()[1]
            self._run = make_run_folder(self._folder)
            self._process = self._spawn(python, listener)
            # From here on it is the child's alone: should it die, a connection is refused.
            listener.close()
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        finally:
            listener.close()

    def stop(self) -> None:
        """End the process and all of its Lambda workers, and remove its folder; harmless when repeated."""
        process, self._process = self._process, None
        if process is not None:
            # Nothing of its state is kept, so there is nothing to wait for.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdin:
                process.stdin.close()
            process.wait()
        run, self._run = self._run, None
        if run is not None:
            shutil.rmtree(run, ignore_errors=True)

    def log_tail(self, lines: int = _LOG_LINES) -> list[str]:
        """The last lines of the log."""
        try:
            text = self.log_path.read_text(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-lines:]

    def _spawn(self, python: Path, listener: socket.socket) -> subprocess.Popen[bytes]:
        temp, state = self.run_folder / "tmp", self.run_folder / "state"
        temp.mkdir()
        state.mkdir()
        environment = emulator_environment(
            port=self._port,
            temp=str(temp),
            state=str(state),
            wait_scale=self._wait_scale,
            iam=self._iam,
        )
        command = [str(python), str(_LAUNCHER), "--fd", str(listener.fileno())]
        if not self._patches:
            command.append("--stock")
        with self.log_path.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own arguments
                command,
                # The launcher reads its standard input to its end: that is when we are gone.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.run_folder,
                env=environment,
                pass_fds=(listener.fileno(),),
                # A process group of its own: Ctrl-C reaches us, and we stop all of it at once.
                start_new_session=True,
            )

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                what = "ended while it started"
                raise EmulatorFailedError(what, self.log_tail())
            if is_healthy(self._port):
                return
            time.sleep(_POLL_SECONDS)
        what = f"did not answer within {self._start_seconds:g} seconds"
        raise EmulatorFailedError(what, self.log_tail())
