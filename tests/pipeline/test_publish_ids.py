"""A publish id stands for one call: repeated it is the same publish, reused it is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from runtime import HandlersPendingError, PublishIdReusedError
from runtime.model.status import FINISHED
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import CommandModel


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[One()])
    yield lab
    lab.clock.stop()


CALLS: dict[str, Callable[[Lab], Any]] = {
    "the same content by another user": lambda lab: lab.publish(
        0, publish_id="id-1", invoke_context=lab.user("bob")
    ),
    "other content": lambda lab: lab.publish(0, publish_id="id-1", values={"name": "other"}),
    "other attributes": lambda lab: lab.publish(0, publish_id="id-1", values={"attributes": {"title": "x"}}),
    "another version": lambda lab: lab.publish(1, publish_id="id-1", values={"name": "after 0"}),
    "a synchronous publish": lambda lab: lab.publish(0, publish_id="id-1", sync=True),
    "a partial update": lambda lab: lab.module.commands.publish_partial_update_async(
        {**KEY._asdict(), "version": 1, "isDeleted": True}, publish_id="id-1", invoke_context=lab.user()
    ),
    "a duplicate": lambda lab: lab.module.commands.duplicate(
        KEY, publish_id="id-1", invoke_context=lab.user()
    ),
    "a publish with retry": lambda lab: lab.module.commands.publish_with_retry(
        KEY, lambda _latest: lab.command(), publish_id="id-1", invoke_context=lab.user()
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_another_call_with_the_same_id_is_refused(lab: Lab, call: Callable[[Lab], Any]) -> None:
    lab.publish(0, publish_id="id-1")
    lab.settle()
    before = lab.left()
    with pytest.raises(PublishIdReusedError) as caught:
        call(lab)
    assert caught.value.status == 422
    assert lab.left() == before


def test_the_same_call_returns_what_the_first_one_stored(lab: Lab) -> None:
    first = lab.publish(0, publish_id="id-1", values={"attributes": {"b": {3, 1, 2}, "a": 1.5}})
    lab.settle()
    lab.publish(1)
    again = lab.publish(0, publish_id="id-1", values={"attributes": {"a": 1.5, "b": {2, 3, 1}}})
    assert again.sk == first.sk
    assert lab.row("command", "A1@3") is None


def test_every_digit_of_a_number_counts(lab: Lab) -> None:
    digits = "1.2345678901234567890123456789012345"
    first = lab.publish(0, publish_id="id-1", values={"attributes": {"a": Decimal(f"{digits}60")}})
    again = lab.publish(0, publish_id="id-1", values={"attributes": {"a": Decimal(f"{digits}6")}})
    assert again.sk == first.sk
    with pytest.raises(PublishIdReusedError):
        lab.publish(0, publish_id="id-1", values={"attributes": {"a": Decimal(f"{digits}7")}})


def test_a_duplicate_under_an_id_is_made_once(lab: Lab) -> None:
    lab.publish(0)
    lab.settle()
    made = [
        lab.module.commands.duplicate(KEY, publish_id="id-1", invoke_context=lab.user()) for _ in range(2)
    ]
    assert [command.version for command in made if command] == [2, 2]


def test_a_publish_with_retry_under_an_id_decides_once(lab: Lab) -> None:
    calls: list[Any] = []

    def change(latest: CommandModel[Any] | None) -> dict[str, Any]:
        calls.append(latest)
        return lab.command(name=f"call {len(calls)}")

    made = [
        lab.module.commands.publish_with_retry(KEY, change, publish_id="id-1", invoke_context=lab.user())
        for _ in range(2)
    ]
    assert [command.name for command in made if command] == ["call 1", "call 1"]
    assert len(calls) == 1


def test_a_repeat_of_a_synchronous_publish_goes_on_with_its_handlers(lab: Lab) -> None:
    class Died(BaseException):
        pass

    def die(_command: CommandModel[Any]) -> None:
        raise Died

    handler: Any = lab.module.handler("One").handler
    handler.before = die
    with pytest.raises(Died):
        lab.publish(0, sync=True, publish_id="id-1")
    handler.before = lambda _command: None
    lab.clock.advance(seconds=130)  # the turn of the process that died is over
    again = lab.publish(0, sync=True, publish_id="id-1")
    assert again.version == 1
    assert handler.versions() == [1]
    assert lab.status(1) == FINISHED


def test_a_repeat_whose_handlers_still_fail_says_so(lab: Lab) -> None:
    handler: Any = lab.module.handler("One").handler
    handler.fails_at = {1}
    for _ in range(2):
        with pytest.raises(HandlersPendingError):
            lab.publish(0, sync=True, publish_id="id-1")
    handler.fails_at = set()
    assert lab.publish(0, sync=True, publish_id="id-1").version == 1
    assert handler.versions() == [1]
