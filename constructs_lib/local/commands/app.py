"""The CDK app that the command line names, on its way to the emulator."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local.cdk import CdkCli, find_cdk
from constructs_lib.local.code.code_swap import put_back
from constructs_lib.local.console import say
from constructs_lib.local.errors import AppMissingError

if TYPE_CHECKING:
    from argparse import Namespace

    from constructs_lib.local.endpoint import Endpoint

__all__ = ["App", "bootstrap", "check_app"]


class App:
    """An app, and the emulator that it is deployed to.

    Args:
        aws: The emulator; it is bootstrapped for the CDK where it is not yet.
        options: The command line.
    """

    def __init__(self, aws: Endpoint, options: Namespace) -> None:
        self._aws = aws
        self._stacks: list[str] = options.stacks
        # In one place of the emulator: a second deployment finds what the first has made.
        self._cdk = CdkCli(
            aws,
            app=shlex.split(options.app),
            context=dict(options.context),
            on_line=say,
            folder=aws.run_folder / "cdk",
        )

    @property
    def assembly(self) -> Path:
        """What was synthesized last."""
        return self._cdk.output

    def deploy(self) -> None:
        """Deploy the stacks that were asked for; the CLI prints their outputs.

        Raises:
            CdkFailedError: The CLI ended with an error.
        """
        self._cdk.deploy(*self._stacks)
        put_back(self._aws, self.assembly)


def check_app(options: Namespace) -> None:
    """Say what is missing before anything is started.

    Raises:
        AppMissingError: There is no such file.
        NodeMissingError: There is no Node.js.
        CdkMissingError: There is no CDK CLI.
    """
    folder = Path.cwd()
    words = shlex.split(options.app)
    if not words or not (folder / words[0]).is_file():
        raise AppMissingError(options.app, folder, _hint(folder))
    find_cdk(folder)


def bootstrap(aws: Endpoint) -> None:
    """Make what a deployment needs, where it is not there yet.

    Raises:
        CdkFailedError: The CLI ended with an error.
    """
    client = aws.client("cloudformation")
    try:
        client.describe_stacks(StackName="CDKToolkit")
    except client.exceptions.ClientError:
        CdkCli(aws, folder=aws.run_folder / "cdk").bootstrap()


def _hint(folder: Path) -> str:
    try:
        app = json.loads((folder / "cdk.json").read_text(encoding="utf-8"))["app"]
    except (OSError, ValueError, KeyError, TypeError):
        return "name the app's Python file with --app, or go to its folder"
    return f"name the app's Python file with --app; cdk.json says {app!r}"
