"""One command beside the reference system, MBC CQRS Serverless 1.2.5, as it was counted when it was run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NAME", "PARTS", "WAY", "chapter"]

NAME: Final = "MBC CQRS Serverless 1.2.5"
#: Parts whose figures are in the table.
PARTS: Final = ("counts", "bill")
#: An asynchronous update of 1 KB with one data sync handler, from its publish to its last status.
WAY: Final = {
    "publish": "4",
    "pipeline": "23",
    "pipeline writes": "15",
    "write units": "17",
    "functions": "7",
    "transitions": "9 to 11",
    "notifications": "12",
}
_LABELS: Final = {
    "publish": "publish: calls of DynamoDB",
    "pipeline": "pipeline: calls of DynamoDB",
    "pipeline writes": "of these, writes",
    "write units": "write units, publish and pipeline",
    "functions": "invocations of the stream and worker functions",
    "transitions": "state transitions",
    "notifications": "notifications",
}


def chapter(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The way of an update, ours without and with a handler, and theirs."""
    yield f"An asynchronous update of 1 KB in workflow mode. {NAME} was run with one data sync handler; calls"
    yield "of its publish by other ways stand under [on the wire](#on-the-wire)."
    yield ""
    yield f"| one update | ours | ours, one handler | {NAME}, one handler |"
    yield "| --- | ---: | ---: | ---: |"
    ways = [_of(figures, way) for way in figures["counts"]["ways"]]
    for name, theirs in WAY.items():
        yield f"| {_LABELS[name]} | " + " | ".join(f"{way[name]:g}" for way in ways) + f" | {theirs} |"


def _of(figures: Mapping[str, Mapping[str, Any]], way: Mapping[str, int]) -> dict[str, float]:
    """What was counted, and what is billed for each command."""
    handlers = way["handlers"]
    billed = next(one for one in figures["bill"]["amounts"] if one["handlers"] == handlers)
    return {**way, **{name: billed[name] for name in ("transitions", "notifications")}}
