"""What a user's handler and route see of the types: attributes of a model need no look for None."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

from tests.faults.scale import COMPLETE

ROOT = Path(__file__).parents[2]

SERVICE = """
from typing import Any
from collections.abc import Iterator

from runtime import (
    Change,
    CommandModel,
    CommandModule,
    CqrsModel,
    DataSyncHandler,
    FieldProblem,
    InvokeContext,
    ItemCommand,
    State,
    UserContext,
    module_routes,
)


class OrderAttributes(CqrsModel):
    customer: str
    total: int = 0


class Cat(CqrsModel):
    lives: int = 9


class Store(DataSyncHandler):
    def up(self, command: CommandModel[OrderAttributes]) -> None:
        print(command.attributes.customer)

    def down(self, command: CommandModel[OrderAttributes]) -> None: ...


def total_grows(change: Change[OrderAttributes]) -> FieldProblem | None:
    if change.before and change.after.attributes.total < change.before.attributes.total:
        return FieldProblem("attributes.total", "must not shrink")
    return None


def rounded(change: Change[OrderAttributes]) -> State[OrderAttributes]:
    total = change.after.attributes.total // 10 * 10
    return change.after.replace(attributes=OrderAttributes(customer="x", total=total), name="n")


def named(change: Change[OrderAttributes]) -> Iterator[FieldProblem]:
    if not change.after.attributes.customer:
        yield FieldProblem("attributes.customer", "must not be empty")


def admins(change: Change[OrderAttributes]) -> None:
    reveal_type(change.after.attributes)
    if "admin" not in change.user.tenant_roles:
        raise ValueError


def anything(change: Change[dict[str, Any] | None]) -> None: ...


order = CommandModule(
    "order",
    attributes=OrderAttributes,
    data_sync_handlers=[Store],
    decide=[total_grows, rounded, named, admins, "rules:more"],
)
free = CommandModule("free", decide=[anything])
pet = CommandModule("pet", attributes=Cat | OrderAttributes)
me = InvokeContext(claims={"sub": "x"})


class Discount(CqrsModel):
    percent: int


def discount(found: State[OrderAttributes], body: Discount, user: UserContext) -> State[OrderAttributes]:
    total = found.attributes.total * body.percent // 100
    return found.replace(attributes=OrderAttributes(customer=user.user_id or "", total=total))


def close(found: State[OrderAttributes], body: None, user: UserContext) -> FieldProblem | None:
    return None if found.attributes.total else FieldProblem("attributes.total", "must be there")


routes = module_routes(
    order,
    prefix="/orders",
    type="ORDER",
    commands={
        "discount": ItemCommand(discount, body=Discount, roles=["boss"]),
        "close": ItemCommand(close),
        "open": ItemCommand("service:open_it"),
    },
)
orders = order.service(type="ORDER")
reveal_type(orders.get("1").attributes)
orders.create(OrderAttributes(customer="x"), sk="1")
orders.change("1", lambda found: found.replace(name="x"))
for listed in orders.list().items:
    print(listed.attributes.total)
order.commands.publish_change(("ORDER#a", "1"), lambda found: found.replace(name="x"), invoke_context=me)
KEY = ("ORDER#a", "1")

made = order.commands.publish_sync({"version": 0}, invoke_context=me)
if made is not None:
    reveal_type(made.attributes)
found = order.data.get_item(KEY, invoke_context=me)
if found is not None:
    reveal_type(found.attributes)
for item in order.repository.list_items_by_pk("ORDER#a", invoke_context=me).items:
    reveal_type(item.attributes.total)
for state in order.history.list_versions(KEY, invoke_context=me):
    reveal_type(state.attributes)
loose = free.commands.get_item(KEY, invoke_context=me)
if loose is not None:
    reveal_type(loose.attributes)
either = pet.data.get_item(KEY, invoke_context=me)
if either is not None and isinstance(either.attributes, Cat):
    print(either.attributes.lives)
"""

#: What both type checkers say of each `reveal_type` above, in order.
REVEALED = [*["OrderAttributes"] * 4, "int", "OrderAttributes", "dict[str, Any] | None"]


@pytest.mark.parametrize("plugin", ["", *(["plugins = pydantic.mypy\n"] if COMPLETE else [])])
def test_a_service_passes_mypy_strict(tmp_path: Path, plugin: str) -> None:
    (tmp_path / "service.py").write_text(SERVICE, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\n{plugin}", encoding="utf-8")
    config, cache = str(tmp_path / "mypy.ini"), str(tmp_path / "cache")
    out, _, status = api.run([str(tmp_path / "service.py"), "--config-file", config, "--cache-dir", cache])
    told = [line.partition('"')[2].rpartition('"')[0] for line in out.splitlines() if "Revealed" in line]
    assert status == 0, out
    assert told == [known.replace("Order", "service.Order") for known in REVEALED]


def test_a_service_passes_pyright_strict(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE, encoding="utf-8")
    config = {"typeCheckingMode": "strict", "include": ["service.py"], "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    pyright = ROOT / "node_modules" / ".bin" / "pyright"
    command = [str(pyright), "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    told = json.loads(done.stdout)["generalDiagnostics"]
    assert done.returncode == 0, told
    assert [found["message"].split('"')[-2] for found in told] == REVEALED
