"""Searching the products in SQL, with the caller's own pending writes in what is found."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from decimal import Decimal  # noqa: TC003
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from sqlalchemy.orm import Session

from product.attributes import ProductSpecification  # noqa: TC001
from product.database import ProductRow
from product.module import product
from product.read_model import own_columns
from product.service import products
from runtime import CqrsModel, ItemList
from runtime.sql import engine_from_environment, row_of
from runtime.sql import search as search_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from product.attributes import ProductAttributes
    from runtime import CommandModel

__all__ = ["FoundProduct", "FoundProducts", "search"]


class FoundProduct(CqrsModel):
    """A product in a list: its row, without what only the system needs."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    code: str
    name: str
    version: int
    category: str | None
    price: Decimal | None
    description: str | None
    specification: ProductSpecification | None
    created_at: datetime
    updated_at: datetime


class FoundProducts(CqrsModel):
    """One page of what was found, and how many there are on all of them."""

    items: list[FoundProduct]
    total: int | None
    page: int
    page_size: int


def search(
    *,
    keyword: str | None,
    category: str | None,
    page: int,
    page_size: int,
    order_bys: Sequence[str],
) -> ItemList[FoundProduct]:
    """One page of the tenant's products that have a category and some words in name, code or description.

    Raises:
        InvalidInputError: A column to sort by is unknown, or there are too many words.
    """
    tenant = products.tenant()

    def in_sql() -> ItemList[FoundProduct]:
        with Session(engine_from_environment()) as session:
            found = search_rows(
                session,
                ProductRow,
                tenant_code=tenant,
                page=page,
                page_size=page_size,
                order_bys=order_bys,
                filters={"category": category} if category else {},
                keyword=keyword,
                keyword_columns=("name", "code", "description"),
            )
        return ItemList([FoundProduct.model_validate(row) for row in found.items], found.total)

    def is_wanted(item: FoundProduct) -> bool:
        text = "\n".join((item.name, item.code, item.description or "")).lower()
        words = (keyword or "").lower().split()
        return (not category or item.category == category) and all(word in text for word in words)

    return product.repository.list_items(
        in_sql, transform_command=_pending, matches_filter=is_wanted, first_page=page == 1
    )


def _pending(command: CommandModel[ProductAttributes], existing: FoundProduct | None) -> FoundProduct:
    """A product that the caller published a moment ago, as the table will have it."""
    found = FoundProduct.model_validate(row_of(ProductRow, command, **own_columns(command)))
    return found.model_copy(update={"created_at": existing.created_at}) if existing else found
