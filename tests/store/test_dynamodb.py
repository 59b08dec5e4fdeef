"""The store in DynamoDB keeps the contract of every store, and says what became of a call that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from runtime.errors import (
    ConfigurationError,
    ContentionError,
    CqrsError,
    ForbiddenError,
    OutcomeUnknownError,
    StoreRefusedError,
    StoreUnavailableError,
)
from runtime.store.dynamodb import DynamoDbStore
from runtime.store.port import Check, ConditionFailedError, Delete, Put, Set
from runtime.store.values import Place
from runtime.testing.store_contract import StoreContract
from tests.store.conftest import ATTEMPTS
from tests.support.wire import Call, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.store.port import Store, Write
    from runtime.store.values import Row
    from runtime.testing.store_contract import TwoTables

ROW: Row = {"pk": "p", "sk": "a", "n": 1}
NOWHERE = "http://127.0.0.1:9"


class TestDynamoDbStore(StoreContract):
    turns = 2

    @pytest.fixture
    def store(self, shared_client: Any) -> Store:
        return DynamoDbStore(shared_client)

    @pytest.fixture
    def tables(self, tables: TwoTables) -> TwoTables:
        return tables


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def store(make_client: Callable[..., Any], wire: Wire) -> DynamoDbStore:
    return DynamoDbStore(wire.listen(make_client()))


@pytest.fixture
def table(tables: TwoTables) -> str:
    return tables.first


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)


def first(count: int = 1) -> Callable[[Call], bool]:
    """Whether a call is among the first ones."""
    calls = iter(range(count))
    return lambda _call: next(calls, None) is not None


def refusal(code: str, status: int = 400, **more: Any) -> Callable[[Call], tuple[int, Any]]:
    return lambda _call: (
        status,
        {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no", **more},
    )


def writes_to(table: str) -> list[tuple[Write, ...]]:
    """A write of each kind, alone and in a transaction."""
    place = Place(table, "p", "a")
    return [
        (Put(table=table, row=ROW),),
        (Set(place=place, columns={"n": 1}),),
        (Delete(place=place),),
        (Check(place=place, condition=Attr("n").not_exists()),),
        (Put(table=table, row=ROW), Delete(place=place._replace(sk="b"))),
    ]


KINDS = pytest.mark.parametrize("kind", range(5), ids=["put", "set", "delete", "check", "transaction"])
READS: dict[str, Callable[[DynamoDbStore, str], Any]] = {
    "get": lambda store, table: store.get(Place(table, "p", "a")),
    "batch_get": lambda store, table: store.batch_get([Place(table, "p", "a")]),
    "query": lambda store, table: store.query(table, Key("pk").eq("p")),
    "scan": lambda store, table: store.scan(table, limit=1),
    "approximate_rows": lambda store, table: store.approximate_rows(table),
}


# What a call costs


def test_one_write_is_no_transaction(store: DynamoDbStore, table: str, wire: Wire) -> None:
    for writes in writes_to(table):
        wire.clear()
        store.write(*writes)
        assert len(wire.calls) == 1
        is_alone = len(writes) == 1 and not isinstance(writes[0], Check)
        assert (wire.calls[0].operation == "TransactWriteItems") != is_alone
        store.write(Delete(place=Place(table, "p", "a")))


def test_no_write_is_no_call(store: DynamoDbStore, wire: Wire) -> None:
    store.write()
    assert store.batch_get([]) == {}
    assert wire.calls == []


def test_a_batch_of_250_places_is_3_calls(store: DynamoDbStore, table: str, wire: Wire) -> None:
    store.batch_get(Place(table, "p", str(number)) for number in (*range(250), *range(50)))
    assert wire.names() == ["dynamodb:BatchGetItem"] * 3


# Keys that DynamoDB did not come to


def test_unprocessed_keys_are_asked_for_again(store: DynamoDbStore, tables: TwoTables, wire: Wire) -> None:
    places = [Place(table, "p", f"{number:03}") for table in tables for number in range(60)]
    for chunk in (places[:60], places[60:]):
        store.write(*(Put(table=p.table, row={"pk": p.pk, "sk": p.sk}) for p in chunk))
    wire.clear()
    early = first(2)

    def withhold(call: Call) -> tuple[int, Any] | None:
        if not early(call):
            return None
        return 200, {"Responses": {}, "UnprocessedKeys": call.parameters["RequestItems"]}

    wire.answer(withhold)
    assert sorted(store.batch_get(places)) == places
    assert len(wire.calls) == 4
    assert [len(call.parameters["RequestItems"]) for call in wire.calls] == [2, 2, 2, 1]


# Answers that are lost


@KINDS
def test_a_write_whose_answers_are_all_lost_is_of_unknown_outcome(
    store: DynamoDbStore, table: str, wire: Wire, kind: int
) -> None:
    for lose in (wire.lose_answers, wire.time_out):
        wire.clear()
        lose(lambda _call: True)
        with pytest.raises(OutcomeUnknownError) as raised:
            store.write(*writes_to(table)[kind])
        lose(lambda _call: False)
        assert raised.value.written == "unknown"
        assert len(wire.calls) == ATTEMPTS
        store.write(Delete(place=Place(table, "p", "a")))


def test_the_write_was_done_though_the_answer_was_lost(store: DynamoDbStore, table: str, wire: Wire) -> None:
    wire.lose_answers(lambda _call: True)
    with pytest.raises(OutcomeUnknownError):
        store.write(Put(table=table, row=ROW))
    wire.lose_answers(lambda _call: False)
    assert store.get(Place(table, "p", "a")) == ROW


def test_a_write_whose_first_answer_is_lost_finds_its_own_row(
    store: DynamoDbStore, table: str, wire: Wire
) -> None:
    wire.lose_answers(first())
    with pytest.raises(ConditionFailedError) as failed:
        store.write(Put(table=table, row=ROW, condition=Attr("pk").not_exists(), label="mine"))
    assert failed.value.rows == {"mine": ROW}


def test_a_transaction_whose_first_answer_is_lost_is_done_once(
    store: DynamoDbStore, table: str, wire: Wire
) -> None:
    store.write(Put(table=table, row=ROW))
    wire.lose_answers(first())
    store.write(
        Set(place=Place(table, "p", "a"), columns={"n": 2}, condition=Attr("n").eq(1)),
        Put(table=table, row={"pk": "p", "sk": "b"}, condition=Attr("pk").not_exists()),
    )
    assert [row.get("n") for row in store.query(table, Key("pk").eq("p")).rows] == [2, None]


@KINDS
def test_a_lost_answer_is_not_forgotten_when_a_later_attempt_is_refused(
    store: DynamoDbStore, table: str, wire: Wire, kind: int
) -> None:
    lost, throttled = first(), refusal("ThrottlingException")
    wire.lose_answers(lost)
    wire.answer(lambda call: throttled(call) if len(wire.calls) > 1 else None)
    with pytest.raises(OutcomeUnknownError):
        store.write(*writes_to(table)[kind])


@KINDS
def test_the_doubt_of_one_write_is_not_that_of_the_next(
    store: DynamoDbStore, table: str, wire: Wire, kind: int
) -> None:
    wire.lose_answers(lambda _call: True)
    with pytest.raises(OutcomeUnknownError):
        store.write(Put(table=table, row=ROW))
    wire.lose_answers(lambda _call: False)
    wire.answer(refusal("ThrottlingException"))
    with pytest.raises(StoreUnavailableError):
        store.write(*writes_to(table)[kind])


def refuse_signing(client: Any, error: Exception, *, after: int) -> None:
    """Let what signs a client's calls fail, once so many attempts are signed."""
    signed = first(after)

    def sign(**_: Any) -> None:
        if not signed(Call("", "", 0)):
            raise error

    client.meta.events.register("before-sign.dynamodb.*", sign)


SIGNING: dict[str, Exception] = {
    "busy": StoreUnavailableError("STS", "Throttling"),
    "refused": StoreRefusedError("STS", "AccessDenied"),
    "no tenant": ForbiddenError("the request names no tenant"),
    "set up wrongly": ConfigurationError("there is no request"),
    "of somebody else": KeyError("Credentials"),
}


@KINDS
@pytest.mark.parametrize("error", SIGNING.values(), ids=SIGNING)
def test_an_attempt_that_cannot_be_signed_leaves_the_outcome_of_an_earlier_one_unknown(
    make_client: Callable[..., Any], wire: Wire, table: str, kind: int, error: Exception
) -> None:
    client = wire.listen(make_client())
    store = DynamoDbStore(client)
    refuse_signing(client, error, after=1)
    wire.time_out(lambda _call: True)
    with pytest.raises(OutcomeUnknownError):
        store.write(*writes_to(table)[kind])
    assert len(wire.calls) == 1
    with pytest.raises(type(error)):  # nothing was sent
        store.write(*writes_to(table)[kind])
    assert len(wire.calls) == 1


@KINDS
def test_an_attempt_that_cannot_be_signed_after_one_that_was_throttled_has_written_nothing(
    make_client: Callable[..., Any], wire: Wire, table: str, kind: int
) -> None:
    client = wire.listen(make_client())
    refuse_signing(client, SIGNING["busy"], after=1)
    wire.answer(refusal("ThrottlingException"))
    with pytest.raises(StoreUnavailableError) as raised:
        DynamoDbStore(client).write(*writes_to(table)[kind])
    assert raised.value.written == "nothing"
    assert len(wire.calls) == 1


def test_a_read_that_cannot_be_signed_says_why(
    make_client: Callable[..., Any], wire: Wire, table: str
) -> None:
    client = wire.listen(make_client())
    refuse_signing(client, SIGNING["refused"], after=1)
    wire.time_out(lambda _call: True)
    with pytest.raises(StoreRefusedError):
        DynamoDbStore(client).get(Place(table, "p", "a"))


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_without_an_answer_has_written_nothing(
    store: DynamoDbStore, table: str, wire: Wire, read: Callable[[DynamoDbStore, str], Any]
) -> None:
    wire.time_out(lambda _call: True)
    with pytest.raises(StoreUnavailableError) as raised:
        read(store, table)
    assert raised.value.written == "nothing"


# A store that is busy, out of reach, or set up wrongly


@KINDS
@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"]
)
def test_a_throttled_write_has_written_nothing(
    store: DynamoDbStore, table: str, wire: Wire, kind: int, code: str
) -> None:
    wire.answer(refusal(code))
    with pytest.raises(StoreUnavailableError) as raised:
        store.write(*writes_to(table)[kind])
    assert raised.value.written == "nothing"
    assert code in str(raised.value)
    wire.answer(lambda _call: None)
    assert store.get(Place(table, "p", "a")) is None


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_throttled_read_is_told(
    store: DynamoDbStore, table: str, wire: Wire, read: Callable[[DynamoDbStore, str], Any]
) -> None:
    wire.answer(refusal("ThrottlingException"))
    with pytest.raises(StoreUnavailableError):
        read(store, table)


@KINDS
def test_a_store_out_of_reach_has_written_nothing(
    make_client: Callable[..., Any], table: str, kind: int
) -> None:
    store = DynamoDbStore(make_client(endpoint_url=NOWHERE))
    with pytest.raises(StoreUnavailableError, match="EndpointConnectionError"):
        store.write(*writes_to(table)[kind])


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_out_of_reach_is_told(
    make_client: Callable[..., Any], table: str, read: Callable[[DynamoDbStore, str], Any]
) -> None:
    with pytest.raises(StoreUnavailableError):
        read(DynamoDbStore(make_client(endpoint_url=NOWHERE)), table)


@KINDS
def test_a_write_to_a_missing_table_is_refused(store: DynamoDbStore, kind: int) -> None:
    with pytest.raises(StoreRefusedError, match="ResourceNotFoundException"):
        store.write(*writes_to("missing")[kind])


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_of_a_missing_table_is_refused(
    store: DynamoDbStore, read: Callable[[DynamoDbStore, str], Any]
) -> None:
    with pytest.raises(StoreRefusedError, match="ResourceNotFoundException"):
        read(store, "missing")


@KINDS
def test_a_missing_permission_is_refused(store: DynamoDbStore, table: str, wire: Wire, kind: int) -> None:
    wire.answer(refusal("AccessDeniedException"))
    with pytest.raises(StoreRefusedError, match="AccessDeniedException"):
        store.write(*writes_to(table)[kind])


# Transactions in each other's way


def cancelled(*codes: str) -> Callable[[Call], tuple[int, Any]]:
    reasons = [{"Code": code} for code in codes]
    return refusal("TransactionCanceledException", CancellationReasons=reasons)


def test_a_conflict_alone_is_tried_again(store: DynamoDbStore, table: str, wire: Wire) -> None:
    early, conflict = first(3), cancelled("TransactionConflict", "None")
    wire.answer(lambda call: conflict(call) if early(call) else None)
    store.write(*writes_to(table)[-1])
    assert len(wire.calls) == 4
    assert store.get(Place(table, "p", "a")) == ROW


def test_conflicts_without_end_are_told(store: DynamoDbStore, table: str, wire: Wire) -> None:
    wire.answer(cancelled("None", "TransactionConflict"))
    with pytest.raises(ContentionError) as raised:
        store.write(*writes_to(table)[-1])
    assert raised.value.written == "nothing"


@pytest.mark.parametrize(
    "conflict",
    [cancelled("TransactionConflict", "None"), refusal("TransactionInProgressException")],
    ids=["with others", "with itself"],
)
@pytest.mark.parametrize("then", [refusal("ThrottlingException"), None], ids=["throttled", "conflicts"])
def test_a_conflict_does_not_settle_what_became_of_a_lost_attempt(
    store: DynamoDbStore, table: str, wire: Wire, conflict: Any, then: Any
) -> None:
    """It may still be on its way: in conflict with itself."""
    wire.time_out(first())
    wire.answer(lambda call: {1: None, 2: conflict(call)}.get(len(wire.calls), (then or conflict)(call)))
    with pytest.raises(OutcomeUnknownError):
        store.write(*writes_to(table)[-1])


def test_a_failed_condition_counts_more_than_a_conflict(store: DynamoDbStore, table: str, wire: Wire) -> None:
    wire.answer(cancelled("TransactionConflict", "ConditionalCheckFailed"))
    with pytest.raises(ConditionFailedError) as failed:
        store.write(
            Delete(place=Place(table, "p", "a")),
            Check(place=Place(table, "p", "b"), condition=Attr("n").exists(), label="mine"),
        )
    assert failed.value.rows == {"mine": None}
    assert len(wire.calls) == 1


def test_a_row_that_dynamodb_does_not_take_is_refused(store: DynamoDbStore, table: str, wire: Wire) -> None:
    wire.answer(cancelled("ValidationError", "None"))
    with pytest.raises(StoreRefusedError):
        store.write(*writes_to(table)[-1])
    assert len(wire.calls) == 1


def test_every_failure_is_one_of_ours(store: DynamoDbStore, table: str, wire: Wire) -> None:
    for code in (
        "ValidationException",
        "UnrecognizedClientException",
        "ItemCollectionSizeLimitExceededException",
    ):
        wire.answer(refusal(code))
        for writes in writes_to(table):
            with pytest.raises(CqrsError, match=code):
                store.write(*writes)


# A single write in the way of a transaction


@pytest.mark.parametrize("kind", range(3), ids=["put", "set", "delete"])
def test_a_write_waits_for_the_transaction_that_has_its_row(
    store: DynamoDbStore, table: str, wire: Wire, kind: int
) -> None:
    early, conflict = first(3), refusal("TransactionConflictException")
    wire.answer(lambda call: conflict(call) if early(call) else None)
    store.write(*writes_to(table)[kind])
    assert len(wire.calls) == 4


def test_a_write_that_transactions_have_for_too_long_has_written_nothing(
    store: DynamoDbStore, table: str, wire: Wire
) -> None:
    wire.answer(refusal("TransactionConflictException"))
    with pytest.raises(ContentionError) as raised:
        store.update(Set(place=Place(table, "p", "a"), columns={"n": 1}))
    assert raised.value.written == "nothing"
    wire.answer(lambda _call: None)
    assert store.get(Place(table, "p", "a")) is None


def test_a_write_in_the_way_of_a_transaction_after_a_lost_answer_may_have_been_done(
    store: DynamoDbStore, table: str, wire: Wire
) -> None:
    lost = first()
    wire.lose_answers(lost)
    wire.answer(lambda call: refusal("TransactionConflictException")(call) if len(wire.calls) > 1 else None)
    with pytest.raises(OutcomeUnknownError):
        store.write(Put(table=table, row=ROW))
