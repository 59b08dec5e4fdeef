"""`logs`: what the functions say."""

from __future__ import annotations

import time
from threading import Event
from typing import TYPE_CHECKING

from constructs_lib.local.aws_errors import aws_errors
from constructs_lib.local.console import say
from constructs_lib.local.errors import NoFunctionError
from constructs_lib.local.logs.log_line import parse, render
from constructs_lib.local.logs.log_reader import LogReader
from constructs_lib.local.running import need_running
from constructs_lib.local.service.deployed import stacks_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from constructs_lib.local.logs.log_reader import Entry
    from constructs_lib.local.running import RunningEmulator
    from constructs_lib.local.service.deployed import Function

__all__ = ["LogScreen", "logs"]

_POLL_SECONDS = 1.0
#: A deployment may bring functions.
_POLLS_PER_LOOK = 10
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


class LogScreen:
    """Prints what functions log.

    Args:
        aws: Where they are.
        name: Which functions, by what they are for or a part of their name. `None`: all.
        since: Time of the first entry, in milliseconds since 1970.
        level: The lowest level that is shown.
        raw: Whether entries are shown as they are.
    """

    def __init__(
        self,
        aws: RunningEmulator,
        *,
        name: str | None = None,
        since: int = 0,
        level: str = "DEBUG",
        raw: bool = False,
    ) -> None:
        self._aws = aws
        self._name = name
        self._level = level
        self._raw = raw
        self._reader = LogReader(aws, since)

    def show(self, functions: Sequence[Function]) -> None:
        """Print what is new."""
        width = max((len(function.label) for function in functions), default=0)
        for entry in self._reader.read(functions):
            self._show(entry, width)

    def follow(self, stop: Event) -> None:
        """Print what is new as it comes, until it shall stop or AWS is ended.

        Raises:
            EmulatorFailedError: AWS has ended by itself.
        """
        functions, polls = self.functions(), 0
        while not stop.wait(_POLL_SECONDS) and self._aws.is_there():
            polls += 1
            if polls % _POLLS_PER_LOOK == 0:
                functions = self.functions()
            self.show(functions)

    def functions(self) -> list[Function]:
        """The functions that were asked for."""
        every = [function for stack in stacks_of(self._aws) for function in stack.functions]
        if self._name is None:
            return every
        exact = [function for function in every if self._name in {function.label, function.name}]
        return exact or [function for function in every if self._name.lower() in function.name.lower()]

    def _show(self, entry: Entry, width: int) -> None:
        if self._raw:
            say(f"{entry.function.label:<{width}}  {entry.message}")
            return
        line = parse(entry.message)
        if line is not None and line.is_at_least(self._level):
            text = render(line, milliseconds=entry.milliseconds, label=entry.function.label, width=width)
            say(text, style=_STYLES.get(line.level, ""))


def logs(options: Namespace) -> int:
    """Print what they have logged, and with ``--follow`` what they will log.

    Raises:
        NoFunctionError: No function has that name.
    """
    aws = need_running(options.folder)
    try:
        _show(aws, options)
    except aws_errors():
        # Ended in the middle of a call?
        if not options.follow or aws.is_there():
            raise
    if options.follow:
        say("AWS has gone.")
    return 0


def _show(aws: RunningEmulator, options: Namespace) -> None:
    since = 0 if options.since is None else int((time.time() - options.since) * 1000)
    screen = LogScreen(aws, name=options.function, since=since, level=options.level, raw=options.raw)
    functions = screen.functions()
    if not functions and not (options.follow and options.function is None):
        every = sorted({function.label for stack in stacks_of(aws) for function in stack.functions})
        message = f"there is no function {options.function or ''}".rstrip() + (
            f"; those that are deployed: {', '.join(every)}" if every else "; nothing is deployed"
        )
        raise NoFunctionError(message)
    screen.show(functions)
    if options.follow:
        screen.follow(Event())
