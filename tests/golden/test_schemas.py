"""Rows of the first two schemas, read in every way by the release with the third."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runtime import SortKeyCondition, erase, module_routes, redrive
from runtime.entry.http.api import HttpApi
from runtime.entry.worker import Worker
from runtime.model.keys import DetailKey
from runtime.pipeline.apply import apply
from runtime.pipeline.drain import drain
from tests.golden.schema_rows import Seen, attributes
from tests.support.http_events import http_event
from tests.support.service import PK

if TYPE_CHECKING:
    from tests.golden.schema_rows import Orders

A1 = [attributes("Ann", "Lee", *state) for state in (("first", 3), ("second", 4), ("third", 5))]
L1 = attributes("Lea", "Kim", "n" * 30_000, 7)
M1 = attributes("Ann", "Lee", "by two", 3)
N1 = attributes("Eve", "Oz", "new in two", 9)
P1 = attributes("Bob", "Ray", "pending", 1)


def test_commands_data_and_history(orders: Orders) -> None:
    module, key = orders.v3, orders.key
    assert [module.commands.get_item(key(f"A1@{v}")).attributes for v in (1, 2, 3)] == A1
    assert module.commands.get_next_command(key("A1@1")).attributes == A1[1]
    assert module.commands.get_latest_item(key("M1")).attributes == M1
    states = {"A1": A1[2], "L1": L1, "M1": M1, "N1": N1}
    for sk, state in states.items():
        assert module.data.get_item(key(sk)).attributes == state
    assert [row.attributes for row in module.data.list_items_by_pk(PK).items] == list(states.values())
    assert [row.attributes for row in module.data.iterate_items_by_pk(PK)] == list(states.values())
    assert [row.attributes for row in module.history.list_versions(key("A1"))] == A1[:2]
    assert module.history.get_item(key("A1"), 2).attributes == A1[1]
    assert [module.history.as_of(key("A1"), version=v).attributes for v in (1, 2, 3)] == A1
    now = datetime.now(UTC)
    assert module.history.as_of(key("M1"), at=now).attributes == M1


def test_the_repository_with_a_pending_write(orders: Orders) -> None:
    module, me = orders.v3, orders.me
    assert module.repository.get_item(orders.key("P1"), invoke_context=me).attributes == P1
    page = module.repository.list_items_by_pk(PK, sk=SortKeyCondition.begins_with("P"), invoke_context=me)
    assert [row.attributes for row in page.items] == [P1]
    listing = module.repository.list_items(
        lambda: {"items": [], "total": 0},
        transform_command=lambda command, _item: {"id": command.id, "attributes": command.attributes},
        invoke_context=me,
    )
    assert [item["attributes"] for item in listing.items] == [P1]


def test_handlers_see_the_current_schema(orders: Orders) -> None:
    seen = Seen()
    module = orders.release(3, data_sync_handlers=[seen])
    admin = orders.service.user(roles=json.dumps([{"tenant": "", "role": "system_admin"}]))
    assert module.commands.re_sync_data(invoke_context=admin) == 4
    assert seen.ups == [A1[2], L1, M1, N1]
    seen.ups.clear()
    apply(module.context, DetailKey(PK, "P1"), 1)
    drain(module.context, module.handler("Seen"), DetailKey(PK, "P1"), 1, owner="execution of P1")
    assert seen.ups == [P1]
    erase(module, orders.key("M1"), invoke_context=admin)
    assert seen.downs == [M1]


def test_a_command_that_is_redriven(orders: Orders) -> None:
    seen, key = Seen(), DetailKey(PK, "P1")
    module = orders.release(3, data_sync_handlers=[seen])
    apply(module.context, key, 1)
    given = {"module": "todo", "pk": PK, "sk": "P1", "version": 1, "handler": "Seen", "error": "ValueError"}
    parked = Worker({"todo": module}).run({"action": "park", "input": given})
    assert parked["outcome"] == "parked"
    redrive(module, key, "Seen")
    assert seen.ups == [P1]


def test_the_routes_of_a_module(orders: Orders) -> None:
    api = HttpApi([module_routes(orders.v3, prefix="/orders", type="TODO")])
    claims = {"sub": "u1", "custom:tenant": "acme"}

    def call(method: str, path: str, **request: Any) -> Any:
        answer = api.handle(http_event(method, path, claims=claims, **request), None)
        return answer["statusCode"], json.loads(answer["body"])

    third = A1[2].model_dump(by_alias=True)
    assert call("GET", "/orders/A1")[1]["attributes"] == third
    assert call("GET", "/orders/A1/history/1")[1]["attributes"] == A1[0].model_dump(by_alias=True)
    assert [row["attributes"]["comment"] for row in call("GET", "/orders/A1/history")[1]["items"]] == [
        "first",
        "second",
    ]
    assert {row["sk"] for row in call("GET", "/orders")[1]["items"]} == {"A1", "L1", "M1", "N1", "P1"}
    status, _ = call("PATCH", "/orders/A1", body={"version": 3, "attributes": {"quantity": 6}})
    assert status == 202
    latest = orders.v3.commands.get_latest_item(orders.key("A1"))
    assert latest is not None
    assert latest.attributes == A1[2].model_copy(update={"quantity": 6})
