"""The command line: commands, options, help."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn

from constructs_lib.cli.commands.cost import add_cost
from constructs_lib.cli.commands.features import GROUPS
from constructs_lib.cli.errors import UsageError
from constructs_lib.cli.exit_code import exit_codes_text
from constructs_lib.cli.find_function import FUNCTION_VARIABLE, STACK_VARIABLE
from constructs_lib.cli.options import text, url, whole_number
from constructs_lib.cli.verbs import BrokenGroup, VerbGroup, groups_of_packages
from constructs_lib.cli.walk import MOST_SEGMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["parse"]

_DESCRIPTION = """\
Operate a CQRS service: see what is parked, lagging or lost, and repair it.
The service's operator function does the work; you need the permission to call it."""
_LONGEST_SECONDS = 10**9
_LARGEST_PAGE = 1000
_LARGEST_VERSION = 9_999_999_999
_LONGEST_LIST = 1_000_000
#: Options that may stand before and after the command, and their defaults.
_GLOBAL: dict[str, Any] = dict.fromkeys(
    (
        "stack",
        "function",
        "region",
        "profile",
        "endpoint_url",
        "module",
        "segments",
        "list",
        "page_size",
        "after",
        "stream",
        "tenant",
        "generation",
    )
) | {"json": False, "debug": False, "dry_run": False, "resume": [], "handler": None}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        hint = f"{message}; see {self.prog} --help"
        raise UsageError(hint)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line into options.

    Raises:
        UsageError: An argument is wrong; the message names it.
        SystemExit: Help or the version was asked for; it is printed.
    """
    shared = _shared()
    parser = _Parser(
        prog="cqrs",
        description=_DESCRIPTION,
        epilog=f"exit codes:\n{exit_codes_text()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cqrs {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")

    command = _adder(commands, shared)
    _add_status(command("status", "what is parked, behind, lagging, dead-lettered or failed, on one screen"))
    show = command("show", "the timeline of an aggregate: versions, handlers, executions")
    _add_key(show)
    _add_module(show)
    show.add_argument(
        "--raw", action="store_true", help="the attributes, too, as they are stored, and what the model says"
    )
    redrive = command("redrive", "run parked handlers again, from the version that they are parked at")
    _add_key(redrive, optional=True)
    redrive.add_argument("--all", action="store_true", help="every parked handler of the module, or of all")
    _add_repair(redrive)
    _add_segments(redrive)
    skip = command("skip", "pass over the version that a handler is parked at, and go on like redrive")
    _add_key(skip)
    _add_repair(skip)
    skip.add_argument("--yes", action="store_true", help="do not ask: the version never reaches the handler")
    drop = command("drop", "delete the cursor of a handler that the module does not have any more")
    _add_key(drop)
    _add_module(drop)
    drop.add_argument(
        "--handler", required=True, type=text, metavar="NAME", help="name that the handler's class had"
    )
    _add_dry_run(drop)
    _add_sweeps(command)
    replay = command("replay-dlq", "process again what failed: stream records, and notifications")
    replay.add_argument("--only", choices=["records", "notifications"], help="one of the two")
    _add_dry_run(replay)
    _add_list(replay)
    add_cost(command("cost", "what a month costs, by your own numbers; neither AWS nor the service is asked"))
    _add_events(_group(commands, shared, "events", "what modules of events have stored"))
    _add_handlers(
        _group(
            commands, shared, "handlers", "event handlers: their generations, and building read models anew"
        )
    )
    _add_groups(commands, shared, words)
    defaults = {"pk": None, "sk": None, "all": False, "older_than": None, "action": None, "cqrs_verb": None}
    options = parser.parse_args(words, argparse.Namespace(**defaults, **_GLOBAL))
    if isinstance(options.cqrs_verb, BrokenGroup):
        raise options.cqrs_verb.error
    if options.action is not None:
        options.command = f"{options.command} {options.action}"
    return options


def _add_sweeps(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    reconcile = command("reconcile", "find commands that were not processed to their end, and process them")
    _add_module(reconcile)
    _add_older_than(reconcile)
    reconcile.add_argument(
        "--trust-finished",
        action="store_true",
        help="take finished commands at their word: far fewer reads, and lost data rows stay lost",
    )
    _add_walk(reconcile)
    _add_list(reconcile)
    resync = command("resync", "give the state of every aggregate to data sync handlers once more")
    _add_module(resync)
    resync.add_argument(
        "--handler", action="append", type=text, metavar="NAME", help="this handler only; may be repeated"
    )
    resync.add_argument(
        "--unseen-only", action="store_true", help="leave out what a handler has seen already"
    )
    _add_walk(resync)
    _add_list(resync)


def _add_groups(commands: argparse._SubParsersAction[Any], shared: _Parser, words: Sequence[str]) -> None:
    """Add what features have: those of the library, then those of packages."""
    for group in GROUPS:
        _add_verbs(_group(commands, shared, group.name, group.summary), group)
    for of_package in groups_of_packages(words, [*commands.choices]):
        if isinstance(of_package, VerbGroup):
            _add_verbs(_group(commands, shared, of_package.name, of_package.summary), of_package)
        else:
            _add_broken(_adder(commands, shared), of_package)


def _add_verbs(action: Callable[[str, str], argparse.ArgumentParser], group: VerbGroup) -> None:
    for verb in group.verbs:
        parser = action(verb.name, verb.summary)
        try:
            verb.add_arguments(parser)
        except argparse.ArgumentError as error:
            message = f"cqrs {group.name} {verb.name} cannot have such an argument: {error}"
            raise UsageError(message) from error
        parser.set_defaults(cqrs_verb=verb)


def _add_broken(command: Callable[[str, str], argparse.ArgumentParser], group: BrokenGroup) -> None:
    """Add a command that takes anything, so that why it does not work is said in place of what is missing."""
    parser = command(group.name, str(group.error).replace("%", "%%"))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(cqrs_verb=group)


def _adder(
    commands: argparse._SubParsersAction[Any], shared: _Parser
) -> Callable[[str, str], argparse.ArgumentParser]:
    """Give a function that adds a command, by its name and what it does."""

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        # A shortened option may become ambiguous in a later release, and break somebody's script.
        parser: argparse.ArgumentParser = commands.add_parser(
            name, help=summary, description=f"{summary}.", parents=[shared], allow_abbrev=False
        )
        return parser

    return add


def _group(
    commands: argparse._SubParsersAction[Any], shared: _Parser, name: str, summary: str
) -> Callable[[str, str], argparse.ArgumentParser]:
    """Add a command that others stand behind; gives a function that adds those."""
    parser = _adder(commands, shared)(name, summary)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions")
    return _adder(actions, shared)


def _add_events(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    listing = action("list", "the events of an aggregate, or without one the aggregates")
    _add_pk(listing, optional=True)
    _add_module(listing)
    listing.add_argument(
        "--after",
        type=whole_number(0, _LARGEST_VERSION),
        metavar="VERSION",
        help="begin behind this version of the aggregate",
    )
    listing.add_argument("--tenant", type=text, metavar="CODE", help="aggregates of this tenant only")
    _add_stream(listing)
    _add_pages(listing)
    _add_list(listing)
    show = action("show", "one event: what it says, and what is known of it")
    _add_pk(show)
    show.add_argument(
        "event_version", metavar="VERSION", type=whole_number(1, _LARGEST_VERSION), help="its number"
    )
    _add_module(show)
    verify = action("verify", "whether commits are missing, events are read, and kept states are right")
    _add_pk(verify, optional=True)
    _add_module(verify)
    _add_stream(verify)
    _add_pages(verify)
    _add_list(verify)


def _add_handlers(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    listing = action("list", "the handlers, their generations, and how far a rebuild is")
    _add_module(listing)
    build = action("build", "begin a new generation of a read model beside the live one")
    rebuild = action("rebuild", "show all events to the generation that is being built, or to the live one")
    switch = action("switch", "make the generation that was built the live one")
    retire = action("retire", "stop feeding the generation that was live before, or give up a build")
    for parser in (build, rebuild, switch, retire):
        parser.add_argument("handler", metavar="HANDLER", type=text, help="name of the handler")
        _add_module(parser)
    _add_segments(rebuild)
    _add_resume(rebuild)
    switch.add_argument(
        "--incomplete",
        action="store_true",
        help="also where it is parked: it lacks aggregates, such as those that nobody can read any more",
    )
    retire.add_argument(
        "--generation",
        type=whole_number(1, _LARGEST_VERSION),
        metavar="N",
        help="which one (default: the one that was live before)",
    )


def _shared() -> _Parser:
    shared = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = shared.add_argument_group("the service, and the way to it")
    group.add_argument(
        "--stack",
        type=text,
        metavar="NAME",
        help=f"CloudFormation stack of the service (also {STACK_VARIABLE})",
    )
    group.add_argument(
        "--function",
        type=text,
        metavar="NAME",
        help=f"its operator function, in place of --stack (also {FUNCTION_VARIABLE})",
    )
    group.add_argument("--region", type=text, help="AWS region (also AWS_REGION)")
    group.add_argument("--profile", type=text, help="profile of the AWS configuration (also AWS_PROFILE)")
    group.add_argument(
        "--endpoint-url", type=url, metavar="URL", help="an emulator in place of AWS (also AWS_ENDPOINT_URL)"
    )
    output = shared.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="one JSON document on standard output")
    output.add_argument("--debug", action="store_true", help="show where an error comes from")
    return shared


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_module(parser)
    parser.add_argument("--quick", action="store_true", help="leave out what has to go over the tables")
    parser.add_argument(
        "--recent",
        type=whole_number(0, 24 * 90),
        default=24,
        metavar="HOURS",
        help="failed executions need attention for so long (default: %(default)s)",
    )
    _add_older_than(parser)
    _add_segments(parser)
    _add_list(parser)


def _add_key(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    _add_pk(parser, optional=optional)
    parser.add_argument(
        "sk",
        metavar="SK",
        type=text,
        nargs="?",
        default=argparse.SUPPRESS,
        help="its sort key, without a version; none for an aggregate of events",
    )


def _add_pk(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    more: dict[str, Any] = {"nargs": "?", "default": argparse.SUPPRESS} if optional else {}
    parser.add_argument(
        "pk",
        metavar="PK",
        type=text,
        help="partition key of the aggregate; of events: stream#id#tenant",
        **more,
    )


def _add_stream(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stream", type=text, metavar="NAME", help="aggregates of this stream only")


def _add_repair(parser: argparse.ArgumentParser) -> None:
    _add_module(parser)
    parser.add_argument("--handler", type=text, metavar="NAME", help="name of the handler's class")
    _add_dry_run(parser)


def _add_walk(parser: argparse.ArgumentParser) -> None:
    _add_dry_run(parser)
    _add_pages(parser)


def _add_pages(parser: argparse.ArgumentParser) -> None:
    _add_segments(parser)
    parser.add_argument(
        "--page-size",
        type=whole_number(1, _LARGEST_PAGE),
        metavar="ROWS",
        help="rows that one call works on (default: 100, and 1000 in a dry run)",
    )
    _add_resume(parser)


def _add_resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resume",
        action="append",
        type=text,
        default=argparse.SUPPRESS,
        metavar="TOKEN",
        help="go on where an interrupted run has stopped; it prints a token for each segment",
    )


def _add_module(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--module", type=text, metavar="NAME", help="module of the service; all, or the only one"
    )


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")


def _add_older_than(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than",
        type=whole_number(0, _LONGEST_SECONDS),
        metavar="SECONDS",
        help="younger commands are taken to be on their way (default: 900)",
    )


def _add_segments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--segments",
        type=whole_number(1, MOST_SEGMENTS),
        metavar="N",
        help="parts of a table that are read side by side (default: one for each 10 000 rows, at most 8)",
    )


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--list",
        type=whole_number(0, _LONGEST_LIST),
        metavar="N",
        help="entries that lists show; they are all counted (default: 20, and 1000 with --json)",
    )


def _version() -> str:
    try:
        return version("cdk-cqrs")
    except PackageNotFoundError:
        return "of a source folder"
