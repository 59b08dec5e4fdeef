"""The SQL side: one table, and the engine of the process."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - SQLAlchemy reads the annotations

from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped

from runtime.sql import CqrsColumns, engine_from_environment

__all__ = ["TodoRow", "create_tables", "engine"]

#: The engine of this process, made on first use from the variable ``DATABASE_URL``.
engine = engine_from_environment


class Base(DeclarativeBase):
    """The tables of the service."""


class TodoRow(CqrsColumns, Base):
    """A todo as SQL sees it. Softly deleted ones stay, with ``is_deleted``."""

    __tablename__ = "todo"

    title: Mapped[str]
    done: Mapped[bool]
    due_date: Mapped[date | None]
    priority: Mapped[str]


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
