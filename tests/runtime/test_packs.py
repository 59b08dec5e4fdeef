"""Many commands in few calls: each comes to what it would have come to alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CqrsModel,
    HandlersPendingError,
    InvalidInputError,
    OutcomeUnknownError,
    PublishIdReusedError,
    StoreUnavailableError,
    VersionConflictError,
)
from runtime.commands.packs import PackItem, PackOutcome
from runtime.errors import ContentionError
from runtime.store.port import Delete
from runtime.store.values import Place
from tests.pipeline.lab import One
from tests.support.service import DYNAMODB, MEMORY, PK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.commands.options import PublishOptions
    from tests.support.service import Service, Services
    from tests.support.wire import Call

in_memory = pytest.mark.parametrize("make_service", [MEMORY], indirect=True)
on_dynamodb = pytest.mark.parametrize("make_service", [DYNAMODB], indirect=True)

READ, WRITE = "store:batch_get", "store:write"
KEYS = [f"A{number:02}" for number in range(100)]


def publish(
    service: Service, commands: Iterable[Any], *, sync: bool = True, ids: str | None = None
) -> list[PackOutcome[Any]]:
    items = []
    for number, command in enumerate(commands):
        options: PublishOptions = {"invoke_context": service.user()}
        if ids is not None:
            options["publish_id"] = f"{ids}:{number}"
        items.append(PackItem(command=command, options=options))
    return service.module.commands.publish_pack(items, sync=sync)


def kinds(outcomes: Iterable[PackOutcome[Any]]) -> list[str]:
    return [outcome.kind for outcome in outcomes]


def errors(outcomes: Iterable[PackOutcome[Any]]) -> list[type[Exception] | None]:
    return [type(outcome.error) if outcome.error else None for outcome in outcomes]


def versions(service: Service) -> dict[str, int]:
    """Of the data rows."""
    return {sk: int(row["version"]) for (_, sk), row in service.everything()["data"].items()}


def test_each_becomes_what_it_would_alone(service: Service) -> None:
    """The same columns in all tables, whether they are written together or one by one."""
    alone = service.again()
    for version in (0, 1):
        packed = publish(service, [service.command(sk, version) for sk in KEYS[:3]])
        assert kinds(packed) == [["created", "updated"][version]] * 3
        alone.publish_sync("B", version)
    for rows in service.everything().values():
        columns = {sk: set(row) for (_, sk), row in rows.items()}
        assert columns
        for sk, names in columns.items():
            assert names == columns[f"B{sk[3:]}" if sk.startswith("A") else sk]
    same = [service.command(sk, 2, name="after 1", attributes={"title": "t1"}) for sk in KEYS[:3]]
    assert kinds(publish(service, same)) == ["unchanged"] * 3
    assert versions(service) == {"A00": 2, "A01": 2, "A02": 2, "B": 2}


@on_dynamodb
def test_100_rows_take_six_calls_at_most(make_service: Callable[..., Service]) -> None:
    service = make_service(ryw=False)
    publish(service, [service.command(sk) for sk in KEYS])
    assert service.steps.names() == [READ, WRITE, WRITE]
    service.steps.clear()
    service.wire.clear()
    publish(service, [service.command(sk, -1, name="new") for sk in KEYS], ids="b")
    assert service.steps.names() == [READ, WRITE, WRITE, WRITE, WRITE]
    assert service.wire.names() == ["dynamodb:BatchGetItem"] * 2 + ["dynamodb:TransactWriteItems"] * 4
    service.steps.clear()
    assert set(kinds(publish(service, [service.command(sk, -1, name="new") for sk in KEYS]))) == {"unchanged"}
    assert service.steps.names() == [READ]


def test_one_that_fails_takes_no_other_with_it(service: Service) -> None:
    service.publish_sync("A01")
    service.publish("A02")
    outcomes = publish(
        service,
        [
            service.command("A00"),
            service.command("A01"),  # is there
            service.command("A02"),  # is pending
            service.command("A03", 7),  # has no such version
            {**service.command("A04"), "seq": "x"},
            "no command",
            {**service.command("A05"), "pk": "TODO#other"},
            service.command("A06", -1),
            service.command("A02", -1, name="latest"),
        ],
    )
    assert [error and error.__name__ for error in errors(outcomes)] == [
        None,
        "VersionConflictError",
        "VersionConflictError",
        "InvalidVersionError",
        "InvalidInputError",
        "InvalidInputError",
        "ForbiddenError",
        None,
        None,
    ]
    assert [outcome.command and outcome.command.version for outcome in outcomes] == [
        1,
        None,
        None,
        None,
        None,
        None,
        None,
        1,
        2,
    ]
    assert versions(service) == {"A00": 1, "A01": 1, "A02": 2, "A06": 1}


def test_commands_of_one_item_keep_their_order(service: Service) -> None:
    outcomes = publish(
        service,
        [
            service.command("A00"),
            service.command("A01"),
            service.command("A00", 1, name="second"),
            service.command("A00", 1, name="too late"),
            service.command("A01", -1, name="second"),
        ],
    )
    assert kinds(outcomes) == ["created", "created", "updated", "failed", "updated"]
    assert isinstance(outcomes[3].error, VersionConflictError)
    row = service.row("data", "A00")
    assert row is not None
    assert (row["version"], row["name"]) == (2, "second")


def test_asynchronously_they_are_left_to_the_pipeline(service: Service) -> None:
    service.publish_sync("A01")
    outcomes = publish(service, [service.command("A00"), service.command("A01", 1)], sync=False)
    assert kinds(outcomes) == ["created", "updated"]
    assert service.row("data", "A00") is None
    assert service.apply(1, "A00").version == 1
    assert service.apply(2, "A01").version == 2
    # The caller sees it at once.
    found = service.module.repository.get_item((PK, "A01"), invoke_context=service.user())
    assert found is not None
    assert found.version == 2


def test_who_comes_between_takes_only_their_own(service: Service) -> None:
    """The others of the transaction are written together again."""
    other = service.again()
    writes = iter([1])

    def before(call: Call) -> None:
        if call.operation == "write" and next(writes, None):
            other.publish_sync("A01")
            other.publish("A03")

    service.steps.before = before
    outcomes = publish(service, [service.command(sk, -1, name="pack") for sk in KEYS[:5]])
    assert kinds(outcomes) == ["created", "updated", "created", "updated", "created"]
    data = {sk: (row["version"], row["name"]) for (_, sk), row in service.everything()["data"].items()}
    assert data == {
        "A00": (1, "pack"),
        "A01": (2, "pack"),
        "A02": (1, "pack"),
        "A03": (2, "pack"),
        "A04": (1, "pack"),
    }


@in_memory
def test_who_names_no_version_meets_no_conflict(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may be faster thirty times; and where they always are, it is no conflict of the caller's."""
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)
    service.publish_sync("A00")
    other = service.again()

    def change(latest: Any) -> dict[str, Any]:
        return {**service.command("A00"), "name": f"on {latest.version}"}

    def outdone(times: int) -> None:
        left = iter(range(times))

        def before(call: Call) -> None:
            if call.operation == "write" and next(left, None) is not None:
                service.steps.before = lambda _call: None  # what the other one writes is heard, too
                other.publish_sync("A00", versions(service)["A00"])
                service.steps.before = before

        service.steps.before = before

    of_user: PublishOptions = {"invoke_context": service.user()}

    def publish_one(command: Any) -> PackOutcome[Any]:
        key = (PK, "A00") if callable(command) else None
        item = PackItem(command=command, key=key, options=of_user)
        return service.module.commands.publish_pack([item], sync=True)[0]

    for make in (lambda _name: change, lambda name: service.command("A00", -1, name=name)):
        before = versions(service)["A00"]
        outdone(30)
        assert publish_one(make("patient")).kind == "updated"
        assert versions(service)["A00"] == before + 31
        outdone(100)
        outcome = publish_one(make("outdone"))
        assert isinstance(outcome.error, ContentionError)
        assert outcome.error.written == "nothing"
        assert versions(service)["A00"] == before + 31 + 41
    outdone(1)
    named = [service.command("A00", versions(service)["A00"], name="on what I have seen")]
    assert errors(publish(service, named)) == [VersionConflictError]


def test_a_repeat_finds_what_was_done(service: Service) -> None:
    commands = [service.command(sk) for sk in KEYS[:3]]
    service.publish_sync("A09")
    same = service.command("A09", 1, name="after 0", attributes={"title": "t0"})
    first = publish(service, [*commands, same], ids="r")
    service.steps.clear()
    again = publish(service, [*commands, same], ids="r")
    assert WRITE not in service.steps.names()
    assert kinds(first) == kinds(again) == ["created"] * 3 + ["unchanged"]
    assert [outcome.command for outcome in again] == [outcome.command for outcome in first]
    # One by one it is the same call, too.
    alone = service.module.commands.publish_sync(commands[1], publish_id="r:1", invoke_context=service.user())
    assert alone == first[1].command
    others = publish(service, [service.command(sk, name="other") for sk in KEYS[:3]], ids="r")
    assert errors(others) == [PublishIdReusedError] * 3


def test_a_function_decides_on_what_is_there(service: Service) -> None:
    service.publish_sync("A00")
    service.publish_sync("A01")
    service.publish("A01", 1)  # pending: it is asked about that, alone
    asked: list[tuple[str, int | None]] = []

    def upsert(sk: str) -> Any:
        def change(latest: Any) -> dict[str, Any] | None:
            asked.append((sk, latest and latest.version))
            return None if sk == "A03" else {**service.command(sk), "name": f"on {latest and latest.version}"}

        return PackItem(command=change, key=(PK, sk), options={"invoke_context": service.user()})

    outcomes = service.module.commands.publish_pack([upsert(sk) for sk in KEYS[:4]], sync=True)
    assert kinds(outcomes) == ["updated", "updated", "created", "unchanged"]
    assert [outcome.command and outcome.command.name for outcome in outcomes] == [
        "on 1",
        "on 2",
        "on None",
        None,
    ]
    assert asked == [("A00", 1), ("A01", 1), ("A02", None), ("A03", None), ("A01", 2)]
    missing = service.module.commands.publish_pack(
        [PackItem(command=lambda _latest: None, options={"invoke_context": service.user()})]
    )
    assert errors(missing) == [InvalidInputError]


@in_memory
def test_the_next_life_goes_behind_the_last(service: Service) -> None:
    service.publish_sync("A00")
    service.publish_sync("A00", 1)
    service.set("command", "A00@2", appliedTtl=1)
    service.quiet.write(Delete(place=Place(service.tables.data, PK, "A00")))
    outcomes = publish(service, [service.command(sk) for sk in KEYS[:2]])
    assert [outcome.command and outcome.command.version for outcome in outcomes] == [3, 1]


@in_memory
def test_it_looks_where_commands_expire(master: str, make_service: Services) -> None:
    service = make_service(master_data_override=master)
    service.module.ttl.set_ttl_configuration("command", 1, "acme")
    service.publish_sync("A00")
    service.publish_sync("A00", 1)
    service.set("command", "A00@2", appliedTtl=1)
    for place in (Place(service.tables.data, PK, "A00"), Place(service.tables.command, PK, "A00@1")):
        service.quiet.write(Delete(place=place))
    outcomes = publish(service, [service.command(sk) for sk in KEYS[:2]])
    assert [outcome.command and outcome.command.version for outcome in outcomes] == [3, 1]


@in_memory
def test_a_module_without_data_rows_publishes_them_alone(make_service: Services) -> None:
    service = make_service(disable_default_handler=True)
    assert kinds(publish(service, [service.command(sk) for sk in KEYS[:2]], sync=False)) == ["created"] * 2
    again = publish(service, [service.command("A00", 1, name="n"), service.command("A01")], sync=False)
    assert errors(again) == [None, VersionConflictError]
    read = [
        place
        for call in service.steps.calls
        if call.name == READ
        for place in call.parameters["arguments"][0]
    ]
    assert service.tables.data not in {place.table for place in read}  # it may not exist


@in_memory
def test_handlers_see_them_in_their_order(make_service: Services) -> None:
    handler = One()
    service = make_service(handlers=[handler])

    def up(command: Any) -> None:
        if command.sk == "A01@1":
            message = "down"
            raise RuntimeError(message)

    handler.before = up
    outcomes = publish(service, [service.command(sk) for sk in KEYS[:3]])
    assert errors(outcomes) == [None, HandlersPendingError, None]
    assert [sk for sk, _, _ in handler.seen] == ["A00", "A02"]
    assert {sk for _, sk in service.everything()["data"]} == set(KEYS[:3])


@in_memory
@pytest.mark.parametrize("handlers", [[], [One()]], ids=["alone", "handled"])
@pytest.mark.parametrize("notify", [True, False])
def test_the_clients_may_be_left_alone(make_service: Services, handlers: Any, notify: bool) -> None:  # noqa: FBT001
    service = make_service(topic_arn="arn:aws:sns:us-east-1:000000000000:t", handlers=handlers)
    service.publish("A01")  # so the next one is published alone
    options: PublishOptions = {"invoke_context": service.user()}
    items = [PackItem(command=service.command(sk, -1, name="n"), options=options) for sk in KEYS[:2]]
    assert kinds(service.module.commands.publish_pack(items, sync=True, notify=notify)) == [
        "created",
        "updated",
    ]
    told = {message.content["sk"] for message in service.resources.messages}
    assert told == ({"A00@1", "A01@1", "A01@2"} if notify else {"A01@1"})


class Text(CqrsModel):
    title: str


@in_memory
def test_what_is_too_much_for_one_transaction_is_two(make_service: Services) -> None:
    service = make_service(attributes=Text)
    large = [service.command(sk, attributes={"title": "x" * 90_000}) for sk in KEYS[:30]]
    assert kinds(publish(service, large)) == ["created"] * 30
    assert service.steps.names() == [READ, WRITE, WRITE]


@in_memory
@pytest.mark.parametrize("error", [ContentionError("busy"), StoreUnavailableError("DynamoDB", "Throttling")])
def test_who_stands_in_the_way_is_tried_around(service: Service, error: Exception) -> None:
    """Contention is halved away; a store that is out of reach is out of reach."""

    def before(call: Call) -> None:
        if call.operation == "write" and any("A02" in str(write) for write in call.writes):
            raise error

    service.steps.before = before
    outcomes = publish(service, [service.command(sk) for sk in KEYS[:4]])
    if isinstance(error, ContentionError):
        assert errors(outcomes) == [None, None, ContentionError, None]
        assert {sk for _, sk in service.everything()["data"]} == {"A00", "A01", "A03"}
    else:
        assert errors(outcomes) == [StoreUnavailableError] * 4
        assert service.everything()["data"] == {}


@in_memory
def test_a_read_that_fails_is_everybodys(service: Service) -> None:
    def before(call: Call) -> None:
        if call.operation == "batch_get":
            raise StoreUnavailableError("DynamoDB", "Throttling")  # noqa: EM101

    service.steps.before = before
    outcomes = publish(service, [service.command("A00"), "no command", service.command("A01")])
    assert errors(outcomes) == [StoreUnavailableError, InvalidInputError, StoreUnavailableError]


@on_dynamodb
def test_a_lost_answer_is_everybodys_doubt(service: Service) -> None:
    commands = [service.command(sk) for sk in KEYS[:2]]
    service.wire.time_out(lambda call: call.operation == "TransactWriteItems")
    assert errors(publish(service, commands, ids="r")) == [OutcomeUnknownError] * 2
    service.wire.time_out(lambda _call: False)
    assert kinds(publish(service, commands, ids="r")) == ["created"] * 2
    assert len(service.everything()["command"]) == 4  # with the records


def test_an_attempt_that_succeeded_finds_its_own_rows(service: Service) -> None:
    """As where the answer got lost, and the same transaction was tried once more."""

    def twice(call: Call) -> None:
        if call.writes:
            service.steps.before = lambda _call: None
            service.quiet.write(*call.writes)

    service.steps.before = twice
    assert kinds(publish(service, [service.command(sk) for sk in KEYS[:3]])) == ["created"] * 3
    assert set(versions(service).values()) == {1}


def test_nothing_is_nothing(service: Service) -> None:
    assert publish(service, []) == []
    assert service.steps.names() == []
