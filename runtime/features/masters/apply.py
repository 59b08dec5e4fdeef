"""Bringing a tenant's settings and rows to what a document says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.features.masters.apply_plan import plan_masters
from runtime.features.masters.data_rows import MAX_BULK, GivenRow
from runtime.features.masters.keys import RowKind, check_tenant_code, data_key, format_key, parsed_key

if TYPE_CHECKING:
    from runtime.features.masters.apply_document import TenantMasters
    from runtime.features.masters.apply_plan import MasterChange
    from runtime.features.masters.master_module import MasterModule
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey

__all__ = ["apply_masters"]


def apply_masters(
    master: MasterModule, tenant_code: str, wanted: TenantMasters, *, prune: bool = False
) -> list[MasterChange]:
    """Do what `plan_masters` says. Repeated after a failure, it goes on with what is left.

    Returns:
        What was done.

    Raises:
        InvalidInputError: As in `plan_masters`; nothing is written.
        CqrsError: What stood in the way of a write, such as a change by somebody else in the meantime; what
            comes before it is written.
    """
    changes = plan_masters(master, tenant_code, wanted, prune=prune)
    tenant = check_tenant_code(tenant_code)
    context = master.access.operator(tenant)
    to_write = {change.key for change in changes if change.action != "delete"}
    _write_settings(master, tenant, wanted, to_write, context)
    rows = [
        GivenRow(tenant_code=tenant, **row.model_dump())
        for row in wanted.data
        if data_key(tenant, row.setting_code, row.code) in to_write
    ]
    for first in range(0, len(rows), MAX_BULK):
        for result in master.data.upsert_bulk(rows[first : first + MAX_BULK], invoke_context=context):
            if result.error is not None:
                raise result.error
    for said in wanted.formats or ():
        if format_key(tenant, said.type_code) in to_write:
            master.data.formats.upsert(
                said.type_code, said.attributes, name=said.name, tenant_code=tenant, invoke_context=context
            )
    for kept in wanted.retention:  # an unchanged number writes no version
        master.retention.set_days(
            kept.module, kept.kind, kept.days, tenant_code=tenant, invoke_context=context
        )
    _delete(master, changes, context)
    return changes


def _write_settings(
    master: MasterModule,
    tenant: str,
    wanted: TenantMasters,
    to_write: set[DetailKey],
    context: InvokeContext,
) -> None:
    # The plan has held the schemas to the rows as they will be: those that are there may not fit yet.
    items = [item.item(tenant) for item in wanted.settings]
    items = [item for item in items if master.settings.row_of(item, context, force=True).key in to_write]
    for first in range(0, len(items), MAX_BULK):
        some = items[first : first + MAX_BULK]
        for done in master.settings.upsert_bulk(some, force=True, invoke_context=context):
            if isinstance(done, Exception):
                raise done


def _delete(master: MasterModule, changes: list[MasterChange], context: InvokeContext) -> None:
    settings = []
    for change in changes:
        said = parsed_key(*change.key)
        if change.action != "delete" or said is None:
            continue
        if said.kind is RowKind.DATA:
            master.data.delete(
                said.setting_code, said.code, tenant_code=said.tenant_code, invoke_context=context
            )
        elif said.kind is RowKind.FORMAT:
            master.data.formats.delete(said.code, tenant_code=said.tenant_code, invoke_context=context)
        else:
            settings.append(change.key)
    for key in settings:  # after the rows, which one that has rows would not go without
        master.settings.delete_setting(key, invoke_context=context)
