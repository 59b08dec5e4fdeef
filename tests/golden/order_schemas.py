"""Three schemas of an order's attributes, and the upcasters between them.

Each upcaster can see a row that is further than it seems: another service that shares the
tables writes no schema. So each does its part only where the old field is there, and what
is there under the old name was written last.
"""

from __future__ import annotations

from typing import Any

from runtime import CqrsModel

__all__ = ["UPCASTERS", "OrderV1", "OrderV2", "OrderV3", "to_comment", "to_person"]


class OrderV1(CqrsModel):
    customer: str
    note: str = ""
    quantity: str
    legacy_code: str | None = None


class OrderV2(CqrsModel):
    customer: str
    comment: str
    quantity: str


class Customer(CqrsModel):
    first_name: str
    last_name: str


class OrderV3(CqrsModel):
    person: Customer
    comment: str
    quantity: int
    currency: str
    gift: bool = False


def to_comment(attributes: dict[str, Any]) -> dict[str, Any]:
    """Rename ``note``, drop ``legacyCode``."""
    attributes.pop("legacyCode", None)
    if "note" in attributes:
        attributes["comment"] = attributes.pop("note")
    return attributes


def to_person(attributes: dict[str, Any]) -> dict[str, Any]:
    """Split ``customer``, make ``quantity`` a number, gain ``currency``."""
    if "customer" in attributes:
        first, _, last = attributes.pop("customer").partition(" ")
        attributes["person"] = {"firstName": first, "lastName": last}
    return {"currency": "JPY"} | attributes | {"quantity": int(attributes["quantity"])}


UPCASTERS = (to_comment, "tests.golden.order_schemas:to_person")
