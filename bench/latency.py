"""From publish to data row: how long a command takes, in workflow mode and inline, on a deployed service.

    .venv/bin/python -m bench.latency [--commands N]

A small service is deployed to the local AWS. One client publishes one command after another over HTTP, of
each mode in turns, and looks for the data row until it is there. Milliseconds of the clock, on an emulator
that shares the processors with the functions: they compare the modes, and say nothing of AWS.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from bench.deployed import PREFIX, deployed
from bench.figures import finish, parser_of
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

    from bench.deployed import Deployed

#: Each mode, and its module in `bench/service`.
MODES: Final = {"workflow": "doc", "workflow, one handler": "task", "inline": "memo"}
_TENANT: Final = "acme"
_ACCEPTED: Final = 202
_WARM: Final = 3
_LOOK_EVERY: Final = 0.002
_LONGEST: Final = 120


def main() -> None:
    """Print the table."""
    parser = parser_of("latency", __doc__)
    parser.add_argument("--commands", type=int, default=100, help="of each mode (default: %(default)s)")
    options = parser.parse_args()
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    accepted: dict[str, list[float]] = {mode: [] for mode in MODES}
    with deployed() as service, service.user(_TENANT) as client:
        for number in range(_WARM + options.commands):
            for mode, module in MODES.items():
                answered, applied = _one(service, client, module, f"K{number:05}")
                if number >= _WARM:
                    accepted[mode].append(answered)
                    times[mode].append(applied)
    found = [{"name": mode, "accepted_ms": accepted[mode], "applied_ms": times[mode]} for mode in MODES]
    finish(parser, options, {"modes": found}, table)


def _one(service: Deployed, client: httpx.Client, module: str, sk: str) -> tuple[float, float]:
    """Milliseconds until a command is accepted, and until its data row is there."""
    place = {
        "TableName": f"{PREFIX}-{module}-data",
        "Key": {"pk": {"S": f"{module.upper()}#{_TENANT}"}, "sk": {"S": sk}},
        "ConsistentRead": True,
    }
    body = {"sk": sk, "version": 0, "name": sk, "attributes": {"text": "x" * 800}}
    tables = service.tables
    began = time.perf_counter()
    answer = client.post(f"/{module}s", json=body)
    answered = time.perf_counter() - began
    if answer.status_code != _ACCEPTED:
        message = f"the command was answered {answer.status_code}: {answer.text}"
        raise RuntimeError(message)
    wait_until(lambda: tables.get_item(**place).get("Item"), seconds=_LONGEST, every=_LOOK_EVERY)
    return answered * 1000, (time.perf_counter() - began) * 1000


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Each mode."""
    yield "| ms of the clock, on the emulator | commands | accepted, p50 | p99 | data row, p50 | p99 |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for mode in figures["modes"]:
        accepted, applied = (
            statistics.quantiles(mode[name], n=100, method="inclusive")
            for name in ("accepted_ms", "applied_ms")
        )
        yield (
            f"| {mode['name']} | {len(mode['applied_ms'])} | {accepted[49]:.0f} | {accepted[98]:.0f} "
            f"| {applied[49]:.0f} | {applied[98]:.0f} |"
        )


if __name__ == "__main__":
    main()
