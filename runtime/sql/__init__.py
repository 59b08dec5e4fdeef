"""SQL read models with SQLAlchemy 2: columns, version-guarded writes, search.

Needs the extra ``sql``, or SQLAlchemy and a driver among the dependencies of your code: the
runtime's layer has neither. Import it where it is used, in handlers and queries.
"""

from __future__ import annotations

from runtime.sql.columns import CqrsColumns
from runtime.sql.cursors import SqlCursors
from runtime.sql.engine import engine_from_environment
from runtime.sql.read_model import SqlReadModel
from runtime.sql.search import ALL_TENANTS, search
from runtime.sql.types import UtcDateTime
from runtime.sql.values import row_of, row_problems
from runtime.sql.writes import delete, upsert

__all__ = [
    "ALL_TENANTS",
    "CqrsColumns",
    "SqlCursors",
    "SqlReadModel",
    "UtcDateTime",
    "delete",
    "engine_from_environment",
    "row_of",
    "row_problems",
    "search",
    "upsert",
]
