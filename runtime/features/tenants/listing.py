"""Going over the tenants: a scan of their data table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from runtime.features.tenants.codes import SK, TYPE
from runtime.features.tenants.tenant import Tenant, TenantPage
from runtime.model.keys import KEY_SEPARATOR
from runtime.store.scan import Scan

if TYPE_CHECKING:
    from runtime.module_context import ModuleContext

__all__ = ["read_page"]


def read_page(context: ModuleContext, *, limit: int, resume_from: str | None) -> TenantPage:
    """One page of the tenants that are there: one call.

    Raises:
        InvalidInputError: An argument is out of range.
    """
    is_tenant = Attr("sk").eq(SK) & Attr("pk").begins_with(f"{TYPE}{KEY_SEPARATOR}")
    scan = Scan.checked(resume_from=resume_from, limit=limit)
    page = scan.read(context.store, context.tables.data, only=is_tenant)
    rows = [row for row in context.rows.readable(page.rows).items if not row.is_deleted]
    tenants = [
        Tenant.of(
            row.pk.partition(KEY_SEPARATOR)[2], name=row.name, attributes=row.attributes, version=row.version
        )
        for row in rows
    ]
    return TenantPage(tenants, page.resume_token)
