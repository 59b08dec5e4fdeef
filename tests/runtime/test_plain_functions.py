"""Functions of a service's own that only begin their work: refused at the start, and never taken for done."""

from __future__ import annotations

import functools
import json
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    DataSyncHandler,
    FieldProblem,
    HandlersPendingError,
    InvalidInputError,
    ItemCommand,
    ItemList,
    RuleFailedError,
    erase,
    module_routes,
    requires_role,
)
from runtime.entry.http.api import HttpApi
from runtime.log import logger
from runtime.model.handlers import HandlerReference
from runtime.sql import SqlCursors
from runtime.testing import MemoryApp
from tests.runtime.test_event_sources import bus, change, click, message, notice, send, task, upload
from tests.runtime.test_handlers import handle
from tests.support.http_events import http_event
from tests.support.service import MEMORY, PK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime import CommandModel
    from tests.support.service import Service

STORES = (MEMORY,)
NOTIFICATION = {"action": "command-status", "id": "r"}


async def begins(*_: Any) -> None:
    """Works only where somebody awaits it."""


def yields(*_: Any) -> Iterator[None]:
    """Works only where somebody goes through it."""
    yield


async def begins_and_yields(*_: Any) -> Any:
    """Works only where somebody goes through it, and awaits that."""
    yield


class Begins:
    """An object that is called."""

    async def __call__(self, *_: Any) -> None:
        """Works only where somebody awaits it."""


def forwards(*given: Any) -> Any:
    """Looks like a plain function."""
    return begins(*given)


def forwards_a_generator(*given: Any) -> Any:
    """Looks like a plain function."""
    return yields(*given)


ONLY_BEGIN = [begins, yields, begins_and_yields, Begins(), functools.partial(begins)]
AWAITED = [begins, begins_and_yields, Begins(), functools.partial(begins)]
FORWARD = [forwards, forwards_a_generator]
REFUSED = "must be a plain function, got the (coroutine function|generator) .*; leave (async|yield) away"


class Store(DataSyncHandler):
    """A store that takes everything."""

    seen: list[str] = []  # noqa: RUF012 - of all objects of the class

    def up(self, command: CommandModel[Any]) -> None:
        self.seen.append(command.sk)


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "seen", [])


@pytest.fixture
def app() -> CqrsApp:
    return CqrsApp(modules=[CommandModule("todo")])


def handler(**fields: Any) -> type[DataSyncHandler]:
    return type("Made", (Store,), fields)


def imported(monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:
    file = ModuleType("shop_intake")
    vars(file).update(names)
    monkeypatch.setitem(sys.modules, "shop_intake", file)


# Data sync handlers.
async def _up(self: Any, command: Any) -> None: ...


def _up_yields(_self: Any, _command: Any) -> Iterator[None]:
    yield


def _up_without(self: Any) -> None: ...


def _up_with_more(self: Any, command: Any, more: Any) -> None: ...


def _up_by_name(self: Any, *, command: Any) -> None: ...


CANNOT_BE: list[Any] = [
    _up,
    _up_yields,
    _up_without,
    _up_with_more,
    _up_by_name,
    staticmethod(begins),
    staticmethod(lambda: None),
    classmethod(_up),
    classmethod(_up_with_more),
    Begins(),
    functools.partialmethod(_up),
]


def is_of_an_object(method: Any) -> bool:
    """Whether only the object tells what is called."""
    return isinstance(method, functools.partialmethod)


@pytest.mark.parametrize("name", ["up", "down", "problems"])
@pytest.mark.parametrize("method", CANNOT_BE, ids=range(len(CANNOT_BE)))
def test_a_handler_that_would_only_begin_or_takes_something_else_is_refused(name: str, method: Any) -> None:
    if name == "problems" and method is _up_yields:
        return
    made = handler(**{name: method})
    with pytest.raises(ConfigurationError, match=rf"^Made\.{name} (must be a plain function|is called with)"):
        CommandModule("todo", data_sync_handlers=[made()])
    with pytest.raises(ConfigurationError, match=rf"^Made\.{name} "):  # noqa: PT012 - one of the two
        module = CommandModule("todo", data_sync_handlers=[made])
        assert is_of_an_object(method)
        _ = module.handlers[0].handler


def test_a_handler_that_is_imported_is_checked_then(monkeypatch: pytest.MonkeyPatch) -> None:
    imported(monkeypatch, Made=handler(up=_up))
    reference = HandlerReference.of("shop_intake:Made")
    with pytest.raises(ConfigurationError, match=r"^Made\.up .*got the coroutine function _up; leave async"):
        _ = reference.handler


def test_an_object_is_checked_with_what_it_got_when_it_was_made() -> None:
    class Late(Store):
        def __init__(self) -> None:
            self.up = begins  # type: ignore[assignment, method-assign]

    with pytest.raises(ConfigurationError, match=r"^Late\.up must be a plain function"):
        CommandModule("todo", data_sync_handlers=[Late()])
    with pytest.raises(ConfigurationError, match=r"^Late\.up must be a plain function"):
        _ = CommandModule("todo", data_sync_handlers=[Late]).handlers[0].handler


def _up_with_default(_self: Any, command: Any, _more: Any = None, *_rest: Any, _x: int = 1, **_: Any) -> None:
    Store.seen.append(command.sk)


class Plain:
    """An object that is called."""

    def __call__(self, command: Any) -> None:
        Store.seen.append(command.sk)


CAN_BE: list[Any] = [
    _up_with_default,
    staticmethod(Plain()),
    classmethod(_up_with_default),  # type: ignore[arg-type]
    Plain(),
    staticmethod(functools.partial(Plain())),
    functools.partialmethod(_up_with_default),
    property(lambda _self: Plain()),
]


@pytest.mark.parametrize("as_object", [False, True])
@pytest.mark.parametrize("method", CAN_BE, ids=range(len(CAN_BE)))
def test_whatever_can_be_called_is_taken(
    make_service: Callable[..., Service], method: Any, *, as_object: bool
) -> None:
    made = handler(up=method)
    service = make_service(handlers=[made() if as_object else made])
    service.publish_sync()
    assert Store.seen == ["A1@1"]


@pytest.mark.parametrize("forward", FORWARD)
def test_an_up_that_returns_its_work_has_not_seen_the_version(
    make_service: Callable[..., Service], forward: Any
) -> None:
    made = handler(up=lambda _self, command: forward(command))
    service = make_service(handlers=[made])
    with pytest.raises(HandlersPendingError):
        service.publish_sync()
    cursor = service.row("sync", "Made#A1")
    assert cursor is not None
    assert "version" not in cursor
    assert re.match(
        r"ConfigurationError: Made\.up returned a .*it must have done its work", cursor["failedError"]
    )
    # It comes again, to the handler as it is mended.
    service.release(handler())
    handle(service, 1)
    assert Store.seen == ["A1@1"]


@pytest.mark.parametrize("forward", FORWARD)
def test_a_row_that_a_handler_only_began_with_is_not_fed(
    make_service: Callable[..., Service], forward: Any
) -> None:
    service = make_service(handlers=[handler()])
    service.publish_sync()
    service.release(handler(up=lambda _self, command: forward(command)))
    pages: list[Any] = []
    service.module.commands.re_sync_data(on_page=pages.append)
    assert [(failed.handler, failed.error) for failed in pages[0].failed] == [("Made", "ConfigurationError")]


@pytest.mark.parametrize("forward", FORWARD)
def test_an_erasure_that_a_handler_only_began_deletes_nothing(
    make_service: Callable[..., Service], forward: Any
) -> None:
    service = make_service(handlers=[handler(down=lambda _self, command: forward(command))])
    service.publish_sync()
    rows = service.rows(service.tables.command)
    with pytest.raises(ConfigurationError, match=r"^Made\.down returned a "):
        erase(service.module, (PK, "A1"))
    assert service.rows(service.tables.command) == rows


@pytest.mark.parametrize(
    ("problems", "text"),
    [
        (lambda _self, command: begins(command), "returned a coroutine"),
        (lambda _self, command: begins_and_yields(command), "returned a async_generator"),
        (lambda _self, _command: None, "must return problems, .* got NoneType"),
    ],
)
def test_problems_that_cannot_be_gone_through_are_no_consent(problems: Any, text: str) -> None:
    module = CommandModule("todo", data_sync_handlers=[handler(problems=problems)], ask_handlers=True)
    with MemoryApp(CqrsApp(modules=[module])) as memory:
        command = {"pk": PK, "sk": "A1", "version": 0, "name": "n", "code": "c", "type": "t"}
        with pytest.raises(ConfigurationError, match=rf"Made\.problems {text}"):
            module.commands.publish_async(command, invoke_context=memory.user("ann", tenant="acme"))
        assert memory.rows("todo", "command") == []


def test_problems_may_be_yielded() -> None:
    def problems(_self: Any, _command: Any) -> Iterator[FieldProblem]:
        yield FieldProblem("name", "is not liked")

    module = CommandModule("todo", data_sync_handlers=[handler(problems=problems)], ask_handlers=True)
    with MemoryApp(CqrsApp(modules=[module])) as memory:
        command = {"pk": PK, "sk": "A1", "version": 0, "name": "n", "code": "c", "type": "t"}
        with pytest.raises(InvalidInputError, match="is not liked"):
            module.commands.publish_async(command, invoke_context=memory.user("ann", tenant="acme"))


@pytest.mark.parametrize("forward", FORWARD)
def test_the_kit_for_tests_tells_of_a_handler_that_only_begins(forward: Any) -> None:
    def does(_self: Any, command: Any) -> Any:
        return forward(command)

    command = {"pk": PK, "sk": "A1", "version": 0, "name": "n", "code": "c", "type": "t"}
    module = CommandModule("todo", data_sync_handlers=[handler(up=does)])
    with MemoryApp(CqrsApp(modules=[module])) as memory:
        with pytest.raises(HandlersPendingError):
            module.commands.publish_sync(command, invoke_context=memory.user("ann", tenant="acme"))
        assert memory.handlers["Made"].seen == []
    module = CommandModule("todo", data_sync_handlers=[handler(down=does)])
    with MemoryApp(CqrsApp(modules=[module])) as memory:
        module.commands.publish_sync(command, invoke_context=memory.user("ann", tenant="acme"))
        with pytest.raises(ConfigurationError, match=r"^Made\.down returned a "):
            erase(module, (PK, "A1"))
        assert memory.handlers["Made"].taken_out == []


# Triggers.
REGISTER: dict[str, Callable[[CqrsApp, Any], Any]] = {
    "on_queue": lambda app, handler: app.on_queue("orders", handler),
    "on_sns": lambda app, handler: app.on_sns("orders", handler),
    "on_s3": lambda app, handler: app.on_s3("uploads", handler),
    "on_kinesis": lambda app, handler: app.on_kinesis("clicks", handler),
    "on_stream": lambda app, handler: app.on_stream("stock", handler),
    "on_event": lambda app, handler: app.on_event(source="shop.billing", handler=handler),
    "on_task": lambda app, handler: app.on_task("charge", handler),
    "on_invoke": lambda app, handler: app.on_invoke(handler),
}
EVENTS: dict[str, Any] = {
    "on_queue": {"Records": [message("1")]},
    "on_sns": notice(),
    "on_s3": upload(),
    "on_kinesis": {"Records": [click(1)]},
    "on_stream": {"Records": [change(1)]},
    "on_event": bus(),
    "on_task": task(),
    "on_invoke": {"anything": 1},
}
BATCHES = {"on_queue": ["1"], "on_kinesis": ["1"], "on_stream": ["1"]}


@pytest.mark.parametrize("trigger", REGISTER)
@pytest.mark.parametrize("function", ONLY_BEGIN)
def test_a_trigger_is_not_given_to_what_would_only_begin(app: CqrsApp, trigger: str, function: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^the handler of [A-Z0-9_]+ '.*' {REFUSED}"):
        REGISTER[trigger](app, function)


@pytest.mark.parametrize("trigger", REGISTER)
@pytest.mark.parametrize(
    "function", [lambda: None, lambda _event, _context: None], ids=["nothing", "two arguments"]
)
def test_a_trigger_is_not_given_to_what_takes_something_else(
    app: CqrsApp, trigger: str, function: Any
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^the handler of .* is called with \(event\), and <lambda>"
    ):
        REGISTER[trigger](app, function)


@pytest.mark.parametrize("trigger", REGISTER)
@pytest.mark.parametrize("function", [*FORWARD, "shop_intake:take"])
def test_a_trigger_whose_handler_only_began_comes_again(
    app: CqrsApp, trigger: str, function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(monkeypatch, take=begins)
    REGISTER[trigger](app, function)
    is_whole = trigger == "on_stream" and isinstance(function, str)  # the batch fails as one
    if trigger in BATCHES and not is_whole:
        assert send(app, *EVENTS[trigger]["Records"]) == BATCHES[trigger]
        return
    with pytest.raises(ConfigurationError, match=r"^the handler of .* (returned a|must be a plain function)"):
        app(EVENTS[trigger], None)


@pytest.mark.parametrize("function", ONLY_BEGIN)
def test_notifications_are_not_given_to_what_would_only_begin(function: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^a notification handler {REFUSED}"):
        CqrsApp(modules=[CommandModule("todo")], notification_handlers=[function])


def test_notifications_are_not_given_to_what_takes_something_else() -> None:
    with pytest.raises(ConfigurationError, match=r"^a notification handler is called with \(notification\)"):
        CqrsApp(modules=[CommandModule("todo")], notification_handlers=cast("Any", [lambda: None]))


@pytest.mark.parametrize("forward", FORWARD)
def test_a_notification_whose_handler_only_began_comes_again(service: Service, forward: Any) -> None:
    told: list[Any] = []
    app = CqrsApp(modules=[service.module], notification_handlers=[told.append, forward])
    assert send(app, message("1", json.dumps(NOTIFICATION), queue="Shop-Notifications")) == ["1"]
    assert told == [NOTIFICATION]


# HTTP.
@pytest.mark.parametrize("function", [begins, begins_and_yields])
def test_a_route_that_nobody_would_await_is_refused(function: Any) -> None:
    router = Router()
    router.get("/things/<sk>")(function)
    with pytest.raises(ConfigurationError, match=r"^the route GET /things/<sk> must be a plain function"):
        HttpApi([router])


def test_a_middleware_that_nobody_would_await_is_refused() -> None:
    of_all, of_one, answers = Router(), Router(), Router()
    of_all.use([cast("Any", begins)])
    of_one.get("/a", middlewares=[begins])(lambda: None)
    answers.exception_handler(KeyError)(begins)
    with pytest.raises(ConfigurationError, match=r"^a middleware of the routes must be a plain function"):
        HttpApi([of_all])
    with pytest.raises(
        ConfigurationError, match=r"^a middleware of the route GET /a must be a plain function"
    ):
        HttpApi([of_one])
    with pytest.raises(ConfigurationError, match=r"^the exception handler of KeyError must be a plain"):
        HttpApi([answers])


def test_a_route_may_yield_what_it_answers() -> None:
    router = Router()

    def things() -> Any:
        yield {"x": 1}

    router.get("/things")(things)
    assert HttpApi([router]).handle(http_event("GET", "/things"), None)["body"] == '[{"x":1}]'


@pytest.mark.parametrize("function", [begins, begins_and_yields])
def test_a_role_is_not_asked_for_a_route_that_nobody_would_await(function: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^a route must be a plain function"):
        requires_role("admin")(function)


async def _router() -> Router:
    return Router()


@pytest.mark.parametrize("routes", [_router, "shop_intake:routes"])
def test_a_function_that_makes_routes_must_make_them(routes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(monkeypatch, routes=_router)
    with pytest.raises(ConfigurationError, match=r"^a function that makes routes must be a plain function"):
        HttpApi([routes])


@pytest.mark.parametrize("search", [begins, lambda: None])
def test_a_search_that_is_imported_is_checked_then(
    search: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    imported(monkeypatch, search=search)
    module = CommandModule("todo")
    routes = module_routes(module, prefix="/todos", type="TODO", search="shop_intake:search")
    with MemoryApp(CqrsApp(modules=[module], routes=routes)) as memory:
        assert memory.client(tenant="acme", user="ann").get("/todos/search").status == 500
    logged = logger.registered_formatter.format(caplog.records[-1])
    assert re.search(
        r"ConfigurationError: a search (must be a plain function|is called with \(query\))", logged
    )


# What decides.
@pytest.mark.parametrize("function", AWAITED)
def test_what_decides_is_not_awaited(function: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^a rule must be a plain function"):
        CommandModule("todo", decide=[function])
    with pytest.raises(ConfigurationError, match=r"^a command must be a plain function"):
        ItemCommand(function)


def test_what_decides_may_yield_problems() -> None:
    CommandModule("todo", decide=[cast("Any", yields)])
    module = CommandModule("todo", decide=[f"{__name__}:yields"])
    assert module.decide[0].function is yields
    ItemCommand(cast("Any", yields))


@pytest.mark.parametrize("function", ONLY_BEGIN)
def test_an_upcaster_does_its_work(function: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^an upcaster {REFUSED}"):
        CommandModule("todo", upcasters=[function])


@pytest.mark.parametrize("function", [*ONLY_BEGIN, *FORWARD])
def test_a_retried_change_that_only_begins_publishes_nothing(service: Service, function: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^the change .*returned a "):
        service.module.commands.publish_with_retry((PK, "A1"), function, invoke_context=service.user())
    assert service.rows(service.tables.command) == []


@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize("function", [*AWAITED, forwards])
def test_a_change_that_nobody_awaits_publishes_nothing(service: Service, function: Any) -> None:
    service.publish_sync()
    rows = service.rows(service.tables.command)
    with pytest.raises(RuleFailedError, match="must return None, problems or a state, got"):
        service.module.commands.publish_change((PK, "A1"), function, invoke_context=service.user())
    assert service.rows(service.tables.command) == rows


# Reads and operations.
@pytest.mark.parametrize("name", ["query", "transform_command", "matches_filter", "get_version"])
@pytest.mark.parametrize("function", ONLY_BEGIN)
def test_a_list_is_not_made_of_what_only_begins(service: Service, name: str, function: Any) -> None:
    arguments: dict[str, Any] = {
        "query": lambda: ItemList([], 0),
        "transform_command": lambda _command, _item: {},
    }
    with pytest.raises(ConfigurationError, match=f"^{name} {REFUSED}"):
        service.module.repository.list_items(**{**arguments, name: function}, invoke_context=service.user())


@pytest.mark.parametrize("name", ["transform_command", "matches_filter"])
@pytest.mark.parametrize("forward", FORWARD)
def test_a_list_has_no_item_that_was_only_begun(
    make_service: Callable[..., Service], name: str, forward: Any
) -> None:
    service = make_service(handlers=[handler()])
    service.publish()
    arguments: dict[str, Any] = {
        "query": lambda: ItemList([], 0),
        "transform_command": lambda command, _item: {"id": command.id},
        "matches_filter": lambda _item: True,
    }
    listed: ItemList[Any] = service.module.repository.list_items(**arguments, invoke_context=service.user())
    assert len(listed.items) == 1
    with pytest.raises(ConfigurationError, match=f"^{name} returned a "):
        service.module.repository.list_items(**{**arguments, name: forward}, invoke_context=service.user())


@pytest.mark.parametrize("function", [*ONLY_BEGIN, lambda: None])
def test_progress_is_not_told_to_what_only_begins(
    make_service: Callable[..., Service], function: Any
) -> None:
    service = make_service(handlers=[handler()])
    with pytest.raises(
        ConfigurationError, match=r"^on_page (must be a plain function|is called with \(progress\))"
    ):
        service.module.commands.re_sync_data(on_page=function)


@pytest.mark.parametrize("forward", FORWARD)
def test_progress_that_was_only_begun_ends_the_feeding(
    make_service: Callable[..., Service], forward: Any
) -> None:
    service = make_service(handlers=[handler()])
    with pytest.raises(ConfigurationError, match=r"^on_page returned a "):
        service.module.commands.re_sync_data(on_page=forward)


@pytest.mark.parametrize("function", [*ONLY_BEGIN, str.upper], ids=[*range(len(ONLY_BEGIN)), "takes"])
def test_an_engine_is_not_made_by_what_only_begins(function: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^the engine of SqlCursors (must be a plain|is called with \(\))"
    ):
        SqlCursors(function)


@pytest.mark.parametrize("forward", FORWARD)
def test_an_engine_that_was_only_begun_is_none(forward: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^the engine of SqlCursors returned a "):
        SqlCursors(forward).create_tables()
