"""The columns that every read model has."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations
from typing import TYPE_CHECKING, Any, Final

from pydantic.alias_generators import to_camel
from pydantic_core import core_schema
from sqlalchemy import BigInteger, Index, UniqueConstraint, false, inspect
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from runtime.sql.row_schema import row_schema
from runtime.sql.types import UtcDateTime, exact_text, text

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from sqlalchemy.schema import SchemaItem

__all__ = ["INTERNAL", "CqrsColumns"]

#: Columns that no answer has, and no query may name.
INTERNAL: Final = frozenset({"life_id"})


class CqrsColumns:
    """Mixin of a declarative model: one row an aggregate, the state after its latest command.

    Example:
        >>> class ProductRow(CqrsColumns, Base):
        ...     __tablename__ = "product"
        ...
        ...     category: Mapped[str | None] = mapped_column(index=True)

    ``(cpk, csk)`` and ``(pk, sk)`` are unique, and there are indexes on ``(tenant_code, code)``
    and ``(tenant_code, name)``. Codes are not unique in DynamoDB, so they are not here: a
    handler would be parked for a code that was given twice. A model that has indexes of its own adds them::

        @declared_attr.directive
        @classmethod
        def __table_args__(cls):
            return (*super().__table_args__, Index(None, "tenant_code", "price"))

    Softly deleted rows stay, and keep their code. Texts that are too long for an index are
    shortened, see `FittedText`. In an HTTP answer a row is an object with camelCase names.

    Attributes:
        id: ``pk#sk``.
        cpk: Partition key of the command that the row is the state after.
        csk: Sort key of that command, with its version.
        pk: Partition key of the aggregate.
        sk: Its sort key, without a version.
        code: Business code.
        name: Name for people.
        version: Version of the state. A row never goes back to an earlier one.
        life_id: Life of the aggregate that the version is of, see `CommandModel`. Versions of two
            lives are not compared: the later life replaces the row of the earlier one.
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

    id: Mapped[str] = mapped_column(exact_text(512, 2600), primary_key=True, sort_order=-100)
    cpk: Mapped[str] = mapped_column(exact_text(255, 1600), sort_order=-99)
    csk: Mapped[str] = mapped_column(exact_text(270, 1060), sort_order=-98)
    pk: Mapped[str] = mapped_column(exact_text(255, 1600), sort_order=-97)
    sk: Mapped[str] = mapped_column(exact_text(255, 1060), sort_order=-96)
    code: Mapped[str] = mapped_column(exact_text(255, 2000), sort_order=-95)
    name: Mapped[str] = mapped_column(text(255, 2000), sort_order=-94)
    version: Mapped[int] = mapped_column(BigInteger, sort_order=-93)
    tenant_code: Mapped[str] = mapped_column(exact_text(100, 600), sort_order=-92)
    is_deleted: Mapped[bool] = mapped_column(default=False, server_default=false(), sort_order=-91)
    seq: Mapped[int | None] = mapped_column(BigInteger, sort_order=-90)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, sort_order=-89)
    created_by: Mapped[str] = mapped_column(text(255), default="", sort_order=-88)
    created_ip: Mapped[str] = mapped_column(text(64), default="", sort_order=-87)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, sort_order=-86)
    updated_by: Mapped[str] = mapped_column(text(255), default="", sort_order=-85)
    updated_ip: Mapped[str] = mapped_column(text(64), default="", sort_order=-84)
    life_id: Mapped[str | None] = mapped_column(exact_text(255), sort_order=-83)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem, ...]:
        table = str(getattr(cls, "__tablename__", cls.__name__.lower()))
        return (
            UniqueConstraint("cpk", "csk", name=f"uq_{table}_cpk_csk"),
            UniqueConstraint("pk", "sk", name=f"uq_{table}_pk_sk"),
            Index(f"ix_{table}_tenant_code_code", "tenant_code", "code"),
            Index(f"ix_{table}_tenant_code_name", "tenant_code", "name"),
        )

    def __json__(self) -> dict[str, Any]:
        """The row as JSON has it; what is null is left out, as in other items, and so is the life."""
        columns = (attribute.key for attribute in inspect(type(self)).column_attrs)
        values = {name: getattr(self, name) for name in columns if name not in INTERNAL}
        return {to_camel(name): value for name, value in values.items() if value is not None}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:  # noqa: ANN401 - pydantic's
        """A row is taken as it is."""
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls,
        schema: core_schema.CoreSchema,
        handler: GetJsonSchemaHandler,
    ) -> JsonSchemaValue:
        """What an OpenAPI document says of a row."""
        return row_schema(cls, handler, without=INTERNAL)
