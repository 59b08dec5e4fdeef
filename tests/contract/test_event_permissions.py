"""What a grant on a module of events allows is what the runtime calls on the wire, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from constructs_lib import EventStoreTable
from runtime import (
    CqrsApp,
    Event,
    create_aggregate,
    create_commands,
    create_domain,
)
from runtime.contract import AGGREGATES_INDEX, FEED_INDEX, FunctionKind
from runtime.event_store.address import Key
from runtime.event_store.event_module import EventModule
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import EventVersions
from runtime.event_store.feed.processor import EventProcessor
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.pipeline.repairing import Repair
from tests.contract.test_permissions import allowed, needed
from tests.contract.test_permissions import together as summed
from tests.support.clock import CLOCK
from tests.support.event_tables import MODULE, event_settings, make_event_tables
from tests.support.service import TestResources
from tests.support.values import event_image

if TYPE_CHECKING:
    from constructs_lib.local import Emulator
    from runtime import Loaded
    from tests.contract.test_permissions import Used

FEED = f"events/index/{FEED_INDEX}"
AGGREGATES = f"events/index/{AGGREGATES_INDEX}"


class Opened(Event, type="opened"):
    pass


class Noted(Event, type="noted"):
    pass


def keep(_event: Event, state: dict[str, Any], _meta: Any) -> dict[str, Any]:
    """Nothing comes of an event."""
    return state


account = create_aggregate(stream="accounts", events=[Opened, Noted], create=dict, fold=keep)
note = create_aggregate(stream="notes", events=[Noted], create=dict, fold=keep)


class Open(BaseModel):
    """Opens an account that is not open yet; looks at a note."""


class Bank:
    """A module on DynamoDB, with a handler that fails where it is told to."""

    def __init__(self, emulator: Emulator, tables: tuple[str, str]) -> None:
        settings = event_settings(emulator, tables, function=FunctionKind.OPERATOR)
        self.resources = TestResources(emulator, settings)
        self.names = dict(zip(tables, ("events", "sync"), strict=True))
        self.tables = tables
        self.client: Any = emulator.client("dynamodb")
        self.domain = create_domain(DynamoProvider(MODULE, self.resources), account, note, default_tenant="t")
        self.commands = create_commands(self.domain[account])
        self.commands.on(Open)(self._open)
        self.fails = False
        self.handler = self.domain.create_handler("view", [account], exclusive=True)
        self.handler.handle(account, Opened, self._see)
        self.plain = self.domain.create_handler("plain", [account])
        self.plain.handle(account, Opened, lambda *_: None)
        self.module = EventModule(MODULE, self.domain, handlers=[self.handler, self.plain])
        self.module.use(resources=self.resources)

    def _open(self, _command: Open, current: Loaded[Any]) -> Opened | None:
        self.domain[note].get_aggregate("n")
        return None if current.exists else Opened()

    def _see(self, _aggregate_id: str, _event: Opened, _meta: Any) -> None:
        if self.fails:
            message = "no"
            raise ValueError(message)

    def append(self, account_id: str, *events: Any) -> Loaded[Any]:
        accounts = self.domain[account]
        return accounts.append(accounts.get_aggregate(account_id), [*(events or [Opened()])])

    def used(self) -> Used:
        """The permissions that the calls since the last time needed, by kind of table."""
        found: Used = {}
        for call in self.resources.wire.calls:
            for table, action in needed(call) if call.service == "dynamodb" else ():
                name, slash, index = table.partition("/")
                found.setdefault(self.names[name] + slash + index, set()).add(f"dynamodb:{action}")
        self.resources.wire.clear()
        return found

    def record(self, key: Key, first: int) -> dict[str, Any]:
        """What the stream tells of a commit."""
        place = {"pk": {"S": key.pk}, "sk": {"S": f"{first:010d}"}}
        item = self.client.get_item(TableName=self.tables[0], Key=place)["Item"]
        arn = f"arn:aws:dynamodb:eu-west-1:1:table/{self.tables[0]}/stream/x"
        change = {"SequenceNumber": str(first), "NewImage": event_image(item)}
        return {"eventName": "INSERT", "eventSourceARN": arn, "dynamodb": change}

    def processor(self, **options: Any) -> EventProcessor:
        provider = DynamoProvider(MODULE, self.resources)
        return EventProcessor(MODULE, provider, self.module.handlers, provider.commit_in, **options)

    def repair(self, key: Key, *, skipping: bool) -> None:
        whose = CursorKey("view", 1, key)
        provider = self.domain.provider
        versions = EventVersions(provider, self.handler, whose, provider.cursors().rows([whose])[whose])
        Repair("view", versions).run(skipping=skipping)


@pytest.fixture
def bank(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Bank:
    for name, value in emulator.environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)
    return Bank(emulator, make_event_tables(emulator))


def granted(intent: str) -> Used:
    return allowed(EventStoreTable, intent, pull_index=True, aggregates_index=True)


def together(*parts: Used) -> Used:
    return summed(*parts, kinds=("events", "sync", FEED, AGGREGATES))


def test_append(bank: Bank) -> None:
    bank.append("a")
    with bank.domain.transaction() as both:
        both.append(bank.domain[account], bank.domain[account].get_aggregate("a"), Noted())
        both.append(bank.domain[note], bank.domain[note].get_aggregate("n"), Noted())
    for _ in range(2):
        bank.commands.execute("b", Open(), command_id="once")
    assert bank.used() == granted("append")


def test_read(bank: Bank) -> None:
    loaded = bank.append("a")
    assert bank.handler.build() == 2
    bank.used()
    bank.handler.start_anew()
    accounts = bank.domain[account]
    accounts.get_aggregate("a", at_version=1)
    assert list(accounts.events("a"))
    assert list(accounts.ids()) == ["a"]
    assert not bank.handler.has_seen(account, loaded)
    assert bank.used() == granted("read")


def test_handle(bank: Bank) -> None:
    keys = [bank.append(name).key for name in "abc"]
    for name in "abc":
        bank.append(name)
    bank.used()
    # Each is new to the handlers, and the first of its commits has to be read.
    bank.processor().process([bank.record(keys[0], 2)])
    bank.fails = True
    bank.processor().process([bank.record(keys[1], 2)])
    bank.fails = False
    bank.processor(exclusive=True).process([bank.record(key, 2) for key in keys])
    assert bank.used() == granted("handle")


def test_project(bank: Bank) -> None:
    """Where all fails, an aggregate is looked for that the handler has seen."""
    seen, *failing = (bank.append(name).key for name in "abcd")
    bank.processor().process([bank.record(seen, 1)])
    bank.fails = True
    bank.used()
    with CLOCK:
        for _ in range(2):
            bank.processor(exclusive=True).process([bank.record(key, 1) for key in failing])
            CLOCK.advance(100)
    used = bank.used()
    assert "dynamodb:Scan" in used["sync"]
    assert together(used, granted("handle"), granted("append")) == granted("project")


def test_pull(bank: Bank) -> None:
    bank.append("a")
    bank.used()
    for handler in (bank.handler, bank.plain):
        handler.run_once()
    first = bank.used()
    bank.append("a")
    bank.append("a", Noted())
    bank.used()
    for handler in (bank.handler, bank.plain):
        handler.run_once()
    assert together(first, bank.used()) == granted("pull")


def test_rebuild(bank: Bank) -> None:
    bank.append("a")
    bank.append("b")
    bank.used()
    bank.handler.rebuild()
    bank.plain.rebuild()
    first = bank.used()
    bank.append("a")
    bank.append("a")
    bank.used()
    bank.processor().process([bank.record(Key("accounts", "a", "t"), 3)])
    bank.handler.rebuild()
    assert together(first, bank.used()) == granted("rebuild")


def park(bank: Bank) -> Key:
    """The handler is parked at the first of two versions."""
    key = bank.append("a").key
    bank.append("a")
    whose = CursorKey("view", 1, key)
    row = bank.domain.provider.cursors().rows([whose])[whose]
    assert row.park(1, "ValueError: no")
    bank.used()
    return key


@pytest.mark.parametrize("skipping", [True, False])
def test_repair(bank: Bank, *, skipping: bool) -> None:
    bank.repair(park(bank), skipping=skipping)
    found = bank.used()
    assert found["events"] == granted("repair")["events"]
    assert found["sync"] == {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}
    # What runs again may be new to its handler, which is then registered: as with any event.
    assert granted("repair") == granted("handle")


def test_inspect(bank: Bank) -> None:
    key = park(bank)
    app = CqrsApp(modules=[bank.module], resources=bank.resources)
    operations: list[dict[str, Any]] = [
        {"operation": "modules"},
        {"operation": "listAggregates", "module": MODULE},
        {"operation": "listEvents", "module": MODULE, "pk": key.pk},
        {"operation": "showEvent", "module": MODULE, "pk": key.pk, "version": 1},
        {"operation": "verifyEvents", "module": MODULE, "pk": key.pk},
        {"operation": "verifyEvents", "module": MODULE},
    ]
    for operation in operations:
        assert "error" not in app(operation, None)
    cursors = bank.domain.provider.cursors()
    assert len(cursors.parked().cursors) == 1
    assert bank.handler.registration is None
    cursors.rows([CursorKey("view", 1, key)])
    assert bank.used() == granted("inspect")


def test_what_a_handler_has_left_is_dropped(bank: Bank) -> None:
    """Also where the module has no handlers any more: the operator function then gets this much."""
    key = park(bank)
    app = CqrsApp(modules=[EventModule(MODULE, bank.domain)], resources=bank.resources)
    answer = app({"operation": "drop", "module": MODULE, "pk": key.pk, "handler": "view@1"}, None)
    assert answer["parkedVersion"] == 1
    assert bank.used() == {"sync": {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}}


def test_erase(bank: Bank) -> None:
    bank.commands.execute("a", Open(), command_id="once")
    bank.append("a")
    bank.used()
    assert bank.domain[account].erase("a") == len("ab")
    assert bank.used() == granted("erase")


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("operate", ["inspect", "repair", "rebuild", "append"]),
        ("serve", ["append", "read"]),
    ],
)
def test_what_a_function_is_given_is_what_its_parts_need(whole: str, parts: list[str]) -> None:
    assert granted(whole) == together(*map(granted, parts))
