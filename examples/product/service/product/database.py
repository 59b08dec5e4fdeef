"""The SQL side: one table."""

from __future__ import annotations

from decimal import Decimal  # noqa: TC003 - SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import JSON, Numeric, create_engine, make_url
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.sql import CqrsColumns

__all__ = ["ProductRow", "create_tables"]


class Base(DeclarativeBase):
    """The tables of the service."""


class ProductRow(CqrsColumns, Base):
    """A product as SQL sees it: the columns of every read model, and its own."""

    __tablename__ = "product"

    category: Mapped[str | None] = mapped_column(index=True)
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    description: Mapped[str | None]
    specification: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    )


def create_tables(url: str) -> None:
    """Create the tables that are missing. Run it once, before the first deployment.

    Args:
        url: ``postgresql://user:password@host/database``.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        Base.metadata.create_all(engine)
    finally:
        engine.dispose()
