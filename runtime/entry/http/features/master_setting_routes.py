"""The routes of settings."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from runtime.entry.http.features.master_bodies import (
    BulkBody,
    BulkOutcomes,
    GroupSettingBody,
    MasterPage,
    MasterRow,
    SettingBody,
    SettingChange,
    SettingValue,
    UserSettingBody,
    row_of,
)
from runtime.entry.http.features.master_pages import (
    Deleted,
    Filter,
    OrderBys,
    Page,
    PageSize,
    outcome,
    page_of,
    route,
)
from runtime.errors import InvalidInputError
from runtime.features.masters.keys import Level, key_of_id
from runtime.features.masters.settings import SettingItem
from runtime.model.validation import field_problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.entry.http.module_endpoint import ModuleRoute
    from runtime.features.masters.master_module import MasterModule
    from runtime.features.masters.settings import MasterSettings

__all__ = ["setting_routes", "settings_in_bulk"]

_route: Final = partial(route, "/master-setting", "setting")
_WRITTEN: dict[int, tuple[str, Any]] = {200: ("The row", MasterRow)}
_MADE: dict[int, tuple[str, Any]] = {201: ("The row", MasterRow)}


def setting_routes(master: MasterModule) -> list[ModuleRoute]:
    """The routes of settings, in the order in which they are matched."""
    return [*_reads(master), *_creates(master), *_changes(master)]


def settings_in_bulk(master: MasterModule, items: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give settings that are not checked yet: the row of each, or why it is refused, in order."""
    found: dict[int, Any] = {}
    checked: dict[int, SettingItem] = {}
    for number, item in enumerate(items):
        try:
            checked[number] = _item(item)
        except ValidationError as error:
            found[number] = InvalidInputError(field_problems(error))
    found |= dict(zip(checked, master.settings.upsert_bulk([*checked.values()]), strict=True))
    return [found[number] for number in range(len(items))]


def _item(item: Mapping[str, Any]) -> SettingItem:
    owners: dict[str, tuple[type[SettingBody], Level]] = {
        "groupId": (GroupSettingBody, Level.GROUP),
        "userId": (UserSettingBody, Level.USER),
    }
    model, level = next(
        (found for name, found in owners.items() if name in item), (SettingBody, Level.TENANT)
    )
    body: Any = model.model_validate(dict(item))
    return SettingItem(
        code=body.code,
        value=body.setting_value,
        level=level,
        group_id=getattr(body, "group_id", None),
        user_id=getattr(body, "user_id", None),
        name=body.name,
        tenant_code=body.tenant_code,
    )


def _reads(master: MasterModule) -> list[ModuleRoute]:
    def list_(  # noqa: PLR0917 - parameters of the query
        name: Filter = None,
        code: Filter = None,
        keyword: Filter = None,
        is_deleted: Deleted = None,
        page: Page = 1,
        page_size: PageSize = 10,
        order_bys: OrderBys = None,
    ) -> MasterPage:
        rows = [
            row
            for row in master.settings.iter_settings(include_deleted=True)
            if bool(row.is_deleted) == bool(is_deleted)
            and _has(row.name, name)
            and _has(row.code, code)
            and _has((row.attributes or {}).get("description"), keyword)
        ]
        return page_of(rows, page, page_size, order_bys or ["-createdAt"])

    def detail(id: str) -> MasterRow:  # noqa: A002 - as in the path
        return row_of(master.settings.get_detail(key_of_id(id)))

    def get(code: str) -> SettingValue:
        found = master.settings.get_setting(code)
        return SettingValue(id=found["id"], setting_value=found["settingValue"])

    return [
        _route("list", "GET", "/list", list_, {200: ("A page", MasterPage)}, "Settings of the tenant"),
        _route("detail", "GET", "/detail/<id>", detail, {200: ("The row", MasterRow)}, "One row"),
        _route("get", "GET", "/<code>", get, {200: ("The value", SettingValue)}, "What it is for the caller"),
    ]


def _creates(master: MasterModule) -> list[ModuleRoute]:
    def settings() -> MasterSettings:
        return master.settings  # anew: the feature may have been given other resources

    def common(body: SettingBody) -> Response[MasterRow]:
        made = settings().create_common_tenant_setting(body.code, body.setting_value, name=body.name)
        return _made(made)

    def tenant(body: SettingBody) -> Response[MasterRow]:
        made = settings().create_tenant_setting(
            body.code, body.setting_value, name=body.name, tenant_code=body.tenant_code
        )
        return _made(made)

    def group(body: GroupSettingBody) -> Response[MasterRow]:
        made = settings().create_group_setting(
            body.code,
            body.setting_value,
            group_id=body.group_id,
            name=body.name,
            tenant_code=body.tenant_code,
        )
        return _made(made)

    def user(body: UserSettingBody) -> Response[MasterRow]:
        made = settings().create_user_setting(
            body.code, body.setting_value, user_id=body.user_id, name=body.name, tenant_code=body.tenant_code
        )
        return _made(made)

    def bulk(body: BulkBody) -> Response[BulkOutcomes]:
        found = settings_in_bulk(master, body.items)
        items = [outcome(number, one) for number, one in enumerate(found)]
        return Response(
            HTTPStatus.MULTI_STATUS, content_type="application/json", body=BulkOutcomes(items=items)
        )

    def check_exist(code: str) -> bool:
        return settings().check_exist_code(code)

    many = {207: ("What became of each", BulkOutcomes)}
    return [
        _route("create_common", "POST", "/common", common, _MADE, "Give a setting for all tenants"),
        _route("create_tenant", "POST", "/tenant", tenant, _MADE, "Give a setting for a tenant"),
        _route("create_group", "POST", "/group", group, _MADE, "Give a setting for a group"),
        _route("create_user", "POST", "/user", user, _MADE, "Give a setting for a user"),
        _route("create", "POST", "", tenant, _MADE, "Give a setting for the tenant of the request"),
        _route("bulk", "POST", "/bulk", bulk, many, "Give many settings, each on its own"),
        _route(
            "check_exist",
            "POST",
            "/check-exist/<code>",
            check_exist,
            {200: ("Whether the tenant has it", bool)},
            "Whether the tenant has a setting of its own with this code",
        ),
    ]


def _changes(master: MasterModule) -> list[ModuleRoute]:
    def change(pk: str, sk: str, body: SettingChange) -> MasterRow:
        changed = master.settings.update_setting((pk, sk), name=body.name, value=body.setting_value)
        return row_of(changed)

    def change_by_id(id: str, body: SettingChange) -> MasterRow:  # noqa: A002 - as in the path
        return change(*key_of_id(id), body)

    def delete(pk: str, sk: str) -> MasterRow:
        return row_of(master.settings.delete_setting((pk, sk)))

    def delete_by_id(id: str) -> MasterRow:  # noqa: A002 - as in the path
        return delete(*key_of_id(id))

    return [
        _route("update_by_id", "PUT", "/<id>", change_by_id, _WRITTEN, "Change some of a setting"),
        _route("delete_by_id", "DELETE", "/<id>", delete_by_id, _WRITTEN, "Delete a setting softly"),
        _route("update", "PATCH", "/<pk>/<sk>", change, _WRITTEN, "Change some of a setting"),
        _route("delete", "DELETE", "/<pk>/<sk>", delete, _WRITTEN, "Delete a setting softly"),
    ]


def _made(made: Any) -> Response[MasterRow]:  # noqa: ANN401 - a command
    return Response(HTTPStatus.CREATED, content_type="application/json", body=row_of(made))


def _has(text: object, part: str | None) -> bool:
    return part is None or (isinstance(text, str) and part.casefold() in text.casefold())
