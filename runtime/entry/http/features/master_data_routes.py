"""The routes of rows of code tables, and the one for settings and rows in one list."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response

from runtime.entry.http.features.master_bodies import (
    BulkBody,
    BulkOutcomes,
    CodedData,
    DataBody,
    DataChange,
    MasterPage,
    MasterRow,
    row_of,
)
from runtime.entry.http.features.master_pages import (
    Deleted,
    Filter,
    OrderBys,
    Page,
    PageSize,
    SettingCode,
    outcome,
    page_of,
    route,
)
from runtime.entry.http.features.master_setting_routes import settings_in_bulk
from runtime.entry.http.module_endpoint import KEY_REUSED, OF_WRITE, ModuleRoute
from runtime.errors import FieldProblem, InvalidInputError
from runtime.features.masters.keys import RowKind, key_of_id, master_pk, parsed_key
from runtime.model.keys import DetailKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.features.masters.keys import MasterKey
    from runtime.features.masters.master_module import MasterModule

__all__ = ["bulk_route", "data_routes"]

_route: Final = partial(route, "/master-data", "row")
_WRITTEN: dict[int, tuple[str, Any]] = {200: ("The row", MasterRow)}
_MADE: dict[int, tuple[str, Any]] = {201: ("The row", MasterRow)}
_READ: dict[int, tuple[str, Any]] = {200: ("A page", MasterPage)}
_MANY: dict[int, tuple[str, Any]] = {207: ("What became of each", BulkOutcomes)}


def data_routes(master: MasterModule) -> list[ModuleRoute]:
    """The routes of rows, in the order in which they are matched."""
    return [*_reads(master), *_creates(master), *_changes(master)]


def bulk_route(master: MasterModule) -> ModuleRoute:
    """The route for settings and rows in one list."""

    def bulk(body: BulkBody) -> Response[BulkOutcomes]:
        rows = [number for number, item in enumerate(body.items) if "settingCode" in item]
        settings = [number for number in range(len(body.items)) if number not in {*rows}]
        found: dict[int, Any] = {}
        if settings:
            given = settings_in_bulk(master, [body.items[number] for number in settings])
            found |= dict(zip(settings, given, strict=True))
        if rows:
            made = _rows_in_bulk(master, [body.items[number] for number in rows])
            found |= dict(zip(rows, made, strict=True))
        return _outcomes([found[number] for number in range(len(body.items))])

    summary = "Give many settings and rows, each on its own"
    problems = {403: "Not allowed", 422: KEY_REUSED}
    return ModuleRoute(
        "bulk", "POST", "/master-bulk", bulk, _MANY, summary=summary, problems=problems, headers=OF_WRITE
    )


def _rows_in_bulk(master: MasterModule, items: Sequence[Mapping[str, Any]]) -> list[Any]:
    results = master.data.upsert_bulk(items)
    # What says nothing new is answered as it is stored.
    return [result.error or result.command or result.stored for result in results]


def _reads(master: MasterModule) -> list[ModuleRoute]:
    def of_table(  # noqa: PLR0917 - parameters of the query
        setting_code: SettingCode,
        name: Filter = None,
        code: Filter = None,
        keyword: Filter = None,
        is_deleted: Deleted = None,
        page: Page = 1,
        page_size: PageSize = 10,
        order_bys: OrderBys = None,
    ) -> MasterPage:
        rows = master.data.iter_data(
            setting_code, name=name or keyword or "", code=code or "", include_deleted=bool(is_deleted)
        )
        found = [row for row in rows if bool(row.is_deleted) == bool(is_deleted)]
        return page_of(found, page, page_size, order_bys or ())

    def whole_table(setting_code: SettingCode, page: Page = 1, page_size: PageSize = 1000) -> MasterPage:
        return page_of(master.data.iter_data(setting_code), page, page_size)

    def detail(id: str) -> MasterRow:  # noqa: A002 - as in the path
        return get(*key_of_id(id))

    def get(pk: str, sk: str) -> MasterRow:
        said = _key(pk, sk)
        return row_of(master.data.get_detail(said.setting_code, said.code, tenant_code=said.tenant_code))

    row = {200: ("The row", MasterRow)}
    return [
        _route("list", "GET", "/list", of_table, _READ, "Rows of a table, filtered"),
        _route("rows", "GET", "", whole_table, _READ, "Rows of a table"),
        _route("detail", "GET", "/detail/<id>", detail, row, "One row"),
        _route("get", "GET", "/<pk>/<sk>", get, row, "One row"),
    ]


def _creates(master: MasterModule) -> list[ModuleRoute]:
    def _create(body: DataBody) -> Response[MasterRow]:
        made = master.data.create(
            body.setting_code,
            body.code,
            body.name,
            seq=body.seq,
            attributes=body.attributes,
            tenant_code=body.tenant_code,
        )
        return Response(HTTPStatus.CREATED, content_type="application/json", body=row_of(made))

    def create(body: CodedData) -> Response[MasterRow]:
        return _create(body)

    def create_any(body: DataBody) -> Response[MasterRow]:
        return _create(body)

    def bulk(body: BulkBody) -> Response[BulkOutcomes]:
        return _outcomes(_rows_in_bulk(master, body.items))

    def check_exist(setting_code: str, code: str) -> bool:
        found: bool = master.data.check_exist_code(setting_code, code)
        return found

    return [
        _route("create", "POST", "", create, _MADE, "Make a row"),
        _route("create_any", "POST", "/create", create_any, _MADE, "Make a row, with a code of its own"),
        _route("bulk", "POST", "/bulk", bulk, _MANY, "Make or change many rows, each on its own"),
        _route(
            "check_exist",
            "POST",
            "/check-exist/<setting_code>/<code>",
            check_exist,
            {200: ("Whether there is one", bool)},
            "Whether there is a row with this code",
        ),
    ]


def _changes(master: MasterModule) -> list[ModuleRoute]:
    def update(pk: str, sk: str, body: DataChange) -> MasterRow:
        said = _key(pk, sk)
        changes = body.model_dump(by_alias=True, exclude_unset=True)
        tenant = said.tenant_code
        changed = master.data.update(said.setting_code, said.code, changes, tenant_code=tenant)
        return row_of(
            changed
            or master.data.get_detail(said.setting_code, said.code, consistent=True, tenant_code=tenant)
        )

    def update_by_id(id: str, body: DataChange) -> MasterRow:  # noqa: A002 - as in the path
        return update(*key_of_id(id), body)

    def delete(pk: str, sk: str) -> MasterRow:
        said = _key(pk, sk)
        return row_of(master.data.delete(said.setting_code, said.code, tenant_code=said.tenant_code))

    def delete_by_id(id: str) -> MasterRow:  # noqa: A002 - as in the path
        return delete(*key_of_id(id))

    return [
        _route("update_by_id", "PUT", "/<id>", update_by_id, _WRITTEN, "Change some of a row"),
        _route("delete_by_id", "DELETE", "/<id>", delete_by_id, _WRITTEN, "Delete a row softly"),
        _route("update", "PUT", "/<pk>/<sk>", update, _WRITTEN, "Change some of a row"),
        _route("delete", "DELETE", "/<pk>/<sk>", delete, _WRITTEN, "Delete a row softly"),
    ]


def _key(pk: str, sk: str) -> MasterKey:
    said = parsed_key(*DetailKey(pk, sk))
    if said is None or said.kind is not RowKind.DATA or master_pk(said.tenant_code) != pk:
        raise InvalidInputError([FieldProblem("key", "must be that of a row of a code table")])
    return said


def _outcomes(found: Sequence[Any]) -> Response[BulkOutcomes]:
    items = [outcome(number, one) for number, one in enumerate(found)]
    return Response(HTTPStatus.MULTI_STATUS, content_type="application/json", body=BulkOutcomes(items=items))
