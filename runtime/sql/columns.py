"""The columns that every read model has."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from runtime.sql.types import UtcDateTime, exact_text, text

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

__all__ = ["CqrsColumns"]


class CqrsColumns:
    """Mixin of a declarative model: one row an aggregate, the state after its latest command.

    Example:
        >>> class ProductRow(CqrsColumns, Base):
        ...     __tablename__ = "product"
        ...
        ...     category: Mapped[str | None] = mapped_column(index=True)

    ``(cpk, csk)``, ``(pk, sk)`` and ``(tenant_code, code)`` are unique, and there is an
    index on ``(tenant_code, name)``. A model that has indexes of its own adds them::

        @declared_attr.directive
        @classmethod
        def __table_args__(cls):
            return (*super().__table_args__, Index(None, "tenant_code", "price"))

    Softly deleted rows stay, and keep their code.

    Attributes:
        id: ``pk#sk``.
        cpk: Partition key of the command that the row is the state after.
        csk: Sort key of that command, with its version.
        pk: Partition key of the aggregate.
        sk: Its sort key, without a version.
        code: Business code.
        name: Name for people.
        version: Version of the state. A row never goes back to an earlier one.
        tenant_code: Tenant that it belongs to.
        is_deleted: Whether it is softly deleted.
        seq: Sequence number, where the aggregate has one.
        created_at: When the aggregate was made, as are the other two.
        created_by: User who made it; empty when nobody signed in.
        created_ip: Address that they did so from, or empty.
        updated_at: When this version was published, as are the other two.
        updated_by: User who published it, or empty.
        updated_ip: Address that they published from, or empty.
    """

    id: Mapped[str] = mapped_column(exact_text(512), primary_key=True, sort_order=-100)
    cpk: Mapped[str] = mapped_column(exact_text(255), sort_order=-99)
    csk: Mapped[str] = mapped_column(exact_text(270), sort_order=-98)
    pk: Mapped[str] = mapped_column(exact_text(255), sort_order=-97)
    sk: Mapped[str] = mapped_column(exact_text(255), sort_order=-96)
    code: Mapped[str] = mapped_column(exact_text(255), sort_order=-95)
    name: Mapped[str] = mapped_column(text(255), sort_order=-94)
    version: Mapped[int] = mapped_column(BigInteger, sort_order=-93)
    tenant_code: Mapped[str] = mapped_column(exact_text(100), sort_order=-92)
    is_deleted: Mapped[bool] = mapped_column(default=False, server_default=false(), sort_order=-91)
    seq: Mapped[int | None] = mapped_column(BigInteger, sort_order=-90)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, sort_order=-89)
    created_by: Mapped[str] = mapped_column(text(255), default="", sort_order=-88)
    created_ip: Mapped[str] = mapped_column(text(64), default="", sort_order=-87)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, sort_order=-86)
    updated_by: Mapped[str] = mapped_column(text(255), default="", sort_order=-85)
    updated_ip: Mapped[str] = mapped_column(text(64), default="", sort_order=-84)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem, ...]:
        table = str(getattr(cls, "__tablename__", cls.__name__.lower()))
        return (
            UniqueConstraint("cpk", "csk", name=f"uq_{table}_cpk_csk"),
            UniqueConstraint("pk", "sk", name=f"uq_{table}_pk_sk"),
            UniqueConstraint("tenant_code", "code", name=f"uq_{table}_tenant_code_code"),
            Index(f"ix_{table}_tenant_code_name", "tenant_code", "name"),
        )
