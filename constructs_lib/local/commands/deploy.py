"""`deploy`: an app, deployed, and how to call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.local.commands.app import App, bootstrap, check_app
from constructs_lib.local.commands.calls import show_calls
from constructs_lib.local.commands.opened import open_aws

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["deploy"]


def deploy(options: Namespace) -> int:
    """Deploy, say how to call it, and stay until it is ended, or leave it running."""
    check_app(options)
    with open_aws(options) as opened:
        bootstrap(opened.aws)
        App(opened.aws, options).deploy()
        show_calls(opened.aws, options)
        opened.stay()
    return 0
