"""Settings: resolved on five levels, and written."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, overload

from pydantic import BaseModel

from runtime.commands.change import merged
from runtime.errors import FieldProblem, InvalidInputError, ItemNotFoundError, ModuleMismatchError
from runtime.features.masters.explain import Origin, origin_of
from runtime.features.masters.keys import (
    SETTING_PREFIX,
    Level,
    RowKind,
    check_setting_code,
    key_of_id,
    master_pk,
    parsed_key,
    setting_key,
)
from runtime.features.masters.resolve import Asker, SettingRow, SettingRows, merged_rows
from runtime.features.masters.setting import ModelT, Setting
from runtime.features.masters.write import MasterWriter, Row, checked_name
from runtime.identity.context import current_invoke_context
from runtime.identity.user import user_in
from runtime.model.keys import KEY_SEPARATOR, DetailKey
from runtime.store.cached import Cached
from runtime.store.sort_key import SortKeyCondition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.features.masters.keys import MasterKey
    from runtime.features.masters.parts import MasterParts
    from runtime.features.masters.write import Command
    from runtime.identity.context import InvokeContext
    from runtime.model.models import DataModel

    Value = BaseModel | Mapping[str, Any]

__all__ = ["MAX_BULK", "MasterSettings", "SettingItem", "StoredSetting"]

_REGISTRY_MODULE = "tenant"
_STORED_LEVELS = (Level.USER, Level.GROUP, Level.TENANT, Level.COMMON)

MAX_BULK = 100
"""Settings that one call may give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingItem:
    """One of many settings that are to be given; for its fields see `MasterSettings.upsert_setting`."""

    code: str
    value: Value
    level: Level = Level.TENANT
    group_id: str | None = None
    user_id: str | None = None
    name: str | None = None
    tenant_code: str | None = None


class StoredSetting(TypedDict):
    """A setting as it is told by its code, in the words of the reference system."""

    id: str
    settingValue: dict[str, Any]


class MasterSettings:
    """The settings of a `MasterModule`, as its ``settings``.

    Args:
        master: The feature.
    """

    def __init__(self, master: MasterParts) -> None:
        self._master = master
        self._access = master.access
        self._known = master.known_settings
        self._cache: Cached[tuple[str, Asker], tuple[SettingRow, ...]] = Cached(
            self._read, seconds=master.cache.total_seconds()
        )
        self._writer = MasterWriter(master.module, self._cache.forget)

    # --- reading ----------------------------------------------------------------------------------

    @overload
    def get_setting(
        self,
        setting: Setting[ModelT],
        *,
        user_id: str | None = None,
        roles: Sequence[str] = (),
        tenant_code: str | None = None,
        consistent: bool = False,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> ModelT: ...

    @overload
    def get_setting(
        self,
        setting: str,
        *,
        user_id: str | None = None,
        roles: Sequence[str] = (),
        tenant_code: str | None = None,
        consistent: bool = False,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> StoredSetting: ...

    def get_setting(
        self,
        setting: Setting[Any] | str,
        *,
        user_id: str | None = None,
        roles: Sequence[str] = (),
        tenant_code: str | None = None,
        consistent: bool = False,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> Any:
        """What a setting is for somebody: of user, groups, tenant and what is common, the first that has it.

        One call, two where the roles have groups; none within the time of the cache.

        Args:
            setting: The setting, for a value of its model. Or a code, for what is stored under it: ``id`` of
                the row that counts first, and ``settingValue``, merged where the module knows the setting
                as one that is.
            user_id: The user. Default: whoever asks, unless ``tenant_code`` is given.
            roles: The user's roles, in the order in which their groups count. Default: as ``user_id``.
            tenant_code: The tenant. Default: that of the request.
            consistent: Read now, strongly consistently, whatever is remembered.
            strict: Raise where what is stored does not fit the model. Default: the default is taken, and the
                log says so.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ItemNotFoundError: It is given nowhere, and has no default.
            SettingDoesNotFitError: See ``strict``; also without a default to take.
            ForbiddenError: It is of a tenant or a user whose settings the caller may not read.
            InvalidInputError: The code cannot be one, or there is no tenant.
        """
        asker = self._asker(user_id, roles, tenant_code, invoke_context)
        if isinstance(setting, Setting):
            return origin_of(
                setting, self._rows(setting.code, asker, consistent=consistent), strict=strict
            ).value
        code = check_setting_code(setting)
        rows = self._rows(code, asker, consistent=consistent)
        if not rows:
            msg = f"setting {code!r} is given nowhere"
            raise ItemNotFoundError(msg)
        known = self._known.get(code)
        counting = rows if known is not None and known.merge else rows[:1]
        if known is not None:
            counting = tuple(SettingRow(r.level, r.owner, r.id, known.spelled(r.values)) for r in counting)
        return StoredSetting(id=rows[0].id, settingValue=merged_rows(counting)[0])

    def explain(
        self,
        setting: Setting[ModelT] | str,
        *,
        user_id: str | None = None,
        roles: Sequence[str] = (),
        tenant_code: str | None = None,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> Origin[Any]:
        """What a setting is for somebody, and where each field of it is from; read now.

        For the arguments and errors see `get_setting`. Of a code that the module does not know, the value is
        a dictionary.
        """
        asker = self._asker(user_id, roles, tenant_code, invoke_context)
        known = setting if isinstance(setting, Setting) else self._known.get(check_setting_code(setting))
        code = known.code if known is not None else str(setting)
        rows = self._rows(code, asker, consistent=True)
        if known is not None:
            return origin_of(known, rows, strict=strict)
        if not rows:
            msg = f"setting {code!r} is given nowhere"
            raise ItemNotFoundError(msg)
        first = rows[0]
        levels, ids = dict.fromkeys(first.values, first.level), dict.fromkeys(first.values, first.id)
        return Origin(dict(first.values), first.level, levels, ids, rows)

    def get_detail(
        self, key: tuple[str, str] | str, *, invoke_context: InvokeContext | None = None
    ) -> DataModel[dict[str, Any] | None]:
        """One row of a setting, by its key or its id; a deleted one, too.

        Raises:
            ItemNotFoundError: There is none.
            InvalidInputError: It is no key of a setting.
            ForbiddenError: The caller may not read it.
        """
        detail, said = self._setting_key(key)
        self._check_visible(said, invoke_context)
        row = self._master.module.data.get_item(detail, consistent=True, invoke_context=invoke_context)
        if row is None:
            msg = "there is no such setting"
            raise ItemNotFoundError(msg)
        return row

    def iter_settings(
        self,
        *,
        tenant_code: str | None = None,
        include_deleted: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> Iterator[DataModel[dict[str, Any] | None]]:
        """All rows of settings of a tenant, in the order of their keys; of users, those the caller may read.

        One call a page of a hundred rows.

        Args:
            tenant_code: The tenant. Default: that of the request.
            include_deleted: Whether deleted rows count.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ForbiddenError: The caller may not read what is the tenant's.
        """
        context = invoke_context or current_invoke_context()
        tenant = self._access.tenant(tenant_code, context, write=False)
        self._access.check_read(tenant, context)
        rows = self._master.module.data.iterate_items_by_pk(
            master_pk(tenant),
            sk=SortKeyCondition.begins_with(SETTING_PREFIX + KEY_SEPARATOR),
            consistent=True,
            invoke_context=context,
        )
        return (
            row
            for row in rows
            if (include_deleted or not row.is_deleted)
            and (said := parsed_key(row.pk, row.sk)) is not None
            and self._access.may_see(tenant, said.owner if said.level is Level.USER else None, context)
        )

    def check_exist_code(
        self, code: str, *, tenant_code: str | None = None, invoke_context: InvokeContext | None = None
    ) -> bool:
        """Whether a tenant has a live setting of its own with this code. One call.

        Raises:
            InvalidInputError: It cannot be a code.
        """
        context = invoke_context or current_invoke_context()
        tenant = self._access.tenant(tenant_code, context, write=False)
        row = self._master.module.data.get_item(
            setting_key(tenant, code), consistent=True, invoke_context=context
        )
        return row is not None and not row.is_deleted

    # --- writing ----------------------------------------------------------------------------------

    def create_common_tenant_setting(
        self,
        setting: Setting[Any] | str,
        value: Value,
        *,
        name: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Give a setting for all tenants that have none of their own; see `create_tenant_setting`.

        Takes a role that crosses tenants.
        """
        tenant = self._access.common_tenant
        key = setting_key(tenant, _code(setting))
        return self._put(key, setting, value, name, invoke_context, must_be_new=True)

    def create_tenant_setting(
        self,
        setting: Setting[Any] | str,
        value: Value,
        *,
        name: str | None = None,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Give a setting for a tenant.

        Args:
            setting: The setting, or its code.
            value: Its value: a model, or a mapping. Where the module knows the setting, it has to fit.
            name: Name for people. Default: the code.
            tenant_code: The tenant. Default: that of the request.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            The command that is stored, and applied.

        Raises:
            RowExistsError: There is such a setting already.
            InvalidInputError: A code, an id or the value is wrong; the error names the field.
            ForbiddenError: The caller may not write it.
        """
        tenant = self._access.tenant(tenant_code, invoke_context, write=True)
        key = setting_key(tenant, _code(setting))
        return self._put(key, setting, value, name, invoke_context, must_be_new=True)

    def create_group_setting(
        self,
        setting: Setting[Any] | str,
        value: Value,
        *,
        group_id: str,
        name: str | None = None,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Give a setting for a group of a tenant; see `create_tenant_setting`."""
        tenant = self._access.tenant(tenant_code, invoke_context, write=True)
        key = setting_key(tenant, _code(setting), group_id=_required(group_id, "groupId"))
        return self._put(key, setting, value, name, invoke_context, must_be_new=True)

    def create_user_setting(
        self,
        setting: Setting[Any] | str,
        value: Value,
        *,
        user_id: str,
        name: str | None = None,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Give a setting for a user in a tenant; see `create_tenant_setting`. The user may do that."""
        tenant = self._access.tenant(tenant_code, invoke_context, write=True)
        key = setting_key(tenant, _code(setting), user_id=_required(user_id, "userId"))
        return self._put(key, setting, value, name, invoke_context, must_be_new=True)

    def upsert_setting(
        self,
        setting: Setting[Any] | str,
        value: Value,
        *,
        level: Level = Level.TENANT,
        group_id: str | None = None,
        user_id: str | None = None,
        name: str | None = None,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Give a setting, in place of what is there; an unchanged one writes no version.

        Args:
            setting: The setting, or its code.
            value: Its whole value.
            level: Its level.
            group_id: The group, on that level.
            user_id: The user, on that level.
            name: Name for people. Default: as it is, or the code.
            tenant_code: The tenant. Default: that of the request.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            InvalidInputError: As in `create_tenant_setting`; or the level and the ids do not agree.
            ForbiddenError: The caller may not write it.
        """
        key = self._key(
            _code(setting),
            level=level,
            group_id=group_id,
            user_id=user_id,
            tenant_code=tenant_code,
            invoke_context=invoke_context,
        )
        return self._put(key, setting, value, name, invoke_context)

    def upsert_bulk(
        self, items: Sequence[SettingItem], *, invoke_context: InvokeContext | None = None
    ) -> list[Command | Exception]:
        """Give up to 100 settings, each for itself, in few calls.

        Args:
            items: The settings.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            The row of each as it is stored, or why it is not, in their order.

        Raises:
            InvalidInputError: There are more than 100.
        """
        if len(items) > MAX_BULK:
            message = f"must be {MAX_BULK} settings at most, got {len(items)}; send them in several requests"
            raise InvalidInputError([FieldProblem("items", message)])
        found: dict[int, Command | Exception] = {}
        rows: dict[int, Row] = {}
        for number, item in enumerate(items):
            try:
                rows[number] = self.row_of(item, invoke_context)
            except Exception as error:  # noqa: BLE001 - one must not take the others with it
                found[number] = error
        written = self._writer.put_many([*rows.values()], invoke_context) if rows else []
        found |= dict(zip(rows, written, strict=True))
        return [found[number] for number in range(len(items))]

    def update_setting(
        self,
        key: tuple[str, str] | str,
        *,
        name: str | None = None,
        value: Value | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Change the name of a setting, or fields of its value; what is not named stays.

        Args:
            key: Key or id of its row.
            name: The new name. Default: as it is.
            value: Fields to set, merged key by key; `REMOVE` takes one away. Default: as it is.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ItemNotFoundError: There is no such setting, or not any more.
            InvalidInputError: It is no key of a setting, or what the value comes to does not fit.
            ForbiddenError: The caller may not write it.
        """
        detail, said = self._setting_key(key)
        self._check_write(said, invoke_context)
        known = self._known.get(said.code)
        patch = None if value is None else _mapping(value)
        if name is not None:
            checked_name(name)

        def make(before: Command) -> dict[str, Any]:
            changed: dict[str, Any] = {} if name is None else {"name": name}
            if patch is not None:
                wanted = patch if known is None else known.spelled(patch)
                stored = before.attributes or {}
                after = merged(stored if known is None else known.spelled(stored), wanted)
                changed["attributes"] = after if known is None else known.stored(after)
                self._check_schema(said, changed["attributes"], invoke_context)
            return changed

        return self._writer.change(detail, make, invoke_context)

    @overload
    def delete_setting(
        self, setting: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> Command: ...

    @overload
    def delete_setting(
        self,
        setting: Setting[Any] | str,
        *,
        level: Level = Level.TENANT,
        group_id: str | None = None,
        user_id: str | None = None,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command: ...

    def delete_setting(
        self,
        setting: Setting[Any] | tuple[str, str] | str,
        *,
        level: Level = Level.TENANT,
        group_id: str | None = None,
        user_id: str | None = None,
        tenant_code: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Delete a setting softly: it counts no more, and may be created again.

        Args:
            setting: The setting, its code, or the key of its row.
            level: Its level, unless a key is given; so the further ones.
            group_id: See `upsert_setting`.
            user_id: See `upsert_setting`.
            tenant_code: See `upsert_setting`.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ItemNotFoundError: There is no such setting, or not any more.
            ForbiddenError: The caller may not write it.
        """
        if isinstance(setting, tuple):
            key: tuple[str, str] = setting
        else:
            key = self._key(
                _code(setting),
                level=level,
                group_id=group_id,
                user_id=user_id,
                tenant_code=tenant_code,
                invoke_context=invoke_context,
            )
        detail, said = self._setting_key(key)
        self._check_write(said, invoke_context)
        if said.level is Level.TENANT:
            self._master.data.schemas.check_deletion(
                said.code, tenant_code=said.tenant_code, invoke_context=invoke_context
            )
        return self._writer.delete(detail, invoke_context)

    def forget(self) -> None:
        """Remember nothing of what was read: somebody else has written."""
        self._cache.forget()

    # --- parts ------------------------------------------------------------------------------------

    def _read(self, key: tuple[str, Asker], /, *, consistent: bool) -> tuple[SettingRow, ...]:
        code, asker = key
        rows = SettingRows(self._master.module.context, self._registry(), self._access.common_tenant)
        return rows.read(code, asker, consistent=consistent)

    def _rows(self, code: str, asker: Asker, *, consistent: bool) -> tuple[SettingRow, ...]:
        # A copy: whoever changes what they were given changes nobody else's.
        return deepcopy(self._cache.get((code, asker), consistent=consistent))

    def _registry(self) -> str | None:
        try:
            return self._master.resources.settings.tables_of(_REGISTRY_MODULE).data
        except ModuleMismatchError:
            return None  # no tenants are deployed, so no role has groups

    def _asker(
        self,
        user_id: str | None,
        roles: Sequence[str],
        tenant_code: str | None,
        invoke_context: InvokeContext | None,
    ) -> Asker:
        context = invoke_context or current_invoke_context()
        if isinstance(roles, str):
            raise InvalidInputError([FieldProblem("roles", "must be a list of names")])
        tenant = self._access.tenant(tenant_code, context, write=False)
        self._access.check_read(tenant, context)
        if context is not None and tenant_code is None and user_id is None and not roles:
            user = user_in(tenant, context)
            first = (user.tenant_role,) if user.tenant_role else ()
            return Asker(tenant, user.user_id, tuple(dict.fromkeys((*first, *user.tenant_roles))))
        self._access.check_sees(tenant, user_id, context)
        return Asker(tenant, user_id, tuple(roles))

    def _key(
        self,
        code: str,
        *,
        level: Level,
        group_id: str | None,
        user_id: str | None,
        tenant_code: str | None,
        invoke_context: InvokeContext | None,
    ) -> DetailKey:
        check_setting_code(code)
        wrong = {"groupId": (group_id, Level.GROUP), "userId": (user_id, Level.USER)}
        problems = [
            FieldProblem(field, f"must be given on level {needed}, and on no other; the level is {level}")
            for field, (given, needed) in wrong.items()
            if (given is not None) != (level == needed)
        ]
        if level not in _STORED_LEVELS:
            message = f"must be one of {', '.join(_STORED_LEVELS)}, got {level!r:.60}"
            problems.append(FieldProblem("level", message))
        if problems:
            raise InvalidInputError(problems)
        if level == Level.COMMON:
            return setting_key(self._access.common_tenant, code)
        tenant = self._access.tenant(tenant_code, invoke_context, write=True)
        return setting_key(tenant, code, group_id=group_id, user_id=user_id)

    def _put(
        self,
        key: DetailKey,
        setting: Setting[Any] | str,
        value: Value,
        name: str | None,
        invoke_context: InvokeContext | None,
        *,
        must_be_new: bool = False,
    ) -> Command:
        row = self._checked_row(key, setting, value, name, invoke_context)
        return self._writer.put(*row, invoke_context, must_be_new=must_be_new)

    def row_of(self, item: SettingItem, invoke_context: InvokeContext | None = None) -> Row:
        """The row that a setting would be written as.

        Raises:
            InvalidInputError: It cannot be.
            ForbiddenError: The caller may not write it.
        """
        key = self._key(
            item.code,
            level=item.level,
            group_id=item.group_id,
            user_id=item.user_id,
            tenant_code=item.tenant_code,
            invoke_context=invoke_context,
        )
        return self._checked_row(key, item.code, item.value, item.name, invoke_context)

    def _checked_row(
        self,
        key: DetailKey,
        setting: Setting[Any] | str,
        value: Value,
        name: str | None,
        invoke_context: InvokeContext | None,
    ) -> Row:
        detail, said = self._setting_key(key)
        self._check_write(said, invoke_context)
        if name is not None:
            checked_name(name)
        known = setting if isinstance(setting, Setting) else self._known.get(said.code)
        stored = dict(_mapping(value)) if known is None else known.stored(_known_value(value))
        self._check_schema(said, stored, invoke_context)
        return Row(detail, said.code, name, stored)

    def _setting_key(self, key: tuple[str, str] | str) -> tuple[DetailKey, MasterKey]:
        detail = key_of_id(key) if isinstance(key, str) else DetailKey(*key)
        said = parsed_key(*detail)
        if said is None or said.kind is not RowKind.SETTING:
            raise InvalidInputError([FieldProblem("key", "must be that of a setting")])
        if master_pk(said.tenant_code) != detail.pk:
            raise InvalidInputError([FieldProblem("key", "must have the code of the tenant in lower case")])
        return detail, said

    def _check_write(self, said: MasterKey, invoke_context: InvokeContext | None) -> None:
        owner = said.owner if said.level is Level.USER else None
        self._access.check_write(said.tenant_code, invoke_context, level=said.level, user_id=owner)

    def _check_schema(
        self, said: MasterKey, value: Mapping[str, Any], invoke_context: InvokeContext | None
    ) -> None:
        """Refuse a schema that makes no sense, or that rows of its code table do not fit."""
        if said.level is Level.TENANT:
            self._master.data.schemas.check_change(
                said.code, value, tenant_code=said.tenant_code, invoke_context=invoke_context
            )

    def _check_visible(self, said: MasterKey, invoke_context: InvokeContext | None) -> None:
        context = invoke_context or current_invoke_context()
        self._access.check_read(said.tenant_code, context)
        self._access.check_sees(said.tenant_code, said.owner if said.level is Level.USER else None, context)


def _code(setting: Setting[Any] | str) -> str:
    return setting.code if isinstance(setting, Setting) else setting


def _required(value: Any, field: str) -> str:  # noqa: ANN401 - checked here
    if not isinstance(value, str):
        raise InvalidInputError([FieldProblem(field, "is required, and must be a text")])
    return value


def _known_value(value: object) -> BaseModel | Mapping[str, Any]:
    return value if isinstance(value, BaseModel) else _mapping(value)


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if not isinstance(value, Mapping):
        message = f"must be an object, got {type(value).__name__}"
        raise InvalidInputError([FieldProblem("settingValue", message)])
    return value
