"""What appends and loads cost, counted on the wire: calls, and DynamoDB's units."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from runtime import clock
from runtime.event_store.address import Key
from runtime.event_store.aggregates.aggregate import Persist, create_aggregate
from runtime.event_store.commands.commands import Retry, create_commands
from runtime.event_store.commits.commit import Commit, StoredEvent, new_append_id
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event
from runtime.event_store.metadata import gathered
from runtime.identity.context import InvokeContext, use_invoke_context
from runtime.store.port import Put
from tests.event_store.wire.metered import Cost, Metered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.aggregates.repository import AggregateRepository
    from runtime.event_store.events.recorded import EventMeta

WORDS = (
    *("order", "line", "price", "total", "customer", "street", "city"),
    *("created", "changed", "shipped", "invoice", "note", "amount", "code"),
)
PUT, QUERY, GET, TRANSACT = "PutItem", "Query", "GetItem", "TransactWriteItems"


class Changed(Event, type="changed"):
    fields: dict[str, str]


class Change:
    """A command: make so many events of a size."""

    def __init__(self, number: int = 1, size: int = 300) -> None:
        self.number = number
        self.size = size


def event(size: int, seed: int = 0) -> Changed:
    """An event of ``size`` bytes, with its type, that looks like data."""
    chance = Random(seed)  # noqa: S311 - not a secret
    fields: dict[str, str] = {}

    def length() -> int:
        return len(json.dumps(["changed", {"fields": fields}], separators=(",", ":")))

    while length() < size - 60:
        fields[f"{chance.choice(WORDS)}{len(fields)}"] = f"{chance.choice(WORDS)} {chance.randrange(10**6)}"
    fields["pad"] = ""
    fields["pad"] = "x" * (size - length())
    assert length() == size
    return Changed(fields=fields)


def keep(changed: Changed, state: dict[str, Any], _meta: EventMeta) -> dict[str, Any]:
    return {"count": state["count"] + 1, "last": min(changed.fields), "note": "s" * 250}


class Store:
    """A domain with the aggregate `orders`, and what its calls cost."""

    def __init__(self, meter: Metered, persist: Persist | None) -> None:
        aggregate = create_aggregate(
            stream=f"orders-{uuid.uuid4().hex[:4]}",
            events=[Changed],
            create=lambda: {"count": 0},
            fold=keep,
            persist=persist,
        )
        self.meter = meter
        self.domain = create_domain(meter.provider, aggregate, default_tenant="acme")
        self.orders: AggregateRepository[Changed, dict[str, Any]] = self.domain[aggregate]
        self.commands = create_commands(self.orders, retry=Retry(attempts=3))

        @self.commands.on(Change)
        def change(command: Change, current: Loaded[dict[str, Any]]) -> list[Changed]:
            return [event(command.size, current.version + n) for n in range(command.number)]

    def append(self, number: int, size: int, **options: Any) -> Cost:
        """What it costs to append to a new aggregate."""
        loaded = self.orders.get_aggregate(new_id())
        self.meter.clear()
        self.orders.append(loaded, [event(size, seed) for seed in range(number)], **options)
        return self.meter.cost

    def filled(self, appends: int, each: int = 1) -> str:
        """Id of an aggregate with so many appends."""
        loaded = self.orders.get_aggregate(new_id())
        for _ in range(appends):
            loaded = self.orders.append(loaded, [event(300, loaded.version + n) for n in range(each)])
        return loaded.aggregate_id

    def written(self, appends: int) -> str:
        """The same as `filled`, in few calls: rows of its own appends, a hundred at a time."""
        order = Key(self.orders.aggregate.stream, new_id(), "acme")
        user_id, metadata = gathered("blog", None)
        storage = self.meter.provider.storage
        rows = [
            storage.row(
                Commit(
                    key=order,
                    first=version,
                    events=(StoredEvent("changed", event(300, version).model_dump()),),
                    append_id=new_append_id(),
                    at=clock.now(),
                    user_id=user_id,
                    metadata=metadata,
                )
            )
            for version in range(1, appends + 1)
        ]
        for start in range(0, appends, 100):
            puts = [Put(table=storage.tables.events, row=row) for row in rows[start : start + 100]]
            storage.store.write(*puts)
        return order.aggregate_id

    def load(self, aggregate_id: str) -> Cost:
        self.meter.clear()
        self.loaded = self.orders.get_aggregate(aggregate_id)
        return self.meter.cost


@contextmanager
def a_request(
    user_id: str = str(uuid.UUID(int=1)), request_id: str = str(uuid.UUID(int=2))
) -> Iterator[None]:
    """What an API sets."""
    claims = {"sub": user_id, "custom:tenant": "acme"}
    with use_invoke_context(InvokeContext(claims=claims, request_id=request_id)):
        yield


def new_id() -> str:
    return uuid.uuid4().hex[:16]


@pytest.fixture
def make_store(emulator: Emulator, event_tables: tuple[str, str]) -> Callable[..., Store]:
    def make(persist: Persist | None = None, *, indexes: bool = False) -> Store:
        return Store(Metered(emulator, event_tables, indexes=indexes), persist)

    return make


# Appends


@pytest.mark.parametrize(
    ("number", "size", "most"),
    [(1, 300, 1), (3, 300, 1), (10, 300, 2), (1, 1024, 1), (3, 1024, 2), (10, 1024, 4)],
)
def test_an_append_is_one_call(make_store: Callable[..., Store], number: int, size: int, most: int) -> None:
    cost = make_store().append(number, size)
    assert (cost.calls, cost.read) == ([PUT], 0)
    assert cost.written <= most


def test_an_append_of_a_request_is_one_unit_too(make_store: Callable[..., Store]) -> None:
    with a_request():
        assert make_store().append(1, 300) == Cost([PUT], 1, 0)


def test_a_state_that_fits_costs_nothing(make_store: Callable[..., Store]) -> None:
    store = make_store(Persist("1"))
    assert store.append(1, 300) == Cost([PUT], 1, 0)
    assert store.load(store.filled(1)) == Cost([QUERY], 0, 1)
    assert store.loaded.persisted == "1"


def test_with_a_command_id_it_is_one_transaction(make_store: Callable[..., Store]) -> None:
    assert make_store().append(1, 300, command_id="once") == Cost([TRANSACT], 4, 0)


def test_with_a_guard_it_is_one_transaction(make_store: Callable[..., Store]) -> None:
    store = make_store()
    guards = [store.orders.get_aggregate(new_id())]
    assert store.append(1, 300, guards=guards) == Cost([TRANSACT], 4, 0)


def test_each_index_costs_a_unit(make_store: Callable[..., Store]) -> None:
    store = make_store(indexes=True)
    assert store.append(1, 300) == Cost([PUT], 3, 0)  # of what is new, and of a tenant's aggregates
    loaded = store.orders.get_aggregate(store.filled(1))
    store.meter.clear()
    store.orders.append(loaded, event(300))
    assert store.meter.cost == Cost([PUT], 2, 0)


def test_a_command_is_two_calls(make_store: Callable[..., Store]) -> None:
    store = make_store(Persist("1"))
    for command_id, calls, written in ((None, [QUERY, PUT], 1), ("once", [QUERY, TRANSACT], 4)):
        store.meter.clear()
        store.commands.execute(new_id(), Change(), command_id=command_id)
        assert store.meter.cost == Cost(calls, written, 1)


def test_a_conflict_that_is_retried_reads_nothing(make_store: Callable[..., Store]) -> None:
    store = make_store()
    order = store.filled(1)
    rivals = [store.orders.get_aggregate(order)]

    @store.commands.on(Change)
    def change(_command: Change, current: Loaded[dict[str, Any]]) -> Changed:
        while rivals:
            store.orders.append(rivals.pop(), event(300))
        return event(300, current.version)

    store.meter.clear()
    assert store.commands.execute(order, Change()).version == 3
    assert store.meter.cost.calls == [
        QUERY,
        PUT,
        PUT,
        PUT,
    ]  # the load, the rival's, the lost one, and the next


# Loads


@pytest.mark.parametrize(
    ("user_id", "request_id"),
    [("8a1c2f0e-user", "1-67f0-3b2c9d"), (str(uuid.UUID(int=1)), str(uuid.UUID(int=2)))],
    ids=["short ids", "ids of Cognito and API Gateway"],
)
def test_1000_events_are_one_call(make_store: Callable[..., Store], user_id: str, request_id: str) -> None:
    store = make_store()
    with a_request(user_id, request_id):
        cost = store.load(store.written(1000))
    assert (store.loaded.version, cost.calls) == (1000, [QUERY])
    assert cost.read <= 120


def test_a_kept_state_is_found_with_one_call_where_it_is_in_the_last_append(
    make_store: Callable[..., Store],
) -> None:
    store = make_store(Persist("1"))
    order = store.filled(30)
    assert store.load(order) == Cost([QUERY], 0, 1)
    assert (store.loaded.version, store.loaded.commits_since_kept) == (30, 0)


def test_a_kept_state_is_found_with_two_calls_where_it_is_further_back_than_ever(
    make_store: Callable[..., Store],
) -> None:
    store = make_store(Persist("1", every=20))
    # Nothing that deflates: beside such an event no state fits into the unit.
    noise = Random(1)  # noqa: S311 - not a secret
    loaded = store.orders.get_aggregate(new_id())
    most = 0
    for _ in range(45):
        text = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(300))
        loaded = store.orders.append(loaded, Changed(fields={"text": text}))
        cost = store.load(loaded.aggregate_id)
        assert set(cost.calls) == {QUERY}
        most = max(most, len(cost.calls))
        assert loaded.version < 20 or store.loaded.persisted == "1"
    assert most == 2
