"""A command and its number are written together, or neither is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    ContentionError,
    ForbiddenError,
    HandlersPendingError,
    InvalidInputError,
    OutcomeUnknownError,
    PublishIdReusedError,
    VersionConflictError,
)
from runtime.errors import InvalidVersionError
from runtime.store.port import Delete, Set
from runtime.store.values import Place
from tests.pipeline.lab import One
from tests.support.counter import Counter
from tests.support.service import DYNAMODB, MEMORY, PK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import InvokeContext
    from tests.support.service import Service, Services
    from tests.support.wire import Call

in_memory = pytest.mark.parametrize("make_service", [MEMORY], indirect=True)
on_dynamodb = pytest.mark.parametrize("make_service", [DYNAMODB], indirect=True)


@pytest.fixture
def counter(master: str) -> Counter:
    return Counter(master)


@pytest.fixture
def service(counter: Counter, make_service: Callable[..., Service]) -> Service:
    assert counter.table
    return make_service()


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)


def invoice(number: int) -> dict[str, Any]:
    """A new item whose key is the number."""
    return {
        "pk": PK,
        "sk": f"INV-{number:03}",
        "code": str(number),
        "name": "invoice",
        "type": "TODO",
        "version": 0,
        "attributes": {"title": f"no {number}"},
    }


def publish(service: Service, slot: Counter, make: Any = invoice, **options: Any) -> Any:
    return service.module.commands.publish_numbered(
        slot, make, **{"invoke_context": service.user()} | options
    )


def place_of(service: Service, sk: str) -> Place:
    return Place(service.tables.command, PK, sk)


def expire(service: Service) -> None:
    """Let the item end at its second version."""
    service.set("command", "INV-001@2", appliedTtl=1)
    service.quiet.write(Delete(place=Place(service.tables.data, PK, "INV-001")))


def once_before_a_write(service: Service, interfere: Callable[[], Any]) -> None:
    """Let others do something between the read and the write of the next call."""
    calls: Iterator[int] = iter([1])

    def before(call: Call) -> None:
        if call.operation == "write" and next(calls, None):
            interfere()

    service.steps.before = before


def test_a_number_is_used_up_with_its_command(service: Service, counter: Counter) -> None:
    made = [publish(service, counter) for _ in range(3)]
    assert [command.sk for command in made] == ["INV-001@1", "INV-002@1", "INV-003@1"]
    assert counter.issued(service.quiet) == {1: "INV-001@1", 2: "INV-002@1", 3: "INV-003@1"}
    row = service.row("command", "INV-002@1")
    assert row is not None
    assert (row["code"], row["attributes"]) == ("2", {"title": "no 2"})
    assert service.apply(1, "INV-002").version == 1


@on_dynamodb
@pytest.mark.parametrize("options", [{}, {"sync": True}, {"publish_id": "cart-9"}], ids=repr)
def test_it_takes_no_call_more_than_a_plain_publish(
    service: Service, counter: Counter, options: dict[str, Any]
) -> None:
    publish(service, counter, **options)
    assert service.wire.names() == ["dynamodb:BatchGetItem", "dynamodb:TransactWriteItems"]


def test_synchronously_it_is_applied_with_its_number(service: Service, counter: Counter) -> None:
    assert publish(service, counter, sync=True).status == "finish:FINISHED"
    row = service.row("data", "INV-001")
    assert row is not None
    assert row["attributes"] == {"title": "no 1"}
    assert counter.seen(service.quiet) == 1


def refusing(_number: int) -> dict[str, Any]:
    msg = "no"
    raise LookupError(msg)


REFUSED: dict[str, tuple[Callable[[int], Any], type[Exception]]] = {
    "by its maker": (refusing, LookupError),
    "a wrong field": (lambda number: {**invoice(number), "seq": "x"}, InvalidInputError),
    "no command": (lambda _number: None, InvalidInputError),
    "a key with a version": (lambda number: {**invoice(number), "sk": "A@1"}, InvalidInputError),
    "another tenant": (lambda number: {**invoice(number), "pk": "TODO#other"}, ForbiddenError),
    "a version that is not there": (lambda number: {**invoice(number), "version": 7}, InvalidVersionError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_number_is_used_up_by_what_is_refused(service: Service, counter: Counter, name: str) -> None:
    make, error = REFUSED[name]
    with pytest.raises(error):
        publish(service, counter, make, publish_id="id")
    assert service.rows(counter.table) == []
    assert not any(service.everything().values())
    assert publish(service, counter, publish_id="id").sk == "INV-001@1"


@in_memory
def test_a_number_of_another_tenant_is_refused(service: Service, counter: Counter) -> None:
    admin = service.user(roles='[{"tenant": "", "role": "system_admin"}]')
    with pytest.raises(ForbiddenError, match="another tenant's"):
        publish(service, counter, lambda n: {**invoice(n), "pk": "TODO#other"}, invoke_context=admin)
    assert service.rows(counter.table) == []


def test_an_exhausted_series_gives_none(service: Service, counter: Counter) -> None:
    short = Counter(counter.table, maximum=1)
    publish(service, short)
    with pytest.raises(InvalidInputError, match="exhausted"):
        publish(service, short)
    assert counter.issued(service.quiet) == {1: "INV-001@1"}


@pytest.mark.parametrize("sync", [False, True])
def test_an_item_that_is_there_is_a_conflict(service: Service, counter: Counter, sync: bool) -> None:  # noqa: FBT001
    service.publish("INV-001")
    with pytest.raises(VersionConflictError):
        publish(service, counter, sync=sync)
    service.apply(1, "INV-001")
    with pytest.raises(VersionConflictError):
        publish(service, counter, sync=sync)
    # Its command may have expired: then only the data row tells.
    service.quiet.write(Delete(place=place_of(service, "INV-001@1")))
    with pytest.raises(VersionConflictError):
        publish(service, counter, sync=sync)
    assert counter.seen(service.quiet) == 0


@in_memory
def test_the_next_life_of_an_item_goes_behind_its_last(service: Service, counter: Counter) -> None:
    service.publish_sync("INV-001")
    service.publish_sync("INV-001", 1)
    expire(service)
    assert publish(service, counter).sk == "INV-001@3"
    assert counter.issued(service.quiet) == {1: "INV-001@3"}


@in_memory
def test_it_looks_where_commands_expire(counter: Counter, make_service: Services) -> None:
    service = make_service(master_data_override=counter.table)
    service.module.ttl.set_ttl_configuration("command", 1, "acme")
    service.publish_sync("INV-001")
    service.publish_sync("INV-001", 1)
    expire(service)
    service.quiet.write(Delete(place=place_of(service, "INV-001@1")))
    assert publish(service, counter).sk == "INV-001@3"


@in_memory
def test_a_module_without_data_rows_looks_first(counter: Counter, make_service: Services) -> None:
    service = make_service(handlers=[One()], disable_default_handler=True)
    assert publish(service, counter).sk == "INV-001@1"
    service.publish("INV-002")
    with pytest.raises(VersionConflictError):
        publish(service, counter)
    assert counter.issued(service.quiet) == {1: "INV-001@1"}


def test_an_item_that_is_there_may_get_a_number(service: Service, counter: Counter) -> None:
    service.publish_sync("A1")

    def issued(number: int) -> dict[str, Any]:
        return service.command("A1", 1, code=f"N{number}")

    assert publish(service, counter, issued).version == 2
    # Though it says nothing new: it has a number.
    same = {**service.command("A1", 2, name="after 1", code="N1"), "attributes": {"title": "t1"}}
    assert publish(service, counter, lambda _number: same).version == 3
    assert counter.issued(service.quiet) == {1: "A1@2", 2: "A1@3"}
    other = service.again()
    once_before_a_write(service, lambda: publish(other, counter))
    made = publish(service, counter, lambda number: service.command("A1", 3, code=f"N{number}"))
    assert (made.version, made.code) == (4, "N4")


def test_whoever_finds_the_counter_moved_takes_the_next(service: Service, counter: Counter) -> None:
    asked: list[int] = []

    def make(number: int) -> dict[str, Any]:
        asked.append(number)
        return invoice(number)

    other = service.again()
    once_before_a_write(service, lambda: publish(other, counter))
    assert publish(service, counter, make).sk == "INV-002@1"
    assert asked == [1, 2]
    assert counter.issued(service.quiet) == {1: "INV-001@1", 2: "INV-002@1"}


@in_memory
def test_an_attempt_that_never_comes_to_it_ends(service: Service, counter: Counter) -> None:
    def before(call: Call) -> None:
        if call.operation == "write":
            seq = counter.seen(service.quiet)
            service.quiet.write(Set(place=counter.place, columns={"seq": seq + 1}))

    service.steps.before = before
    with pytest.raises(ContentionError) as caught:
        publish(service, counter, attempts=3)
    assert caught.value.written == "nothing"
    assert counter.seen(service.quiet) == 3
    assert not any(service.everything().values())


@in_memory
def test_a_number_that_is_taken_between_two_reads_is_contention_and_no_conflict(
    service: Service, counter: Counter
) -> None:
    """The command of the number is seen before its counter: with the next number it is another item."""
    winner = service.again()
    reads = count()

    def before(call: Call) -> None:
        if call.operation == "write":
            service.steps.before = after_the_write
            winner.publish("INV-001")

    def after_the_write(call: Call) -> None:
        if call.operation == "batch_get" and next(reads) == 1:  # the counter has been read, the item not
            publish(winner, counter, lambda number: {**invoice(number), "sk": "other"})

    service.steps.before = before
    assert publish(service, counter).sk == "INV-002@1"


@in_memory
def test_a_key_that_is_taken_by_another_item_stays_a_conflict(service: Service, counter: Counter) -> None:
    service.publish("INV-001")
    with pytest.raises(VersionConflictError):
        publish(service, counter)
    assert counter.seen(service.quiet) in {None, 0}


def test_a_repeated_call_returns_the_first_command(service: Service, counter: Counter) -> None:
    first = publish(service, counter, publish_id="cart-9")
    again = publish(service, counter, refusing, publish_id="cart-9")
    assert again == first
    assert publish(service, counter, publish_id="cart-10").sk == "INV-002@1"
    assert counter.seen(service.quiet) == 2


def with_key(service: Service, key: str) -> InvokeContext:
    """Another request with this ``Idempotency-Key``."""
    return replace(service.user(), headers={"idempotency-key": key})


def test_a_repeated_request_has_the_numbers_of_the_first(service: Service, counter: Counter) -> None:
    """Each of its calls has an id of its own, made of the ``Idempotency-Key``, as other publishes have."""

    def request(key: str) -> list[str]:
        me = with_key(service, key)
        return [publish(service, counter, sync=sync, invoke_context=me).sk for sync in (False, True)]

    assert request("cart-9") == ["INV-001@1", "INV-002@1"]
    assert request("cart-9") == ["INV-001@1", "INV-002@1"]
    assert counter.seen(service.quiet) == 2
    assert request("cart-10") == ["INV-003@1", "INV-004@1"]
    me = with_key(service, "cart-9")
    assert publish(service, counter, publish_id=None, invoke_context=me).sk == "INV-005@1"
    assert publish(service, counter, publish_id="own", invoke_context=me).sk == "INV-006@1"
    assert counter.seen(service.quiet) == 6


def test_a_call_that_was_refused_leaves_the_id_of_its_request(service: Service, counter: Counter) -> None:
    me = with_key(service, "cart-9")
    with pytest.raises(LookupError):
        publish(service, counter, refusing, invoke_context=me)
    assert publish(service, counter, invoke_context=me).sk == "INV-001@1"
    again = with_key(service, "cart-9")
    assert publish(service, counter, refusing, invoke_context=again).sk == "INV-001@1"


def test_the_key_of_a_request_is_for_slots_that_record_it(service: Service, counter: Counter) -> None:
    me = with_key(service, "cart-9")
    plain = Counter(counter.table, records=False)
    assert [publish(service, plain, invoke_context=me).sk for _ in range(2)] == ["INV-001@1", "INV-002@1"]


OTHERS: dict[str, dict[str, Any]] = {
    "synchronous": {"sync": True},
    "told apart": {"content": {"cart": 10}},
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_call_with_its_id_is_refused(service: Service, counter: Counter, name: str) -> None:
    publish(service, counter, publish_id="cart-9")
    with pytest.raises(PublishIdReusedError):
        publish(service, counter, publish_id="cart-9", **OTHERS[name])
    with pytest.raises(PublishIdReusedError):
        publish(service, counter, publish_id="cart-9", invoke_context=service.user("u2"))
    assert counter.seen(service.quiet) == 1


def test_the_id_of_a_number_alone_is_no_publish_id(service: Service, counter: Counter) -> None:
    once = counter.numbering(service.user(), "cart-9").record
    assert once is not None
    service.quiet.write(once.write("a call", {"no": 1}))
    with pytest.raises(PublishIdReusedError):
        publish(service, counter, publish_id="cart-9")


def test_the_same_call_at_the_same_time_is_one(service: Service, counter: Counter) -> None:
    other = service.again()
    once_before_a_write(service, lambda: publish(other, counter, publish_id="cart-9"))
    assert publish(service, counter, publish_id="cart-9").sk == "INV-001@1"
    assert counter.issued(service.quiet) == {1: "INV-001@1"}


def test_what_is_gone_says_nothing_any_more(service: Service, counter: Counter) -> None:
    publish(service, counter, publish_id="cart-9")
    service.quiet.write(Set(place=place_of(service, "INV-001@1"), columns={"publishId": "another"}))
    assert publish(service, counter, publish_id="cart-9").sk == "INV-002@1"
    assert publish(service, counter, publish_id="cart-9").sk == "INV-002@1"


def test_a_slot_that_records_no_ids_takes_none(service: Service, counter: Counter) -> None:
    with pytest.raises(InvalidInputError, match="publish_id"):
        publish(service, Counter(counter.table, records=False), publish_id="cart-9")


@on_dynamodb
def test_a_lost_answer_is_found_under_its_id(service: Service, counter: Counter) -> None:
    service.wire.time_out(lambda call: call.operation == "TransactWriteItems")
    with pytest.raises(OutcomeUnknownError):
        publish(service, counter, publish_id="cart-9")
    service.wire.time_out(lambda _call: False)
    assert publish(service, counter, refusing, publish_id="cart-9").sk == "INV-001@1"
    assert counter.issued(service.quiet) == {1: "INV-001@1"}


@in_memory
def test_many_at_once_leave_no_gap(service: Service, counter: Counter) -> None:
    def take(worker: int) -> list[str]:
        own = service.again()
        return [
            publish(own, counter, publish_id=f"{worker}-{turn}", attempts=1000).sk
            for turn in range(5)
            for _twice in range(2)
        ]

    with ThreadPoolExecutor(8) as threads:
        keys = {sk for made in threads.map(take, range(8)) for sk in made}
    numbers = range(1, 41)
    assert keys == {f"INV-{number:03}@1" for number in numbers}
    assert counter.issued(service.quiet) == {number: f"INV-{number:03}@1" for number in numbers}


@in_memory
def test_a_repeat_comes_back_to_handlers(counter: Counter, make_service: Services) -> None:
    handler = One()
    service = make_service(handlers=[handler])
    handler.fails_at = {1}
    for _call in range(2):
        with pytest.raises(HandlersPendingError):
            publish(service, counter, publish_id="cart-9", sync=True)
    handler.fails_at = set()
    assert publish(service, counter, refusing, publish_id="cart-9", sync=True).sk == "INV-001@1"
    assert handler.seen == [("INV-001", 1, "invoice")]
    assert counter.issued(service.quiet) == {1: "INV-001@1"}


class Death(BaseException):
    """The end of a process: nothing may catch it."""


@in_memory
@pytest.mark.parametrize("sync", [False, True])
def test_whoever_dies_at_any_call_leaves_no_gap(counter: Counter, make_service: Services, sync: bool) -> None:  # noqa: FBT001
    """Before and after each call: the repeat under the id comes to one command with one number."""
    service = make_service(handlers=[One()])
    number = 0
    for when in ("before", "after"):
        for at in count():
            number += 1
            ids = iter(range(at, -1, -1))

            def die(_call: Call, ids: Iterator[int] = ids) -> None:
                if next(ids, None) == 0:
                    raise Death

            dying = service.again(handlers=[One()])
            setattr(dying.steps, when, die)
            died = False
            try:
                publish(dying, counter, publish_id=f"{when}-{at}", sync=sync)
            except Death:
                died = True
            try:
                made = publish(service, counter, publish_id=f"{when}-{at}", sync=sync).sk
            except HandlersPendingError as pending:  # it is still the turn of the one that died
                made = f"{pending.sk}@{pending.version}"
            assert made == f"INV-{number:03}@1"
            if not died:
                break
    assert number > 4
    assert counter.issued(service.quiet) == {n: f"INV-{n:03}@1" for n in range(1, number + 1)}
    commands = [sk for _, sk in service.everything()["command"]]
    assert sorted(commands) == [f"INV-{n:03}@1" for n in range(1, number + 1)]
