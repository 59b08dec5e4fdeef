"""`cqrs sequence`: the counters of a tenant, their gaps, setting one, and making a number void."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.cli.context import Result
from constructs_lib.cli.exit_code import ExitCode
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cli.verbs import Verb, VerbGroup

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from constructs_lib.cli.context import Context

__all__ = ["GROUP"]

_COLUMNS: Final = ("type", "codes", "bucket", "last number", "updated")
_GAP_COLUMNS: Final = ("first", "last", "reason")


def _list(context: Context) -> Result:
    options = context.options
    found = context.operator.ask(
        "listSequences",
        tenant=options.tenant,
        type=options.type,
        limit=options.limit,
        startFromSk=options.after,
    )
    last = found["lastSk"]
    hints = [f"there are more: --after {shlex.quote(last)}"] if last else []
    table = Table(_COLUMNS, [_cells(one) for one in found["counters"]])
    return Result(found, [table, *_more(is_last=not last)], hints=hints)


def _show(context: Context) -> Result:
    found = context.operator.ask("showSequence", **_one(context))
    counter = found["counter"]
    if counter is None:
        return Result(found, [Line("It has given no number yet.")])
    return Result(found, [Table(_COLUMNS, [_cells(counter)])])


def _gaps(context: Context) -> Result:
    options = context.options
    found = context.operator.ask(
        "listSequenceGaps", **_one(context), limit=options.limit, after=options.after
    )
    rows = [*map(_gap_cells, found["gaps"])]
    unexplained = any(gap["reason"] is None for gap in found["gaps"])
    code = ExitCode.ATTENTION if unexplained else ExitCode.FINE
    table = Table(_GAP_COLUMNS, rows) if rows else Line("It has no gaps.")
    hints = [f"there are more: --after {found['gaps'][-1]['last']}"] if found["hasMore"] else []
    return Result(found, [table, *_more(is_last=not found["hasMore"])], code, hints=hints)


def _set(context: Context) -> Result:
    found = context.operator.ask("setSequence", **_one(context), no=context.options.no)
    return Result(found, [Table(_COLUMNS, [_cells(found["counter"])])])


def _void(context: Context) -> Result:
    options = context.options
    found = context.operator.ask("voidSequenceNumber", **_one(context), no=options.no, reason=options.reason)
    return Result(found, [Table(_GAP_COLUMNS, [_gap_cells(found["gap"])])])


def _one(context: Context) -> dict[str, Any]:
    """Which counter is asked about."""
    options = context.options
    return {
        "tenant": options.tenant,
        "type": options.type,
        "bucket": options.bucket,
        "codes": options.code or None,
    }


def _cells(counter: dict[str, Any]) -> list[str | None]:
    return [
        counter["type"],
        " ".join(counter["codes"]) or None,
        counter["bucket"],
        str(counter["no"]),
        counter["updatedAt"],
    ]


def _gap_cells(gap: dict[str, Any]) -> list[str | None]:
    return [str(gap["first"]), str(gap["last"]), gap["reason"]]


def _more(*, is_last: bool) -> list[Line]:
    return [] if is_last else [Line("… and more")]


def _limit(parser: ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, metavar="N", help="how many to show, up to 1000 (default: 100)")


def _add_list(parser: ArgumentParser) -> None:
    parser.add_argument("tenant", metavar="TENANT", help="whose counters")
    parser.add_argument("type", metavar="TYPE", nargs="?", help="the series (default: all of them)")
    _limit(parser)
    parser.add_argument(
        "--after", metavar="KEY", help="go on after this one, as the hint of the page before says"
    )


def _add_one(parser: ArgumentParser) -> None:
    parser.add_argument("tenant", metavar="TENANT", help="whose counter")
    parser.add_argument("type", metavar="TYPE", help="the series")
    parser.add_argument("bucket", metavar="BUCKET", nargs="?", help="such as 2026 (default: that of now)")
    parser.add_argument(
        "--code", action="append", metavar="CODE", help="a code of the counter; once for each, in their order"
    )


def _add_gaps(parser: ArgumentParser) -> None:
    _add_one(parser)
    _limit(parser)
    parser.add_argument(
        "--after", type=int, metavar="N", help="go on after this number, as the hint of the page before says"
    )


def _add_set(parser: ArgumentParser) -> None:
    _add_one(parser)
    parser.add_argument(
        "--no", type=int, required=True, metavar="N", help="the number that counts as the last one given"
    )


def _add_void(parser: ArgumentParser) -> None:
    _add_one(parser)
    parser.add_argument("--no", type=int, required=True, metavar="N", help="the number")
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="why nothing has it, for gaps: up to 200 characters"
    )


GROUP: Final = VerbGroup(
    name="sequence",
    summary="counters of sequences",
    verbs=(
        Verb(name="list", summary="list the counters of a tenant", run=_list, add_arguments=_add_list),
        Verb(name="show", summary="show a counter", run=_show, add_arguments=_add_one),
        Verb(name="gaps", summary="list the numbers that nothing has", run=_gaps, add_arguments=_add_gaps),
        Verb(name="set", summary="let a counter go on after a number", run=_set, add_arguments=_add_set),
        Verb(name="void", summary="say that nothing has a number", run=_void, add_arguments=_add_void),
    ),
)
