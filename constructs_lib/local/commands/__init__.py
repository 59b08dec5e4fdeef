"""One file for each command, and which is which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs_lib.local.commands.calls import token
from constructs_lib.local.commands.deploy import deploy
from constructs_lib.local.commands.down import down
from constructs_lib.local.commands.env import env
from constructs_lib.local.commands.logs import logs
from constructs_lib.local.commands.setup import setup
from constructs_lib.local.commands.status import status
from constructs_lib.local.commands.up import up
from constructs_lib.local.commands.watch import watch

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

__all__ = ["run"]

_COMMANDS: Final[dict[str, Callable[[Namespace], int]]] = {
    "setup": setup,
    "up": up,
    "deploy": deploy,
    "watch": watch,
    "token": token,
    "logs": logs,
    "status": status,
    "env": env,
    "down": down,
}


def run(options: Namespace) -> int:
    """Run the command of a command line, and return its exit code."""
    return _COMMANDS[options.command](options)
