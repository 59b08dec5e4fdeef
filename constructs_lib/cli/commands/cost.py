"""`cqrs cost`: what a month costs, at list prices; it asks neither AWS nor the service."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.cli.context import Result
from constructs_lib.cli.options import whole_number
from constructs_lib.cli.screen import Line, Table
from constructs_lib.cost import prices
from constructs_lib.cost.bill import bill
from constructs_lib.cost.workload import Mode, Workload

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from constructs_lib.cost.bill import Bill

__all__ = ["add_cost", "cost"]

_MOST: Final = 10**15
_SUM: Final = "Sum"
_PER_MILLION: Final = "for a million commands"

#: Options with a number: field of `Workload`, lowest, highest, name in the help, what it is.
_NUMBERS: Final = (
    ("commands_per_month", 1, _MOST, "N", "commands that change something"),
    ("size", 1, 400_000_000, "BYTES", "a row: the command, and the state that it makes"),
    ("handlers", 0, 100, "N", "data sync handlers of a module"),
    ("reads_per_command", 0, 1_000_000, "N", "reads of one item over HTTP, for each command"),
    ("modules", 1, 1_000, "N", "modules of the service"),
    ("tenants", 1, _MOST, "N", "tenants with about as many commands each"),
    ("users", 0, _MOST, "N", "users who sign in during the month"),
    ("keep_months", 1, 1_200, "N", "months that commands and history are kept"),
    ("updates_per_aggregate", 1, _MOST, "N", "commands that change the same aggregate, in all"),
    ("attributes_limit", 1, 400_000, "BYTES", "a row from which on its attributes are in S3"),
    ("milliseconds", 1, 900_000, "MS", "how long a call of a function takes"),
)


def add_cost(parser: ArgumentParser) -> None:
    """Add the options: the numbers of one's own."""
    defaults = {field.name: field.default for field in fields(Workload)}
    defaults["commands_per_month"] = 1_000_000
    for name, lowest, highest, value, what in _NUMBERS:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=whole_number(lowest, highest),
            default=defaults[name],
            metavar=value,
            help=f"{what} (default: %(default)s)",
        )
    parser.add_argument(
        "--mode",
        choices=[str(mode) for mode in Mode],
        help="one way of commands, with its amounts (default: all of them side by side)",
    )
    parser.add_argument("--settings", action="store_true", help="tenants have settings, such as retention")
    parser.add_argument("--no-tracing", action="store_true", help="X-Ray traces nothing: tracing=False")
    parser.add_argument("--no-monitoring", action="store_true", help="no alarms: monitoring=False")
    parser.add_argument(
        "--snap-start", action="store_true", help="api starts from a snapshot: snap_start=True"
    )
    parser.add_argument(
        "--log-states", action="store_true", help="each state of an execution is logged: log_level=ALL"
    )
    parser.add_argument("--markdown", action="store_true", help="a table for a document")


def cost(options: Namespace) -> Result:
    """Give the bill of the numbers that the command line has."""
    workload = Workload(
        **{name: getattr(options, name) for name, *_ in _NUMBERS},
        settings=options.settings,
        tracing=not options.no_tracing,
        log_states=options.log_states,
        monitoring=not options.no_monitoring,
        snap_start=options.snap_start,
    )
    bills = [bill(workload, mode) for mode in ([Mode(options.mode)] if options.mode else Mode)]
    columns, rows = _one(bills[0], workload) if options.mode else _side_by_side(bills, workload)
    parts: list[Line | Table]
    if options.markdown:
        parts = [Line(line) for line in _markdown(columns, rows)]
    else:
        head = f"List prices of {prices.REGION}, {prices.DATE}, in dollars a month; free tiers left out."
        parts = [Line(head), Table(columns, rows)]
    return Result(_document(workload, bills), parts)


def _one(found: Bill, workload: Workload) -> tuple[Sequence[str], list[list[str]]]:
    rows = [[item.what, _amount(item.amount), item.unit, _dollars(item.dollars)] for item in found.items]
    million = found.dollars / workload.commands_per_month * 1_000_000
    sums = [[_SUM, "", "", _dollars(found.dollars)], [_PER_MILLION, "", "", _dollars(million)]]
    return ("what", "amount", "unit", "dollars"), rows + sums


def _side_by_side(bills: Sequence[Bill], workload: Workload) -> tuple[Sequence[str], list[list[str]]]:
    lines: list[str] = []
    for found in bills:
        at = 0  # what only one way has stands where that way has it
        for item in found.items:
            if item.what not in lines:
                lines.insert(at, item.what)
            at = lines.index(item.what) + 1
    by_name = [{item.what: item.dollars for item in found.items} for found in bills]
    rows = [[what, *(_dollars(items[what]) if what in items else "-" for items in by_name)] for what in lines]
    rows.append([_SUM, *(_dollars(found.dollars) for found in bills)])
    millions = [found.dollars / workload.commands_per_month * 1_000_000 for found in bills]
    rows.append([_PER_MILLION, *map(_dollars, millions)])
    return ("dollars a month", *(str(found.mode) for found in bills)), rows


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    numbers = len(columns) - 1
    bold = [[f"**{cell}**" if cell else "" for cell in row] if row[0] == _SUM else row for row in rows]
    table = [columns, ["---", *["---:"] * numbers], *bold]
    return ["| " + " | ".join(row) + " |" for row in table]


def _amount(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:,.2f}"  # noqa: PLR2004 - two digits that say something


def _dollars(dollars: float) -> str:
    return f"{dollars:,.2f}"


def _document(workload: Workload, bills: Sequence[Bill]) -> dict[str, Any]:
    return {
        "region": prices.REGION,
        "pricesOf": prices.DATE,
        "workload": asdict(workload),
        "bills": {
            str(found.mode): {
                "items": [asdict(item) for item in found.items],
                "dollars": found.dollars,
                "dollarsPerMillion": found.dollars / workload.commands_per_month * 1_000_000,
            }
            for found in bills
        },
    }
