"""Bringing a tenant's settings and rows to what a document says, with what would change told first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from runtime.errors import FieldProblem, InvalidInputError
from runtime.features.masters.data_rows import MAX_BULK, GivenRow
from runtime.features.masters.keys import Level, check_tenant_code, data_key, parsed_key
from runtime.features.masters.settings import SettingItem
from runtime.model.keys import DetailKey, generate_id
from runtime.model.models import CqrsModel
from runtime.model.validation import field_problems
from runtime.store.codec import opened, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.features.masters.master_module import MasterModule
    from runtime.identity.context import InvokeContext
    from runtime.model.models import DataModel

__all__ = ["MasterChange", "TenantMasters", "apply_masters", "plan_masters"]


class _Model(CqrsModel):
    model_config = ConfigDict(extra="forbid")


class _GivenSetting(_Model):
    code: str
    name: str | None = None
    setting_value: dict[str, Any]
    group_id: str | None = None
    user_id: str | None = None

    def item(self, tenant_code: str) -> SettingItem:
        level = Level.USER if self.user_id is not None else Level.TENANT
        return SettingItem(
            code=self.code,
            value=self.setting_value,
            level=Level.GROUP if self.group_id is not None else level,
            group_id=self.group_id,
            user_id=self.user_id,
            name=self.name,
            tenant_code=tenant_code,
        )


class _GivenData(_Model):
    setting_code: str
    code: str
    name: str
    seq: int | None = Field(default=None, strict=True)
    attributes: dict[str, Any] | None = None


class TenantMasters(_Model):
    """What a document says of a tenant.

    Attributes:
        settings: Settings: ``code``, ``settingValue``, perhaps ``name``, and ``groupId`` or ``userId``.
        data: Rows of code tables: ``settingCode``, ``code``, ``name``, perhaps ``seq`` and ``attributes``.
    """

    settings: list[_GivenSetting] = Field(default_factory=list)
    data: list[_GivenData] = Field(default_factory=list)

    @classmethod
    def of(cls, document: object) -> TenantMasters:
        """What a document says.

        Raises:
            InvalidInputError: It makes no sense; the error names the fields.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidInputError(field_problems(error)) from error


@dataclass(frozen=True, slots=True)
class MasterChange:
    """What is to become of one row.

    Attributes:
        action: What is done with it.
        key: Its key.
        before: Name, number and attributes that are stored; None where there is no row, or no live one.
        after: The same as it will be; None for a row that is deleted.
    """

    action: Literal["create", "update", "delete"]
    key: DetailKey
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def document(self) -> dict[str, Any]:
        """The change as JSON has it."""
        return {
            "action": self.action,
            "id": generate_id(*self.key),
            "before": self.before,
            "after": self.after,
        }


def plan_masters(
    master: MasterModule, tenant_code: str, wanted: TenantMasters, *, prune: bool = False
) -> list[MasterChange]:
    """What would change so that a tenant's masters are as a document says, in the order of the keys.

    Args:
        master: The feature.
        tenant_code: The tenant.
        wanted: The document. What it does not say of a row (name of a setting, number, attributes) stays.
        prune: Whether to delete what the document does not have: settings of the tenant and of its groups,
            and rows of the tables that it names. Settings of users stay in any case.

    Raises:
        InvalidInputError: Something in it cannot be written, or is there twice.
    """
    tenant = check_tenant_code(tenant_code)
    context = master.access.operator(tenant)
    keys = list(_data_keys(tenant, wanted))  # what is wrong with them is said before anything is read
    stored = {row.key: row for row in _stored(master, tenant, wanted, context)}
    after = _after(master, tenant, wanted, keys, stored, context)
    changes = []
    for key, state in after.items():
        row = stored.get(key)
        before = _state(row) if row is not None else None
        if before != state:
            changes.append(MasterChange("create" if before is None else "update", key, before, state))
    if prune:
        for key, row in stored.items():
            said = parsed_key(*key)
            if key not in after and said is not None and said.level is not Level.USER:
                changes.append(MasterChange("delete", key, _state(row), None))
    return sorted(changes, key=lambda change: change.key)


def apply_masters(
    master: MasterModule, tenant_code: str, wanted: TenantMasters, *, prune: bool = False
) -> list[MasterChange]:
    """Do what `plan_masters` says. Repeated after a failure, it goes on with what is left.

    Returns:
        What was done.

    Raises:
        CqrsError: The first thing that stood in the way; what comes before it is written.
    """
    changes = plan_masters(master, tenant_code, wanted, prune=prune)
    tenant = check_tenant_code(tenant_code)
    context = master.access.operator(tenant)
    to_write = {change.key for change in changes if change.action != "delete"}
    items = [item.item(tenant) for item in wanted.settings]
    items = [item for item in items if master.settings.row_of(item, context).key in to_write]
    for first in range(0, len(items), MAX_BULK):
        for done in master.settings.upsert_bulk(items[first : first + MAX_BULK], invoke_context=context):
            if isinstance(done, Exception):
                raise done
    rows = [
        GivenRow(tenant_code=tenant, **row.model_dump())
        for row in wanted.data
        if data_key(tenant, row.setting_code, row.code) in to_write
    ]
    for first in range(0, len(rows), MAX_BULK):
        for result in master.data.upsert_bulk(rows[first : first + MAX_BULK], invoke_context=context):
            if result.error is not None:
                raise result.error
    for change in changes:
        said = parsed_key(*change.key)
        if change.action != "delete" or said is None:
            continue
        if said.setting_code:
            master.data.delete(said.setting_code, said.code, tenant_code=tenant, invoke_context=context)
        else:
            master.settings.delete_setting(change.key, invoke_context=context)
    return changes


def _stored(
    master: MasterModule, tenant: str, wanted: TenantMasters, context: InvokeContext
) -> Iterator[DataModel[Any]]:
    yield from master.settings.iter_settings(tenant_code=tenant, invoke_context=context)
    for table in dict.fromkeys(row.setting_code for row in wanted.data):
        yield from master.data.iter_data(table, tenant_code=tenant, consistent=True, invoke_context=context)


def _data_keys(tenant: str, wanted: TenantMasters) -> Iterator[DetailKey]:
    for number, row in enumerate(wanted.data):
        with _at(f"data.{number}"):
            yield data_key(tenant, row.setting_code, row.code)


def _after(  # noqa: PLR0917
    master: MasterModule,
    tenant: str,
    wanted: TenantMasters,
    keys: Sequence[DetailKey],
    stored: Mapping[DetailKey, DataModel[Any]],
    context: InvokeContext,
) -> dict[DetailKey, dict[str, Any]]:
    after: dict[DetailKey, dict[str, Any]] = {}

    def add(place: str, key: DetailKey, state: dict[str, Any]) -> None:
        if key in after:
            raise InvalidInputError([FieldProblem(place, "is there twice")])
        row = stored.get(key)
        kept = {} if row is None else {name: one for name, one in _state(row).items() if name in state}
        after[key] = {
            name: kept.get(name) if one is None else _stored_form(one) for name, one in state.items()
        }

    for number, setting in enumerate(wanted.settings):
        with _at(f"settings.{number}"):
            row = master.settings.row_of(setting.item(tenant), context)
        name = row.name or (None if row.key in stored else row.code)
        add(f"settings.{number}", row.key, {"name": name, "seq": None, "attributes": dict(row.attributes)})
    for number, (key, given) in enumerate(zip(keys, wanted.data, strict=True)):
        state = {"name": given.name, "seq": given.seq, "attributes": given.attributes}
        add(f"data.{number}", key, state)
    return after


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Say where in the document is what is wrong."""
    try:
        yield
    except InvalidInputError as error:
        problems = [FieldProblem(f"{place}.{problem.field}", problem.message) for problem in error.problems]
        raise InvalidInputError(problems) from error


def _stored_form(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value as it is read again: numbers with a fraction are decimals, and equal to no float."""
    return opened(sealed(value, path="attributes"))


def _state(row: DataModel[Any]) -> dict[str, Any]:
    return {"name": row.name, "seq": row.seq, "attributes": row.attributes}
