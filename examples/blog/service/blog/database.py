"""The SQL side: two tables, and the engine of the process."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations

from sqlalchemy import DateTime, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.sql import SqlCursors, engine_from_environment

__all__ = ["AuthorRow", "PostRow", "create_tables", "cursors", "engine"]

#: The engine of this process, made on first use from the variable ``DATABASE_URL``.
engine = engine_from_environment


class Base(DeclarativeBase):
    """The tables of the service."""


class AuthorRow(Base):
    """A user, as readers of posts see them."""

    __tablename__ = "author"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class PostRow(Base):
    """A post, as readers see it. Archived ones are gone."""

    __tablename__ = "post"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    title: Mapped[str]
    content: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


#: Where handlers are with each aggregate: two more tables of the same database.
cursors = SqlCursors(engine, metadata=Base.metadata)


def create_tables(url: str) -> None:
    """Create the tables that are missing. Run it once, before the first deployment.

    Args:
        url: ``postgresql://user:password@host/database``.
    """
    made = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        Base.metadata.create_all(made)
    finally:
        made.dispose()
