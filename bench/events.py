"""CPU of event-sourced aggregates in memory, ours beside the library `eventsourcing`, in one run.

Each side makes aggregates, changes each of them nine times with a load before each change, as commands of
separate requests do, and then loads each five times from all its events. Ours is what a service runs: events
of pydantic that are read back before they are stored, tenants, metadata, and the contract of the store port.
The sides take turns, and the medians of the turns are compared.
"""

from __future__ import annotations

import gc
import statistics
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, assert_never

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate as TheirAggregate
from eventsourcing.domain import event

from bench.figures import finish, parser_of
from runtime import (
    Aggregate,
    Event,
    InvokeContext,
    MemoryProvider,
    create_aggregate,
    create_commands,
    create_domain,
)
from runtime.identity.context import use_invoke_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runtime import EventMeta, Loaded

_CHANGES: Final = 9
_LOADS: Final = 5
_NOTE: Final = "n" * 180
_STORES: Final[Mapping[str, Mapping[str, str]]] = {
    "eventsourcing, in memory": {"PERSISTENCE_MODULE": "eventsourcing.popo"},
    "eventsourcing, SQLite in memory": {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": ":memory:",
    },
}


class Created(Event, type="created"):
    """A thing was made."""

    name: str


class Changed(Event, type="changed"):
    """A thing was changed."""

    name: str
    note: str


@dataclass(frozen=True)
class State:
    """What a thing is."""

    name: str = ""
    note: str = ""
    changes: int = 0


def _fold(event: Created | Changed, state: State, _meta: EventMeta) -> State:
    match event:
        case Created(name=name):
            return State(name)
        case Changed(name=name, note=note):
            return State(name, note, state.changes + 1)  # all that it has: as they set it on their side
        case _:
            assert_never(event)


_THING: Final[Aggregate[Created | Changed, State]] = create_aggregate(
    stream="things", events=[Created, Changed], create=State, fold=_fold
)


@dataclass(frozen=True)
class Change:
    """Give a thing another name."""

    name: str


def ours(aggregates: int) -> None:
    """The work on our side."""
    domain = create_domain(MemoryProvider(), _THING)
    commands = create_commands(domain[_THING])

    @commands.on(Change)
    def change(command: Change, current: Loaded[State]) -> Created | Changed:
        return Changed(name=command.name, note=_NOTE) if current.exists else Created(name=command.name)

    claims = {"sub": "8a1c2f0e-user", "custom:tenant": "acme"}
    with use_invoke_context(InvokeContext(claims=claims, request_id="1-67f0-3b2c9d")):
        for number in range(aggregates):
            for step in range(_CHANGES + 1):
                commands.execute(f"t{number}", Change(f"c{step}"))
        for number in range(aggregates):
            for _ in range(_LOADS):
                assert domain[_THING].get_aggregate(f"t{number}").state.changes == _CHANGES  # noqa: S101


class Thing(TheirAggregate):
    """A thing on their side."""

    @event("Created")
    def __init__(self, name: str) -> None:
        self.name, self.note, self.changes = name, "", 0

    @event("Changed")
    def change(self, name: str, note: str) -> None:
        """Give it another name."""
        self.name, self.note = name, note
        self.changes += 1


def theirs(aggregates: int, environment: Mapping[str, str]) -> None:
    """The same work on their side."""
    app = Application[uuid.UUID](env=environment)
    ids = []
    for _ in range(aggregates):
        made = Thing("c0")
        app.save(made)
        ids.append(made.id)
        for step in range(1, _CHANGES + 1):
            thing: Thing = app.repository.get(made.id)
            thing.change(f"c{step}", _NOTE)
            app.save(thing)
    for found in ids:
        for _ in range(_LOADS):
            thing = app.repository.get(found)
            assert thing.changes == _CHANGES  # noqa: S101


def main() -> None:
    """Print the table."""
    parser = parser_of("events", __doc__)
    parser.add_argument("--aggregates", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    sides: dict[str, Callable[[int], None]] = {"ours, in memory": ours}
    for name, environment in _STORES.items():
        sides[name] = lambda count, environment=environment: theirs(count, environment)
    took: dict[str, list[float]] = {name: [] for name in sides}
    for work in sides.values():
        work(2)  # classes and connections are made
    for _ in range(options.turns):
        for name, work in sides.items():
            gc.collect()
            began = time.process_time()
            work(options.aggregates)
            took[name].append(time.process_time() - began)
    steps = options.aggregates * (_CHANGES + 1 + _LOADS)
    found = [
        {"name": name, "ms": [1000 * seconds / steps for seconds in values]} for name, values in took.items()
    ]
    finish(parser, options, {"sides": found}, table)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Each side, by ours, which is the first."""
    own = statistics.median(figures["sides"][0]["ms"])
    yield "| 10 loads and appends, 5 loads | ms of CPU an operation | beside ours |"
    yield "| --- | ---: | ---: |"
    for side in figures["sides"]:
        median = statistics.median(side["ms"])
        yield f"| {side['name']} | {median:.3f} | {median / own:.1f} |"


if __name__ == "__main__":
    main()
