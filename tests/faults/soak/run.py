"""One soak: the traffic, the samples on the way, and every row checked at the end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime import Settings
from tests.e2e.deployment import pk
from tests.faults.soak.plan import HANDLERS, Plan
from tests.faults.soak.samples import Sample, Sampler, growth
from tests.faults.soak.told import StalledError, Told
from tests.faults.soak.traffic import Traffic
from tests.support.checker import Seen, violations
from tests.support.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.deployment import Deployment

__all__ = ["Outcome", "soak"]


@dataclass
class Outcome:
    """What a soak found.

    Attributes:
        problems: Everything that was not as it must be; empty when all is well.
        accepted: Commands accepted, by module.
        rows: Rows that were checked, by table.
        told: Status notifications, by status.
        repeated: Notifications beyond the first of a command.
        seconds: From the first publish to the last notification.
    """

    problems: list[str] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    synchronous: int = 0
    conflicts: int = 0
    reads: int = 0
    repeated: int = 0
    seconds: float = 0.0
    check_seconds: float = 0.0


def soak(
    deployment: Deployment,
    plan: Plan,
    *,
    every: float = 5.0,
    on_sample: Callable[[Sample], None] = lambda _sample: None,
) -> Outcome:
    """Run a plan against a deployed stack.

    Args:
        deployment: The stack of the end-to-end tests.
        plan: What to send.
        every: Seconds between two samples.
        on_sample: Called with each sample.
    """
    outcome, start = Outcome(), time.monotonic()
    emulator = deployment.emulator
    told = Told(emulator, deployment.outputs["TopicArn"], plan.window, plan.stall_seconds)
    traffic = Traffic(deployment, plan, told)
    pid = emulator.pid
    assert pid
    with told:
        with Sampler(
            pid, lambda: (traffic.count, told.under_way), every=every, on_sample=on_sample
        ) as sampler:
            traffic.run()
            try:
                told.drain()
            except StalledError as error:
                outcome.problems.append(str(error))
        outcome.seconds = time.monotonic() - start
        outcome.samples = sampler.samples
    outcome.accepted = Counter({module: len(won) for module, won in traffic.accepted.items()})
    outcome.synchronous, outcome.conflicts, outcome.reads = (
        traffic.synchronous,
        traffic.conflicts,
        traffic.reads,
    )
    outcome.problems += traffic.problems + growth(outcome.samples)
    if traffic.count != plan.commands:
        outcome.problems.append(f"{traffic.count} commands were accepted, and not {plan.commands}")
    check_start = time.monotonic()
    outcome.problems += _check(deployment, plan, traffic, outcome)
    outcome.check_seconds = time.monotonic() - check_start
    outcome.problems += _check_told(traffic, told, outcome)
    return outcome


def _check(deployment: Deployment, plan: Plan, traffic: Traffic, outcome: Outcome) -> Iterator[str]:
    """I1 to I5 over every row of every module that belongs to the plan."""
    client = deployment.emulator.client("dynamodb")
    settings = Settings.from_environment(deployment.function_environment("api"))
    own = {aggregate.sk for writer in range(plan.writers) for aggregate in plan.aggregates_of(writer)}
    for module, handlers in HANDLERS.items():
        rows = Rows.read(client, settings.tables_of(module)).only(own)
        for table in ("command", "data", "history", "sync"):
            outcome.rows[table] += len(getattr(rows, table))
        yield from violations(
            rows,
            accepted=traffic.accepted[module],
            seen=[seen for seen in _seen(deployment, module) if seen.sk in own] if handlers else None,
            handlers=handlers,
            all_known=True,
        )


def _seen(deployment: Deployment, module: str) -> list[Seen]:
    """What the handlers' stores were told, in order."""
    rows = deployment.ask_store("SELECT store, sk FROM seen ORDER BY rowid")
    found = ((store, *sk.rsplit("@", 1)) for store, sk in rows)
    return [Seen(store, pk(module), sk, int(version)) for store, sk, version in found]


def _check_told(traffic: Traffic, told: Told, outcome: Outcome) -> Iterator[str]:
    """Every accepted command was reported as finished."""
    outcome.told = told.statuses
    outcome.repeated = sum(times - 1 for times in told.times.values())
    for module, accepted in traffic.accepted.items():
        for won in accepted:
            if (won.pk, f"{won.sk}@{won.version}") not in told.times:
                yield f"{module} {won.sk}@{won.version}: no notification"
    if others := {status: number for status, number in told.statuses.items() if status != "finish:FINISHED"}:
        yield f"final statuses beside finish:FINISHED: {others}"
