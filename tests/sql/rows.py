"""A read model, and the commands for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Index, Select, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from runtime import CommandModel
from runtime.sql import CqrsColumns

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.schema import SchemaItem

__all__ = ["Base", "BookRow", "command", "rows"]


class Base(DeclarativeBase):
    pass


class BookRow(CqrsColumns, Base):
    __tablename__ = "book"

    genre: Mapped[str | None] = mapped_column("book_genre", String(50))
    pages: Mapped[int | None]
    price: Mapped[float | None]
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem, ...]:
        return (*super().__table_args__, Index("ix_book_own", "tenant_code", "book_genre"))


def command(version: int = 1, sk: str = "A1", tenant: str = "acme", **values: Any) -> CommandModel[Any]:
    return CommandModel[Any](
        **{
            "pk": f"BOOK#{tenant}",
            "sk": f"{sk}@{version}",
            "id": f"BOOK#{tenant}#{sk}",
            "code": sk,
            "name": f"name {version}",
            "version": version,
            "tenant_code": tenant,
            "type": "BOOK",
            "created_at": datetime(2026, 1, version, 12, 30, 15, 123456, tzinfo=UTC),
            "created_by": f"maker {version}",
            "created_ip": f"192.0.2.{version}",
            "updated_at": datetime(2026, 2, version, tzinfo=UTC),
            "updated_by": f"editor {version}",
            "updated_ip": f"198.51.100.{version}",
        }
        | values
    )


def rows(engine: Engine, statement: Select[Any] | None = None) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(select(BookRow.__table__) if statement is None else statement)
        return [dict(row) for row in found.mappings()]
