"""Verbs that packages bring to the command line, by their entry points."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.cli import Verb, VerbGroup, main
from constructs_lib.cli.arguments import parse
from constructs_lib.cli.commands import _COMMANDS
from constructs_lib.cli.commands.features import GROUPS
from constructs_lib.cli.errors import UsageError
from runtime import CqrsApp, Settings
from runtime.entry.operator.scope import Scope
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.cli.direct import Direct
from tests.features.support import Billing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., None]

CODE = """
from constructs_lib.cli import ExitCode, Result, Table, Verb, VerbGroup

def paid(context):
    found = context.operator.ask("listPaid", tenant=context.options.of, limit=context.options.most)
    code = ExitCode.FINE if found["paid"] else ExitCode.ATTENTION
    return Result(found, [Table(("code",), [[one] for one in found["paid"]])], code=code)

def arguments(parser):
    parser.add_argument("of", metavar="TENANT")
    parser.add_argument("--most", type=int)

GROUP = VerbGroup(name="billing", summary="what tenants have paid", verbs=(
    Verb(name="paid", summary="list what a tenant has paid", run=paid, add_arguments=arguments),
))
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs packages with an entry point, as pip does: by their files."""
    monkeypatch.syspath_prepend(tmp_path)

    def do(package: str, code: str, *, name: str = "billing", target: str | None = None) -> None:
        monkeypatch.delitem(sys.modules, package, raising=False)
        (tmp_path / f"{package}.py").write_text(code)
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        point = f"{name} = {target or f'{package}:GROUP'}"
        (metadata / "entry_points.txt").write_text(f"[cdk_cqrs.cli]\n{point}\n")

    return do


@pytest.fixture
def billing() -> Billing:
    return Billing()


@pytest.fixture
def cqrs(billing: Billing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Direct:
    settings = Settings(node_env="local", app_name="shop", function="operator")
    resources = MemoryResources(settings, MemoryStore(), Clock())
    app = CqrsApp(modules=[], features=[billing], resources=resources)
    return Direct(lambda: Scope(app.modules, resources, app.event_modules, app.features), monkeypatch, capsys)


def test_a_verb_of_a_package_asks_the_operation_of_its_feature(
    install: Install, cqrs: Direct, billing: Billing
) -> None:
    install("billing_of_a_verb", CODE)
    billing.paid += ["P1", "P2"]
    ended = cqrs("billing", "paid", "acme", "--json", "--most", "1")
    assert (ended.code, ended.json) == (0, {"tenant": "acme", "paid": ["P1"]})
    assert cqrs.asked == [{"operation": "listPaid", "tenant": "acme", "limit": 1}]
    shown = cqrs("billing", "paid", "acme")
    assert [line for line in shown.lines if line in {"P1", "P2"}] == ["P1", "P2"]
    billing.paid.clear()
    assert cqrs("--json", "billing", "paid", "acme").code == 1


def test_the_help_has_it(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("billing_of_help", CODE)
    for words in (["--help"], ["billing", "--help"], ["billing", "paid", "--help"]):
        with pytest.raises(SystemExit):
            parse(words)
    text = capsys.readouterr().out
    assert "what tenants have paid" in text
    assert "list what a tenant has paid" in text
    assert "--most" in text


def test_what_is_wrong_with_its_arguments_is_named(install: Install) -> None:
    install("billing_of_arguments", CODE)
    for words, told in (
        (["billing"], "ACTION"),
        (["billing", "pay"], "'pay'"),
        (["billing", "paid"], "TENANT"),
    ):
        with pytest.raises(UsageError, match=told):
            parse(words)


@pytest.mark.parametrize("name", ["status", "events", "replay-dlq"])
def test_a_name_of_ours_is_refused(install: Install, name: str) -> None:
    install("billing_of_ours", CODE, name=name)
    with pytest.raises(
        UsageError, match=f"'{name}' of the package billing_of_ours is one of cqrs; rename it"
    ):
        parse(["show", "PK"])


def test_one_name_of_two_packages_is_refused(install: Install) -> None:
    install("billing_one", CODE)
    install("billing_two", CODE)
    with pytest.raises(UsageError, match="'billing' is one of the packages billing_one and billing_two; ren"):
        parse(["status"])


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nowhere_to_be_found", r"cannot be imported \(ModuleNotFoundError: No module named 'nowhere"),
        ("GROUP = 1", "must be a VerbGroup of that name, got 1 as billing_broken:GROUP"),
        (CODE.replace('name="billing"', 'name="other"'), "must be a VerbGroup of that name"),
        (CODE.replace('name="paid"', 'name="Paid"'), "a verb of the command line is named like 'show-all'"),
        (
            CODE.replace("verbs=(", "verbs=(), **dict(").replace("arguments),\n", "arguments) and {}\n"),
            "needs",
        ),
    ],
)
def test_what_is_no_group_is_told_where_it_is_asked_for(
    install: Install, capsys: pytest.CaptureFixture[str], code: str, told: str
) -> None:
    install("billing_broken", code)
    for words in (["billing", "paid", "acme"], ["billing"]):
        with pytest.raises(UsageError, match=told):
            parse(words)
    # And nobody is kept from what does work, whatever the modules are called.
    assert parse(["status", "--module", "billing"]).command == "status"
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert "billing_broken" in capsys.readouterr().out
    assert main(["billing", "paid"]) == 2


def test_an_argument_that_is_there_already_is_refused(install: Install) -> None:
    install("billing_json", CODE.replace('"--most"', '"--json"'))
    with pytest.raises(UsageError, match=r"cqrs billing paid cannot have such an argument: .*--json"):
        parse(["billing", "paid", "acme"])


def test_verbs_have_different_names() -> None:
    verb = Verb(name="list", summary="list", run=_no_result)
    with pytest.raises(ValueError, match="needs verbs of different names"):
        VerbGroup(name="one", summary="one", verbs=(verb, verb))


def test_the_librarys_own_groups_have_names_of_their_own() -> None:
    names = [command.split()[0] for command in _COMMANDS] + [group.name for group in GROUPS]
    ours = {group.name for group in GROUPS}
    assert len(ours) == len(GROUPS)
    assert not ours & {command.split()[0] for command in _COMMANDS}
    for name in ours:
        assert name in names


def _no_result(_context: Any) -> Any:
    raise argparse.ArgumentError(None, "never asked for")
