"""Settings: resolved on five levels, and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, overload

from pydantic import BaseModel

from runtime.commands.change import merged
from runtime.errors import FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.features.masters.data_rows import MAX_BULK
from runtime.features.masters.explain import Origin, origin_of
from runtime.features.masters.keys import (
    SETTING_PREFIX,
    Level,
    check_setting_code,
    master_pk,
    parsed_key,
    setting_key,
)
from runtime.features.masters.resolve import SettingRow, merged_rows
from runtime.features.masters.setting import ModelT, Setting
from runtime.features.masters.setting_place import located
from runtime.features.masters.setting_reader import SettingReader
from runtime.features.masters.write import MasterWriter, Row, checked_name
from runtime.identity.context import current_invoke_context
from runtime.model.keys import KEY_SEPARATOR
from runtime.store.sort_key import SortKeyCondition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Unpack

    from runtime.features.masters.keys import MasterKey
    from runtime.features.masters.parts import MasterParts
    from runtime.features.masters.setting_place import AnySetting, Located, SettingPlace
    from runtime.features.masters.setting_reader import ForWhom
    from runtime.features.masters.write import Command
    from runtime.identity.context import InvokeContext
    from runtime.model.models import DataModel

    Value = BaseModel | Mapping[str, Any]

__all__ = ["MasterSettings", "SettingItem", "StoredSetting"]


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

    Where a method takes a setting, it is the `Setting` or its code, and `SettingPlace` says where it is
    given: on the level of the tenant, unless it says another. Where there is a row, its id or its key
    will do.

    What writes builds on the latest row, and goes on while others are faster. Where they are so some
    forty times, in about ten seconds, it ends with `ContentionError` (503): nothing was written, and the
    same call may be made again.

    Args:
        master: The feature.
    """

    def __init__(self, master: MasterParts) -> None:
        self._master = master
        self._access = master.access
        self._known = master.known_settings
        self._reader = SettingReader(master)
        self._writer = MasterWriter(master.module, master.access, self._reader.forget)

    # --- reading ----------------------------------------------------------------------------------

    @overload
    def get_setting(
        self,
        setting: Setting[ModelT],
        *,
        consistent: bool = False,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
        **whom: Unpack[ForWhom],
    ) -> ModelT: ...

    @overload
    def get_setting(
        self,
        setting: str,
        *,
        consistent: bool = False,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
        **whom: Unpack[ForWhom],
    ) -> StoredSetting: ...

    def get_setting(
        self,
        setting: Setting[Any] | str,
        *,
        consistent: bool = False,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
        **whom: Unpack[ForWhom],
    ) -> Any:
        """What a setting is for somebody: of user, groups, tenant and what is common, the first that has it.

        One call, two where the roles have groups; none within the time of the cache.

        Args:
            setting: The setting, for a value of its model. Or a code, for what is stored under it: ``id`` of
                the row that counts first, and ``settingValue``, merged where the module knows the setting
                as one that is.
            consistent: Read now, strongly consistently, whatever is remembered.
            strict: Raise where what is stored does not fit the model. Default: the default is taken, and the
                log says so.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            **whom: See `ForWhom`. Default: whoever asks.

        Raises:
            ItemNotFoundError: It is given nowhere, and has no default.
            SettingDoesNotFitError: See ``strict``; also without a default to take.
            ForbiddenError: It is of a tenant or a user whose settings the caller may not read.
            InvalidInputError: The code cannot be one, or there is no tenant.
        """
        asker = self._reader.asker(invoke_context, **whom)
        if isinstance(setting, Setting):
            rows = self._reader.rows(setting.code, asker, consistent=consistent)
            return origin_of(setting, rows, strict=strict).value
        code = check_setting_code(setting)
        rows = self._reader.rows(code, asker, consistent=consistent)
        if not rows:
            raise _nowhere(code)
        known = self._known.get(code)
        counting = rows if known is not None and known.merge else rows[:1]
        if known is not None:
            counting = tuple(SettingRow(r.level, r.owner, r.id, known.spelled(r.values)) for r in counting)
        return StoredSetting(id=rows[0].id, settingValue=merged_rows(counting)[0])

    def explain(
        self,
        setting: Setting[ModelT] | str,
        *,
        strict: bool = False,
        invoke_context: InvokeContext | None = None,
        **whom: Unpack[ForWhom],
    ) -> Origin[Any]:
        """What a setting is for somebody, and where each field of it is from; read now.

        For the arguments and errors see `get_setting`. Of a code that the module does not know, the value is
        a dictionary.
        """
        asker = self._reader.asker(invoke_context, **whom)
        known = setting if isinstance(setting, Setting) else self._known.get(check_setting_code(setting))
        code = known.code if known is not None else str(setting)
        rows = self._reader.rows(code, asker, consistent=True)
        if known is not None:
            return origin_of(known, rows, strict=strict)
        if not rows:
            raise _nowhere(code)
        first = rows[0]
        levels, ids = dict.fromkeys(first.values, first.level), dict.fromkeys(first.values, first.id)
        return Origin(dict(first.values), first.level, levels, ids, rows)

    def get_detail(
        self,
        setting: AnySetting,
        *,
        invoke_context: InvokeContext | None = None,
        **place: Unpack[SettingPlace],
    ) -> DataModel[dict[str, Any] | None]:
        """One row of a setting; a deleted one, too.

        Raises:
            ItemNotFoundError: There is none.
            InvalidInputError: It is no setting, or no key of one.
            ForbiddenError: The caller may not read it.
        """
        key, said = located(self._access, setting, invoke_context, write=False, **place)
        context = invoke_context or current_invoke_context()
        self._access.check_read(said.tenant_code, context)
        self._access.check_sees(said.tenant_code, _user(said), context)
        row = self._master.module.data.get_item(key, consistent=True, invoke_context=context)
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
            and self._access.may_see(tenant, _user(said), context)
        )

    def check_exist_code(
        self, code: str, *, tenant_code: str | None = None, invoke_context: InvokeContext | None = None
    ) -> bool:
        """Whether a tenant has a live setting of its own with this code. One call.

        Raises:
            InvalidInputError: It cannot be a code.
            ForbiddenError: The caller may not read what is the tenant's.
        """
        context = invoke_context or current_invoke_context()
        tenant = self._access.tenant(tenant_code, context, write=False)
        self._access.check_read(tenant, context)
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
        force: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Give a setting for all tenants that have none of their own; see `create_tenant_setting`.

        Takes a role that crosses tenants.
        """
        row = self._row(setting, value, name, invoke_context, force=force, level=Level.COMMON)
        return self._writer.put(row, invoke_context, must_be_new=True)

    def create_tenant_setting(
        self,
        setting: Setting[Any] | str,
        value: Value,
        *,
        name: str | None = None,
        tenant_code: str | None = None,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> Command:
        """Give a setting for a tenant. One that was deleted is made anew.

        Args:
            setting: The setting, or its code.
            value: Its whole value; of a setting that is merged, the fields that are to be given.
            name: Name for people. Default: the code.
            tenant_code: The tenant. Default: that of the request.
            force: Let a value with ``fields`` be a schema that rows do not fit. Default: it is refused.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            The row as it is stored.

        Raises:
            RowExistsError: There is such a setting.
            InvalidInputError: The code cannot be one, or is reserved; or the value does not fit the model of
                a setting that the module knows, or makes no schema.
            SchemaInUseError: It is a schema, and rows of its code table do not fit.
            ForbiddenError: The caller may not write it.
        """
        row = self._row(setting, value, name, invoke_context, force=force, tenant_code=tenant_code)
        return self._writer.put(row, invoke_context, must_be_new=True)

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
        place: SettingPlace = {"level": Level.GROUP, "group_id": group_id, "tenant_code": tenant_code}
        row = self._row(setting, value, name, invoke_context, **place)
        return self._writer.put(row, invoke_context, must_be_new=True)

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
        place: SettingPlace = {"level": Level.USER, "user_id": user_id, "tenant_code": tenant_code}
        row = self._row(setting, value, name, invoke_context, **place)
        return self._writer.put(row, invoke_context, must_be_new=True)

    def upsert_setting(
        self,
        setting: Setting[Any] | str,
        value: Value,
        *,
        name: str | None = None,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
        **place: Unpack[SettingPlace],
    ) -> Command:
        """Give a setting, in place of what is there; an unchanged one writes no version.

        Args:
            setting: The setting, or its code.
            value: Its whole value.
            name: Name for people. Default: as it is, or the code.
            force: See `create_tenant_setting`.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            **place: Where it is given, see `SettingPlace`.

        Raises:
            InvalidInputError: As in `create_tenant_setting`; or the level and the ids do not agree.
            SchemaInUseError: As in `create_tenant_setting`.
            ForbiddenError: The caller may not write it.
        """
        row = self._row(setting, value, name, invoke_context, force=force, **place)
        return self._writer.put(row, invoke_context)

    def upsert_bulk(
        self,
        items: Sequence[SettingItem],
        *,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> list[Command | Exception]:
        """Give up to 100 settings, each for itself, in few calls.

        Args:
            items: The settings.
            force: See `create_tenant_setting`.
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
                rows[number] = self.row_of(item, invoke_context, force=force)
            except Exception as error:  # noqa: BLE001 - one must not take the others with it
                found[number] = error
        written = self._writer.put_many([*rows.values()], invoke_context) if rows else []
        found |= dict(zip(rows, written, strict=True))
        return [found[number] for number in range(len(items))]

    def update_setting(
        self,
        setting: AnySetting,
        *,
        name: str | None = None,
        value: Value | None = None,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
        **place: Unpack[SettingPlace],
    ) -> Command:
        """Change the name of a setting, or fields of its value; what is not named stays.

        Args:
            setting: The setting, its code, or id or key of its row.
            name: The new name. Default: as it is.
            value: Fields to set, merged key by key; `REMOVE` takes one away. Default: as it is.
            force: See `create_tenant_setting`.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            **place: Where it is given, see `SettingPlace`; nothing beside an id or a key.

        Raises:
            ItemNotFoundError: There is no such setting, or not any more.
            InvalidInputError: It is no setting, or no key of one, or what the value comes to does not fit.
            SchemaInUseError: As in `create_tenant_setting`.
            ForbiddenError: The caller may not write it.
        """
        row = located(self._access, setting, invoke_context, **place)
        known = self._checked(setting, row, invoke_context)
        patch = None if value is None else _mapping(value)
        if name is not None:
            checked_name(name)

        def make(before: Command) -> dict[str, Any]:
            changed: dict[str, Any] = {} if name is None else {"name": name}
            if patch is not None:
                stored = before.attributes or {}
                after = merged(stored, dict(patch)) if known is None else known.changed(stored, patch)
                self._check_schema(row.said, after, invoke_context, force=force)
                changed["attributes"] = after
            return changed

        return self._writer.change(row.key, make, invoke_context)

    def delete_setting(
        self,
        setting: AnySetting,
        *,
        force: bool = False,
        invoke_context: InvokeContext | None = None,
        **place: Unpack[SettingPlace],
    ) -> Command:
        """Delete a setting softly: it counts no more, and may be created again.

        Args:
            setting: The setting, its code, or id or key of its row.
            force: Delete it although its code table has rows: they stay, without a schema. Default: it is
                refused.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            **place: Where it is given, see `SettingPlace`; nothing beside an id or a key.

        Raises:
            ItemNotFoundError: There is no such setting, or not any more.
            InvalidInputError: It is no setting, or no key of one.
            SchemaInUseError: Its code table has rows.
            ForbiddenError: The caller may not write it.
        """
        row = located(self._access, setting, invoke_context, **place)
        self._checked(setting, row, invoke_context)
        key, said = row
        if said.level is Level.TENANT:
            self._master.data.schemas.check_deletion(
                said.code, tenant_code=said.tenant_code, force=force, invoke_context=invoke_context
            )
        return self._writer.delete(key, invoke_context)

    def forget(self) -> None:
        """Remember nothing of what was read: somebody else has written."""
        self._reader.forget()

    def row_of(
        self, item: SettingItem, invoke_context: InvokeContext | None = None, *, force: bool = False
    ) -> Row:
        """The row that a setting would be written as.

        Raises:
            InvalidInputError: It cannot be.
            SchemaInUseError: It is a schema that rows do not fit, unless ``force``.
            ForbiddenError: The caller may not write it.
        """
        if not isinstance(item, SettingItem):
            message = f"must be a SettingItem, got {type(item).__name__}"
            raise InvalidInputError([FieldProblem("item", message)])
        place: SettingPlace = {
            "level": item.level,
            "group_id": item.group_id,
            "user_id": item.user_id,
            "tenant_code": item.tenant_code,
        }
        return self._row(item.code, item.value, item.name, invoke_context, force=force, **place)

    # --- parts ------------------------------------------------------------------------------------

    def _row(
        self,
        setting: Setting[Any] | str,
        value: Value,
        name: str | None,
        invoke_context: InvokeContext | None,
        force: bool = False,  # noqa: FBT001, FBT002
        **place: Unpack[SettingPlace],
    ) -> Row:
        code = setting.code if isinstance(setting, Setting) else check_setting_code(setting)
        row = located(self._access, code, invoke_context, **place)
        known = self._checked(setting, row, invoke_context)
        if name is not None:
            checked_name(name)
        given = value if isinstance(value, BaseModel) and known is not None else _mapping(value)
        stored = dict(_mapping(given)) if known is None else known.stored(given)
        self._check_schema(row.said, stored, invoke_context, force=force)
        return Row(row.key, row.said.code, name, stored)

    def _checked(
        self, setting: AnySetting, row: Located, invoke_context: InvokeContext | None
    ) -> Setting[Any] | None:
        """What the code knows of a setting that the caller may write.

        Raises:
            ForbiddenError: They may not.
        """
        said = row.said
        known = setting if isinstance(setting, Setting) else self._known.get(said.code)
        is_theirs = known is not None and known.user_writable
        owner = _user(said) if is_theirs else None
        self._access.check_write(said.tenant_code, invoke_context, owner=owner)
        return known

    def _check_schema(
        self,
        said: MasterKey,
        value: Mapping[str, Any],
        invoke_context: InvokeContext | None,
        *,
        force: bool,
    ) -> None:
        """Refuse a schema that makes no sense, or that rows of its code table do not fit."""
        if said.level is Level.TENANT:
            self._master.data.schemas.check_change(
                said.code, value, tenant_code=said.tenant_code, force=force, invoke_context=invoke_context
            )


def _nowhere(code: str) -> ItemNotFoundError:
    return ItemNotFoundError(f"setting {code!r} is given nowhere")


def _user(said: MasterKey) -> str | None:
    """The user whose own setting it is; None for none."""
    return said.owner if said.level is Level.USER else None


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True, round_trip=True)
    if not isinstance(value, Mapping):
        message = f"must be an object, got {type(value).__name__}"
        raise InvalidInputError([FieldProblem("settingValue", message)])
    return value
