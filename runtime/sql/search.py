"""Searching a read model: filters, keyword, order and pages."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from sqlalchemy import func, select

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.item_list import ItemList
from runtime.sql.columns import CqrsColumns
from runtime.sql.criteria import Fields, text_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

__all__ = ["ALL_TENANTS", "search"]

ModelT = TypeVar("ModelT", bound=CqrsColumns)


class _AllTenants(Enum):
    ALL_TENANTS = "all tenants"

    def __repr__(self) -> str:
        return self.name


ALL_TENANTS: Final = _AllTenants.ALL_TENANTS
"""``tenant_code`` of a search through the rows of every tenant."""

_MAX_PAGE_SIZE: Final = 100
_MAX_PAGE: Final = 1_000_000
_MAX_ORDER: Final = 5


def search(
    session: Session,
    model: type[ModelT],
    *,
    tenant_code: str | Sequence[str] | Literal[_AllTenants.ALL_TENANTS] | None,
    page: int = 1,
    page_size: int = 20,
    order_bys: Sequence[str] = ("-created_at",),
    filters: Mapping[str, Any] | None = None,
    where: Sequence[ColumnElement[bool]] = (),
    keyword: str | None = None,
    keyword_columns: Sequence[str] = ("code", "name"),
    include_deleted: bool = False,
) -> ItemList[ModelT]:
    """One page of the rows that match, and how many there are in all. Two statements.

    The order is stable: rows that are equal in ``order_bys`` are in the order of their ids.
    Columns are named in either spelling, ``created_at`` or ``createdAt``.

    Args:
        session: A session of SQLAlchemy.
        model: Declarative model with `CqrsColumns`.
        tenant_code: Tenant whose rows are searched, several of them, or `ALL_TENANTS`.
            None, as of a user without a tenant, is refused.
        page: 1 is the first.
        page_size: Rows on a page, 1 to 100.
        order_bys: Up to 5 columns; one with ``-`` in front descends.
        filters: What columns must be equal to: a value, one of a list, or None for null.
        where: Conditions of your own, such as ``[ProductRow.price < 10]``.
        keyword: Words that all must occur in one of the ``keyword_columns``, in upper or
            lower case. None or empty: no such condition.
        keyword_columns: Columns of text.
        include_deleted: Whether softly deleted rows are found, too.

    Raises:
        InvalidInputError: A column is unknown or of the wrong type, or a number is out of range.
    """
    problems = [
        *_range_problems("page", page, _MAX_PAGE),
        *_range_problems("pageSize", page_size, _MAX_PAGE_SIZE),
        *_tenant_problems(tenant_code),
    ]
    fields = Fields(model, problems)
    order = fields.order(order_bys, most=_MAX_ORDER)
    conditions = [*where, *fields.equal(filters or {})]
    if keyword and (message := text_problem(keyword)):
        problems.append(FieldProblem("keyword", message))
    conditions += fields.containing((keyword or "").split(), keyword_columns)
    if problems:
        raise InvalidInputError(problems)
    if tenant_code is not ALL_TENANTS:
        tenants = [tenant_code] if isinstance(tenant_code, str) else list(tenant_code or ())
        conditions.append(model.tenant_code.in_(tenants))
    if not include_deleted:
        conditions.append(model.is_deleted.is_(False))
    total = session.scalar(select(func.count()).select_from(model).where(*conditions))
    statement = select(model).where(*conditions).order_by(*order, model.id)
    rows = session.scalars(statement.limit(page_size).offset((page - 1) * page_size))
    return ItemList(rows.all(), total or 0)


def _range_problems(field: str, value: object, most: int) -> list[FieldProblem]:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        return [FieldProblem(field, f"must be a whole number from 1 to {most}, got {value!r}")]
    return []


def _tenant_problems(tenant_code: object) -> list[FieldProblem]:
    if tenant_code:
        return []
    message = "is required: give the tenant of the caller, or ALL_TENANTS"
    return [FieldProblem("tenantCode", message)]
