"""Which handlers a module has: given or decorated, in order, once, and for a module that is there."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    DataSyncHandler,
    Resources,
    Settings,
    data_sync_handler,
)
from runtime.model import handler_registry
from tests.support.service import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel
    from tests.support.service import Service

STORES = (MEMORY,)


class Store(DataSyncHandler):
    """A store that takes everything."""

    seen: list[str] = []  # noqa: RUF012 - what every object of the class has seen

    def up(self, command: CommandModel[Any]) -> None:
        self.seen.append(f"{type(self).__name__} {command.sk}")


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_registry, "_decorated", [])
    monkeypatch.setattr(Store, "seen", [])


def handler(name: str, **fields: Any) -> type[DataSyncHandler]:
    return type(name, (Store,), fields)


def decorated(name: str, table: str = "todo", **fields: Any) -> type[DataSyncHandler]:
    return data_sync_handler(table_name=table)(handler(name, **fields))


def names(module: CommandModule[Any]) -> list[str]:
    return [reference.name for reference in module.handlers]


def test_given_handlers_come_first_then_decorated_ones_as_they_are_defined() -> None:
    decorated("Z")
    decorated("Elsewhere", "order")
    decorated("A")
    module = CommandModule("todo", data_sync_handlers=[handler("Given")])
    assert names(module) == ["Given", "Z", "A"]


def test_the_app_brings_those_that_were_decorated_after_the_module_was_made() -> None:
    given = handler("Given")()
    resources = Resources(Settings(node_env="local", app_name="shop"))
    module = CommandModule("todo", data_sync_handlers=[given], resources=resources)
    decorated("Later")
    assert names(module) == ["Given"]
    CqrsApp(modules=[module])
    assert names(module) == ["Given", "Later"]
    assert module.commands.data_sync_handlers[0] is given
    later = module.commands.get_data_sync_handler("Later")
    CqrsApp(modules=[module])
    assert module.commands.get_data_sync_handler("Later") is later


def test_a_decorated_handler_is_called(make_service: Callable[..., Service]) -> None:
    decorated("Decorated")
    service = make_service(handlers=[handler("Given")])
    service.publish_sync()
    assert Store.seen == ["Given A1@1", "Decorated A1@1"]


@pytest.mark.parametrize("given", [False, True])
def test_a_handler_that_is_registered_twice_is_refused(*, given: bool) -> None:
    module = CommandModule("todo", data_sync_handlers=[handler("Twice")] if given else [])
    first = decorated("Twice")
    if not given:
        data_sync_handler(table_name="todo")(first)
    with pytest.raises(ConfigurationError, match=r"module todo registers .*'Twice'.* more than once"):
        CqrsApp(modules=[module])


def test_an_unknown_table_is_refused_and_named() -> None:
    decorated("Lost", "tood")
    with pytest.raises(ConfigurationError, match=r"Lost .*unknown table 'tood'; modules .*'order', 'todo'"):
        CqrsApp(modules=[CommandModule("todo"), CommandModule("order")])


@pytest.mark.parametrize("table", ["dev-shop-todo-command", "todo-data", "local-x-todo-history"])
def test_a_physical_table_name_is_told_the_logical_one(table: str) -> None:
    decorated("Physical", table)
    with pytest.raises(ConfigurationError, match="name of a table: write the module's name, 'todo'"):
        CqrsApp(modules=[CommandModule("todo")])


def test_a_table_name_of_the_users_own_is_told_the_logical_one(make_service: Callable[..., Service]) -> None:
    service = make_service(modules={"todo": {"command": "Commands-17", "sync": True}})
    decorated("Physical", "Commands-17")
    with pytest.raises(ConfigurationError, match="write the module's name, 'todo'"):
        CqrsApp(modules=[service.module])


@pytest.mark.parametrize("register", [handler, decorated])
def test_the_reserved_type_is_refused(register: Any) -> None:
    made = register("Reserved", type="dynamodb")
    given = [made] if register is handler else []
    with pytest.raises(ConfigurationError, match=r"Reserved.type must not be 'dynamodb'.*'sql'"):
        CqrsApp(modules=[CommandModule("todo", data_sync_handlers=given)])


def test_the_reserved_type_is_refused_when_a_path_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    source = file_of(monkeypatch, Reserved=handler("Reserved", type="dynamodb"))
    module = CommandModule("todo", data_sync_handlers=[f"{source}:Reserved"])
    with pytest.raises(ConfigurationError, match="must not be 'dynamodb'"):
        _ = module.handlers[0].handler


def test_any_other_type_is_the_users_own() -> None:
    decorated("Sql", type="sql")
    assert CommandModule("todo").handlers[0].handler.type == "sql"
    assert Store.type is None


@pytest.mark.parametrize("table", ["", None, 3, Store])
def test_a_decorator_without_a_table_name_is_refused(table: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'write @data_sync_handler\(table_name="todo"\)'):
        data_sync_handler(table)


@pytest.mark.parametrize("what", [object, Store(), 3])
def test_what_is_no_handler_class_is_refused(what: Any) -> None:
    with pytest.raises(ConfigurationError, match="decorates a DataSyncHandler class"):
        data_sync_handler(table_name="todo")(what)


def test_a_handler_that_only_this_function_knows_is_refused() -> None:
    app = CqrsApp(modules=[CommandModule("todo")])
    decorated("Late")
    with pytest.raises(ConfigurationError, match=r"Late was decorated .* after the CqrsApp was made"):
        app({}, None)


def test_a_handler_whose_file_the_routes_import_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def preload(_app: CqrsApp) -> None:
        decorated("Late")

    monkeypatch.setattr(CqrsApp, "_preload", preload)
    with pytest.raises(ConfigurationError, match="Late was decorated"):
        CqrsApp(modules=[CommandModule("todo")])


def test_a_path_and_a_decorator_for_one_class_are_one_handler(
    monkeypatch: pytest.MonkeyPatch, make_service: Callable[..., Service]
) -> None:
    lazy = handler("Lazy")
    source = file_of(monkeypatch, Lazy=lazy)
    service = make_service(handlers=[f"{source}:Lazy"])
    app = CqrsApp(modules=[service.module])
    # The file is imported when the handler is first needed; only then is it decorated.
    data_sync_handler(table_name="todo")(lazy)
    service.publish_sync()
    service.publish(version=1)
    task = {"module": "todo", "pk": "TODO#acme", "sk": "A1", "version": 2}
    context = {"Execution": {}, "State": {}, "StateMachine": {}}
    assert app({"action": "apply", "input": task, "context": context}, None) == {"handlers": ["Lazy"]}
    assert names(CommandModule("todo", data_sync_handlers=[f"{source}:Lazy"])) == ["Lazy"]
    assert Store.seen == ["Lazy A1@1"]


@pytest.mark.parametrize("make", [lambda name: f"read_models:{name}", handler])
def test_a_name_that_would_not_fit_into_a_cursors_key_is_refused(make: Any) -> None:
    CommandModule("todo", data_sync_handlers=[make("H" * 100)])
    with pytest.raises(ConfigurationError, match="has 101 bytes, and 100 is the most"):
        CommandModule("todo", data_sync_handlers=[make("H" * 101)])


def test_a_module_without_a_sync_table_takes_no_decorated_handler(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(modules={"todo": {}})
    assert service.tables.command
    decorated("Late")
    with pytest.raises(ConfigurationError, match="data_sync=True"):
        CqrsApp(modules=[service.module])


def file_of(monkeypatch: pytest.MonkeyPatch, **classes: type[DataSyncHandler]) -> str:
    """A file with these classes; its import path."""
    file = ModuleType("shop_read_models")
    for name, made in classes.items():
        made.__module__ = file.__name__
        setattr(file, name, made)
    monkeypatch.setitem(sys.modules, file.__name__, file)
    return file.__name__
