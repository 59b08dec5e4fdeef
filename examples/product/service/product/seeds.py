"""What a new tenant begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from product.masters import CATEGORY, CATEGORY_FIELDS, Dispatch, dispatch, master

if TYPE_CHECKING:
    from runtime import Tenant

__all__ = ["seed"]

_CATEGORIES: Final = {"tools": ("Tools", 20), "machines": ("Machines", 20), "books": ("Books", 7)}
_DAYS: Final = {"pro": 1}
_COMMAND_DAYS: Final = 400  # a year, and the time to close it


def seed(tenant: Tenant) -> None:
    """Give a tenant its categories, how fast it is served, and how long its orders' commands are kept.

    It may be called again, where a call died: each of its writes changes nothing then.
    """
    code = tenant.code
    # The schema first: the rows are held to it.
    master.settings.upsert_setting(CATEGORY, {"fields": CATEGORY_FIELDS}, tenant_code=code)
    for category, (name, tax) in _CATEGORIES.items():
        master.data.upsert(CATEGORY, category, name, attributes={"taxPercent": tax}, tenant_code=code)
    days = _DAYS.get(str(tenant.attributes.get("plan")))
    if days is not None:
        master.settings.upsert_setting(dispatch, Dispatch(days=days), tenant_code=code)
    master.retention.set_days("order", "command", _COMMAND_DAYS, tenant_code=code)
