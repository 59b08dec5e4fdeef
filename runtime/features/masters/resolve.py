"""Which rows a setting is resolved of, and what they come to. No calls but two at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runtime.errors import BadRequestError, CorruptRowError
from runtime.features.masters.keys import Level, master_pk, setting_sk
from runtime.model.keys import KEY_SEPARATOR, MAX_ROW_SK_BYTES, generate_id
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["MAX_LEVELS", "Asker", "SettingRow", "SettingRows", "groups_of_roles", "merged_rows"]

MAX_LEVELS: Final = 100
"""Rows that one setting is resolved of, at most: what one call reads."""

_REGISTRY: Final = "TENANT"
_REGISTRY_SK: Final = "MASTER"


class Asker(NamedTuple):
    """For whom a setting is resolved.

    Attributes:
        tenant_code: Their tenant.
        user_id: The user; None for nobody in particular.
        roles: Their roles in the tenant, in the order in which the groups of each count.
    """

    tenant_code: str
    user_id: str | None
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row that a setting is given in.

    Attributes:
        level: Its level.
        owner: The group or the user that it is for; else empty.
        id: ``pk#sk`` of the row.
        values: What is stored in it.
    """

    level: Level
    owner: str
    id: str
    values: Mapping[str, Any]


class SettingRows:
    """Reads the rows of settings.

    Args:
        context: Of the module of masters.
        registry: Physical name of the table with the registry of tenants; None where there is none.
        common_tenant: Tenant whose settings are common to all.
    """

    def __init__(self, context: ModuleContext, registry: str | None, common_tenant: str) -> None:
        self._context = context
        self._registry = registry
        self._common = common_tenant

    def read(self, code: str, asker: Asker, *, consistent: bool) -> tuple[SettingRow, ...]:
        """The live rows that a setting is given in, from what counts most to what counts least.

        One call, and one more where the caller's roles have groups.

        Raises:
            BadRequestError: The roles have too many groups.
            CorruptRowError: The registry's row of the tenant makes no sense.
        """
        tenant_pk, table = master_pk(asker.tenant_code), self._context.tables.data
        user = self._place(tenant_pk, setting_sk(code, Level.USER, asker.user_id)) if asker.user_id else None
        tenant = Place(table, tenant_pk, setting_sk(code))
        common = Place(table, master_pk(self._common), setting_sk(code))
        registry = None
        if self._registry is not None and asker.roles:
            registry = Place(self._registry, f"{_REGISTRY}{KEY_SEPARATOR}{asker.tenant_code}", _REGISTRY_SK)
        wanted = [place for place in (user, tenant, common, registry) if place is not None]
        found = self._batch(wanted, consistent=consistent)
        groups = self._groups(found.get(registry) if registry else None, asker.roles)
        places = {
            place: group
            for group in groups
            if (place := self._place(tenant_pk, setting_sk(code, Level.GROUP, group))) is not None
        }
        if len(places) + len(wanted) > MAX_LEVELS:
            message = (
                f"a setting is resolved of {MAX_LEVELS} rows at most; the roles have {len(places)} groups"
            )
            raise BadRequestError(message)
        if places:
            found |= self._batch(places, consistent=consistent)
        ordered = [
            (Level.USER, asker.user_id or "", user),
            *((Level.GROUP, group, place) for place, group in places.items()),
            (Level.TENANT, "", tenant if tenant != common else None),
            (Level.COMMON, "", common),
        ]
        return tuple(
            self._row(level, owner, row)
            for level, owner, place in ordered
            if place is not None and (row := found.get(place)) is not None and not row.get("isDeleted")
        )

    def _batch(self, places: Iterable[Place], *, consistent: bool) -> dict[Place, Row]:
        tables = frozenset() if consistent else frozenset({self._context.tables.data, self._registry or ""})
        return self._context.store.batch_get(places, eventually_consistent=tables)

    def _place(self, pk: str, sk: str) -> Place | None:
        """Where a row would be; None where no row can be: an owner's name comes from elsewhere."""
        try:
            fits = len(sk.encode()) <= MAX_ROW_SK_BYTES
        except UnicodeEncodeError:
            return None
        return Place(self._context.tables.data, pk, sk) if fits else None

    def _groups(self, row: Row | None, roles: Sequence[str]) -> list[str]:
        if row is None or row.get("isDeleted"):
            return []
        attributes = self._context.rows.any_attributes(row)
        return groups_of_roles(attributes.get("setting") if isinstance(attributes, Mapping) else None, roles)

    def _row(self, level: Level, owner: str, row: Row) -> SettingRow:
        values = self._context.rows.any_attributes(row)
        if values is not None and not isinstance(values, Mapping):
            msg = f"the attributes of {row['pk']} {row['sk']} are no object"
            raise CorruptRowError(msg)
        return SettingRow(level, owner, generate_id(row["pk"], row["sk"]), values or {})


def groups_of_roles(setting: object, roles: Sequence[str]) -> list[str]:
    """The groups that are asked for a setting, in order: those of the first role first, each once.

    Args:
        setting: ``attributes.setting`` of the tenant's row in the registry.
        roles: The caller's roles.

    Raises:
        CorruptRowError: It makes no sense: leaving it out would give the setting of another level.
    """
    if setting is None:
        return []
    if not isinstance(setting, list) or not all(isinstance(entry, Mapping) for entry in setting):
        msg = "attributes.setting of the tenant in the registry is no list of objects"
        raise CorruptRowError(msg)
    by_role: dict[object, list[str]] = {}
    for entry in setting:
        groups = entry.get("setting_groups") or []
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            msg = "setting_groups of the tenant in the registry is no list of texts"
            raise CorruptRowError(msg)
        by_role.setdefault(entry.get("tenantRole"), groups)
    found = (group for role in roles for group in by_role.get(role, []))
    return [group for group in dict.fromkeys(found) if group]


def merged_rows(rows: Iterable[SettingRow]) -> tuple[dict[str, Any], dict[str, SettingRow]]:
    """The fields of all rows, of each the first that has it; and which row each is from."""
    values: dict[str, Any] = {}
    origins: dict[str, SettingRow] = {}
    for row in rows:
        for name, value in row.values.items():
            if name not in values:
                values[name], origins[name] = value, row
    return values, origins
