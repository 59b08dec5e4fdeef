"""Retention, stored by commands, read by whoever reads such rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CommandModule,
    CqrsApp,
    ForbiddenError,
    InvalidInputError,
    ModuleMismatchError,
)
from runtime.features.masters.master_module import MasterModule
from runtime.store.codec import row_of
from runtime.store.port import Put
from runtime.testing import MemoryApp
from tests.features.masters.support import ADMIN, ROOT, user

if TYPE_CHECKING:
    from collections.abc import Iterator


class Service:
    def __init__(self) -> None:
        self.order = CommandModule("order")
        self.master = MasterModule()
        app = CqrsApp(modules=[self.order], features=[self.master])
        self.memory = MemoryApp(app, modes={"master": "inline"})


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with made.memory:
        yield made


def test_retention_is_stored_by_commands_and_read_as_before(service: Service) -> None:
    service.master.retention.set_days("order", "command", 30, tenant_code="acme", invoke_context=ROOT)
    assert service.order.ttl.get_ttl_configuration("command", "acme") == 30
    assert service.master.retention.days("order", "command", tenant_code="acme") == 30
    assert [row["version"] for row in service.memory.rows("master", "command")] == [1]


def test_the_module_writes_through_the_commands_too(service: Service) -> None:
    service.order.ttl.set_ttl_configuration("history", 7, "acme")
    service.order.ttl.set_ttl_configuration("history", None, "acme")
    assert service.order.ttl.get_ttl_configuration("history", "acme") is None
    service.order.ttl.set_ttl_configuration("history", 9)
    assert service.order.ttl.get_ttl_configuration("history") == 9
    assert [(row["pk"], row["version"]) for row in service.memory.rows("master", "data")] == [
        ("MASTER#acme", 2),
        ("MASTER#single", 1),
    ]


def test_a_row_of_before_there_were_masters_is_taken_over(service: Service) -> None:
    table = service.order.tables.command
    row = row_of({"pk": "MASTER#acme", "sk": f"TTL#{table}", "attributes": {"days": 3}})
    service.memory.store.write(Put(table=service.master.module.tables.data, row=row))
    assert service.order.ttl.get_ttl_configuration("command", "acme") == 3
    assert service.master.retention.days("order", "command", tenant_code="acme") == 3
    service.master.retention.set_days("order", "command", 4, tenant_code="acme", invoke_context=ROOT)
    assert service.order.ttl.get_ttl_configuration("command", "acme") == 3  # remembered for five minutes
    service.memory.clock.advance(seconds=301)
    assert service.order.ttl.get_ttl_configuration("command", "acme") == 4


@pytest.mark.parametrize("days", [0, -1, True, 36_501, 1.5, "7"])
def test_other_numbers_of_days_are_refused(service: Service, days: Any) -> None:
    with pytest.raises(InvalidInputError, match="days"):
        service.master.retention.set_days("order", "command", days, invoke_context=ROOT)
    with pytest.raises(InvalidInputError, match="kind"):
        service.master.retention.set_days("order", "other", 1, invoke_context=ROOT)  # type: ignore[arg-type]
    with pytest.raises(ModuleMismatchError):
        service.master.retention.set_days("other", "data", 1, invoke_context=ROOT)


def test_retention_takes_a_role_that_crosses_tenants(service: Service) -> None:
    for who in (user(), ADMIN, user(roles=["system_admin"])):
        with pytest.raises(ForbiddenError):
            service.master.retention.set_days("order", "command", 1, tenant_code="acme", invoke_context=who)
    assert service.memory.rows("master", "command") == []
