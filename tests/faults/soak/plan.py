"""What the soak sends: how many commands, to how many aggregates, of which kinds."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

__all__ = ["HANDLERS", "KINDS", "Aggregate", "Kind", "Plan"]

#: The data sync handlers of the deployed service's modules.
HANDLERS: Final = {"note": [], "memo": [], "task": ["FlakyStore", "SteadyStore"]}


class Kind(NamedTuple):
    """How the aggregates of a module are written.

    Attributes:
        module: The module: its tables are processed inline, or by the workflow.
        aggregates: Its share of the aggregates, and so of the commands, in percent.
        synchronous: The share of its commands that is published synchronously, in percent.
    """

    module: str
    aggregates: int
    synchronous: int


#: Mostly inline: an execution costs this machine two to six times as much as an inline command.
KINDS: Final = (
    Kind("memo", aggregates=88, synchronous=40),  # inline
    Kind("note", aggregates=10, synchronous=20),  # workflow
    Kind("task", aggregates=2, synchronous=0),  # workflow with two handlers
)


class Aggregate(NamedTuple):
    kind: Kind
    sk: str


@dataclass(frozen=True)
class Plan:
    """One run.

    Attributes:
        commands: How many commands are accepted in all.
        aggregates: Over how many aggregates.
        writers: How many clients publish side by side, each to aggregates of its own.
        window: How many accepted commands may be under way.
        seed: Of the order in which aggregates are written.
        stall_seconds: Without a finished command for that long, the run is given up.
        every: Each how many commands a writer also publishes on a stale version, and reads
            what it has just written.
    """

    commands: int = 50_000
    aggregates: int = 5_000
    writers: int = 6
    window: int = 100
    seed: int = 1
    stall_seconds: float = 180.0
    every: int = 50

    def aggregates_of(self, writer: int) -> list[Aggregate]:
        """The aggregates that one writer writes, in a random order."""
        names = (f"A{self.seed}x{number:05}" for number in range(self.aggregates))
        found = [Aggregate(_kind(number), name) for number, name in enumerate(names)]
        own = found[writer :: self.writers]
        Random(self.seed * 1000 + writer).shuffle(own)  # noqa: S311 - not a secret
        return own

    def commands_of(self, writer: int) -> int:
        """How many commands one writer publishes."""
        return self.commands // self.writers + (writer < self.commands % self.writers)


def _kind(number: int) -> Kind:
    """The kind of an aggregate: every hundred of them has the shares of `KINDS`."""
    place = number * 37 % 100  # so that the kinds are mixed, and each writer has some of each
    for kind in KINDS:
        place -= kind.aggregates
        if place < 0:
            return kind
    message = "the shares of the kinds are not 100 percent"
    raise AssertionError(message)
