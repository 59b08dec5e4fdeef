"""What the calls cost, counted on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.features.tenants.support import Registry, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import TenantModule

GET, BATCH, TRANSACT, SCAN = (
    f"dynamodb:{name}" for name in ("GetItem", "BatchGetItem", "TransactWriteItems", "Scan")
)


@pytest.fixture
def registry(on_emulator: Callable[..., Registry]) -> Registry:
    made = on_emulator(enforce=True)
    made.tenants.create_tenant("acme", "Acme")
    made.tenants.add_tenant_group("acme", "clerk", "tokyo")
    made.wire.clear()
    return made


def admit_often(tenants: TenantModule) -> None:
    for _ in range(100):
        tenants.admit("acme", user("acme"))


def test_the_budgets(registry: Registry) -> None:
    tenants = registry.tenants
    budgets: list[tuple[Callable[[], Any], list[str]]] = [
        (lambda: tenants.create_tenant("globex", "Globex"), [BATCH, TRANSACT]),
        (lambda: tenants.create_common_tenant("Common"), [BATCH, TRANSACT]),
        (lambda: tenants.create_tenant_group("east", "acme", "Acme"), [BATCH, TRANSACT]),
        (lambda: tenants.update_tenant("acme", name="Acme Inc."), [GET, BATCH, TRANSACT]),
        (lambda: tenants.add_tenant_group("acme", "clerk", "osaka"), [GET, BATCH, TRANSACT]),
        (lambda: tenants.add_tenant_group("acme", "clerk", "osaka"), [GET]),
        (lambda: tenants.remove_tenant_group("acme", "clerk", "osaka"), [GET, BATCH, TRANSACT]),
        (lambda: tenants.customize_setting_groups("acme", "clerk", ["tokyo"]), [GET, BATCH, TRANSACT]),
        (lambda: tenants.set_state("acme", "suspended", reason="x"), [GET, BATCH, TRANSACT]),
        (lambda: tenants.set_state("acme", "active"), [GET, BATCH, TRANSACT]),
        (lambda: tenants.get_tenant("acme"), [GET]),
        (lambda: list(tenants.iter_tenants()), [SCAN]),
        (lambda: admit_often(tenants), [GET]),
        (lambda: tenants.delete_tenant("acme"), [GET, BATCH, TRANSACT]),
    ]
    found = []
    for call, _ in budgets:
        registry.wire.clear()
        call()
        found.append(registry.wire.names())
    assert found == [expected for _, expected in budgets]
