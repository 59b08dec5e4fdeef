"""`watch`: deploy again when a file changes, and show the logs meanwhile."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from constructs_lib.local.aws_errors import aws_errors, one_line
from constructs_lib.local.code.changes import changes_in
from constructs_lib.local.code.code_assets import code_assets
from constructs_lib.local.code.code_swap import affected, swap
from constructs_lib.local.code.tree import files_in, folders_below
from constructs_lib.local.commands.app import App, bootstrap, check_app
from constructs_lib.local.commands.calls import show_calls
from constructs_lib.local.commands.logs import LogScreen
from constructs_lib.local.commands.opened import open_aws
from constructs_lib.local.console import say, seconds_text
from constructs_lib.local.errors import LocalAwsError

if TYPE_CHECKING:
    from argparse import Namespace

    from constructs_lib.local.code.code_assets import Code
    from constructs_lib.local.endpoint import Endpoint

__all__ = ["Watcher", "watch"]


def watch(options: Namespace) -> int:
    """Deploy, and again at each change, until Ctrl-C.

    Raises:
        WatchMissingError: The package that watches files is not installed.
    """
    check_app(options)
    roots = [Path.cwd(), *(path.resolve() for path in options.path)]
    changes = changes_in(roots)
    next(changes)
    with open_aws(options) as opened:
        bootstrap(opened.aws)
        watcher = Watcher(opened.aws, options, roots)
        if watcher.deploy():
            show_calls(opened.aws, options)
        stop = Event()
        screen = LogScreen(opened.aws, since=int(time.time() * 1000))
        thread = Thread(target=_follow, args=(screen, stop), daemon=True)
        thread.start()
        say("Watching for changes. Ctrl-C ends the watch.", style="bold")
        end = "AWS has gone, and the watch with it."
        try:
            for changed in changes:
                if changed:
                    watcher.take(changed)
                elif not opened.aws.is_there():
                    break
        except KeyboardInterrupt:
            # The way to end it; what shall stay stays.
            end = "stopped"
        finally:
            stop.set()
            thread.join()
        say(end)
    return 0


def _follow(screen: LogScreen, stop: Event) -> None:
    while not stop.is_set():
        try:
            screen.follow(stop)
        except LocalAwsError:
            return  # the watch notices that it has gone, and says so
        except aws_errors():
            # It may be in the middle of a deployment, or going.
            stop.wait(1)
        else:
            return


def _is_our_output(path: Path) -> bool:
    """Whether what we print goes to this file: it changes with each word about a change."""
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


class Watcher:
    """Knows what the last deployment was made of."""

    def __init__(self, aws: Endpoint, options: Namespace, roots: list[Path]) -> None:
        self._aws = aws
        self._app = App(aws, options)
        self._roots = roots
        self._tree: frozenset[Path] = frozenset()
        #: None while what is deployed is not what was asked for.
        self._code: Code | None = None

    def deploy(self) -> bool:
        """Deploy, and say how it went. A failure is shown, and the watch goes on."""
        self._code = None
        self._tree = frozenset(path for root in self._roots for path in files_in(folders_below(root)))
        started = time.monotonic()
        try:
            self._app.deploy()
            self._code = code_assets(self._app.assembly, self._tree)
        except aws_errors(LocalAwsError, OSError) as error:
            say(f"not deployed: {one_line(error)}", style="red")
            return False
        say(f"deployed in {seconds_text(time.monotonic() - started)}", style="green")
        return True

    def take(self, changed: set[Path]) -> None:
        """Serve a change: the new code at once, where it is all that has changed."""
        # An editor may write a file beside the one that it saves, and give it that one's name.
        changed = {path for path in changed if path.is_file() or path in self._tree}
        changed = {path for path in changed if not _is_our_output(path)}
        if not changed:
            return
        names = ", ".join(sorted(path.name for path in changed))
        found = None if self._code is None else affected(self._code, changed)
        if not found:
            say(f"{names}: deploying", style="bold")
            self.deploy()
            return
        started = time.monotonic()
        try:
            labels = swap(self._aws, found)
        except SyntaxError as error:
            say(f"{names}: not served, line {error.lineno} of {error.filename}: {error.msg}", style="red")
            return
        except aws_errors() as error:
            say(f"{names}: not served: {one_line(error)}", style="red")
            return
        except (OSError, ValueError):
            # A file has gone meanwhile, or is no text.
            say(f"{names}: deploying", style="bold")
            self.deploy()
            return
        took = seconds_text(time.monotonic() - started)
        say(f"{names}: served after {took} by {', '.join(sorted(set(labels)))}", style="green")
