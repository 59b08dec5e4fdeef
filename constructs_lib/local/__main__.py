"""Command line of the local AWS: `python -m constructs_lib.local setup|up|deploy`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local.cdk import CdkCli, find_cdk
from constructs_lib.local.emulator import Emulator
from constructs_lib.local.errors import LocalAwsError, check_system
from constructs_lib.local.venv import DEFAULT_FOLDER, ensure_venv

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_LAST_PORT = 65_535


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LAST_PORT:
        message = f"must be a number from 1 to {_LAST_PORT}, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command line. Default: that of the process.

    Returns:
        The exit code: 0, or 1 with one line on standard error that says why.
    """
    options = _parser().parse_args(arguments)
    try:
        check_system()
        # Clean up however the process is ended; a shell's background jobs ignore Ctrl-C otherwise.
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.default_int_handler)
        if options.command == "setup":
            _say(f"ready: {ensure_venv(options.folder)}")
        else:
            _serve(options)
    except LocalAwsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        _say("stopped")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m constructs_lib.local",
        description="An AWS on this machine, without Docker and without an account.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="install the emulator; later starts need no network")
    up = commands.add_parser("up", help="start it, and wait for Ctrl-C")
    deploy = commands.add_parser("deploy", help="start it, deploy an app to it, and wait for Ctrl-C")
    for command in (setup, up, deploy):
        command.add_argument(
            "--folder",
            type=Path,
            default=DEFAULT_FOLDER,
            help="where the emulator is installed and keeps its files (default: %(default)s)",
        )
    for command in (up, deploy):
        command.add_argument("--port", type=_port, help="the port to listen on (default: one that is free)")
    deploy.add_argument("--app", default="app.py", help="the app's file (default: %(default)s)")
    deploy.add_argument("--context", "-c", action="append", default=[], help="a context value, name=value")
    deploy.add_argument("stacks", nargs="*", help="the stacks to deploy (default: all)")
    return parser


def _serve(options: argparse.Namespace) -> None:
    # What is missing is said before anything is started.
    find_cdk(Path.cwd())
    with Emulator(port=options.port, folder=options.folder) as emulator:
        if options.command == "up":
            cdk = CdkCli(emulator)
            cdk.bootstrap()
        else:
            context = dict(value.split("=", 1) for value in options.context if "=" in value)
            cdk = CdkCli(emulator, app=shlex.split(options.app), context=context, on_line=_say)
            cdk.bootstrap()
            _show(cdk.deploy(*options.stacks))
        _say("")
        _say(f"AWS is at {emulator.endpoint_url}. In another terminal:")
        _say("")
        for name, value in emulator.environment.items():
            _say(f"  export {name}={shlex.quote(value)}")
        _say("")
        _say("Ctrl-C stops it.")
        # Nothing more to do here: the emulator is a process of its own.
        signal.pause()


def _show(outputs: dict[str, dict[str, str]]) -> None:
    for stack, values in outputs.items():
        for name, value in values.items():
            _say(f"{stack}.{name} = {value}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
