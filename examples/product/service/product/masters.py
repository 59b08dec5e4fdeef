"""What people may set: how orders are dispatched, and which categories of products there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from runtime import CqrsModel, FieldProblem, MasterModule, Setting, get_tenant_code

if TYPE_CHECKING:
    from product.attributes import ProductAttributes
    from runtime import Change

__all__ = ["CATEGORY", "CATEGORY_FIELDS", "Dispatch", "dispatch", "has_its_category", "master", "tax_percent"]


class Dispatch(CqrsModel):
    """How orders are dispatched.

    Attributes:
        warehouse: Which warehouse sends them, and whose numbers their shipments get.
        days: How many days after an order it is due.
    """

    warehouse: str = Field(default="MAIN", pattern=r"^[A-Z]{2,6}$")
    days: int = Field(default=3, ge=0, le=60)


#: A user may give both for themselves: nothing that protects the tenant belongs here.
dispatch = Setting("dispatch", Dispatch, default=Dispatch(), merge=True, user_writable=True)
master = MasterModule([dispatch])

#: The code table of the categories, and what each of its rows has to be like.
CATEGORY: Final = "category"
CATEGORY_FIELDS: Final[list[dict[str, Any]]] = [
    {"physicalName": "name", "name": "Name", "dataType": "string", "isRequired": True, "length": 80},
    {
        "physicalName": "taxPercent",
        "name": "Tax",
        "dataType": "integer",
        "isRequired": True,
        "min": 0,
        "max": 50,
    },
]


def has_its_category(change: Change[ProductAttributes]) -> FieldProblem | None:
    """A rule of products: one that gets a category gets one that the tenant has."""
    category = change.after.attributes.category
    if category is None or (change.before and change.before.attributes.category == category):
        return None
    tenant = get_tenant_code(change.after.key.pk)
    if master.data.check_exist_code(
        CATEGORY, category, tenant_code=tenant, invoke_context=change.invoke_context
    ):
        return None
    return FieldProblem("attributes.category", f"must be a code of the table {CATEGORY!r}, got {category!r}")


def tax_percent(code: str | None) -> int:
    """The tax on products of a category; none on those without one, or of one that was deleted since."""
    row = None if code is None else master.data.get(CATEGORY, code)
    return 0 if row is None else int(row.attributes["taxPercent"])
