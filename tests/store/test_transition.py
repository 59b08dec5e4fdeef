"""A row moves from one state to another once, and only from the states that lead there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.conditions import Attr

from runtime.store.dynamodb import DynamoDbStore
from runtime.store.memory import MemoryStore
from runtime.store.port import Add, ConditionFailedError, Put
from runtime.store.transition import Moved, move, transition
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.store.port import Store


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return DynamoDbStore(request.getfixturevalue("shared_client"))


@pytest.fixture
def task(request: pytest.FixtureRequest, store: Store) -> Place:
    """A task that is queued."""
    table = request.getfixturevalue("tables").first if isinstance(store, DynamoDbStore) else "tasks"
    put(store, Place(table, "TASK#acme", "1"), status="QUEUED", attempt=1)
    return Place(table, "TASK#acme", "1")


def put(store: Store, place: Place, **columns: Any) -> None:
    store.write(Put(table=place.table, row={"pk": place.pk, "sk": place.sk, **columns}))


def test_a_row_moves_with_its_columns(store: Store, task: Place) -> None:
    moved = move(
        store,
        task,
        "PROCESSING",
        only_from=["CREATED", "QUEUED"],
        set={"leaseUntil": 10},
        add={"attempt": Add(1)},
        remove=["nextAt"],
    )
    row = {"pk": "TASK#acme", "sk": "1", "status": "PROCESSING", "attempt": 2, "leaseUntil": 10}
    assert moved == Moved(is_done=True, row=row)
    assert store.get(task) == row


def test_a_refusal_shows_the_row_that_stands_there(store: Store, task: Place) -> None:
    before = store.get(task)
    assert move(store, task, "DONE", only_from=["PROCESSING"], set={"x": 1}) == Moved(
        is_done=False, row=before
    )
    held = move(store, task, "DONE", only_from=["QUEUED"], only_if=Attr("attempt").eq(2))
    assert held == Moved(is_done=False, row=before)
    assert store.get(task) == before
    nowhere = task._replace(sk="2")
    assert move(store, nowhere, "DONE", only_from=["QUEUED"]) == Moved(is_done=False, row=None)
    assert move(store, nowhere, "DONE", only_from=[]) == Moved(is_done=False, row=None)
    assert store.get(nowhere) is None
    assert move(store, task, "DONE", only_from=[]).is_done


def test_the_state_may_be_any_column(store: Store, task: Place) -> None:
    put(store, task, state="open")
    assert move(store, task, "closed", column="state", only_from=["open"]).is_done
    assert (store.get(task) or {})["state"] == "closed"


@pytest.mark.parametrize("mine", ["one", "two"])
def test_an_attempt_that_was_done_already_is_known_by_its_own(store: Store, task: Place, mine: str) -> None:
    first = move(store, task, "PROCESSING", only_from=["QUEUED"], set={"claim": "one"}, told_by="claim")
    again = move(store, task, "PROCESSING", only_from=["QUEUED"], set={"claim": mine}, told_by="claim")
    assert again == Moved(is_done=mine == "one", row=first.row)
    without = move(store, task, "PROCESSING", only_from=["QUEUED"], set={"claim": mine})
    assert not without.is_done
    elsewhere = move(store, task, "DONE", only_from=["QUEUED"], set={"claim": "one"}, told_by="claim")
    assert not elsewhere.is_done


def test_it_is_part_of_a_transaction(store: Store, task: Place) -> None:
    other = {"pk": "TASK#acme", "sk": "2"}
    write = transition(task, "PROCESSING", only_from=["QUEUED"], label="claim")
    store.write(write, Put(table=task.table, row=other))
    with pytest.raises(ConditionFailedError) as failed:
        store.write(write, Put(table=task.table, row=other | {"n": 1}))
    assert (failed.value.rows["claim"] or {})["status"] == "PROCESSING"
    assert store.get(task._replace(sk="2")) == other


def test_of_many_one_moves_it(store: Store, task: Place) -> None:
    def claim(number: int) -> Moved:
        return move(store, task, "PROCESSING", only_from=["QUEUED"], set={"claim": number}, told_by="claim")

    with ThreadPoolExecutor(8) as threads:
        moved = list(threads.map(claim, range(8)))
    assert sum(one.is_done for one in moved) == 1
    assert [one.row for one in moved] == [store.get(task)] * 8
