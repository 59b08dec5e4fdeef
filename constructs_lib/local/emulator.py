"""Starts and stops the embedded AWS: one process of its own, one folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from constructs_lib.local.claim import Record, note_end
from constructs_lib.local.endpoint import Endpoint
from constructs_lib.local.environment import (
    emulator_environment,
)
from constructs_lib.local.errors import EmulatorFailedError, check_system
from constructs_lib.local.network import is_healthy, listen
from constructs_lib.local.run_folder import make_run_folder
from constructs_lib.local.venv import DEFAULT_FOLDER, ensure_venv

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from constructs_lib.local.claim import Claim

__all__ = ["Emulator"]

_LAUNCHER = Path(__file__).with_name("launcher") / "__main__.py"
_POLL_SECONDS = 0.02
#: Python complains of a process that is forgotten while it runs.
_left: list[subprocess.Popen[bytes]] = []


class Emulator(Endpoint):
    """An AWS on this machine, for the time of a `with` block.

    It is a subprocess that listens on the loopback interface only. Its state is in memory
    and ends with it. Everything that it writes is in a folder of its own, which is removed
    when it stops. It also stops when the process that started it dies, whatever the cause,
    unless it `outlives` it.

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
        claim: The right to be the one that later commands find. Default: they do not find it.
        outlives: Whether it goes on when the process that started it ends; it needs ``claim``,
            or nobody could end it. See `leave`.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        folder: Path = DEFAULT_FOLDER,
        patches: bool = True,
        wait_scale: float = 1.0,
        iam: bool = False,
        start_seconds: float = 30.0,
        claim: Claim | None = None,
        outlives: bool = False,
    ) -> None:
        super().__init__()
        self._wanted_port = port
        self._folder = folder.resolve()
        self._patches = patches
        self._wait_scale = wait_scale
        self._iam = iam
        self._start_seconds = start_seconds
        self._claim = claim
        self._outlives = outlives
        self._process: subprocess.Popen[bytes] | None = None

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
    def pid(self) -> int | None:
        """The process id, which is also that of its process group; `None` while it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            UnsupportedSystemError: This is Windows.
            PortTakenError: The port belongs to another process.
            SetupFailedError: Its environment could not be installed.
            EmulatorFailedError: It ended, or did not answer in time.
            NoSpaceError: The disk is full.
        """
        try:
            check_system()
            listener = listen(self._wanted_port)
        except BaseException:
            self.stop()
            raise
        try:
            python = ensure_venv(self._folder)
            self._port = listener.getsockname()[1]
            self._run = make_run_folder(self._folder)
            self._process = self._spawn(python, listener)
            # From here on they are the child's alone: should it die, a connection is refused, and
            # another may be the emulator of the folder.
            listener.close()
            if self._claim is not None:
                self._claim.hand_over(self._record(self._process.pid))
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
            if self._claim is not None:
                note_end(self._folder, self.run_folder.name)
            # Nothing of its state is kept, so there is nothing to wait for.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdin:
                process.stdin.close()
            process.wait()
        run, self._run = self._run, None
        if run is not None:
            shutil.rmtree(run, ignore_errors=True)
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.end()

    def leave(self) -> None:
        """Let go of one that `outlives`: it goes on, and `find_running` finds it."""
        if self._process is not None:
            _left.append(self._process)
        self._claim = self._process = self._run = None

    def wait(self) -> None:
        """Wait until it is ended from elsewhere, as `down` does."""
        if self._process:
            self._process.wait()

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
        if self._outlives:
            command.append("--outlive")
        inherited = [listener.fileno(), *([self._claim.descriptor] if self._claim else [])]
        with self.log_path.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own arguments
                command,
                # The launcher reads its standard input to its end: that is when we are gone.
                stdin=subprocess.DEVNULL if self._outlives else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.run_folder,
                env=environment,
                pass_fds=inherited,
                # A process group of its own: Ctrl-C reaches us, and we stop all of it at once.
                start_new_session=True,
            )

    def _record(self, pid: int) -> Record:
        return Record(
            pid, self._port, self.run_folder.name, os.getpid(), kept=self._outlives, since=time.time()
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
