"""`up`: an AWS with nothing in it, ready for the CDK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local.cdk import find_cdk
from constructs_lib.local.commands.app import bootstrap
from constructs_lib.local.commands.env import export_lines
from constructs_lib.local.commands.opened import open_aws
from constructs_lib.local.console import say

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["up"]


def up(options: Namespace) -> int:
    """Start it, and stay until it is ended, or leave it running."""
    find_cdk(Path.cwd())
    with open_aws(options) as opened:
        bootstrap(opened.aws)
        say(f"AWS is at {opened.aws.endpoint_url}. In a shell that shall talk to it:")
        say()
        for line in export_lines(opened.aws):
            say(f"  {line}")
        say()
        opened.stay()
    return 0
