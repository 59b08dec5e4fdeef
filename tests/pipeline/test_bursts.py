"""Many versions of one aggregate at once: nothing parks, nothing fails, each is seen once and in order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from runtime.contract import Action
from runtime.model.keys import DetailKey
from runtime.model.status import FINISHED, HANDLERS_FAILED
from tests.faults.scale import COMPLETE
from tests.pipeline.lab import KEY, Lab, One, Two

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 200


@pytest.fixture(params=["workflow", "inline"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab(mode=request.param, handlers=[One(), Two()])
    yield lab
    lab.clock.stop()


def recorder(lab: Lab, name: str = "One") -> One:
    return lab.module.handler(name).handler  # type: ignore[return-value]


def check_all_seen(lab: Lab, count: int = COUNT) -> None:
    everything = list(range(1, count + 1))
    assert recorder(lab, "One").versions() == everything
    assert recorder(lab, "Two").versions() == everything
    assert {lab.status(version) for version in everything} == {FINISHED}
    assert lab.row("data")["version"] == count
    assert sorted(int(sk.split("@")[1]) for sk, status in lab.notified()) == everything
    assert {status for _, status in lab.notified()} == {FINISHED}
    assert lab.alarms() == []
    assert {"claim", "claimUntil", "wanted", "parkedVersion"}.isdisjoint(lab.cursor("One"))


@pytest.mark.parametrize("seed", range(100 if COMPLETE else 2))
def test_a_burst_whose_records_come_one_by_one_and_shuffled(lab: Lab, seed: int) -> None:
    for version in range(COUNT):
        lab.publish(version)
    records, lab.records = lab.records, []
    random.Random(seed).shuffle(records)  # noqa: S311 - a repeatable order
    lab.deliver(records, at_once=False)
    lab.run(seed=seed)
    check_all_seen(lab)
    assert len(lab.calls) <= 3 * COUNT
    assert transitions(lab) <= 5 * COUNT


def transitions(lab: Lab) -> int:
    """What Step Functions bills: the start, each task; in the whole one the choice, and map or end."""
    whole = [execution for execution in lab.resources.executions if not execution.only_applies]
    assert lab.calls.count(Action.APPLY) == len(lab.resources.executions)
    return len(lab.resources.executions) + len(lab.calls) + 2 * len(whole)


def test_versions_that_come_one_by_one_cost_seven_transitions_and_four_calls_each(lab: Lab) -> None:
    """With two handlers, where none is published before the one before it is finished; see docs/adr/0011."""
    for version in range(20):
        lab.publish(version)
        lab.settle()
    check_all_seen(lab, 20)
    assert (transitions(lab), len(lab.calls)) == (7 * 20, 4 * 20)


def test_a_burst_that_comes_in_batches_takes_an_execution_a_batch(lab: Lab) -> None:
    for version in range(COUNT):
        lab.publish(version)
    for start in range(0, COUNT, 50):
        lab.deliver(lab.records[start : start + 50])
    assert len(lab.resources.executions) == COUNT / 50
    lab.run()
    check_all_seen(lab)
    assert len(lab.calls) <= 4 * COUNT / 50


def test_without_handlers_a_batch_takes_two_transitions_and_tells_of_every_version() -> None:
    lab = Lab(mode="workflow")
    try:
        for version in range(COUNT):
            lab.publish(version)
        records, lab.records = lab.records, []
        for batch in (records[:67], records[67:134], records[134:]):
            lab.deliver(batch)
        lab.run()
        assert (len(lab.resources.executions), transitions(lab)) == (3, 6)
        everything = list(range(1, COUNT + 1))
        assert {lab.status(version) for version in everything} == {FINISHED}
        assert sorted(int(sk.split("@")[1]) for sk, _ in lab.notified()) == everything
    finally:
        lab.clock.stop()


def test_versions_that_come_while_a_handler_is_at_work(lab: Lab) -> None:
    """Each version is published, delivered and processed in the middle of the turn before it."""
    left = list(range(1, 40))

    def publish_next(_command: object) -> None:
        if left:
            lab.publish(left.pop(0))
            lab.deliver()
            for execution in lab.running()[1:]:
                lab.run(executions=[execution])

    recorder(lab).before = publish_next
    lab.publish(0)
    lab.settle()
    check_all_seen(lab, 40)


def test_a_poisonous_version_in_a_burst_parks_once_and_the_rest_waits_behind_it(lab: Lab) -> None:
    recorder(lab).fails_at = {7}
    for version in range(20):
        lab.publish(version)
    records, lab.records = lab.records, []
    lab.deliver(records, at_once=False)
    lab.run()
    assert recorder(lab, "One").versions() == list(range(1, 7))
    assert recorder(lab, "Two").versions() == list(range(1, 21))
    assert len(lab.alarms()) == 1
    assert lab.cursor("One")["parkedVersion"] == 7
    assert [lab.status(version) for version in range(1, 21)] == [FINISHED] * 6 + [HANDLERS_FAILED] * 14


def test_two_aggregates_do_not_wait_for_each_other(lab: Lab) -> None:
    recorder(lab).fails_at = {1}
    lab.publish(0)
    lab.settle()
    recorder(lab).fails_at = set()
    lab.publish(0, sk="B")
    lab.settle()
    assert recorder(lab).versions("B") == [1]


def test_a_trouble_of_many_users_is_one_alarm(lab: Lab) -> None:
    recorder(lab, "One").fails_at = {1}
    for number in range(100):
        lab.publish(0, f"I{number}", invoke_context=lab.user(f"user{number}"))
    lab.settle()
    parked = [row for row in lab.store.rows(lab.context.tables.sync) if "parkedVersion" in row]
    assert len(parked) == 100
    assert lab.alarms() == ["One is parked: RuntimeError"]
    lab.clock.advance(minutes=2)
    lab.publish(0, "later")
    lab.settle()
    assert len(lab.alarms()) == 2


def test_a_trouble_that_goes_on_is_told_of_every_quarter_of_an_hour(lab: Lab) -> None:
    for minute in range(61):
        for second in (0, 30):
            key = DetailKey(KEY.pk, f"I{minute}-{second}")
            lab.context.notifier.alarm("todo", key.pk, f"{key.sk}@1", "One is parked: RuntimeError", "arn")
            lab.clock.advance(seconds=30)
    assert len(lab.alarms()) in {4, 5}


def test_another_trouble_and_another_tenant_are_told_of(lab: Lab) -> None:
    recorder(lab, "One").fails_at = {1}
    recorder(lab, "Two").fails_at = {1}
    for tenant in ("acme", "globex"):
        user = lab.user(**{"custom:tenant": tenant})
        for number in range(3):
            lab.publish(0, f"I{number}", values={"pk": f"TODO#{tenant}"}, invoke_context=user)
    lab.settle()
    assert sorted(lab.alarms()) == sorted(
        [f"{name} is parked: RuntimeError" for name in ("One", "Two") for _ in range(2)]
    )


def test_an_alarm_is_not_lost_with_the_try_that_was_to_send_it(lab: Lab) -> None:
    recorder(lab, "One").fails_at = {1}
    lab.publish(0)
    lab.settle()
    sent = lab.alarms()
    lab.resources.messages.clear()
    lab.context.notifier.alarm("todo", KEY.pk, "A1@1", "One is parked: RuntimeError", "arn")
    assert lab.alarms() == sent
    lab.context.notifier.alarm("todo", KEY.pk, "A2@1", "One is parked: RuntimeError", "arn")
    assert lab.alarms() == sent
