"""The command line of the demo."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local import LocalAwsError, PortTakenError
from constructs_lib.local.cdk import find_cdk
from examples.demo.client import Client
from examples.demo.errors import DemoError
from examples.demo.example import EXAMPLES, example_named
from examples.demo.keep import keep_running
from examples.demo.place import make_place
from examples.demo.screen import Screen
from examples.demo.summary import summarize

if TYPE_CHECKING:
    from examples.demo.example import Example

__all__ = ["run"]

_HIGHEST_PORT = 65535


def run() -> int:
    """Run the demo as the command line says.

    Returns:
        The exit code: 0, or 1 with one line on standard error that says why.
    """
    options = _options()
    try:
        _show(Screen(), example_named(options.example), port=options.port, keep=options.keep)
    except PortTakenError as error:
        return _failed(f"port {error.port} is taken; stop what listens there, or use another: PORT=8000")
    except (DemoError, LocalAwsError) as error:
        return _failed(str(error))
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return _failed("no space left on the disk; free some and try again")
    return 0


def _show(screen: Screen, example: Example, *, port: int | None, keep: bool) -> None:
    started = time.monotonic()
    # What is missing is said before anything is started.
    find_cdk(Path(__file__).parent)
    screen.heading(example.title)
    with make_place(screen, example, port=port) as place:
        with screen.step("Make a user and sign in") as step:
            client = Client(place)
            step.result = f"{client.email}, tenant {client.tenant}"
        story = example.tell(screen, client, place)
        summarize(screen, story, place.invocations(), time.monotonic() - started)
        if keep:
            keep_running(screen, place, client)
        else:
            screen.say(
                f"  [dim]The API was at {place.api_url}\n  KEEP=1 leaves it there, to play with.[/dim]"
            )
    screen.say("\nStopped, and removed. Nothing is left running.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="Deploys an example to an AWS on this machine and sends it commands.",
    )
    parser.add_argument(
        "--example",
        default=os.environ.get("EXAMPLE") or "todo",
        help=f"which one, also the variable EXAMPLE: {', '.join(EXAMPLES)} (default: todo)",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("KEEP", "") not in {"", "0"},
        help="leave it running until Ctrl-C; the variable KEEP does the same",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=os.environ.get("PORT") or None,
        help="port of the emulator, also the variable PORT (default: one that is free)",
    )
    return parser.parse_args()


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _HIGHEST_PORT:
        msg = f"must be a number from 1 to {_HIGHEST_PORT}, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _failed(reason: str) -> int:
    sys.stderr.write(f"error: {reason}\n")
    return 1
