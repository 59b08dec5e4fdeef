"""Drives the real CDK CLI against an emulator."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local.errors import CdkFailedError, CdkMissingError, NodeMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from constructs_lib.local.endpoint import Endpoint

__all__ = ["CdkCli", "find_cdk"]

Outputs = dict[str, dict[str, str]]

#: Options of every call of `cdk`: nothing needs the internet, and no question is asked.
_GLOBAL = ("--no-notices", "--no-version-reporting", "--no-color", "--ci")

_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


class CdkCli:
    """The CDK CLI of the project, with its requests going to an emulator.

    The app is run by the Python that runs this. It gets the context value `architecture`,
    `x86_64` or `arm64`, with the architecture of this machine, since that is where the
    functions will run; an app that builds layers has to read it. The CDK does not validate templates,
    unless the environment says ``CDK_VALIDATION=true``: `cdk synth` and deployments to AWS do that.

    Args:
        emulator: Where to deploy; it has to be running.
        app: The app's file, relative to `cwd`, with arguments where it takes some.
            Default: `app.py`.
        cwd: The folder to run the app in, and from which on upward a `node_modules` with
            the CLI is looked for. Default: the working directory.
        context: Further context values for the app.
        on_line: Called with each line that the CLI prints.
        folder: Where `cdk.out` and the CLI's caches go; a deployment that finds them takes less
            time. Default: a new folder in that of the emulator, which goes with it.

    Raises:
        NodeMissingError: There is no Node.js.
        CdkMissingError: There is no CDK CLI.
    """

    def __init__(
        self,
        emulator: Endpoint,
        *,
        app: str | Sequence[str] = "app.py",
        cwd: Path | None = None,
        context: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._emulator = emulator
        self._cwd = (cwd or Path.cwd()).resolve()
        self._cdk = find_cdk(self._cwd)
        arguments = [app] if isinstance(app, str) else list(app)
        self._app = shlex.join([sys.executable, *arguments])
        self._context = {"architecture": host_architecture(), **(context or {})}
        self._on_line = on_line or (lambda _line: None)
        self._folder = folder or Path(tempfile.mkdtemp(prefix="cdk-", dir=emulator.run_folder))
        self._folder.mkdir(exist_ok=True)

    @property
    def output(self) -> Path:
        """The cloud assembly of the last synthesis."""
        return self._folder / "cdk.out"

    def bootstrap(self) -> None:
        """Make the bucket and the roles that a deployment needs.

        Raises:
            CdkFailedError: The CLI ended with an error.
        """
        environment = f"aws://{self._emulator.account}/{self._emulator.region}"
        # In a folder without a `cdk.json`: with one, the CLI would synthesize the app for nothing.
        self._run("bootstrap", environment, cwd=self._folder)

    def deploy(self, *stacks: str, import_existing: bool = False) -> Outputs:
        """Deploy stacks, by their names or patterns; all of them by default.

        Args:
            stacks: Their names or patterns.
            import_existing: Whether resources with a name that is taken are taken over, such as
                tables that a former stack has left.

        Returns:
            The outputs of each stack that was deployed, by the stack's name.

        Raises:
            CdkFailedError: The CLI ended with an error.
        """
        outputs = self._folder / "outputs.json"
        outputs.unlink(missing_ok=True)
        self._run(
            "deploy", *(stacks or ("--all",)), *(("--import-existing-resources",) if import_existing else ()),
            "--require-approval", "never", "--progress", "events", "--outputs-file", str(outputs),
        )  # fmt: skip
        found: Outputs = json.loads(outputs.read_text()) if outputs.exists() else {}
        return found

    def diff(self, *stacks: str) -> bool:
        """Compare the app with what is deployed.

        Returns:
            Whether there is a difference.

        Raises:
            CdkFailedError: The CLI ended with an error.
        """
        # The CLI ends with 1 for a difference and for an error alike; only the first has this line.
        code, output = self._run("diff", *stacks, "--fail", accepted=(0, 1))
        if code and not any("Number of stacks with differences" in line for line in output):
            command = "diff"
            raise CdkFailedError(command, code, output)
        return code != 0

    def destroy(self, *stacks: str) -> None:
        """Destroy stacks, by their names or patterns; all of them by default.

        Raises:
            CdkFailedError: The CLI ended with an error.
        """
        self._run("destroy", *(stacks or ("--all",)), "--force")

    def _run(
        self,
        command: str,
        *arguments: str,
        cwd: Path | None = None,
        accepted: tuple[int, ...] = (0,),
    ) -> tuple[int, list[str]]:
        line = [*self._cdk, command, *arguments, *_GLOBAL]
        if cwd is None:
            line += ["--app", self._app, "--output", str(self.output)]
            for name, value in self._context.items():
                line += ["--context", f"{name}={value}"]
        environment = {
            # The CDK's validation of templates takes longer than the rest of a synthesis.
            "CDK_VALIDATION": "false",
            **self._emulator.child_environment(),
            "CDK_HOME": str(self._folder / "home"),
        }
        code, output = _stream(line, cwd or self._cwd, environment, self._on_line)
        if code not in accepted:
            raise CdkFailedError(command, code, output)
        return code, output


def host_architecture() -> str:
    """This machine's architecture by Lambda's name for it: `x86_64` or `arm64`."""
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)


def find_cdk(folder: Path) -> list[str]:
    """The command line of the CDK CLI: that of the project before that of the machine.

    Args:
        folder: Where to look for `node_modules`, and in its parents.

    Raises:
        NodeMissingError: There is no Node.js.
        CdkMissingError: There is no CDK CLI.
    """
    if shutil.which("node") is None:
        raise NodeMissingError
    for parent in (folder, *folder.parents):
        candidate = parent / "node_modules" / ".bin" / "cdk"
        if candidate.exists():
            return [str(candidate)]
    installed = shutil.which("cdk")
    if installed is None:
        raise CdkMissingError
    return [installed]


def _stream(
    command: list[str],
    cwd: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
) -> tuple[int, list[str]]:
    """Run a command and hand over its lines as they come."""
    output: list[str] = []
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # The CLI starts the app, and the app starts Node.js: end them together.
        start_new_session=True,
    )
    try:
        for line in process.stdout or ():
            output.append(line.rstrip())
            on_line(output[-1])
        return process.wait(), output
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
