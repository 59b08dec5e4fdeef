"""Cursors of event handlers in a SQL database: the read model and its cursor change in one transaction."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from sqlalchemy import AssertionPool, Engine, QueuePool, StaticPool, insert, select, update
from sqlalchemy.exc import IntegrityError

from runtime.errors import (
    ConfigurationError,
    FieldProblem,
    InvalidInputError,
    ReadModelUnavailableError,
)
from runtime.imports import check_done, check_function
from runtime.model.cursor import CursorPage, KeptCursor
from runtime.sql.cursor_row import SqlCursorRow, translated
from runtime.sql.cursor_tables import CursorTables, columns_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Connection, MetaData

__all__ = ["SqlCursors"]

_PAGE: Final = 100
_MAX_LIMIT: Final = 1000
_WAIT: Final = 30.0
_SOME: Final = 20


class _HasPk(Protocol):
    @property
    def pk(self) -> str: ...


class _Whose(Protocol):
    """A `runtime.event_store.feed.cursors.CursorKey`."""

    @property
    def handler(self) -> str: ...

    @property
    def generation(self) -> int: ...

    @property
    def key(self) -> _HasPk: ...


WhoseT = TypeVar("WhoseT", bound=_Whose)


class SqlCursors:
    """Cursors in the database of the read model, so that an event changes the read model exactly once.

    A callback writes through `connection`. What it writes and the cursor are committed together at the end of
    the turn at the aggregate; whatever happens in between undoes both, and the event is shown again. An event
    that fails is undone alone.

    Example:
        >>> cursors = SqlCursors(engine)
        >>> posts_model = domain.create_handler("posts-model", [post], cursors=cursors)
        >>>
        >>> @posts_model.handle(post, PostCreated)
        ... def insert(aggregate_id, event, meta):
        ...     cursors.connection().execute(
        ...         sqlalchemy.insert(posts).values(id=aggregate_id, text=event.content)
        ...     )

    No more aggregates are worked on side by side than the engine's pool has connections, and a callback
    must not ask the engine for one of its own.

    Args:
        engine: The engine of the read model's database, or what gives it when it is first needed, such as
            `engine_from_environment`: then importing the handler asks nothing of its environment.
        prefix: What the names of the two tables begin with. Default: "cqrs_".
        metadata: What the tables belong to, such as the ``metadata`` of a declarative base, so that its
            migrations make them. Default: one of their own; see `create_tables`.

    Raises:
        ConfigurationError: ``engine`` is no engine, or none with transactions; where it is made when it is
            first needed, then.

    Attributes:
        metadata: What the tables belong to.

    Raises:
        ConfigurationError: What is to give the engine cannot: it would only begin to, or takes something.
    """

    def __init__(
        self,
        engine: Engine | Callable[[], Engine],
        *,
        prefix: str = "cqrs_",
        metadata: MetaData | None = None,
    ) -> None:
        if callable(engine):
            check_function(engine, "the engine of SqlCursors", ())
        self._given = engine if callable(engine) else _checked(engine)
        self._lock = threading.Lock()
        self._opened: tuple[Engine, threading.Semaphore] | None = None
        self._tables = CursorTables(prefix, metadata)
        #: With the thread that it is for: contexts are copied into others, and outlive the turn there.
        self._current: ContextVar[tuple[int, Connection] | None] = ContextVar("connection", default=None)
        self.metadata = self._tables.metadata

    @property
    def _engine(self) -> Engine:
        return self._made()[0]

    @property
    def _permits(self) -> threading.Semaphore:
        return self._made()[1]

    def _made(self) -> tuple[Engine, threading.Semaphore]:
        """The engine, and a permit for each of its connections: once, whichever thread comes first."""
        with self._lock:
            if self._opened is None:
                engine = self._given() if callable(self._given) else self._given
                check_done(engine, "the engine of SqlCursors")
                engine = _checked(engine)
                self._opened = engine, threading.Semaphore(_size_of(engine))
            return self._opened

    def create_tables(self) -> None:
        """Make the two tables, where they are not there yet.

        Raises:
            ReadModelUnavailableError: The database is busy or out of reach.
            StoreRefusedError: It refuses.
        """
        try:
            self._create_tables()
        except IntegrityError:
            # PostgreSQL says so to one of two that make them at once; the other one has made them now.
            self._create_tables()

    def _create_tables(self) -> None:
        with self._connect() as connection, connection.begin():
            self.metadata.create_all(connection, [self._tables.cursors, self._tables.handlers])

    def connection(self) -> Connection:
        """The connection of the callback that is running: what it writes is committed with the cursor.

        Raises:
            ConfigurationError: No callback is running, in this thread, of a handler that keeps its cursors
                here.
        """
        connection = self._own()
        if connection is None:
            msg = (
                "SqlCursors.connection() is for callbacks of a handler that is made with cursors=, of the "
                "same object; elsewhere use the engine"
            )
            raise ConfigurationError(msg)
        return connection

    def rows(self, wanted: Iterable[WhoseT]) -> dict[WhoseT, SqlCursorRow]:
        """The cursor of each of these; of what is new, too. One query for each 100."""
        table = self._tables.cursors
        columns = {whose: _columns(whose) for whose in wanted}
        ids = [one["id"] for one in columns.values()]
        found: dict[str, Mapping[str, Any]] = {}
        if ids:
            with self._reading() as connection:
                for start in range(0, len(ids), _PAGE):
                    some = select(table).where(table.c.id.in_(ids[start : start + _PAGE]))
                    for row in connection.execute(some):
                        kept = columns_in(table, row)
                        found[kept["id"]] = kept
        return {
            whose: SqlCursorRow(table, mine, found.get(mine["id"]), self._connect, self._use)
            for whose, mine in columns.items()
        }

    def read_handler(self, name: str) -> dict[str, Any] | None:
        """What is known of a handler as a whole; None where nothing is."""
        table = self._tables.handlers
        with self._reading() as connection:
            text = connection.execute(
                select(table.c.columns).where(table.c.name == name)
            ).scalar_one_or_none()
        return None if text is None else json.loads(text)

    def write_handler(self, name: str, columns: Mapping[str, Any], *, revision: str | None) -> bool:
        """Put what is known of a handler in place of what has a ``revision``; False where that is gone."""
        table = self._tables.handlers
        values = {"name": name, "revision": columns["revision"], "columns": json.dumps(dict(columns))}
        with self._connect() as connection, connection.begin():
            if revision is not None:
                mine = (table.c.name == name) & (table.c.revision == revision)
                return connection.execute(update(table).where(mine).values(values)).rowcount == 1
            try:
                connection.execute(insert(table).values(values))
            except IntegrityError:
                return False
        return True

    def parked(
        self, *, segment: int = 0, total_segments: int = 1, resume_from: str | None = None, limit: int = 100
    ) -> CursorPage:
        """One page of the cursors that are parked. Of several segments, the first one has them all.

        Raises:
            InvalidInputError: The limit is not 1 to 1000.
        """
        if not 1 <= limit <= _MAX_LIMIT:
            raise InvalidInputError([FieldProblem("limit", f"must be 1 to {_MAX_LIMIT}, got {limit!r}")])
        if not 0 <= segment < total_segments:
            message = f"must be 0 to {total_segments - 1}, got {segment!r}"
            raise InvalidInputError([FieldProblem("segment", message)])
        if segment:
            return CursorPage((), 0, None)
        table = self._tables.cursors
        some = select(table).where(table.c.parkedVersion.is_not(None), table.c.id > (resume_from or ""))
        with self._reading() as connection:
            found = [
                columns_in(table, row) for row in connection.execute(some.order_by(table.c.id).limit(limit))
            ]
        token = found[-1]["id"] if len(found) == limit else None
        return CursorPage(tuple(map(_kept, found)), len(found), token)

    def some_seen(self, handler: str, generation: int) -> list[str]:
        """Partition keys of aggregates of which a handler has seen all that it was told of; at most 20."""
        table = self._tables.cursors
        columns = table.c
        mine = (columns.handler == handler) & (columns.generation == generation)
        mine &= columns.version.is_not(None)
        for column in (columns.parkedVersion, columns.failedVersion, columns.claim):
            mine &= column.is_(None)
        with self._reading() as connection:
            return list(connection.execute(select(columns.pk).where(mine).limit(_SOME)).scalars())

    def _own(self) -> Connection | None:
        """The connection of the callback that this thread is in; None outside of one."""
        current = self._current.get()
        if current is None or current[0] != threading.get_ident() or current[1].closed:
            return None
        return current[1]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection to read with: in a callback that of its turn, since there may be no other one."""
        own = self._own()
        if own is None:
            with self._connect() as connection:
                yield connection
        else:
            with translated():
                yield own

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """A connection, once there is one to be had."""
        if not self._permits.acquire(timeout=_WAIT):
            msg = f"no connection to the database of the cursors was free for {_WAIT:.0f} seconds"
            raise ReadModelUnavailableError(msg)
        try:
            with translated(), self._engine.connect() as connection:
                yield connection
        finally:
            self._permits.release()

    @contextmanager
    def _use(self, connection: Connection) -> Iterator[None]:
        token = self._current.set((threading.get_ident(), connection))
        try:
            yield
        finally:
            self._current.reset(token)


def _checked(engine: object) -> Engine:
    """What is an engine, and can commit a read model and its cursor together."""
    if not isinstance(engine, Engine):
        msg = (
            "SqlCursors(engine) takes an engine of SQLAlchemy, or a function that makes one, such as "
            f"create_engine(url) or engine_from_environment; got {type(engine).__name__}"
        )
        raise ConfigurationError(msg)
    level = engine.get_execution_options().get("isolation_level") or getattr(
        engine.dialect, "_on_connect_isolation_level", None
    )
    if level == "AUTOCOMMIT":
        msg = (
            "the engine of SqlCursors must not have isolation_level='AUTOCOMMIT': the read model and its "
            "cursor change in one transaction; leave it away"
        )
        raise ConfigurationError(msg)
    return engine


def _size_of(engine: Engine) -> int:
    """How many connections an engine has at a time."""
    pool = engine.pool
    if isinstance(pool, StaticPool | AssertionPool):
        return 1  # whoever asks gets the same one
    if not isinstance(pool, QueuePool):
        return 1_000_000
    overflow: int = getattr(pool, "_max_overflow", 0)
    return 1_000_000 if overflow < 0 else max(pool.size() + overflow, 1)


def _columns(whose: _Whose) -> dict[str, Any]:
    """The columns that say whose a cursor is."""
    text = f"{whose.handler}@{whose.generation}#{whose.key.pk}"
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return {"id": digest, "handler": whose.handler, "generation": whose.generation, "pk": whose.key.pk}


def _kept(row: Mapping[str, Any]) -> KeptCursor:
    return KeptCursor(
        row["handler"],
        row["generation"],
        row["pk"],
        row.get("version"),
        row.get("parkedVersion"),
        row.get("parkedAt"),
        row.get("parkedError"),
    )
