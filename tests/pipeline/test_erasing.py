"""After an erasure nothing of the aggregate is left, whoever wrote it, and however often it broke off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import BadRequestError, ModuleMismatchError, erase
from runtime.store.port import Put
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = {"text": "x" * 150_000}


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[One()])
    yield lab
    lab.clock.stop()


def put_object(lab: Lab, key: str) -> str:
    lab.resources.client("s3").put_object(
        Bucket="attributes", Key=key, Body=b"{}", ContentType="application/json", Metadata={}
    )
    return f"s3://attributes/{key}"


def full_life(lab: Lab) -> None:
    """Commands, history, large attributes, sessions of two users, publish records, parked handlers."""
    lab.publish(0, values={"attributes": LARGE}, publish_id="id-1")
    lab.publish(1, values={"attributes": LARGE | {"n": 1}}, invoke_context=lab.user("bob"), publish_id="id-2")
    lab.settle()
    handler: Any = lab.module.handler("One").handler
    handler.fails_at = {3}
    lab.publish(2, values={"attributes": {"title": "small"}})
    lab.settle()
    assert "parkedError" in lab.cursor("One")
    # As the TypeScript framework names them, and as they were before the table was renamed.
    foreign = put_object(lab, "ddb/local-lab-todo-command/acme/2026/TODO#acme#A1@2/attributes.json")
    renamed = put_object(lab, "ddb/old-name-command/acme/abc/attributes.json")
    command, history = lab.row("command", "A1@2"), lab.row("history", "A1@1")
    lab.store.write(Put(table=lab.context.tables.command, row=command | {"attributes": foreign}))
    lab.store.write(Put(table=lab.context.tables.history, row=history | {"attributes": renamed}))
    gone = lab.cursor("One") | {"sk": "Gone#A1", "parkedError": "no such customer: joe@example.com"}
    lab.store.write(Put(table=lab.context.tables.sync, row=gone))


def test_nothing_is_left(lab: Lab) -> None:
    full_life(lab)
    erased = erase(lab.module, KEY, invoke_context=lab.user())
    assert lab.left() == {}
    assert lab.resources.objects == {}
    assert erased.objects == 4
    assert lab.module.handler("One").handler.down_for == ["A1"]  # type: ignore[attr-defined]


def test_neighbours_are_left_alone(lab: Lab) -> None:
    full_life(lab)
    for sk in ("A1#x", "A1@x", "A", "A11"):
        lab.publish(0, sk, publish_id="id-1")
    lab.settle()
    erase(lab.module, KEY, invoke_context=lab.user())
    assert sorted(row["sk"] for row in lab.store.rows(lab.context.tables.data)) == [
        "A",
        "A1#x",
        "A11",
        "A1@x",
    ]
    assert len(lab.store.rows(lab.context.tables.sync)) == 4
    assert len(lab.store.rows(lab.context.tables.command)) == 8


@pytest.mark.parametrize("call", range(1, 14))
def test_an_erasure_that_broke_off_is_resumed(lab: Lab, call: int) -> None:
    """It dies after each of its writes in turn, deletions of objects among them."""
    full_life(lab)
    left = [call]
    write, client = lab.store.write, lab.resources.client("s3")
    delete_object = client.delete_object

    class Died(BaseException):
        pass

    def dying(do: Any) -> Any:
        def done(*args: Any, **kwargs: Any) -> Any:
            answer = do(*args, **kwargs)
            left[0] -= 1
            if left[0] == 0:
                raise Died
            return answer

        return done

    lab.store.write = dying(write)  # type: ignore[method-assign]
    client.delete_object = dying(delete_object)
    try:
        erase(lab.module, KEY, invoke_context=lab.user())
    except Died:
        lab.store.write, client.delete_object = write, delete_object  # type: ignore[method-assign]
        if lab.left():
            erase(lab.module, KEY, invoke_context=lab.user())
    assert lab.left() == {}
    assert lab.resources.objects == {}
    assert lab.module.handler("One").handler.down_for == ["A1"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("handlers", [[], [One()]], ids=["none", "handler"])
def test_without_data_rows_a_command_waits_for_handlers_alone(handlers: list[Any]) -> None:
    """Where there are none, it is never finished, and on its way to nowhere."""
    lab = Lab(handlers=handlers, keeps_data=False)
    try:
        lab.publish(0)
        if handlers:
            with pytest.raises(BadRequestError, match="version 1 is still on its way"):
                erase(lab.module, KEY, invoke_context=lab.user())
            lab.settle()
        erase(lab.module, KEY, invoke_context=lab.user())
        assert lab.left() == {}
    finally:
        lab.clock.stop()


def test_who_lacks_the_handlers_erases_nothing(lab: Lab) -> None:
    """What the handlers have made of it would stay for good."""
    full_life(lab)
    before = lab.left()
    lab.module = type(lab.module)("todo", resources=lab.resources)
    with pytest.raises(ModuleMismatchError, match="the code has no data sync handlers"):
        erase(lab.module, KEY, invoke_context=lab.user())
    assert lab.left() == before
