"""The program: parse, run, write, and say in the exit code how it went."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from constructs_lib.cli.arguments import parse
from constructs_lib.cli.commands import run
from constructs_lib.cli.commands.cost import cost
from constructs_lib.cli.connection import Connection
from constructs_lib.cli.context import Context
from constructs_lib.cli.errors import CliError, RefusedError
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.find_function import find_function
from constructs_lib.cli.operator import Operator
from constructs_lib.cli.screen import check_tables, say, show_parts, write_json
from constructs_lib.cli.walk import MOST_SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.cli.context import Result

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command line. Default: that of the process.

    Returns:
        The exit code, an `ExitCode`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _interruptible():
            return int(_run(words))
    except KeyboardInterrupt:
        say("cqrs: interrupted")
        return int(ExitCode.INTERRUPTED)


def _run(words: list[str]) -> ExitCode:
    try:
        result = _result(words)
    except CliError as error:
        return _failed(error, words)
    except Exception as error:  # noqa: BLE001 - a trace helps nobody who did not ask for it
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return _failed(RefusedError(f"unexpected {reason}; --debug shows where it comes from"), words)
    if "--json" in words:
        write_json(result.document)
    else:
        show_parts(result.parts)
    for hint in result.hints:
        say(hint)
    return result.code


def _failed(error: CliError, words: list[str]) -> ExitCode:
    say(f"cqrs: error: {error}")
    if "--debug" in words:
        traceback.print_exc()
    if "--json" in words:
        write_json({"error": {"type": error.kind, "message": str(error)}})
    return error.code


def _result(words: list[str]) -> Result:
    options = parse(words)
    if not options.json:
        check_tables()
    if options.command == "cost":
        return cost(options)
    connection = Connection(options.region, options.profile, options.endpoint_url)
    function = find_function(connection, function=options.function, stack=options.stack)
    return run(Context(options, words, Operator(connection, function, at_once=MOST_SEGMENTS)))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, and heed Ctrl-C even where a script runs us in the background."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    for name in before:
        signal.signal(name, signal.default_int_handler)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
