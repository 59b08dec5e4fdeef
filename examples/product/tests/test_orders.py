"""Orders: their numbers, their prices, and how they are dispatched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import Gap

if TYPE_CHECKING:
    from runtime.testing import Answer, Client, MemoryApp

SYNC = {"mode": "sync"}
HAMMERS = {"lines": [{"product": "hammer", "quantity": 2}]}


@pytest.fixture(autouse=True)
def stock(memory: MemoryApp) -> None:
    """A hammer with tax, a gift without, and a thing that has no price."""
    stocker = memory.client(tenant="acme", user="stocker")
    for code, attributes in {
        "hammer": {"category": "tools", "price": 12.5},
        "gift": {"price": 1},
        "thing": {"category": "tools"},
    }.items():
        made = stocker.post("/products", {"code": code, "name": code, "attributes": attributes}, params=SYNC)
        assert made.status == 201


@pytest.fixture
def dispatcher(memory: MemoryApp) -> Client:
    """Dora, who ships orders."""
    return memory.client(tenant="acme", user="dora", roles=["dispatcher"])


def number(answer: Answer) -> str:
    """The number of an order that was placed."""
    assert answer.status == 201, answer
    found: str = answer.json()["code"]
    return found


def test_an_order_gets_a_number_of_the_fiscal_year(memory: MemoryApp, ann: Client, bob: Client) -> None:
    answer = ann.post("/orders", HAMMERS)
    assert (answer.status, answer.headers["Location"]) == (201, "/orders/ORD-2025-000001")
    assert answer.json() == {
        "code": "ORD-2025-000001",
        "version": 1,
        "attributes": {
            "lines": [{"product": "hammer", "quantity": 2, "price": 15}],
            "total": 30,
            "warehouse": "MAIN",
            "due": "2026-01-04",
            "shipmentNo": None,
        },
    }
    assert number(bob.post("/orders", HAMMERS)) == "ORD-2025-000002"
    assert ann.get("/orders/ORD-2025-000001").json()["attributes"]["total"] == 30
    assert [item["code"] for item in bob.get("/orders").json()["items"]] == [
        "ORD-2025-000001",
        "ORD-2025-000002",
    ]
    (row, _) = memory.rows("order", "command")
    assert (row["sk"], row["createdBy"]) == ("ORD-2025-000001@1", "ann")


@pytest.mark.parametrize(
    ("hour", "first"), [(14, "ORD-2025-000002"), (15, "ORD-2026-000001")], ids=["before", "after"]
)
def test_numbers_begin_anew_at_midnight_in_tokyo(
    memory: MemoryApp, ann: Client, hour: int, first: str
) -> None:
    assert number(ann.post("/orders", HAMMERS)) == "ORD-2025-000001"
    memory.clock.advance(days=89, hours=hour - 12, minutes=59)  # from noon of 1 January, UTC
    assert number(ann.post("/orders", HAMMERS)) == first


def test_a_request_that_is_sent_again_places_no_second_order(memory: MemoryApp, ann: Client) -> None:
    key = {"Idempotency-Key": "cart-9"}
    first, again = (ann.post("/orders", HAMMERS, headers=key) for _ in range(2))
    assert number(first) == number(again) == "ORD-2025-000001"
    other = ann.post("/orders", {"lines": [{"product": "gift", "quantity": 1}]}, headers=key)
    assert other.status == 422
    assert number(ann.post("/orders", HAMMERS)) == "ORD-2025-000002"
    assert len(memory.rows("order", "command")) == 2


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "lines"),
        ([{"product": "hammer", "quantity": 0}], "lines.0.quantity"),
        ([{"product": "gift", "quantity": 1}, {"product": "none", "quantity": 1}], "lines.1.product"),
        ([{"product": "thing", "quantity": 1}], "lines.0.product"),
    ],
)
def test_what_is_refused_leaves_no_gap(memory: MemoryApp, ann: Client, lines: list[Any], field: str) -> None:
    from product.numbers import sequences  # noqa: PLC0415 - after the path is set

    answer = ann.post("/orders", {"lines": lines})
    assert answer.status == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert memory.rows("order", "command") == []
    assert number(ann.post("/orders", HAMMERS)) == "ORD-2025-000001"
    assert sequences.gaps("order", tenant_code="acme") == []


def test_a_number_that_is_made_void_is_told_with_the_reason(memory: MemoryApp, ann: Client) -> None:
    from product.numbers import sequences  # noqa: PLC0415

    for _ in range(3):
        ann.post("/orders", HAMMERS)
    sequences.void("order", 2, reason="placed by mistake", tenant_code="acme")
    assert sequences.gaps("order", tenant_code="acme") == [Gap(2, 2, "placed by mistake")]
    assert memory.client(tenant="acme").get("/orders/ORD-2025-000002").status == 200


def test_a_shipment_is_numbered_by_its_warehouse_and_month(
    memory: MemoryApp, ann: Client, dispatcher: Client
) -> None:
    code = number(ann.post("/orders", HAMMERS))
    assert ann.post(f"/orders/{code}/ship").status == 403
    assert dispatcher.get("/sequences/shipment/preview", params={"code1": "MAIN"}).json()["no"] == 1
    first, again = (dispatcher.post(f"/orders/{code}/ship") for _ in range(2))
    assert (first.status, first.json()["attributes"]["shipmentNo"]) == (200, "MAIN-2601-00001")
    assert again.json() == first.json()
    assert dispatcher.post("/orders/none/ship").status == 404
    ann.post(
        "/api/master-setting/user",
        {"code": "dispatch", "userId": "ann", "settingValue": {"warehouse": "OSA"}},
    )
    ours = number(ann.post("/orders", HAMMERS))
    assert dispatcher.post(f"/orders/{ours}/ship").json()["attributes"]["shipmentNo"] == "OSA-2601-00001"
    memory.clock.advance(days=31)
    later = number(ann.post("/orders", HAMMERS))
    assert dispatcher.post(f"/orders/{later}/ship").json()["attributes"]["shipmentNo"] == "OSA-2602-00001"


def test_a_shipment_that_died_between_its_two_writes_keeps_its_number(
    memory: MemoryApp, ann: Client, dispatcher: Client
) -> None:
    from product.numbers import sequences  # noqa: PLC0415

    code = number(ann.post("/orders", HAMMERS))
    with memory.acting_as("dora", tenant="acme"):  # as far as it came
        taken = sequences.generate_sequence_item("shipment", codes=["MAIN"], idempotency_key=code)
    assert dispatcher.post(f"/orders/{code}/ship").json()["attributes"]["shipmentNo"] == taken.formatted_no


def test_a_tenant_prints_its_shipments_otherwise(ann: Client, dispatcher: Client) -> None:
    from product.masters import master  # noqa: PLC0415

    master.data.formats.upsert("shipment", {"format": "%%code1%%/%%no#:0>3%%"}, tenant_code="acme")
    code = number(ann.post("/orders", HAMMERS))
    assert dispatcher.post(f"/orders/{code}/ship").json()["attributes"]["shipmentNo"] == "MAIN/001"


def test_another_tenant_counts_for_itself(memory: MemoryApp, ann: Client) -> None:
    eve = memory.client(tenant="other", user="eve")
    assert eve.post("/orders", HAMMERS).status == 400  # the hammer is not theirs
    eve.post("/products", {"code": "nail", "name": "Nail", "attributes": {"price": 1}}, params=SYNC)
    mine = {"lines": [{"product": "nail", "quantity": 1}]}
    number(ann.post("/orders", HAMMERS))
    assert number(eve.post("/orders", mine)) == "ORD-2025-000001"
    assert eve.get("/orders").json()["items"][0]["attributes"]["total"] == 1


def test_commands_of_orders_are_kept_for_400_days(memory: MemoryApp, ann: Client) -> None:
    ann.post("/orders", HAMMERS)
    (row,) = memory.rows("order", "command")
    assert row["ttl"] == pytest.approx(memory.clock.seconds() + 400 * 86_400, abs=60)
