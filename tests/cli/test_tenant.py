"""`cqrs tenant`, and the operations that it asks for."""

from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.cli.arguments import parse
from constructs_lib.cli.errors import UsageError
from runtime import CqrsApp, Settings, Tenant, TenantModule
from runtime.entry.operator.scope import Scope
from runtime.features.operation import Operation
from runtime.store.memory import MemoryStore
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.cli.direct import Direct


class Seed:
    """What makes what a tenant begins with, or fails."""

    fails = False

    def __call__(self, tenant: Tenant) -> None:
        assert tenant.code
        if self.fails:
            msg = "the store is down"
            raise RuntimeError(msg)


@pytest.fixture
def seed() -> Seed:
    return Seed()


@pytest.fixture
def tenants(seed: Seed) -> TenantModule:
    return TenantModule(on_create=seed)


@pytest.fixture
def cqrs(
    tenants: TenantModule, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Direct:
    modules = {"tenant": {"mode": "inline", "sync": False}}
    settings = Settings(node_env="local", app_name="shop", function="operator", modules=modules)
    resources = MemoryResources(settings, MemoryStore(), Clock())
    app = CqrsApp(modules=[], features=[tenants], resources=resources)
    return Direct(lambda: Scope(app.modules, resources, app.event_modules, app.features), monkeypatch, capsys)


def test_the_life_of_a_tenant(cqrs: Direct, tenants: TenantModule) -> None:
    made = cqrs("tenant", "create", "ACME", "Acme Inc.", "--attributes", '{"plan": "pro", "rate": 1.5}')
    assert made.code == 0
    assert made.lines[:2] == ["acme Acme Inc.", "active, version 2"]
    ended = cqrs("tenant", "suspend", "acme", "--reason", "unpaid", "--json")
    assert (ended.code, ended.json["state"], ended.json["reason"]) == (0, "suspended", "unpaid")
    shown = cqrs("tenant", "show", "acme")
    assert "suspended: unpaid, version 3" in shown.lines
    assert cqrs("tenant", "show", "acme", "--json").json["attributes"]["rate"] == 1.5
    listed = cqrs("tenant", "list")
    assert "acme Acme Inc. suspended unpaid" in listed.lines
    assert cqrs("tenant", "list", "--state", "active", "--json").json == {"tenants": [], "total": 0}
    ended = cqrs("tenant", "activate", "acme", "--reason", "paid")
    assert (ended.code, ended.lines[1]) == (0, "active: paid, version 4")
    found = tenants.get_tenant("acme")
    assert found is not None
    assert found.active


def test_many_are_listed_page_by_page(
    cqrs: Direct, tenants: TenantModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("constructs_lib.cli.commands.tenant._PAGE", 2)
    for number in range(5):
        tenants.create_tenant(f"t{number}", f"Tenant {number}")
    found = cqrs("tenant", "list", "--json").json
    assert sorted(one["code"] for one in found["tenants"]) == [f"t{number}" for number in range(5)]
    assert [request.get("limit") for request in cqrs.asked] == [2] * len(cqrs.asked)
    assert len(cqrs.asked) >= 3
    assert "… and 3 more; --list 5 shows them all" in cqrs("tenant", "list", "--list", "2").err


def test_what_is_half_made_is_told_of_and_gone_on_with(cqrs: Direct, seed: Seed) -> None:
    seed.fails = True
    failed = cqrs("tenant", "create", "acme", "Acme")
    assert failed.code == 4
    assert "on_create has failed (RuntimeError)" in failed.err
    listed = cqrs("tenant", "list")
    assert (listed.code, "acme Acme creating -" in listed.lines) == (1, True)
    assert "cqrs tenant activate CODE" in listed.err
    seed.fails = False
    assert cqrs("tenant", "activate", "acme").code == 0
    assert cqrs("tenant", "list").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create", "a#b", "x"], "code: must begin"),
        (["create", "common", "x"], "code: is that of the common tenant"),
        (["show", "nobody"], "there is no such tenant"),
        (["suspend", "nobody", "--reason", "x"], "there is no tenant 'nobody'"),
    ],
    ids=range(4),
)
def test_what_is_refused_is_told(cqrs: Direct, words: list[str], told: str) -> None:
    ended = cqrs("tenant", *words)
    assert (ended.code, told in ended.err) == (4, True)


@pytest.mark.parametrize(
    "words",
    [["suspend", "acme"], ["create", "acme"], ["list", "--state", "frozen"], ["purge", "acme"], []],
    ids=range(5),
)
def test_wrong_usage_is_told(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(["tenant", *words])


@pytest.mark.parametrize("text", ["plan", "[1]", "7"])
def test_attributes_are_an_object(cqrs: Direct, text: str) -> None:
    ended = cqrs("tenant", "create", "acme", "Acme", "--attributes", text)
    assert (ended.code, "--attributes" in ended.err, cqrs.asked) == (2, True, [])


def test_its_operations_can_be_imported(tenants: TenantModule) -> None:
    for source in tenants.operations.values():
        operation: Any = Operation.of(source)
        assert callable(operation.run)
