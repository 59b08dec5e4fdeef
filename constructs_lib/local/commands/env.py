"""`env`: the variables of a shell that shall talk to the emulator."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from constructs_lib.local.console import say
from constructs_lib.local.running import need_running

if TYPE_CHECKING:
    from argparse import Namespace

    from constructs_lib.local.endpoint import Endpoint

__all__ = ["env", "export_lines"]


def env(options: Namespace) -> int:
    """Print them as a shell reads them."""
    for line in export_lines(need_running(options.folder)):
        say(line)
    return 0


def export_lines(aws: Endpoint) -> list[str]:
    """A line of a shell for each variable."""
    return [f"export {name}={shlex.quote(value)}" for name, value in aws.environment.items()]
