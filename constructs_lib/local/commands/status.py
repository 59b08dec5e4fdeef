"""`status`: what runs here, and what is deployed to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from constructs_lib.local.console import say
from constructs_lib.local.running import need_running
from constructs_lib.local.service.deployed import stacks_of

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["status"]


def status(options: Namespace) -> int:
    """Print it.

    Raises:
        NotRunningError: Nothing runs here.
    """
    running = need_running(options.folder)
    record = running.record
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.since))
    ends = "`down`" if record.kept else f"`down`, or with the command that has started it ({record.starter})"
    say(f"AWS is at {running.endpoint_url} since {since}, process {record.pid}; it ends with {ends}.")
    stacks = stacks_of(running)
    for stack in stacks:
        say(f"{stack.name}  {stack.status}")
        for api in stack.apis:
            say(f"  {api.url}")
    if not stacks:
        say("No stack is deployed.")
    say(f"Files and log: {running.run_folder}")
    return 0
