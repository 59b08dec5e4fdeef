"""What `cqrs cost` takes one command to use is what it uses: units that are added up, step by step."""

from __future__ import annotations

from typing import Any, cast

import pytest

from constructs_lib import InvalidPropsError
from constructs_lib.cost import prices
from constructs_lib.cost.bill import bill
from constructs_lib.cost.workload import Mode, Workload
from runtime import DataSyncHandler
from runtime.store.item_size import item_size
from runtime.store.memory import MemoryStore
from tests.runtime.test_handlers import handle, task
from tests.support.service import PK, Service
from tests.support.units import Units

SIZES = (1_000, 10_000, 90_000)


class Quiet(DataSyncHandler):
    def up(self, command: Any) -> None:
        """Have seen it."""

    def down(self, command: Any) -> None:
        """Have seen it."""


def amounts(mode: Mode = Mode.WORKFLOW, **numbers: Any) -> dict[str, float]:
    """What one command uses."""
    found = bill(Workload(commands_per_month=1_000_000, **numbers), mode)
    return {item.what: item.amount / 1_000_000 for item in found.items}


def test_a_snapshot_is_billed_by_the_month_and_by_its_starts() -> None:
    without, with_one = (
        bill(Workload(commands_per_month=10_000_000, snap_start=snap_start), Mode.INLINE)
        for snap_start in (False, True)
    )
    added = {item.what: item for item in with_one.items if item not in without.items}
    kept, started = added.values()
    # 512 MB for 30.4 days, and 100 000 starts of 512 MB.
    assert (kept.amount, started.amount) == pytest.approx((0.5 * 30.4 * 86_400, 50_000))
    assert (round(kept.dollars, 2), round(started.dollars, 2)) == (1.98, 6.99)


def updated(service: Service, size: int) -> dict[str, Any]:
    """An aggregate at version 1 whose rows are a bit smaller than ``size``; what the next version says."""
    state: dict[str, Any] = {"name": "n", "attributes": {"title": ""}}
    service.publish(**state)
    service.apply(1)
    missing = size - max(item_size(service.image(1)), item_size(service.raw("data", "A1"))) - 40
    state["attributes"] = {"title": "x" * missing}
    service.publish(version=1, **state)
    service.apply(2)
    return state | {"name": "m"}


@pytest.mark.parametrize("size", SIZES)
def test_an_update_uses_the_units_that_are_billed(size: int) -> None:
    service = Service(MemoryStore(), "cost")
    state = updated(service, size)
    units = Units(service)
    service.publish(version=2, **state)
    published = units.written
    service.apply(3)
    assert item_size(service.image(3)) <= size
    expected = amounts(size=size)
    assert units.written == expected["DynamoDB: writes"]
    assert units.read == expected["DynamoDB: reads, consistent"]
    kilobytes = -(-size // 1024)
    assert published == 2 * kilobytes + 2 + 1  # and the entry of the index


def test_inline_the_command_is_not_read_again() -> None:
    service = Service(MemoryStore(), "cost")
    state = updated(service, 10_000)
    units = Units(service)
    service.publish(version=2, **state)
    service.apply(3, images={3: service.image(3)})
    expected = amounts(Mode.INLINE, size=10_000)
    assert units.written == expected["DynamoDB: writes"]
    assert units.read == expected["DynamoDB: reads, consistent"]


@pytest.mark.parametrize("size", SIZES)
def test_a_handler_uses_the_units_that_are_billed(size: int) -> None:
    service = Service(MemoryStore(), "cost", handlers=[Quiet()])
    state = updated(service, size)
    for version in (1, 2):
        handle(service, version)
    units = Units(service)
    service.publish(version=2, **state)
    service.apply(3)
    handle(service, 3)
    task(service, "finish", 3, results=[{"handler": "Quiet", "outcome": "done"}])
    expected = amounts(size=size, handlers=1)
    assert units.written == expected["DynamoDB: writes"]
    assert units.read == expected["DynamoDB: reads, consistent"]


def test_a_read_uses_the_units_that_are_billed() -> None:
    service = Service(MemoryStore(), "cost")
    updated(service, 10_000)
    units = Units(service)
    service.module.repository.get_item((PK, "A1"), invoke_context=service.user())
    per_read = amounts(size=10_000, reads_per_command=1)["DynamoDB: reads, consistent"]
    assert units.read == per_read - amounts(size=10_000)["DynamoDB: reads, consistent"]


def test_large_attributes_are_one_object_and_small_rows() -> None:
    kept, moved = amounts(size=90_000), amounts(size=90_000, attributes_limit=4_096)
    assert "S3: large attributes, written" not in kept
    assert moved["S3: large attributes, written"] == 1
    assert moved["DynamoDB: writes"] == amounts()["DynamoDB: writes"]


@pytest.mark.parametrize(
    ("price", "units", "dollars"),
    [
        (prices.WRITE_UNIT, 2_000_000, 1.25),
        (prices.API_REQUEST, 300_000_000, 300.0),
        (prices.API_REQUEST, 400_000_000, 390.0),
        (prices.LOG, 60 * 1024, 0.5 * 10_240 + 0.25 * 20_480 + 0.1 * 20_480 + 0.05 * 10_240),
        (prices.METRIC, 0, 0.0),
    ],
)
def test_what_is_more_than_a_tier_costs_the_next_ones_price(
    price: prices.Price, units: float, dollars: float
) -> None:
    assert price.of(units) == pytest.approx(dollars)


def test_the_sum_is_that_of_the_items_and_what_is_switched_off_is_not_there() -> None:
    everything = bill(Workload(commands_per_month=1000), Mode.INLINE)
    assert everything.dollars == sum(item.dollars for item in everything.items)
    less = bill(Workload(commands_per_month=1000, tracing=False, monitoring=False), Mode.INLINE)
    gone = {item.what for item in everything.items} - {item.what for item in less.items}
    assert gone == {"X-Ray: sampled traces", "CloudWatch: alarms", "CloudWatch: dashboard"}


def test_of_few_requests_each_is_traced_and_of_many_one_in_twenty() -> None:
    def traced(number: int) -> float:
        found = bill(Workload(commands_per_month=number), Mode.INLINE)
        return next(item.amount for item in found.items if item.what.startswith("X-Ray")) / number

    assert traced(1_000) == 2
    assert traced(10**10) == pytest.approx(0.1, rel=0.01)


def test_every_state_that_is_logged_is_billed() -> None:
    more = amounts(log_states=True)["CloudWatch: logs"] - amounts()["CloudWatch: logs"]
    assert more > 0
    assert amounts(Mode.INLINE, log_states=True) == amounts(Mode.INLINE)


def test_an_inline_module_with_handlers_has_executions_too() -> None:
    assert "Step Functions: state transitions" not in amounts(Mode.INLINE)
    transitions = amounts(Mode.INLINE, handlers=2)["Step Functions: state transitions"]
    assert transitions == amounts(handlers=2)["Step Functions: state transitions"]


@pytest.mark.parametrize(("handlers", "transitions"), [(0, 2), (1, 6), (2, 7)])
def test_what_executions_are_billed_by_is_what_they_enter(handlers: int, transitions: int) -> None:
    """As `tests/e2e/test_pipeline.py` and `tests/pipeline/test_bursts.py` count them."""
    assert amounts(handlers=handlers)["Step Functions: state transitions"] == transitions


def test_settings_are_read_once_in_five_minutes_for_each_tenant() -> None:
    few, many = (
        amounts(settings=True, tenants=tenants)["DynamoDB: reads, consistent"] for tenants in (1, 10**9)
    )
    without = amounts()["DynamoDB: reads, consistent"]
    assert without < few < without + 0.01
    assert many == without + 1


@pytest.mark.parametrize("name", ["commands_per_month", "keep_months", "handlers", "size"])
def test_a_number_that_there_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(InvalidPropsError, match=f"{name} must be"):
        Workload(**cast("Any", {"commands_per_month": 1, name: -1}))
