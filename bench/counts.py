"""What each operation takes on the wire: calls, how many wait for another, read and write units.

    .venv/bin/python -m bench.counts

Counted on the store in memory, which has the calls of DynamoDB, by the rules that AWS bills by
(`tests.support.units`); `tests/cost/test_counts.py` asserts every figure. Beside them those of the reference
system, MBC CQRS Serverless 1.2.5, as they were counted when it was run, with a row of 1 KB; its pipeline with
one data sync handler, which is why ours is counted with one, too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench.figures import finish, parser_of
from runtime import CommandModel, DataSyncHandler, DetailKey
from runtime.contract import Action
from runtime.entry.worker import Worker
from runtime.pipeline.apply import apply
from runtime.pipeline.drain import drain
from runtime.store.item_size import item_size
from runtime.store.memory import MemoryStore
from tests.support.service import PK, Service
from tests.support.units import Units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SIZES: Final = (1_000, 10_000, 90_000)

PIPELINE: Final = "pipeline, one handler"
#: Calls of the reference system, where they were counted.
REFERENCE: Final = {
    "publish, new": 3,
    "publish, explicit version": 4,
    "publish, latest version": 10,
    "publish, partial": 5,
    "publish, synchronous": 12,
    PIPELINE: 23,
}


@dataclass(frozen=True, slots=True)
class Count:
    """What one operation takes.

    Attributes:
        operation: What is done.
        size: Bytes of a row.
        calls: Calls of the store.
        writes: How many of them write.
        depth: How many of them wait for another.
        read: Read units.
        written: Write units.
    """

    operation: str
    size: int
    calls: int
    writes: int
    depth: int
    read: float
    written: int


class _Quiet(DataSyncHandler):
    def up(self, command: CommandModel[Any]) -> None:
        """Have seen it."""

    def down(self, command: CommandModel[Any]) -> None:
        """Have seen it."""


class _Counted:
    """One aggregate at version 1, applied, whose rows have about a size."""

    def __init__(self, size: int, handlers: Sequence[DataSyncHandler]) -> None:
        self.size = size
        self.service = Service(MemoryStore(), "counts", handlers=handlers)
        self.state: dict[str, Any] = {"name": "n", "attributes": {"title": ""}}
        self.service.publish("probe", **self.state)
        apply(self.service.context, DetailKey(PK, "probe"), 1)
        self._fill(size - item_size(self.service.raw("data", "probe")) - 120)

    def _fill(self, missing: int) -> None:
        self.state["attributes"] = {"title": "x" * missing}
        self.service.publish("A1", **self.state)
        apply(self.service.context, DetailKey(PK, "A1"), 1)

    def count(self, operation: str, do: Callable[[], Any]) -> Count:
        units = Units(self.service)
        self.service.wire.clear()
        do()
        wire = self.service.wire
        writes = sum(bool(call.writes) for call in wire.calls)
        return Count(operation, self.size, len(wire.calls), writes, wire.depth(), units.read, units.written)


def counted(size: int) -> Iterator[Count]:
    """Each operation at one size of rows."""
    key = DetailKey(PK, "A1")
    fresh = partial(_fresh, size)
    one, service, changed = fresh()
    yield one.count("publish, new", lambda: service.publish("B1", **changed))
    yield one.count("publish, explicit version", lambda: service.publish(version=1, **changed))
    yield one.count("apply", lambda: apply(service.context, key, 2))
    yield one.count("apply, again", lambda: apply(service.context, key, 2))
    yield one.count(
        "read one", lambda: service.module.repository.get_item(key, invoke_context=service.user())
    )
    yield one.count("publish, no change", lambda: service.publish(version=2, **changed))

    one, service, changed = fresh()
    service.publish(version=1, **changed)
    yield one.count(
        "read one, pending", lambda: service.module.repository.get_item(key, invoke_context=service.user())
    )
    images = {2: service.image(2)}
    yield one.count("apply, inline", lambda: apply(service.context, key, 2, images=images))

    one, service, changed = fresh()
    yield one.count("publish, latest version", lambda: service.publish(version=-1, **changed))
    one, service, changed = fresh()
    part = {"pk": PK, "sk": "A1", "version": 1, "name": "m"}
    publish_part = service.module.commands.publish_partial_update_async
    yield one.count("publish, partial", lambda: publish_part(part, invoke_context=service.user()))
    one, service, changed = fresh()
    yield one.count("publish, synchronous", lambda: service.publish_sync(version=1, **changed))

    one, service, changed = fresh(_Quiet())
    handler = service.context.handlers[0]
    drain(service.context, handler, key, 1, owner="bench-1")
    service.publish(version=1, **changed)
    apply(service.context, key, 2)
    yield one.count("turn of a handler", lambda: drain(service.context, handler, key, 2, owner="bench-2"))

    one, service, changed = fresh(_Quiet())
    execute(service, 1)
    service.publish(version=1, **changed)
    yield one.count(PIPELINE, lambda: execute(service, 2))


def _fresh(size: int, *handlers: DataSyncHandler) -> tuple[_Counted, Service, dict[str, Any]]:
    one = _Counted(size, handlers)
    return one, one.service, one.state | {"name": "m"}


def way(handlers: int) -> dict[str, int]:
    """What an asynchronous update of 1 KB takes, from its publish to its last status.

    Args:
        handlers: Data sync handlers, 0 or 1.
    """
    one, service, changed = _fresh(SIZES[0], *[_Quiet()] * handlers)
    execute(service, 1)
    published = one.count("publish", lambda: service.publish(version=1, **changed))
    tasks = 0

    def follow() -> None:
        nonlocal tasks
        tasks = execute(service, 2)

    followed = one.count("pipeline", follow)
    return {
        "handlers": handlers,
        "publish": published.calls,
        "pipeline": followed.calls,
        "pipeline writes": followed.writes,
        "functions": 1 + tasks,  # that of the stream, and the worker's
        "write units": published.written + followed.written,
    }


def execute(service: Service, version: int) -> int:
    """An execution of the state machine for a version; how often it calls the worker function."""
    worker, calls = Worker({service.module.context.name: service.module}), 0

    def call(action: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a task
        nonlocal calls
        calls += 1
        task = {"module": service.module.context.name, "pk": PK, "sk": "A1", "version": version, **more}
        execution = {"Execution": {"Id": f"bench-{version}"}}
        return worker.run({"action": action, "input": task, "context": execution})

    names = call(Action.APPLY)["handlers"]
    results = [call(Action.HANDLE, handler=name) for name in names]
    if names:
        call(Action.FINISH, results=results)
    return calls


def main() -> None:
    """Print the table."""
    parser = parser_of("counts", __doc__)
    options = parser.parse_args()
    found = [asdict(count) for size in SIZES for count in counted(size)]
    finish(parser, options, {"counts": found, "ways": [way(0), way(1)], "reference": REFERENCE}, table)


def table(figures: Mapping[str, Any]) -> Iterator[str]:
    """Each operation at each size."""
    yield "| operation | bytes | calls | in a row | read units | write units | reference, calls |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for one in figures["counts"]:
        yield (
            f"| {one['operation']} | {one['size']:,} | {one['calls']} | {one['depth']} | {one['read']:g} "
            f"| {one['written']} | {figures['reference'].get(one['operation'], '-')} |"
        )


if __name__ == "__main__":
    main()
