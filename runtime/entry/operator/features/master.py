"""What operators may ask of masters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from runtime.features.masters.apply import apply_masters
from runtime.features.masters.apply_document import TenantMasters
from runtime.features.masters.apply_plan import plan_masters
from runtime.features.masters.retention import Kind
from runtime.features.operation import Operation
from runtime.model.json_text import dumps
from runtime.store.retention import DEFAULT_TENANT_CODE

if TYPE_CHECKING:
    from runtime.features.masters.master_module import MasterModule
    from runtime.features.operation import OperationArguments

__all__ = ["APPLY", "EXPLAIN_SETTING", "GET_SETTING", "RETENTION"]

_WHO: Final = ("tenant", "code", "user", "roles")


def get_setting(master: MasterModule, arguments: OperationArguments) -> dict[str, Any]:
    """What a setting is for somebody, by its code."""
    found = master.settings.get_setting(
        arguments.text("code"),
        tenant_code=arguments.text("tenant"),
        user_id=arguments.optional_text("user"),
        roles=arguments.names("roles") or (),
        consistent=True,
    )
    return _as_json(found)


def explain_setting(master: MasterModule, arguments: OperationArguments) -> dict[str, Any]:
    """What a setting is for somebody, and where each field is from."""
    why = master.settings.explain(
        arguments.text("code"),
        tenant_code=arguments.text("tenant"),
        user_id=arguments.optional_text("user"),
        roles=arguments.names("roles") or (),
    )
    value = why.value
    return _as_json(
        {
            "value": value.model_dump(mode="json") if isinstance(value, BaseModel) else value,
            "level": why.level,
            "fields": {
                name: {"level": level, "id": why.field_ids.get(name)}
                for name, level in why.field_levels.items()
            },
            "rows": [{"level": row.level, "owner": row.owner or None, "id": row.id} for row in why.rows],
            "problems": [{"field": problem.field, "message": problem.message} for problem in why.problems],
        }
    )


def apply(master: MasterModule, arguments: OperationArguments) -> dict[str, Any]:
    """Bring a tenant's masters to what a document says, or with ``dryRun`` only say what would change."""
    wanted = TenantMasters.of(arguments.json("masters"))
    do = plan_masters if arguments.flag("dryRun") else apply_masters
    changes = do(master, arguments.text("tenant"), wanted, prune=arguments.flag("prune"))
    return _as_json({"tenant": arguments.text("tenant"), "changes": [change.document for change in changes]})


def retention(master: MasterModule, arguments: OperationArguments) -> dict[str, Any]:
    """How long rows of a module are kept for a tenant; with ``kind`` say so, for ever without ``days``."""
    tenant = arguments.optional_text("tenant") or DEFAULT_TENANT_CODE
    module = arguments.text("module")
    if (kind := arguments.optional_text("kind")) is not None:
        days = arguments.optional_number("days")
        context = master.access.operator(tenant)
        master.retention.set_days(module, kind, days, tenant_code=tenant, invoke_context=context)  # type: ignore[arg-type]
    days_of = {one: master.retention.days(module, one, tenant_code=tenant) for one in get_args(Kind)}
    return {"tenant": tenant, "module": module, "days": days_of}


def _as_json(answer: object) -> dict[str, Any]:
    """An answer as the function's JSON can have it: numbers of rows are decimals."""
    found: dict[str, Any] = json.loads(dumps(answer))
    return found


GET_SETTING: Final = Operation(get_setting, _WHO)
EXPLAIN_SETTING: Final = Operation(explain_setting, _WHO)
APPLY: Final = Operation(apply, ("tenant", "masters", "prune", "dryRun"))
RETENTION: Final = Operation(retention, ("tenant", "module", "kind", "days"))
