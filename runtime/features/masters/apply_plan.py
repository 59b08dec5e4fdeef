"""What would change so that a tenant's masters are as a document says: all of it checked, nothing written."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runtime.errors import FieldProblem, InvalidInputError, ModuleMismatchError
from runtime.features.masters.formats import FORMATS_PREFIX, check_format
from runtime.features.masters.keys import (
    Level,
    RowKind,
    check_tenant_code,
    data_key,
    format_key,
    master_pk,
    parsed_key,
    retention_key,
    setting_key,
)
from runtime.features.masters.schemas import RowSchema
from runtime.features.masters.write import checked_name
from runtime.model.keys import generate_id
from runtime.store.codec import opened, sealed
from runtime.store.retention import check_days
from runtime.store.sort_key import SortKeyCondition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.features.masters.apply_document import TenantMasters
    from runtime.features.masters.master_module import MasterModule
    from runtime.model.keys import DetailKey
    from runtime.model.models import DataModel

    State = dict[str, Any]

__all__ = ["MasterChange", "plan_masters"]


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

    Rows are held to their schemas as both will be: a document may change a schema and the rows that do not
    fit it, together.

    Args:
        master: The feature.
        tenant_code: The tenant.
        wanted: The document. What it does not say of a row (name of a setting, number, attributes) stays.
        prune: Whether to delete what the document does not have: settings of the tenant and of its groups,
            rows of the tables that it names, and formats where it has a list of them. Settings of users
            stay in any case, and so does how long rows are kept.

    Raises:
        InvalidInputError: Something in it cannot be written, or is there twice, or a row does not fit its
            schema: each by its place in the document.
        TooManyRowsError: A table whose schema changes has more rows than can be looked at.
    """
    plan = _Plan(master, check_tenant_code(tenant_code), wanted)
    plan.add_settings()
    plan.add_data()
    plan.add_formats()
    plan.add_retention()
    if prune:
        plan.prune()
    plan.check_schemas()
    if plan.problems:
        raise InvalidInputError(plan.problems)
    return plan.changes()


class _Plan:
    """What is stored, and what it is to be."""

    def __init__(self, master: MasterModule, tenant: str, wanted: TenantMasters) -> None:
        self._master, self._tenant, self._wanted = master, tenant, wanted
        self._context = master.access.operator(tenant)
        self.problems: list[FieldProblem] = []
        self._places: dict[DetailKey, str] = {}
        self._before: dict[DetailKey, State] = {}
        self._after: dict[DetailKey, State | None] = {}
        self._tables: set[str] = set()
        for row in master.settings.iter_settings(tenant_code=tenant, invoke_context=self._context):
            self._before[row.key] = _state(row)

    def add_settings(self) -> None:
        """Take in the settings."""
        for number, setting in enumerate(self._wanted.settings):
            with self._at(f"settings.{number}") as place:
                row = self._master.settings.row_of(setting.item(self._tenant), self._context, force=True)
                name = row.name or (None if row.key in self._before else row.code)
                self._add(place, row.key, name=name, seq=None, attributes=dict(row.attributes))

    def add_data(self) -> None:
        """Take in the rows of code tables."""
        for number, given in enumerate(self._wanted.data):
            with self._at(f"data.{number}") as place:
                key = data_key(self._tenant, given.setting_code, given.code)
                checked_name(given.name)
                self._read_table(given.setting_code)
                self._add(place, key, name=given.name, seq=given.seq, attributes=given.attributes)

    def add_formats(self) -> None:
        """Take in the formats of numbers."""
        if self._wanted.formats is None:
            return
        rows = self._master.module.data.iterate_items_by_pk(
            master_pk(self._tenant),
            sk=SortKeyCondition.begins_with(FORMATS_PREFIX),
            consistent=True,
            invoke_context=self._context,
        )
        self._before |= {row.key: _state(row) for row in rows if not row.is_deleted}
        for number, given in enumerate(self._wanted.formats):
            with self._at(f"formats.{number}") as place:
                key = format_key(self._tenant, given.type_code)
                said = check_format(given.type_code, given.attributes)
                name = given.name or (None if key in self._before else given.type_code)
                self._add(place, key, name=name, seq=None, attributes=said)

    def add_retention(self) -> None:
        """Take in how long rows are kept."""
        for number, given in enumerate(self._wanted.retention):
            with self._at(f"retention.{number}") as place:
                check_days(given.days)
                try:
                    table = getattr(self._master.resources.settings.tables_of(given.module), given.kind)
                except ModuleMismatchError as error:
                    raise InvalidInputError([FieldProblem("module", str(error))]) from error
                key = retention_key(self._tenant, table)
                days = self._master.retention.days(given.module, given.kind, tenant_code=self._tenant)
                self._before |= {} if days is None else {key: {"attributes": {"days": days}}}
                if (given.days, days) != (None, None):
                    self._add(place, key, attributes={} if given.days is None else {"days": given.days})

    def prune(self) -> None:
        """Delete what the document does not have."""
        gone = [key for key in self._before if key not in self._after and _may_go(key)]
        self._after |= dict.fromkeys(gone)
        for key in gone:
            said = parsed_key(*key)
            if said is None or said.kind is not RowKind.SETTING or said.level is not Level.TENANT:
                continue
            self._read_table(said.code)
            if rows := [row.code for row, _ in self._rows_of(said.code)]:
                message = (
                    f"has no {said.code!r}, whose code table has the rows {', '.join(rows)}; have it there, "
                    "or delete the rows first"
                )
                self.problems.append(FieldProblem("settings", message))

    def check_schemas(self) -> None:
        """Hold the rows to their schemas, as both will be."""
        schemas = {}
        for key, after in self._after.items():
            said = parsed_key(*key)
            is_schema = said is not None and said.kind is RowKind.SETTING and said.level is Level.TENANT
            if is_schema and after is not None and after != self._before.get(key):
                assert said is not None  # noqa: S101 - see above
                if (schema := RowSchema.stored(after["attributes"])) is not None:
                    schemas[said.code] = key, schema
                    self._read_table(said.code)
        for table in self._tables:
            if table in schemas:
                key, schema = schemas[table]
                self._check_rows(table, schema, self._places[key])
                continue
            stored = self._before.get(setting_key(self._tenant, table))
            kept = None if stored is None else RowSchema.stored(stored["attributes"])
            if kept is not None:
                self._check_rows(table, kept, None)

    def changes(self) -> list[MasterChange]:
        """What is to be done."""
        found = []
        for key, after in self._after.items():
            before = self._before.get(key)
            if after is None:
                found.append(MasterChange("delete", key, before, None))
            elif before != after:
                found.append(MasterChange("create" if before is None else "update", key, before, after))
        return sorted(found, key=lambda change: change.key)

    def _check_rows(self, table: str, schema: RowSchema, place: str | None) -> None:
        """Hold the rows of a table to a schema.

        Args:
            table: Code of the table.
            schema: The schema.
            place: Where the document has it, where it changes: then it is held to all rows.
        """
        for said, key in self._rows_of(table):
            state = self._after.get(key) or self._before[key]
            if key in self._after:
                # As it is stored: with the defaults of what it does not have.
                state = {**state, "attributes": _stored_form(schema.filled(state["attributes"]))}
                self._after[key] = state
            elif place is None:
                continue
            if place is None and state == self._before.get(key):
                continue
            found = schema.problems(
                schema.filled(state["attributes"]), code=said.code, name=state["name"], seq=state["seq"]
            )
            if (own := self._places.get(key)) is not None:
                self.problems += [FieldProblem(f"{own}.{one.field}", one.message) for one in found]
            else:
                self.problems += [
                    FieldProblem(
                        f"{place}.settingValue.fields", f"row {said.code}: {one.field} {one.message}"
                    )
                    for one in found
                ]

    def _rows_of(self, table: str) -> Iterator[tuple[Any, DetailKey]]:
        """The rows of a table that will be there."""
        for key in sorted({*self._before, *self._after}):
            said = parsed_key(*key)
            if said is None or said.setting_code != table:
                continue
            if self._after.get(key, self._before.get(key)) is not None:
                yield said, key

    def _read_table(self, table: str) -> None:
        if table in self._tables:
            return
        self._tables.add(table)
        data = self._master.data
        rows = data.iter_data(table, tenant_code=self._tenant, consistent=True, invoke_context=self._context)
        self._before |= {row.key: _state(row) for row in rows}

    def _add(self, place: str, key: DetailKey, **state: Any) -> None:  # noqa: ANN401 - any JSON
        if key in self._after:
            message = f"is there twice: {self._places[key]} says it, too"
            self.problems.append(FieldProblem(place, message))
            return
        kept = self._before.get(key, {})
        self._after[key] = {
            name: kept.get(name) if one is None else _stored_form(one) for name, one in state.items()
        }
        self._places[key] = place

    @contextmanager
    def _at(self, place: str) -> Iterator[str]:
        """Note where in the document is what is wrong, and go on with what comes after it."""
        try:
            yield place
        except InvalidInputError as error:
            self.problems += [FieldProblem(f"{place}.{one.field}", one.message) for one in error.problems]


def _may_go(key: DetailKey) -> bool:
    """Whether a row goes that the document does not have."""
    said = parsed_key(*key)
    return said is not None and said.kind is not RowKind.RETENTION and said.level is not Level.USER


def _stored_form(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value as it is read again: numbers with a fraction are decimals, and equal to no float."""
    return opened(sealed(value, path="attributes"))


def _state(row: DataModel[Any]) -> State:
    return {"name": row.name, "seq": row.seq, "attributes": row.attributes}
