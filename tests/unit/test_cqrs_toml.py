"""`cqrs.toml`: what it may say, how the code finds it, and what is wrong with it in words."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from runtime import ConfigurationError, CqrsApp
from runtime.cqrs_toml import DeclarationError, DeclaredEventModule, DeclaredModule, read_modules
from runtime.model import handler_registry
from runtime.testing import MemoryApp
from tests.support.http_events import http_event
from tests.unit.test_check import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDER = """
    import runtime
    from runtime import CommandModule

    module = CommandModule("order")

    def routes():
        return runtime.module_routes(module, prefix="/orders", type="ORDER")
"""
MAIN = """
    from runtime import CqrsApp

    app = CqrsApp.of(__name__)
"""
MAIN_OF = """
    from runtime import CqrsApp, Resources, Settings

    settings = Settings(function={kind!r}, modules={{"order": {{}}}}, node_env="dev", app_name="shop")
    app = CqrsApp.of(__name__, resources=Resources(settings))
"""
STORE = """
    from runtime import DataSyncHandler, data_sync_handler

    @data_sync_handler(table_name="order")
    class Orders(DataSyncHandler):
        def up(self, command): ...
"""


def write(folder: Path, **files: str) -> Path:
    """Write files; a name has two underscores for a slash, and is one of Python's unless it says TOML."""
    for name, content in files.items():
        path = folder / (name.replace("__", "/") + ("" if name.endswith("toml") else ".py"))
        path = path.with_name(path.name.replace("_toml", ".toml"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(content), encoding="utf-8")
    return folder


@contextmanager
def root(folder: Path) -> Iterator[None]:
    """Let Python import what is in a folder, and forget it afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[name], "__path__", "")) + str(
                getattr(sys.modules[name], "__file__", "")
            ):
                del sys.modules[name]


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_registry, "_decorated", [])


def app_of(folder: Path, name: str = "main") -> CqrsApp:
    with root(folder):
        app: CqrsApp = import_module(name).app
        with MemoryApp(app) as memory:
            client = memory.client(tenant="acme", user="ann")
            body = {"sk": "A1", "code": "A1", "name": "one", "version": 0, "attributes": {}}
            assert client.post("/orders", body).status == 202
        return app


def refused(tmp_path: Path, toml: str) -> str:
    """What the error says behind the file's name."""
    write(tmp_path, cqrs_toml=toml)
    with pytest.raises(DeclarationError) as caught:
        read_modules(tmp_path)
    file, _, message = str(caught.value).partition(": ")
    assert file == str(tmp_path / "cqrs.toml")
    return message


def test_everything_has_a_default(tmp_path: Path) -> None:
    write(tmp_path, cqrs_toml="[modules.order-item]")
    assert read_modules(tmp_path) == (
        DeclaredModule(
            name="order-item",
            processing="workflow",
            data_sync=False,
            module=".modules.order_item:module",
            routes=(".modules.order_item:routes",),
        ),
    )


def test_everything_can_be_said(tmp_path: Path) -> None:
    toml = """
        [modules.order]
        processing = "inline"
        data_sync = true
        module = "shop.orders:orders"
        routes = ["shop.routes:router", ".admin:router"]

        [modules.bill]
        routes = []
    """
    order, bill = read_modules(write(tmp_path, cqrs_toml=toml))
    assert isinstance(order, DeclaredModule)
    assert (order.processing, order.data_sync, order.module) == ("inline", True, "shop.orders:orders")
    assert order.routes == ("shop.routes:router", ".admin:router")
    assert (bill.name, bill.routes) == ("bill", ())


def test_a_module_of_events_has_keys_of_its_own(tmp_path: Path) -> None:
    toml = """
        [modules.order]
        kind = "commands"

        [modules.blog]
        kind = "events"

        [modules.audit]
        kind = "events"
        handlers = true
        pull_index = true
        aggregates_index = true
        module = ".audit:audit"
        routes = []
    """
    order, blog, audit = read_modules(write(tmp_path, cqrs_toml=toml))
    assert isinstance(order, DeclaredModule)
    assert blog == DeclaredEventModule(
        name="blog", module=".modules.blog:module", routes=(".modules.blog:routes",)
    )
    assert audit == DeclaredEventModule(
        name="audit", handlers=True, pull_index=True, aggregates_index=True, module=".audit:audit", routes=()
    )


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("", "must have a table for each module, such as [modules.order], got None"),
        ("modules = 3", "must have a table for each module, such as [modules.order], got 3"),
        ("[modules]\norder = true", "[modules] order must be a table, got True; write [modules.order]"),
        ("[module.order]", "'module' is no key; did you mean 'modules'?"),
        ("[modules.Order]", "[modules.Order] the name must match [a-z][a-z0-9_-]*, got 'Order'"),
        (
            "[modules.order]\ndatasync = true",
            "[modules.order] 'datasync' is no key; did you mean 'data_sync'?",
        ),
        (
            "[modules.order]\ncolour = 1",
            "[modules.order] 'colour' is no key; there is kind, processing, data_sync, module, routes",
        ),
        ('[modules.order]\ndata_sync = "yes"', "[modules.order] data_sync must be true or false, got 'yes'"),
        (
            '[modules.order]\nprocessing = "Inline"',
            "[modules.order] processing must be one of workflow, inline, got 'Inline'",
        ),
        (
            "[modules.order]\nprocessing = [1]",
            "[modules.order] processing must be one of workflow, inline, got [1]",
        ),
        (
            '[modules.order]\nmodule = "orders.py"',
            "[modules.order] module must be an import path, got 'orders.py'",
        ),
        (
            '[modules.blog]\nkind = "event"',
            "[modules.blog] kind must be one of commands, events, got 'event'",
        ),
        (
            '[modules.blog]\nkind = "events"\ndata_sync = true',
            "[modules.blog] 'data_sync' is no key; there is kind, handlers, pull_index, aggregates_index,",
        ),
        ("[modules.blog]\nhandlers = true", "[modules.blog] 'handlers' is no key; there is kind, processing"),
        (
            '[modules.blog]\nkind = "events"\npull_index = 1',
            "[modules.blog] pull_index must be true or false, got 1",
        ),
        ("[modules.order]\nroutes = false", "[modules.order] routes must be an import path, got False"),
        ("[modules.order]\nroutes = [1]", "[modules.order] routes must be an import path, got 1"),
        ("[modules.order]\n[modules.order]", "is no TOML: Cannot declare ('modules', 'order') twice"),
        ("modules order", "is no TOML: "),
    ],
)
def test_what_cannot_be_meant_is_refused_by_file_table_and_key(
    tmp_path: Path, toml: str, message: str
) -> None:
    assert refused(tmp_path, toml).startswith(message)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"cqrs\.toml: cannot be read \(No such file or directory\)"):
        read_modules(tmp_path)


def test_an_editor_of_windows_may_mark_the_encoding(tmp_path: Path) -> None:
    (tmp_path / "cqrs.toml").write_text("[modules.order]\r\ndata_sync = true\r\n", encoding="utf-8-sig")
    (order,) = read_modules(tmp_path)
    assert isinstance(order, DeclaredModule)
    assert (order.name, order.data_sync) == ("order", True)


def test_the_folder_may_be_the_root_of_the_code(tmp_path: Path) -> None:
    app = app_of(write(tmp_path, cqrs_toml="[modules.order]", main=MAIN, modules__order=ORDER))
    assert list(app.modules) == ["order"]


def test_the_folder_may_be_a_package_in_the_code(tmp_path: Path) -> None:
    write(tmp_path, shop__cqrs_toml="[modules.order]", shop__main=MAIN, shop__modules__order=ORDER)
    assert list(app_of(tmp_path, "shop.main").modules) == ["order"]


def test_a_package_may_be_named(tmp_path: Path) -> None:
    main = MAIN.replace("__name__", '"shop"')
    write(tmp_path, shop__cqrs_toml="[modules.order]", main=main, shop__modules__order=ORDER)
    assert list(app_of(tmp_path).modules) == ["order"]


def test_modules_and_routes_may_stand_elsewhere(tmp_path: Path) -> None:
    toml = """
        [modules.order]
        module = "orders:found"
        routes = [".web:router"]
    """
    orders = ORDER.replace("module =", "found =").replace("def routes():", "def unused():")
    web = """
        from orders import found
        from runtime import module_routes

        router = module_routes(found, prefix="/orders", type="ORDER")
    """
    app_of(write(tmp_path, cqrs_toml=toml, main=MAIN, orders=orders, web=web))


def test_functions_without_http_import_no_routes(tmp_path: Path) -> None:
    toml = '[modules.order]\nroutes = "nowhere:router"'
    write(tmp_path, cqrs_toml=toml, main=MAIN_OF.format(kind="worker"), modules__order=ORDER)
    with root(tmp_path):
        assert import_module("main").app


def of_main(tmp_path: Path, toml: str = "[modules.order]", **files: str) -> str:
    write(tmp_path, cqrs_toml=toml, **{"main": MAIN, **files})
    with root(tmp_path), pytest.raises(ConfigurationError) as caught:
        import_module("main")
    return str(caught.value).removeprefix(f"{tmp_path}/cqrs.toml: ")


def test_what_is_declared_and_not_there_is_refused(tmp_path: Path) -> None:
    said = of_main(tmp_path)
    assert said == (
        "[modules.order] module = '.modules.order:module': modules.order:module leads to nothing: there is "
        "no 'modules'; a CommandModule is expected there"
    )


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("", "modules.order:module leads to nothing: modules.order has no 'module'"),
        ("module = 3", "is no CommandModule, but int"),
        (ORDER.replace('"order"', '"bill"'), "is the module 'bill'; give both the same name"),
    ],
)
def test_what_is_there_and_is_another_thing_is_refused(tmp_path: Path, module: str, message: str) -> None:
    said = of_main(tmp_path, modules__order=module)
    assert said.startswith("[modules.order] module = '.modules.order:module': ")
    assert message in said


def test_what_a_file_cannot_import_is_its_own_error(tmp_path: Path) -> None:
    write(tmp_path, cqrs_toml="[modules.order]", main=MAIN, modules__order="import nothing_like_it")
    with root(tmp_path), pytest.raises(ModuleNotFoundError, match="nothing_like_it"):
        import_module("main")


@pytest.mark.parametrize("mode", ["workflow", "inline"])
def test_handlers_and_data_sync_go_together(tmp_path: Path, mode: str) -> None:
    toml = f'[modules.order]\nprocessing = "{mode}"\ndata_sync = '
    said = of_main(tmp_path, f"{toml}true", modules__order=ORDER)
    assert said.startswith(
        "[modules.order] data_sync is true, but the module has no data sync handlers; give"
    )
    said = of_main(tmp_path, f"{toml}false", modules__order=f"{ORDER}{STORE}")
    assert said == "[modules.order] data_sync is false, but the module has ['Orders']; write data_sync = true"


MEMO = ORDER.replace("order", "memo")
DEPLOYED = """
    from contextlib import suppress
    from runtime import CqrsApp, Settings
    from runtime.errors import ModuleMismatchError
    from runtime.store.memory import MemoryStore
    from runtime.testing.clients import MemoryResources
    from runtime.testing.clock import Clock

    modules = {{"order": {{"sync": {sync}}}, "memo": {{}}}}
    settings = Settings(function="{kind}", modules=modules, node_env="dev", app_name="shop")
    app = CqrsApp.of(__name__, resources=MemoryResources(settings, MemoryStore(), Clock()))
    for module in app.modules.values():
        with suppress(ModuleMismatchError):  # said at once where the module has been asked for something
            module.use(resources=app.resources)
"""


@pytest.mark.parametrize(
    ("declared", "code", "problem"),
    [
        ("true", ORDER, "'order' has data_sync=True in the stack, and no data sync handlers in the code"),
        ("false", f"{ORDER}{STORE}", "'order' has data sync handlers (Orders), and no data_sync=True"),
    ],
    ids=["no handlers", "handlers"],
)
def test_in_a_stack_a_module_that_does_not_fit_stops_itself_alone(
    tmp_path: Path, declared: str, code: str, problem: str
) -> None:
    """The functions are updated before the check asks them: whatever stops the import is an outage."""
    toml = f"[modules.order]\ndata_sync = {declared}\n[modules.memo]"
    write(tmp_path, cqrs_toml=toml, modules__order=code, modules__memo=MEMO)
    for kind in KINDS:
        write(tmp_path, **{f"main_{kind}": DEPLOYED.format(kind=kind, sync=declared == "true")})
    with root(tmp_path):
        for kind in KINDS:
            checked = import_module(f"main_{kind}").app({"operation": "check"}, None)
            assert problem in str(checked["problems"])
        app: CqrsApp = import_module("main_api").app
        answers = {}
        for prefix in ("/orders", "/memos"):
            body = {"sk": "A1", "code": "A1", "name": "one", "version": 0, "attributes": {}}
            event = http_event("POST", prefix, body=body, claims={"sub": "ann", "custom:tenant": "acme"})
            answers[prefix] = app(event, None)
    assert answers["/memos"]["statusCode"] == 202
    assert answers["/orders"]["statusCode"] == 500
    assert "module-mismatch" in answers["/orders"]["body"]


def test_a_name_that_python_does_not_know_is_explained() -> None:
    with pytest.raises(ConfigurationError, match=r"write CqrsApp\.of\(__name__\) in the file"):
        CqrsApp.of("service_of_nobody")


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        (".modules.order:rout", "modules.order:rout leads to nothing: modules.order has no 'rout'"),
        (".modules.nothere:routes", "modules.nothere:routes leads to nothing: there is no 'modules.nothere'"),
        ("nowhere.web:router", "nowhere.web:router leads to nothing: there is no 'nowhere'"),
    ],
)
@pytest.mark.parametrize("main", [MAIN_OF.format(kind="api"), MAIN], ids=["api function", "no stack"])
def test_routes_that_are_not_there_are_refused_where_they_are_served(
    tmp_path: Path, main: str, routes: str, said: str
) -> None:
    toml = f'[modules.order]\nroutes = ["{routes}"]'
    write(tmp_path, cqrs_toml=toml, main=main, modules__order=ORDER)
    with root(tmp_path), pytest.raises(ConfigurationError) as caught:
        import_module("main").app(http_event("GET", "/orders"), None)
    assert str(caught.value) == (
        f"{tmp_path}/cqrs.toml: [modules.order] routes: {said}; a router among the routes is expected there; "
        "write routes = [] for a module that has none"
    )


def test_what_a_file_of_routes_cannot_import_is_its_own_error(tmp_path: Path) -> None:
    toml = "[modules.order]\nroutes = '.web:router'"
    main = MAIN_OF.format(kind="api")
    write(tmp_path, cqrs_toml=toml, main=main, modules__order=ORDER, web="import nothing_like_it")
    with root(tmp_path), pytest.raises(ModuleNotFoundError, match="nothing_like_it"):
        import_module("main")
