"""A module of events in an app: how records find its handlers, and what does not fit."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    Event,
    ModuleMismatchError,
    Settings,
    UnknownTriggerError,
    collect_large_attributes,
    create_aggregate,
    create_domain,
    drop,
    erase,
    heal,
    reconcile,
    redrive,
    skip,
)
from runtime.clients.failed_records import FailedRecords
from runtime.contract import FunctionKind
from runtime.cqrs_toml import DeclaredEventModule
from runtime.entry.check import check
from runtime.errors import ReadModelUnavailableError
from runtime.event_store.event_module import EventModule
from runtime.event_store.handlers.handler import EventHandler
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.store.memory import MemoryStore
from runtime.testing import MemoryApp
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.event_store.sqlite_provider import SqliteProvider
from tests.unit.test_cqrs_toml import of_main, root, write

if TYPE_CHECKING:
    from pathlib import Path

    from runtime import Aggregate, Domain, EventMeta
    from runtime.event_store.provider import Provider


class Opened(Event, type="opened"):
    name: str


class Closed(Event, type="closed"):
    pass


def fold(event: Opened | Closed, state: dict[str, Any], meta: EventMeta) -> dict[str, Any]:
    return {**state, type(event).__name__: meta.version}


account: Aggregate[Opened | Closed, dict[str, Any]] = create_aggregate(
    stream="accounts", events=[Opened, Closed], create=dict, fold=fold
)


class Bank:
    """A module of accounts with one handler, that fails where it is told to."""

    def __init__(self, provider: Provider | None = None, *, cache: int = 0) -> None:
        self.domain: Domain = create_domain(provider or DynamoProvider("bank"), account, cache=cache)
        self.model = self.domain.create_handler("names", [account])
        self.names: dict[str, str] = {}
        self.error: Exception | None = None
        self.model.handle(account, Opened, self._note)
        self.module = EventModule("bank", self.domain, handlers=[self.model])

    def _note(self, aggregate_id: str, event: Opened, meta: Any) -> None:
        if self.error is not None:
            raise self.error
        self.names[f"{aggregate_id} {meta.tenant}"] = event.name

    def open(self, account_id: str, name: str = "Ann", tenant: str = "acme") -> None:
        accounts = self.domain[account]
        accounts.append(accounts.get_aggregate(account_id, tenant=tenant), [Opened(name=name)])


@pytest.fixture
def bank() -> Bank:
    return Bank()


def resources(modules: dict[str, Any] | None, function: str | None = None) -> MemoryResources:
    settings = Settings(node_env="local", app_name="shop", function=function, modules=modules)
    return MemoryResources(settings, MemoryStore(), Clock())


DEPLOYED = {"bank": {"kind": "events", "handlers": True}}


def app_of(bank: Bank, function: str | None = None, modules: dict[str, Any] | None = None) -> CqrsApp:
    used = resources(DEPLOYED if modules is None else modules, function)
    bank.module.use(resources=used)
    return CqrsApp(modules=[bank.module], resources=used)


def records(bank: Bank, table: str = "local-shop-bank-events") -> dict[str, Any]:
    """What the stream tells of an account that was opened."""
    bank.open("a1")
    (row,) = cast("MemoryStore", bank.module.resources.store).rows("local-shop-bank-events")
    image = {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in row.items()
    }
    image["types"] = {"SS": ["opened"]}
    return {
        "Records": [
            {
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "eventSourceARN": f"arn:aws:dynamodb:eu-west-1:1:table/{table}/stream/2026",
                "dynamodb": {"NewImage": image, "SequenceNumber": "7"},
            }
        ]
    }


# --- what the module is ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Bank", "1st", 7])
def test_a_name_that_a_stack_could_not_have_is_refused(bank: Bank, name: Any) -> None:
    with pytest.raises(ConfigurationError, match="the name of an EventModule must match"):
        EventModule(name, bank.domain)


def test_the_name_is_that_of_the_provider(bank: Bank) -> None:
    with pytest.raises(ConfigurationError, match=r"its provider is DynamoProvider\('bank'\); give both"):
        EventModule("blog", bank.domain)
    EventModule("blog", create_domain(MemoryProvider(), account))


def test_what_is_no_handler_is_refused(bank: Bank) -> None:
    for handlers, message in (
        ("bank:names", r"must be a list, got 'bank:names'; write \['bank:names'\]"),
        (["bank.names"], 'an event handler is written "package.module:name", got'),
        ([print], "must be made by domain.create_handler, or import paths of such, got .*builtin"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            EventModule("bank", bank.domain, handlers=handlers)  # type: ignore[arg-type]


def test_an_import_path_is_followed_where_handlers_run_and_nowhere_else(tmp_path: Path) -> None:
    bank = Bank()
    module = EventModule("bank", bank.domain, handlers=["made_for_it:model"])
    assert module.handler_names == ("made_for_it:model",)
    with pytest.raises(
        ConfigurationError, match="made_for_it:model leads to nothing: there is no 'made_for_it'"
    ):
        _ = module.handlers
    write(tmp_path, made_for_it="model = 7")
    with root(tmp_path), pytest.raises(ConfigurationError, match="got made_for_it:model, which is int"):
        _ = module.handlers


def test_a_handler_of_another_domain_is_refused(bank: Bank) -> None:
    other = EventModule("bank", Bank().domain, handlers=[bank.model])
    with pytest.raises(
        ConfigurationError, match="the handler 'names' of the module 'bank' is of another domain"
    ):
        _ = other.handlers


def test_two_modules_of_one_name_are_refused_whatever_they_keep(bank: Bank) -> None:
    with pytest.raises(ConfigurationError, match=r"two modules have the same name in \['bank', 'bank'\]"):
        CqrsApp(modules=[CommandModule("bank"), bank.module])


# --- records --------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [FunctionKind.PROJECTOR, None])
def test_records_of_an_events_table_reach_the_handlers(bank: Bank, function: str | None) -> None:
    app = app_of(bank, function)
    assert app(records(bank), None) == {"batchItemFailures": []}
    assert bank.names == {"a1 acme": "Ann"}


@pytest.mark.parametrize("function", ["api", "stream", "worker", "notifier", "operator"])
def test_another_function_does_not_run_them(bank: Bank, function: str) -> None:
    """Whoever may call it, and makes up an event, is refused."""
    app = app_of(bank, function)
    with pytest.raises(
        UnknownTriggerError, match="records of an events table's stream are for the projector"
    ):
        app(records(bank), None)
    assert bank.names == {}


def test_the_projector_takes_records_of_events_only(bank: Bank) -> None:
    app = app_of(bank, FunctionKind.PROJECTOR)
    with pytest.raises(UnknownTriggerError, match="no module of this app has the events table other"):
        app(records(bank, "other"), None)


def test_an_events_table_has_no_route_of_the_apps_own(bank: Bank) -> None:
    app = app_of(bank, FunctionKind.PROJECTOR)
    app.on_stream("local-shop-bank-events", print, functions=[FunctionKind.PROJECTOR])
    with pytest.raises(ConfigurationError, match="local-shop-bank-events is an events table, which the app"):
        app(records(bank), None)


def test_events_wait_for_handlers_that_the_code_lacks(bank: Bank) -> None:
    module = EventModule("bank", bank.domain)
    used = resources(DEPLOYED, FunctionKind.PROJECTOR)
    module.use(resources=used)
    bank.module.use(resources=used)
    app = CqrsApp(modules=[module], resources=used)
    with pytest.raises(
        ModuleMismatchError, match="deployed with handlers=True, but the code has no handlers"
    ):
        app(records(bank), None)


def test_a_provider_without_tables_is_fed_by_no_stream(tmp_path: Path) -> None:
    class Elsewhere(SqliteProvider):
        """Events in a database of somebody's own."""

    domain = create_domain(Elsewhere(tmp_path / "events.sqlite", 10), account)
    with pytest.raises(ConfigurationError, match="its domain is on a Elsewhere; make it with DynamoProvider"):
        EventModule("bank", domain).processor()


class SetAside:
    """A bucket with records that Lambda gave up."""

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        self.objects = objects

    def page(self, _resume_from: str | None, _limit: int) -> tuple[list[str], None]:
        return [*self.objects], None

    def records(self, name: str) -> list[dict[str, Any]]:
        return self.objects[name]

    def delete(self, name: str) -> None:
        del self.objects[name]


def test_records_that_became_too_old_are_sent_again(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(bank, FunctionKind.OPERATOR)
    mine = records(bank)["Records"]
    other = [mine[0] | {"eventSourceARN": mine[0]["eventSourceARN"].replace("bank", "till")}]
    bucket = SetAside(mine=mine, other=other)
    monkeypatch.setattr(FailedRecords, "of", lambda _resources: bucket)
    answer = app({"operation": "replayRecords"}, None)
    assert bank.names == {"a1 acme": "Ann"}
    assert (answer["replayed"], [failed["object"] for failed in answer["failed"]]) == (1, ["other"])
    assert [*bucket.objects] == ["other"]


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_turns_are_claimed_where_the_stack_says_so(bank: Bank, *, is_exclusive: bool) -> None:
    app_of(bank, modules={"bank": {"kind": "events", "handlers": True, "exclusive": is_exclusive}})
    assert bank.module.processor()._exclusive is is_exclusive  # noqa: SLF001 - what it does is the feed's


# --- the code and the stack -----------------------------------------------------------------------


def problems(bank: Bank, modules: dict[str, Any], **options: Any) -> list[str]:
    app = app_of(bank, modules=modules, function=options.get("function"))
    found: list[str] = app({"operation": "check"}, None)["problems"]
    return found


def test_what_fits_has_no_problems(bank: Bank) -> None:
    assert problems(bank, DEPLOYED) == []


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ({}, "module 'bank' is in the code, not in the stack: add EventModule('bank'), or remove it"),
        (
            {"bank": {}},
            (
                "module 'bank' is one of events in the code, and one of commands in the stack: give the "
                "stack EventModule('bank'), or rename one"
            ),
        ),
        (
            {"bank": {"kind": "events"}},
            "module 'bank' has event handlers (names), and no handlers=True in the stack",
        ),
    ],
)
def test_what_does_not_fit_is_said(bank: Bank, modules: dict[str, Any], problem: str) -> None:
    assert problems(bank, modules) == [problem]


def test_handlers_that_a_stack_waits_for_are_missed(bank: Bank) -> None:
    bank.module = EventModule("bank", bank.domain)
    (said,) = problems(bank, DEPLOYED)
    assert said.startswith("module 'bank' has handlers=True in the stack, and no event handlers in the code")


@pytest.mark.parametrize("function", [FunctionKind.PROJECTOR, FunctionKind.OPERATOR])
def test_a_path_that_leads_nowhere_is_found_before_the_deployment_ends(bank: Bank, function: str) -> None:
    bank.module = EventModule("bank", bank.domain, handlers=["nowhere:model"])
    (said,) = problems(bank, DEPLOYED, function=function)
    assert said.startswith("module 'bank': nowhere:model leads to nothing")


def test_a_function_that_runs_no_handlers_imports_none(bank: Bank) -> None:
    bank.module = EventModule("bank", bank.domain, handlers=["nowhere:model"])
    assert problems(bank, DEPLOYED, function=FunctionKind.API) == []


def test_what_the_file_says_is_compared(bank: Bank) -> None:
    table = DeclaredEventModule(
        name="bank", module=".bank:module", routes=(), pull_index=True, aggregates_index=True
    )
    settings = Settings(modules=DEPLOYED)
    found = check({}, {"bank": table}, settings, event_modules={"bank": bank.module})["problems"]
    assert found == [
        "module 'bank' has handlers = false in cqrs.toml, and handlers=True in the stack",
        "module 'bank' has pull_index = true in cqrs.toml, and pull_index=False in the stack",
        "module 'bank' has aggregates_index = true in cqrs.toml, and aggregates_index=False in the stack",
    ]


BANK = """
    from runtime import Event, create_aggregate, create_domain
    from runtime.event_store.event_module import EventModule
    from runtime.event_store.providers.dynamo_provider import DynamoProvider

    class Opened(Event, type="opened"):
        name: str

    account = create_aggregate(
        stream="accounts", events=[Opened], create=dict, fold=lambda event, state, meta: state
    )
    domain = create_domain(DynamoProvider("bank"), account)
    model = domain.create_handler("names", [account])
    module = EventModule("bank", domain, handlers=[HANDLERS])
"""
TOML = '[modules.bank]\nkind = "events"\nroutes = []\nhandlers = '


def test_an_app_is_made_of_the_file(tmp_path: Path) -> None:
    main = "from runtime import CqrsApp\napp = CqrsApp.of(__name__)\n"
    code = BANK.replace("HANDLERS", "model")
    write(tmp_path, cqrs_toml=f"{TOML}true", main=main, modules__bank=code)
    with root(tmp_path):
        app: CqrsApp = __import__("main").app
    assert list(app.event_modules) == ["bank"]
    assert app.modules == {}
    assert app.event_modules["bank"].handlers[0].name == "names"


@pytest.mark.parametrize(
    ("declared", "handlers", "message"),
    [
        (
            "false",
            "model",
            "[modules.bank] handlers is false, but the module has ['names']; write handlers = true",
        ),
        ("true", "", "[modules.bank] handlers is true, but the module has no event handlers; give them"),
    ],
)
def test_handlers_and_the_file_go_together(
    tmp_path: Path, declared: str, handlers: str, message: str
) -> None:
    said = of_main(tmp_path, f"{TOML}{declared}", modules__bank=BANK.replace("HANDLERS", handlers))
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            'from runtime import CommandModule\nmodule = CommandModule("bank")',
            "is no EventModule, but CommandModule",
        ),
        (
            BANK.replace("HANDLERS", "model").replace('"bank"', '"till"'),
            "is the module 'till'; give both the same",
        ),
    ],
)
def test_what_is_there_and_is_another_thing_is_refused(tmp_path: Path, module: str, message: str) -> None:
    assert message in of_main(tmp_path, f"{TOML}true", modules__bank=module)


def test_a_module_of_events_is_none_of_commands(tmp_path: Path) -> None:
    said = of_main(tmp_path, "[modules.bank]", modules__bank=BANK.replace("HANDLERS", "model"))
    assert "is no CommandModule, but EventModule" in said


# --- in memory ------------------------------------------------------------------------------------


def test_an_app_with_events_runs_in_memory(bank: Bank) -> None:
    app = CqrsApp(modules=[CommandModule("order"), bank.module])
    with MemoryApp(app) as memory:
        bank.open("a1")
        bank.open("a1x", "Bob", "other")
        assert memory.under_way == ["accounts#a1#acme 0000000001", "accounts#a1x#other 0000000001"]
        assert bank.names == {}
        memory.deliver(times=2, shuffled=True)
        assert bank.names == {"a1 acme": "Ann", "a1x other": "Bob"}
        assert [row["pk"] for row in memory.rows("bank", "events")] == [
            "accounts#a1#acme",
            "accounts#a1x#other",
        ]
        assert {row["sk"] for row in memory.rows("bank", "sync")} == {"names", "names@1#"}
        assert memory.dead_letters == []


@pytest.mark.parametrize("cache", [0, 10])
def test_nothing_is_left_from_one_test_to_the_next(cache: int) -> None:
    bank = Bank(cache=cache)
    app = CqrsApp(modules=[bank.module])
    for _ in range(2):
        bank.names.clear()
        with MemoryApp(app) as memory:
            assert not bank.domain[account].get_aggregate("a1", tenant="acme").exists
            bank.open("a1")
            memory.deliver()
            assert bank.names == {"a1 acme": "Ann"}
            assert {row["sk"] for row in memory.rows("bank", "sync")} == {"names", "names@1#"}


def test_what_fails_is_parked_and_operators_are_told_without_its_text(bank: Bank) -> None:
    bank.error = ValueError("Ann's secret")
    with MemoryApp(CqrsApp(modules=[bank.module])) as memory:
        bank.open("a1")
        memory.deliver()
        (alarm,) = memory.alarms
        assert (alarm["table"], alarm["pk"], alarm["sk"]) == ("bank", "accounts#a1#acme", "0000000001")
        assert alarm["content"]["errorMessage"] == "names is parked: ValueError"
        assert memory.dead_letters == []
        bank.error = None
        bank.open("b1", "Bob")
        memory.deliver()
        assert bank.names == {"b1 acme": "Bob"}


def test_an_outage_of_a_read_model_parks_nothing_for_hours(bank: Bank) -> None:
    failures = 40

    def fail(aggregate_id: str, event: Opened, meta: Any) -> None:
        nonlocal failures
        failures -= 1
        if failures > 0:
            raise ReadModelUnavailableError
        bank._note(aggregate_id, event, meta)  # noqa: SLF001

    bank.model.handle(account, Opened, fail)
    with MemoryApp(CqrsApp(modules=[bank.module])) as memory:
        bank.open("a1")
        memory.deliver()
        assert bank.names == {"a1 acme": "Ann"}
        assert memory.alarms == []


def test_a_function_without_events_imports_nothing_of_them() -> None:
    """Each millisecond of an import is one of each cold start."""
    code = (
        "import os, sys; os.environ['AWS_DEFAULT_REGION'] = 'eu-west-1'\n"
        "from runtime import CommandModule, CqrsApp, Resources, Settings\n"
        "for kind in ('api', 'stream', 'worker', 'notifier', 'operator', 'projector'):\n"
        "    settings = Settings(function=kind, modules={'order': {}}, node_env='dev', app_name='shop')\n"
        "    used = Resources(settings)\n"
        "    app = CqrsApp(modules=[CommandModule('order', resources=used)], resources=used)\n"
        "    app({'operation': 'check'}, None)\n"
        "print(sorted(name for name in sys.modules if name.startswith('runtime.event_store')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_function_that_only_appends_imports_no_feed() -> None:
    code = (
        "import sys\n"
        "from runtime import Event, create_aggregate, create_domain, CqrsApp\n"
        "from runtime.event_store.event_module import EventModule\n"
        "from runtime.event_store.providers.dynamo_provider import DynamoProvider\n"
        "class E(Event, type='e'): pass\n"
        "a = create_aggregate(stream='s', events=[E], create=dict, fold=lambda e, s, m: s)\n"
        "app = CqrsApp(modules=[EventModule('bank', create_domain(DynamoProvider('bank'), a), "
        "handlers=['nowhere:model'])])\n"
        "print(sorted(n for n in sys.modules if n.startswith('runtime.event_store.feed.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_seam_is_what_the_handlers_are() -> None:
    assert isinstance(Bank().model, EventHandler)


def test_what_repairs_commands_says_what_repairs_events() -> None:
    module: Any = Bank().module
    for repair in (redrive, skip, drop):
        with pytest.raises(ConfigurationError, match=r"got EventModule; .* EventHandler\.redrive"):
            repair(module, ("accounts#1#acme", "1"), "names")
    for sweep in (reconcile, heal, collect_large_attributes):
        with pytest.raises(ConfigurationError, match="must be a CommandModule, got EventModule"):
            sweep(module)
    with pytest.raises(ConfigurationError, match="must be a CommandModule, got str"):
        erase(cast("Any", "bank"), ("A#acme", "1"))
