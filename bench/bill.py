"""What a hundred million updates a month cost, the largest item first: the sums of `cqrs cost`.

    .venv/bin/python -m bench.bill

List prices, as in docs/costs.md; nothing is measured here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.figures import finish, parser_of
from constructs_lib.cost import prices
from constructs_lib.cost.bill import bill
from constructs_lib.cost.workload import Mode, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COMMANDS: Final = 100_000_000
HANDLERS: Final = (0, 1)
#: Months that commands and history are kept.
KEPT: Final = (1, 12, 36)
_SHOWN: Final = 7


def main() -> None:
    """Print the table."""
    parser = parser_of("bill", __doc__)
    options = parser.parse_args()
    workloads = [Workload(commands_per_month=COMMANDS, handlers=handlers) for handlers in HANDLERS]
    kept = {months: Workload(commands_per_month=COMMANDS, keep_months=months) for months in KEPT}
    figures = {
        "prices": f"{prices.REGION}, {prices.DATE}",
        "bills": [
            {"mode": str(mode), "handlers": workload.handlers, "items": _items(workload, mode)}
            for mode in Mode
            for workload in workloads
        ],
        "amounts": [_amounts(workload) for workload in workloads],
        "kept": {str(months): _kept_of(_items(workload, Mode.WORKFLOW)) for months, workload in kept.items()},
    }
    finish(parser, options, figures, table)


def _items(workload: Workload, mode: Mode) -> dict[str, float]:
    """Dollars for a million of the commands, by item."""
    return {item.what: item.dollars / COMMANDS * 1_000_000 for item in bill(workload, mode).items}


def _amounts(workload: Workload) -> dict[str, float]:
    """What is billed for each command in workflow mode, where it comes to whole numbers."""
    amounts = {item.what: item.amount / COMMANDS for item in bill(workload, Mode.WORKFLOW).items}
    return {
        "handlers": workload.handlers,
        "transitions": amounts["Step Functions: state transitions"],
        "notifications": amounts["SNS: a status each"],
    }


def _kept_of(items: Mapping[str, float]) -> float:
    """Of the dollars those for what accumulates: storage, and its backups."""
    return sum(dollars for what, dollars in items.items() if "storage" in what or "backups" in what)


def items_of(figures: Mapping[str, Any], mode: str, handlers: int = 0) -> dict[str, float]:
    """Dollars for a million commands by item, of one bill."""
    found: dict[str, float] = next(
        one["items"] for one in figures["bills"] if (one["mode"], one["handlers"]) == (mode, handlers)
    )
    return found


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """The largest items, by what they are in workflow mode; and what the others come to."""
    bills = [items_of(figures, mode) for mode in Mode]
    first = bills[0]
    named = sorted(first, key=lambda what: -first[what])[:_SHOWN]
    yield _row(f"dollars for a million commands, {figures['prices']}", Mode)
    yield "| --- |" + " ---: |" * len(Mode)
    for what in named:
        yield _row(what, (f"{items[what]:.2f}" if what in items else "-" for items in bills))
    others = [sum(dollars for what, dollars in items.items() if what not in named) for items in bills]
    yield _row("everything else", (f"{dollars:.2f}" for dollars in others))
    yield _row("**Sum**", (f"**{sum(items.values()):.2f}**" for items in bills))
    handled = [sum(items_of(figures, mode, 1).values()) for mode in Mode]
    yield _row("sum with one data sync handler", (f"{dollars:.2f}" for dollars in handled))


def _row(what: str, cells: Iterable[str]) -> str:
    return f"| {what} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
