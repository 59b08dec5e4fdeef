"""One list of modules: read from `cqrs.toml`, and compared with what the stack is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_

from constructs_lib import (
    CqrsModule,
    CqrsStack,
    CqrsTable,
    EventModule,
    EventStoreTable,
    InvalidPropsError,
    Processing,
    modules_of,
)
from constructs_lib.functions.code_asset import code_asset
from constructs_lib.stack.modules_of import check_declared

if TYPE_CHECKING:
    from pathlib import Path
TOML = """
[modules.order]
data_sync = true

[modules.order-note]
processing = "inline"
"""
MODULES = [CqrsModule("order", data_sync=True), CqrsModule("order-note", processing=Processing.INLINE)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cqrs.toml").write_text(TOML, encoding="utf-8")
    # Whoever imports the service's code at synthesis fails.
    (tmp_path / "main.py").write_text("raise SystemExit\n", encoding="utf-8")
    return tmp_path


def test_the_file_says_what_the_stack_has_to_know(folder: Path) -> None:
    assert modules_of(folder) == modules_of(str(folder)) == MODULES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cqrs\.toml: cannot be read"),
        ("[modules.order]\ndata_sync = 1", r"cqrs\.toml: \[modules\.order\] data_sync must be true or false"),
        ("[modules.order]\n[modules.order]", r"cqrs\.toml: is no TOML: Cannot declare .* twice"),
    ],
)
def test_a_file_that_is_wrong_is_an_error_of_the_props(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "cqrs.toml").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidPropsError, match=message):
        modules_of(tmp_path)


@pytest.mark.parametrize("folder", [None, 7, ["service"]])
def test_what_is_no_path_is_refused(folder: Any) -> None:
    with pytest.raises(InvalidPropsError, match="folder must be a path, got"):
        modules_of(folder)


def test_it_is_shipped_with_the_code(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("out")
    app = cdk.App(outdir=str(out))
    stack = cdk.Stack(app, "Test")
    lambda_.Function(
        stack,
        "Function",
        code=code_asset(stack, folder, handler="main.app"),
        handler="main.app",
        runtime=lambda_.Runtime.PYTHON_3_13,
    )
    assert list(out.glob("asset.*/cqrs.toml"))


@pytest.mark.parametrize(
    ("modules", "got"),
    [
        (MODULES[:1], r"order \(data_sync\)"),
        ([*MODULES, CqrsModule("bill")], r"bill, order \(data_sync\), order-note \(inline\)"),
        ([CqrsModule("order"), MODULES[1]], r"order, order-note \(inline\)"),
        ([MODULES[0], CqrsModule("order-note")], r"order \(data_sync\), order-note"),
    ],
)
def test_other_modules_than_those_of_the_file_are_refused_with_both_lists(
    folder: Path, modules: list[CqrsModule], got: str
) -> None:
    message = (
        rf"modules must be those of .*cqrs\.toml, got {got} where the file says order \(data_sync\), "
        r"order-note \(inline\); give modules=modules_of\('.*'\), or change the file"
    )
    with pytest.raises(InvalidPropsError, match=message):
        CqrsStack(cdk.App(), "Shop", app_name="shop", modules=modules, code=folder)


def test_tables_that_were_brought_along_are_compared_as_they_are(folder: Path, stack: cdk.Stack) -> None:
    def brought(**props: Any) -> CqrsModule:
        return CqrsModule("order", table=CqrsTable(stack, f"Order{len(props)}", module_name="order", **props))

    check_declared(folder, "main.app", [brought(data_sync=True), MODULES[1]])
    with pytest.raises(InvalidPropsError, match="got order, order-note"):
        check_declared(folder, "main.app", [brought(), MODULES[1]])


EVENTS = """
[modules.order]

[modules.blog]
kind = "events"
handlers = true

[modules.audit]
kind = "events"
pull_index = true
aggregates_index = true
"""


def test_modules_of_events_are_declared_in_the_same_file(tmp_path: Path, stack: cdk.Stack) -> None:
    (tmp_path / "cqrs.toml").write_text(EVENTS, encoding="utf-8")
    order, blog, audit = modules_of(tmp_path)
    assert [order, blog, audit] == [
        CqrsModule("order"),
        EventModule("blog", handlers=True),
        EventModule("audit", pull_index=True, aggregates_index=True),
    ]
    check_declared(tmp_path, "main.app", [order, blog, audit])
    tables = EventStoreTable(stack, "Audit", pull_index=True, aggregates_index=True)
    check_declared(tmp_path, "main.app", [order, blog, EventModule("audit", table=tables)])
    others = (CqrsModule("audit"), EventModule("audit"), EventModule("audit", handlers=True))
    for other in (*others, EventModule("audit", pull_index=True)):
        with pytest.raises(
            InvalidPropsError,
            match=r"the file says audit \(events, pull_index, aggregates_index\), blog \(events, handlers\)",
        ):
            check_declared(tmp_path, "main.app", [order, blog, other])


@pytest.mark.parametrize(
    ("handler", "where"),
    [("main.app", "."), ("shop.main.app", "shop"), ("shop/main.app", "shop"), ("a.b.main.app", "a/b")],
)
def test_the_file_is_looked_for_beside_the_one_of_the_handler(
    tmp_path: Path, handler: str, where: str
) -> None:
    (tmp_path / where).mkdir(parents=True, exist_ok=True)
    check_declared(tmp_path, handler, [CqrsModule("order")])
    (tmp_path / where / "cqrs.toml").write_text("[modules.bill]", encoding="utf-8")
    with pytest.raises(InvalidPropsError, match="got order where the file says bill"):
        check_declared(tmp_path, handler, [CqrsModule("order")])


def test_where_there_is_no_file_nothing_is_compared(folder: Path) -> None:
    for code in (lambda_.Code.from_inline("pass"), folder / "nowhere"):
        check_declared(code, "main.app", [CqrsModule("bill")])
