"""What a soak found, as the tables that stand in docs/reliability.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.soak.plan import Plan
    from tests.faults.soak.run import Outcome

__all__ = ["lines"]

_POINTS = 10
_SHOWN = 20


def lines(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """The report, line by line."""
    total = outcome.accepted.total()
    modules = ", ".join(f"{module} {number}" for module, number in sorted(outcome.accepted.items()))
    rows = ", ".join(f"{table} {number}" for table, number in outcome.rows.items())
    told = ", ".join(f"{status} {number}" for status, number in outcome.told.items())
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| commands accepted | {total} over {plan.aggregates} aggregates: {modules} |"
    yield f"| of them synchronous | {outcome.synchronous} |"
    yield f"| stale versions refused | {outcome.conflicts} |"
    yield f"| reads of one's own write | {outcome.reads} |"
    yield f"| time | {outcome.seconds:.0f} s, {total / max(outcome.seconds, 0.001):.0f} commands a second |"
    yield f"| rows checked | {rows}, in {outcome.check_seconds:.0f} s |"
    yield f"| notifications | {told}; {outcome.repeated} repeated |"
    yield f"| problems | {len(outcome.problems)} |"
    yield ""
    yield "| seconds | commands | under way | emulator MB | its files | workers | largest MB | its files |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    step = max(1, len(outcome.samples) // _POINTS)
    for sample in [*outcome.samples[::step], *outcome.samples[-1:]]:
        yield (
            f"| {sample.seconds:.0f} | {sample.commands} | {sample.under_way} | {sample.emulator_mb:.0f} | "
            f"{sample.emulator_files} | {sample.workers} | {sample.worker_mb:.0f} | {sample.worker_files} |"
        )
    yield ""
    yield from outcome.problems[:_SHOWN]
