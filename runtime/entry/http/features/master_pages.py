"""Pages and outcomes, as all routes of masters have them."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Query

from runtime.entry.http.features.master_bodies import BulkOutcome, MasterPage, row_of
from runtime.entry.http.module_endpoint import KEY_REUSED, OF_MANY, OF_WRITE, ModuleRoute
from runtime.entry.http.problems import problem_of
from runtime.errors import FieldProblem, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runtime.model.models import DataModel

__all__ = ["Deleted", "Filter", "OrderBys", "Page", "PageSize", "SettingCode", "outcome", "page_of", "route"]

Filter = Annotated[str | None, Query(max_length=200)]
Deleted = Annotated[bool | None, Query(alias="isDeleted", description="True: only those that were deleted")]
Page = Annotated[int, Query(ge=1, le=10_000)]
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=1000)]
OrderBys = Annotated[
    list[str] | None, Query(alias="orderBys", description="Such as -createdAt, seq or masterCode")
]

SettingCode = Annotated[str, Query(alias="settingCode", min_length=1, description="Code of the table")]

#: What rows may be sorted by, by the names of the reference system as well.
_ORDERS: Final = {
    "code": "code",
    "masterCode": "code",
    "name": "name",
    "seq": "seq",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}


def page_of(
    rows: Iterable[DataModel[Any]], page: int, page_size: int, order_bys: Sequence[str] = ()
) -> MasterPage:
    """A page of rows that are all there.

    Raises:
        InvalidInputError: They are to be sorted by something else.
    """
    found = list(rows)
    for order in reversed(order_bys):
        field = _ORDERS.get(order.removeprefix("-"))
        if field is None:
            message = f"must be of {', '.join(_ORDERS)}, with a - before for the other way round"
            raise InvalidInputError([FieldProblem("orderBys", message)])
        found.sort(key=lambda row: _comparable(getattr(row, field)), reverse=order.startswith("-"))
    first = (page - 1) * page_size
    return MasterPage(total=len(found), items=[row_of(row) for row in found[first : first + page_size]])


def outcome(index: int, found: Any) -> BulkOutcome:  # noqa: ANN401 - a command or an error
    """What became of one item: it is stored, or refused."""
    if isinstance(found, Exception):
        problem = problem_of(found)
        return BulkOutcome(index=index, status=problem.status, problem=problem.document())
    row = row_of(found)
    return BulkOutcome(index=index, status=HTTPStatus.OK, id=row.id, item=row)


def route(  # noqa: PLR0917 - a row of a table
    prefix: str,
    what: str,
    name: str,
    method: str,
    path: str,
    function: Callable[..., Any],
    responses: dict[int, tuple[str, Any]],
    summary: str,
) -> ModuleRoute:
    """A route of settings, or of rows.

    Args:
        prefix: First part of their paths.
        what: What they are about, in a word.
        name: Name among them.
        method: Its method.
        path: The rest of its path.
        function: What it does.
        responses: What it answers.
        summary: What it is for.
    """
    is_write = method != "GET" and not name.startswith("check_")
    problems = {403: "Not allowed", 404: f"There is no such {what}"}
    return ModuleRoute(
        f"{prefix.rpartition('-')[2]}_{name}",
        method,
        prefix + path,
        function,
        responses,
        summary=summary,
        problems=problems | ({422: KEY_REUSED} if is_write else {}),
        headers=OF_WRITE if is_write else OF_MANY,
    )


def _comparable(value: object) -> tuple[bool, float, str]:
    """A key by which values of one column can be sorted; those that are missing come last."""
    if isinstance(value, datetime):
        return (False, value.timestamp(), "")
    if isinstance(value, int):
        return (False, value, "")
    return (value is None, 0, str(value or ""))
