"""The SQL side: one table, and the engine of the process."""

from __future__ import annotations

import os
from datetime import date, datetime  # noqa: TC003 - SQLAlchemy reads the annotations
from functools import cache

from sqlalchemy import DateTime, Engine, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["TodoRow", "create_tables", "engine"]

DATABASE_URL = "DATABASE_URL"


class Base(DeclarativeBase):
    """The tables of the service."""


class TodoRow(Base):
    """A todo as SQL sees it. Softly deleted ones stay, with ``is_deleted``."""

    __tablename__ = "todo"

    id: Mapped[str] = mapped_column(primary_key=True)
    pk: Mapped[str]
    sk: Mapped[str]
    code: Mapped[str]
    name: Mapped[str]
    version: Mapped[int]
    tenant_code: Mapped[str] = mapped_column(index=True)
    is_deleted: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_by: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_by: Mapped[str | None]
    title: Mapped[str]
    done: Mapped[bool]
    due_date: Mapped[date | None]
    priority: Mapped[str]


@cache
def engine() -> Engine:
    """The engine of this process, made on first use from the variable ``DATABASE_URL``.

    Raises:
        RuntimeError: The variable is not set.
    """
    url = os.environ.get(DATABASE_URL)
    if not url:
        msg = f"{DATABASE_URL} is not set; deploy with `-c database_url=postgresql://...`"
        raise RuntimeError(msg)
    return _engine(url)


def create_tables(url: str) -> None:
    """Create the tables that are missing. Run it once, before the first deployment.

    Args:
        url: ``postgresql://user:password@host/database``.
    """
    made = _engine(url)
    try:
        Base.metadata.create_all(made)
    finally:
        made.dispose()


def _engine(url: str) -> Engine:
    # A function handles one request at a time, and one that slept for an hour finds its
    # connection dead: one connection, tried before each use.
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "options": "-c statement_timeout=10s"},
    )
