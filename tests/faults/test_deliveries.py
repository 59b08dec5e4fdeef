"""Records and tasks that come twice, late, in any order and side by side: the end is the same."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.scale import scaled
from tests.faults.site import Site, remove_tables
from tests.faults.test_crashes import MODES, asynchronous, parked, undisturbed_life
from tests.faults.world import World, stream_record
from tests.support.checker import violations
from tests.support.rows import Rows, assert_same_end
from tests.support.service import PK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from tests.faults.site import Process

SKS = ("A1", "B1", "C1")
VERSIONS = 4
THREADS = 3
ORDERS = [
    ("twice", 0, 5),
    ("reversed", 0, 1),
    *(("random", seed, 1 + seed % 2 * 4) for seed in range(scaled(2, 20))),
]


@pytest.fixture(scope="module")
def functions(emulator: Emulator) -> Iterator[list[Process]]:
    """Processes of one function, each with clients of its own, as the batches of a stream have."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in emulator.environment.items():
            if name != "AWS_ENDPOINT_URL":
                environment.setenv(name, value)
        site = Site.make(emulator, mode="inline")
        yield [site.open() for _ in range(THREADS)]
        remove_tables(emulator, site)


def published(process: Process, pk: str) -> list[dict[str, Any]]:
    """The stream's records of three aggregates with four versions each."""
    service = process.service
    keys = [(sk, version) for version in range(1, VERSIONS + 1) for sk in SKS]
    for sk, version in keys:
        service.publish(sk, version - 1, pk=pk)
    images = [service.item("command", f"{sk}@{version}", pk) for sk, version in keys]
    return [stream_record(service, image, number) for number, image in enumerate(images, 1)]


def disordered(records: list[dict[str, Any]], order: str, seed: int) -> list[dict[str, Any]]:
    twice = records * 2
    if order == "reversed":
        return twice[::-1]
    if order == "random":
        random.Random(seed).shuffle(twice)  # noqa: S311 - a repeatable order
    return twice


@pytest.mark.parametrize(("order", "seed", "size"), ORDERS)
def test_records_in_any_order_and_in_concurrent_batches(
    functions: list[Process], order: str, seed: int, size: int
) -> None:
    service = functions[0].service
    pks = [f"TODO-{kind}-{order}-{seed}#acme" for kind in ("ordered", "disordered")]
    assert functions[0].app({"Records": published(functions[0], pks[0])}, None) == {"batchItemFailures": []}
    records = disordered(published(functions[0], pks[1]), order, seed)
    batches = [records[start : start + size] for start in range(0, len(records), size)]

    def deliver(thread: int) -> list[Any]:
        return [functions[thread].app({"Records": b}, None) for b in batches[thread::THREADS]]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for answers in pool.map(deliver, range(THREADS)) for answer in answers]
    assert answers == [{"batchItemFailures": []}] * len(batches)
    ordered, found = (Rows.of_partition(service.client, service.tables, pk, PK) for pk in pks)
    assert not violations(found, accepted=[])
    assert_same_end(found, ordered)


@pytest.mark.parametrize("life", [asynchronous, parked])
@pytest.mark.parametrize("mode", MODES)
def test_every_task_and_batch_is_done_twice(
    open_site: Callable[..., Process], life: Callable[[World], None], mode: str
) -> None:
    process = open_site(mode=mode)
    undisturbed = undisturbed_life(process, life)
    world = World(process, "TODO1#acme", echo=True)
    life(world)
    world.check(undisturbed)


@pytest.mark.parametrize("seed", range(scaled(3, 30)))
def test_executions_twice_and_in_any_order(open_site: Callable[..., Process], seed: int) -> None:
    process = open_site()
    worlds = [World(process, f"TODO{number}#acme") for number in range(2)]
    for world in worlds:
        for _ in range(4):
            world.publish()
        world.deliver(one_by_one=True)
        assert len(world.executions) == 4
    worlds[0].run()
    worlds[0].check()
    worlds[1].run(seed=seed, times=2)
    worlds[1].check(worlds[0])


@pytest.mark.parametrize(("handlers", "expected"), [(True, [0, 1]), (False, [1, 0])])
def test_starting_twice_is_one_execution(
    open_site: Callable[..., Process], expected: list[int], *, handlers: bool
) -> None:
    """In the state machine that only applies, where there are no handlers."""
    process = open_site(handlers=handlers)
    world = World(process, "TODO1#acme")
    world.publish()
    records = world.records()
    for _ in range(3):
        assert process.app({"Records": records * 2}, None) == {"batchItemFailures": []}
    machines = (process.site.apply_machine_arn, process.site.state_machine_arn)
    started = [process.sfn.list_executions(stateMachineArn=arn)["executions"] for arn in machines]
    assert list(map(len, started)) == expected


def two_commands(world: World) -> None:
    world.publish()
    world.publish(publish_id="p")
    world.settle()


def test_a_command_that_is_reported_twice_is_applied_by_a_sweep(open_site: Callable[..., Process]) -> None:
    """Apply fails until its retries are used up, and its failure is reported twice."""
    process = open_site()
    undisturbed = undisturbed_life(process, two_commands)
    world = World(process, "TODO1#acme", echo=True)
    world.publish()
    world.publish(publish_id="p")

    def fail(call: Any) -> None:
        if call.operation == "TransactWriteItems":
            message = "no network"
            raise OSError(message)

    process.wire.before = fail
    world.settle()
    process.wire.before = lambda _call: None
    assert {execution.status for execution in world.executions.values()} == {"FAILED"}
    rows = world.rows()
    assert {row.get("status") for row in rows.command.values() if "name" in row} == {"transform_data:FAILED"}
    assert rows.data == {}
    world.check()  # visibly failed: nothing is lost
    assert set(process.alarms(world.pk)) == {"not applied: OutcomeUnknownError"}
    world.reconcile()
    world.check(undisturbed)
