"""Commands that another life of their aggregate has left behind: they fail, and are in nobody's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import erase, heal, reconcile
from runtime.contract import OPEN_COLUMN, Action
from runtime.model.status import APPLY_FAILED, FINISHED
from runtime.store.port import Delete, Put
from runtime.store.values import Place
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86400
HANDLERS: dict[str, list[Any]] = {"handler": [One], "none": []}


@pytest.fixture(
    params=[("workflow", "handler"), ("workflow", "none"), ("inline", "handler"), ("inline", "none")]
)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    mode, handlers = request.param
    lab = Lab(mode=mode, handlers=[handler() for handler in HANDLERS[handlers]])
    yield lab
    lab.clock.stop()


def two_lives(lab: Lab, version: int = 2) -> dict[str, Any]:
    """A life for a day, and an accepted command of another one, whose publisher had read too long before."""
    lab.publish(0, values={"name": "behind"})
    behind: dict[str, Any] = lab.row("command", "A1@1") | {"sk": f"A1@{version}", "version": version}
    lab.records.clear()
    lab.store.write(Delete(place=Place(lab.context.tables.command, KEY.pk, "A1@1")))
    for number in range(2 if version == 1 else 1):
        lab.clock.advance(seconds=1)
        lab.publish(number, values={"name": "winner", "ttl": int(lab.clock.seconds()) + DAY, "seq": number})
        lab.settle()
    lab.store.write(Put(table=lab.context.tables.command, row=behind))
    lab.records.clear()
    return behind


def end_the_winner(lab: Lab) -> None:
    lab.clock.advance(days=2)
    lab.store.expire()
    assert lab.row("data") is None


def sweep(lab: Lab, *, dry_run: bool = False) -> Any:
    lab.clock.advance(minutes=20)
    return reconcile(lab.module, dry_run=dry_run, invoke_context=lab.admin())


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize("by", ["heal", "reconcile"])
def test_a_command_of_another_life_fails_visibly(lab: Lab, by: str, version: int, *, is_over: bool) -> None:
    two_lives(lab, version)
    if is_over:
        end_the_winner(lab)
    told = len(lab.notified())
    before = sweep(lab, dry_run=True).found
    assert [(one.version, one.problem, one.status) for one in before] == [(version, "leftBehind", None)]
    if by == "heal":
        assert heal(lab.module).healed == 1
    else:
        assert sweep(lab).finished == 1
    assert lab.status(version) == APPLY_FAILED
    assert lab.alarms() == ["not applied: another life of the item has begun"]
    assert lab.notified()[told:] == [(f"A1@{version}", APPLY_FAILED)]
    data = lab.row("data")
    assert data is None if is_over else data["name"] == "winner"


def test_what_was_told_to_have_failed_does_not_come_true_later(lab: Lab) -> None:
    """Nor is it told twice, or looked at again."""
    two_lives(lab)
    sweep(lab)
    end_the_winner(lab)
    # Nothing but its own row remembers the other life.
    lab.store.write(Delete(place=Place(lab.context.tables.command, KEY.pk, "A1@1")))
    assert sweep(lab).found == ()
    assert heal(lab.module).looked_at == 0
    assert OPEN_COLUMN not in lab.row("command", "A1@2")
    lab.settle()
    assert lab.row("data") is None
    assert len(lab.alarms()) == 1


def test_what_had_failed_before_is_told_to_clients_alone(lab: Lab) -> None:
    behind = two_lives(lab)
    lab.work(
        {
            "action": Action.FAIL,
            "input": {
                "module": "todo",
                **KEY._asdict(),
                "version": 2,
                "publishId": behind["publishId"],
                "error": "E",
            },
        }
    )
    assert lab.alarms() == ["not applied: E"]
    assert sweep(lab).finished == 1
    assert lab.alarms() == ["not applied: E"]
    assert lab.notified()[-1] == ("A1@2", APPLY_FAILED)


def test_a_life_that_is_about_to_begin_is_not_left_behind_by_the_one_before(lab: Lab) -> None:
    lab.publish(0, values={"name": "before", "ttl": int(lab.clock.seconds()) + 60})
    lab.settle()
    lab.clock.advance(minutes=5)
    lab.store.expire()
    lab.publish(0, values={"name": "after"})
    lab.records.clear()  # the stream forgot it
    assert [(one.version, one.problem) for one in sweep(lab).found] == [(2, "notApplied")]
    lab.settle()
    assert lab.row("data")["name"] == "after"


def test_an_update_that_found_its_item_gone_is_not_left_behind(lab: Lab) -> None:
    lab.publish(0, values={"ttl": int(lab.clock.seconds()) + 60})
    lab.settle()
    lab.publish(1, values={"name": "pending"})
    lab.records.clear()
    lab.clock.advance(minutes=5)
    lab.store.expire()
    sweep(lab)
    lab.settle()
    assert lab.row("data")["name"] == "pending"
    assert lab.alarms() == []


def test_a_task_finishes_nothing_that_was_not_applied(lab: Lab) -> None:
    behind = two_lives(lab, version=1)
    lab.work(
        {
            "action": Action.APPLY,
            "input": {"module": "todo", **KEY._asdict(), "version": 1, "publishId": behind["publishId"]},
        }
    )
    assert lab.status(1) is None
    assert sweep(lab).finished == 1
    assert lab.status(1) == APPLY_FAILED


@pytest.mark.parametrize("sync", [True, False])
def test_its_version_can_be_published_again(lab: Lab, *, sync: bool) -> None:
    two_lives(lab)
    sweep(lab)
    assert lab.publish(-1, sync=sync, values={"name": "next"}).version == 2
    lab.settle()
    assert (lab.row("data")["version"], lab.row("data")["name"]) == (2, "next")
    assert lab.status(2) == FINISHED


@pytest.mark.parametrize("is_over", [False, True])
def test_it_can_be_erased(lab: Lab, *, is_over: bool) -> None:
    two_lives(lab)
    sweep(lab)
    if is_over:
        end_the_winner(lab)
    erase(lab.module, KEY, invoke_context=lab.user())
    assert lab.left() == {}
