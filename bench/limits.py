"""Where it ends: commands a second against the quotas of AWS, second by second, in a model of the service.

    .venv/bin/python -m bench.limits

A model and no measurement: what a second can do is the quotas of a new account in us-east-1 (see
docs/limits.md), and the milliseconds that are given here. What is over a quota waits where it would on
AWS: a publish that a partition refuses is a 503 for its caller, a record that no execution can be started for
stays in the stream, for 24 hours at the most.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.figures import finish, parser_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Write units a second that a partition of a table takes: AWS's own figure.
_PARTITION: Final = 1_000
#: Of an update of up to 1 KB in the command table: the row, and its status, both in transactions.
_UNITS: Final = 4
_MINUTES: Final = 10
#: Doorbells of a batch that the stream function answers side by side: see `runtime.pipeline.doorbells`.
_THREADS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What an account may do, and what a property or a request to AWS changes of it.

    Attributes:
        starts: Executions that may be started a second; 0 where none are.
        bucket: How many may be started at once, before that rate holds.
        concurrency: Calls of functions at the same time.
        table_writes: Write units a second of a table.
        requests: Requests a second of the HTTP API.
        parallel: Calls of the stream function at the same time for one shard.
    """

    starts: int = 300
    bucket: int = 1_300
    concurrency: int = 1_000
    table_writes: int = 40_000
    requests: int = 10_000
    parallel: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What comes.

    Attributes:
        commands: Commands a second.
        keys: Partition keys that they are spread over evenly: types times tenants, times shards.
        mode: ``workflow``, ``express`` or ``inline``.
        request_ms: What the api function takes for one.
        apply_ms: What an apply takes.
        start_ms: What starting an execution takes.
    """

    commands: int
    keys: int
    mode: str
    request_ms: int = 50
    apply_ms: int = 15
    start_ms: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it.

    Attributes:
        refused: Publishes a second that callers got an error for.
        applied: Commands a second that were applied, in the last minute.
        behind: How many wait in the stream after ten minutes.
        lag: How many seconds that is.
        bound_by: What held it up; empty where nothing did.
    """

    refused: float
    applied: float
    behind: int
    lag: float
    bound_by: str


def run(load: Load, quotas: Quotas) -> Outcome:
    """Ten minutes of a load."""
    accepted, bound = _accepted(load, quotas)
    shards = max(4, -(-accepted * _UNITS // _PARTITION))
    each_ms = load.apply_ms if load.mode == "inline" else load.start_ms
    drained = int(shards * quotas.parallel * _THREADS * 1_000 / each_ms)
    busy = accepted * load.request_ms / 1_000 + min(accepted, drained) * each_ms / 1_000
    workers = max(1, int((quotas.concurrency - busy) * 1_000 / load.apply_ms))
    tokens, behind, applied = quotas.bucket, 0, [0] * 60
    for second in range(_MINUTES * 60):
        behind += accepted
        done = min(behind, drained)
        if load.mode != "inline":
            done = min(done, workers)
            if load.mode == "workflow":
                done = min(done, tokens)
                tokens = min(quotas.bucket, tokens - done + quotas.starts)
        behind -= done
        applied[second % 60] = done
    rate = sum(applied) / 60
    if behind > accepted:
        slowest = {"shards times parallelization_factor": drained}
        if load.mode != "inline":
            slowest["concurrency of the worker"] = workers
        if load.mode == "workflow":
            slowest["StartExecution"] = quotas.starts
        bound = min(slowest, key=lambda what: slowest[what])
    lag = behind / rate if rate else float("inf")
    return Outcome(
        refused=load.commands - accepted, applied=rate, behind=behind, lag=round(lag, 1), bound_by=bound
    )


def _accepted(load: Load, quotas: Quotas) -> tuple[int, str]:
    """Publishes a second that are taken, and what refuses the others."""
    ceilings = {
        "partition of one TYPE#tenant": load.keys * _PARTITION // _UNITS,
        "write units of a table": quotas.table_writes // _UNITS,
        "requests of the API": quotas.requests,
        "concurrency": quotas.concurrency * 1_000 // load.request_ms,
    }
    name = min(ceilings, key=lambda what: ceilings[what])
    return (load.commands, "") if load.commands <= ceilings[name] else (ceilings[name], name)


#: What is asked of AWS, and set in the stack, before so many commands come.
ASKED: Final = Quotas(starts=300, concurrency=20_000, table_writes=1_000_000, requests=200_000, parallel=10)
LOADS: Final = (
    Load(commands=10, keys=1, mode="workflow"),
    Load(commands=1_000, keys=1, mode="inline"),
    Load(commands=1_000, keys=100, mode="workflow"),
    Load(commands=1_000, keys=100, mode="express"),
    Load(commands=1_000, keys=100, mode="inline"),
    Load(commands=100_000, keys=10_000, mode="inline"),
)


def main() -> None:
    """Print the table."""
    parser = parser_of("limits", __doc__)
    options = parser.parse_args()
    found = [
        {"load": asdict(load), "quotas": label, "outcome": asdict(run(load, quotas))}
        for load in LOADS
        for label, quotas in (("a new account", Quotas()), ("asked for", ASKED))
    ]
    finish(parser, options, {"loads": found}, table)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """What becomes of each load."""
    yield "| a second | keys | mode | quotas | refused | applied | behind after 10 min | bound by |"
    yield "| ---: | ---: | --- | --- | ---: | ---: | ---: | --- |"
    for one in figures["loads"]:
        load, outcome = one["load"], one["outcome"]
        yield (
            f"| {load['commands']:,} | {load['keys']:,} | {load['mode']} | {one['quotas']} "
            f"| {outcome['refused']:,.0f} | {outcome['applied']:,.0f} | {outcome['behind']:,} "
            f"| {outcome['bound_by'] or '-'} |"
        )


if __name__ == "__main__":
    main()
