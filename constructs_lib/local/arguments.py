"""The command line: commands, options, help."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.cli.options import text, whole_number
from constructs_lib.local.logs.log_line import LEVELS
from constructs_lib.local.service.sign_in import DEFAULT_TENANT, DEFAULT_USER
from constructs_lib.local.venv import DEFAULT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse"]

_DESCRIPTION = """\
An AWS on this machine, without Docker and without an account.

There is one for each folder: what one command starts, the others find, in the same folder."""
_EXIT_CODES = """\
exit codes:
  0    done, or ended by Ctrl-C
  1    it did not work; one line on standard error says why
  2    wrong usage; nothing was done"""
_LAST_PORT: Final = 65_535
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line into options.

    Raises:
        SystemExit: An argument is wrong, or help was asked for; it is printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m constructs_lib.local",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=f"{summary}.", allow_abbrev=False)
        added.add_argument(
            "--folder",
            type=Path,
            default=DEFAULT_FOLDER,
            help="where the emulator is installed and keeps its files (default: %(default)s)",
        )
        return added

    command("setup", "install the emulator; later starts need no network")
    _add_start(command("up", "start it, with nothing deployed"))
    deploy = command("deploy", "start it where it does not run, deploy an app, and say how to call it")
    _add_start(deploy)
    _add_app(deploy)
    _add_user(deploy)
    watch = command("watch", "deploy, and again at each change of a file, with the logs in between")
    _add_start(watch)
    _add_app(watch)
    _add_user(watch)
    watch.add_argument(
        "--path",
        type=_folder,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder to watch beside the working directory; may be repeated",
    )
    token = command("token", "print a token of a test user, and renew the one that curl sends")
    _add_user(token)
    token.add_argument(
        "--stack", type=text, metavar="NAME", help="whose API it is for (default: the only one)"
    )
    token.add_argument(
        "--export",
        action="store_true",
        help='print API_URL and API_TOKEN instead, for eval "$(…)" in a shell',
    )
    _add_logs(command("logs", "show what the functions log"))
    command("status", "show what runs, and what is deployed to it")
    command("env", 'print the variables of AWS, for eval "$(…)" in a shell')
    command("down", "end it, with everything that is in it")
    return parser.parse_args(words)


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=whole_number(1, _LAST_PORT), help="the port to listen on (default: one that is free)"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave it running when this command ends, until `down` (default: it waits for Ctrl-C)",
    )


def _add_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--app", default="app.py", help="the app's file, with its arguments (default: %(default)s)"
    )
    parser.add_argument(
        "--context",
        "-c",
        type=_context,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a context value of the app; may be repeated",
    )
    parser.add_argument("stacks", nargs="*", metavar="STACK", help="the stacks to deploy (default: all)")


def _add_user(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the test user")
    group.add_argument(
        "--user",
        type=text,
        default=DEFAULT_USER,
        help="their name; they are made where they are not there (default: %(default)s)",
    )
    group.add_argument(
        "--tenant", default=DEFAULT_TENANT, help="their tenant; '' for none (default: %(default)s)"
    )
    group.add_argument(
        "--role",
        type=text,
        action="append",
        default=[],
        metavar="NAME",
        help="a role that they have in the tenant; may be repeated (default: none)",
    )


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "function",
        nargs="?",
        type=text,
        metavar="FUNCTION",
        help="api, stream, worker, notifier, operator, projector, or a part of a name (default: all)",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument(
        "--since", type=_duration, metavar="DURATION", help="such as 30s, 10m, 2h, 1d (default: all there is)"
    )
    parser.add_argument(
        "--level", type=str.upper, choices=LEVELS, default=LEVELS[0], help="the lowest that is shown"
    )
    parser.add_argument("--raw", action="store_true", help="each entry as it was logged, and all of them")


def _context(value: str) -> tuple[str, str]:
    name, equals, content = value.partition("=")
    if not name or not equals:
        message = f"must be name=value, got {value!r}"
        raise argparse.ArgumentTypeError(message)
    return name, content


def _folder(value: str) -> Path:
    if not Path(value).is_dir():
        message = f"must be a folder, got {value!r}"
        raise argparse.ArgumentTypeError(message)
    return Path(value)


def _duration(value: str) -> float:
    match = re.fullmatch(r"(\d{1,9})([smhd])", value)
    if not match:
        message = f"must be a number with s, m, h or d, such as 10m, got {value!r}"
        raise argparse.ArgumentTypeError(message)
    return float(match[1]) * _SECONDS[match[2]]
