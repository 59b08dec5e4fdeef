"""A cursor in the read model's own database: it moves in the transaction that changes the read model."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Insert, Update, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from runtime.errors import ConfigurationError, ReadModelUnavailableError, StoreRefusedError
from runtime.model.cursor import Cursor, TurnLostError
from runtime.model.cursor_writes import CursorWrites
from runtime.sql.cursor_tables import columns_in
from runtime.unavailable import is_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy import ColumnElement, Connection, RootTransaction, Table

__all__ = ["SqlCursorRow", "translated"]

_DATABASE: Final = "the database of the cursors"
#: As PostgreSQL, MySQL and SQLite say it; the last one in words only.
_NO_TABLE_STATE: Final = "42P01"
_NO_TABLE_NUMBER: Final = 1146
_NO_TABLE_TEXT: Final = "no such table"
_AS_READ = ("version", "parkedVersion", "claim", "claimUntil", "wanted")
_AS_CLAIMED = ("version", "parkedVersion", "claim", "claimUntil")


class SqlCursorRow(CursorWrites):
    """One cursor row in a table.

    With the first version that the handler is shown, a transaction begins, and the row is locked in it. What
    the callbacks write through that connection, and the cursor, are committed at the end of the turn: both,
    or neither. A callback that fails is undone alone, up to its savepoint.

    Args:
        table: The table of cursors.
        whose: The columns that say whose cursor it is.
        row: The row as it was read, or None without one.
        connect: Gives a connection, for as long as the block lasts.
        use: Makes a connection the one of the callback that is called in the block.
    """

    def __init__(
        self,
        table: Table,
        whose: Mapping[str, Any],
        row: Mapping[str, Any] | None,
        connect: Callable[[], AbstractContextManager[Connection]],
        use: Callable[[Connection], AbstractContextManager[None]],
    ) -> None:
        self._table = table
        self._whose = dict(whose)
        self._connect = connect
        self._use = use
        #: The connection of the turn, its transaction, and what gives the connection back.
        self._turn: tuple[Connection, RootTransaction, AbstractContextManager[Connection]] | None = None
        self._before: Mapping[str, Any] | None = None
        self._take(row)

    def _take(self, row: Mapping[str, Any] | None) -> None:
        self._row = row
        self.cursor = Cursor.of(row, None)

    # --- the turn ---------------------------------------------------------------------------------

    @contextmanager
    def showing(self) -> Iterator[None]:
        """The turn's transaction, and a savepoint in it.

        Raises:
            TurnLostError: Somebody else has moved the cursor, or does so at this moment.
            ConfigurationError: The callback has ended the transaction.
        """
        connection, transaction = self._begin()
        with translated():
            savepoint = connection.begin_nested()
        try:
            with self._use(connection):
                yield
        except Exception:
            if savepoint.is_active and transaction.is_active:
                savepoint.rollback()
            raise
        if not transaction.is_active or not savepoint.is_active:
            msg = (
                "a callback has ended the transaction that SqlCursors.connection() is in: leave commit and "
                "rollback to it, or raise"
            )
            raise ConfigurationError(msg)
        with translated():
            savepoint.commit()

    def _begin(self) -> tuple[Connection, RootTransaction]:
        if self._turn is not None:
            return self._turn[:2]
        context = self._connect()
        connection = context.__enter__()
        self._turn, self._before = (connection, connection.begin(), context), self._row
        try:
            with translated():
                is_mine = self._lock(connection)
        except IntegrityError:
            is_mine = False  # somebody else has made the row
        except BaseException:
            self.close()
            raise
        if not is_mine:
            self.close()
            raise TurnLostError
        return self._turn[:2]

    def _lock(self, connection: Connection) -> bool:
        """Lock the row for the turn: nobody else moves the cursor until it is over."""
        if self._row is None:
            connection.execute(insert(self._table).values(self._whose))
            self._take(dict(self._whose))
            return True
        # What others want may have come since the turn was claimed.
        same = self._same(_AS_CLAIMED if self.cursor.is_claimed() else _AS_READ)
        kept = update(self._table).where(same).values(claim=self._table.c.claim)
        return connection.execute(kept).rowcount == 1

    def close(self) -> None:
        """Undo what a turn has left open."""
        if self._turn is not None:
            _, transaction, context = self._turn
            self._turn = None
            try:
                if transaction.is_active:
                    transaction.rollback()
            except SQLAlchemyError:
                pass  # the connection is gone, and the transaction with it
            finally:
                context.__exit__(None, None, None)
                self._take(self._before)

    # --- the row ----------------------------------------------------------------------------------

    def read(self) -> Cursor:
        """Read the row anew."""
        self.close()
        with self._connect() as connection:
            self._take(self._found(connection))
        return self.cursor

    def leave(self, version: int) -> bool:
        """Leave a version to whoever has the turn; False when that has changed since it was read."""
        if (self.cursor.wanted or 0) >= version:
            return True
        wanted = self._table.c.wanted
        held = and_(self._same(("claim", "claimUntil")), or_(wanted.is_(None), wanted < version))
        with self._connect() as connection, connection.begin():
            if connection.execute(update(self._table).where(held).values(wanted=version)).rowcount == 1:
                return True
            self._take(self._found(connection))
        return (self.cursor.wanted or 0) >= version and self.cursor.is_claimed()

    def fail(
        self,
        token: str | None,
        version: int | None,
        failed: int,
        error: Exception,
        hold: float = 0,
        *,
        resume: int | None = None,
    ) -> None:
        """See `CursorWrites.fail`. What was shown before is committed."""
        try:
            super().fail(token, version, failed, error, hold, resume=resume)
        finally:
            self.close()

    def _with_skipped(self, entry: dict[str, Any]) -> str:
        entries = json.loads((self._row or {}).get("skipped", "[]"))
        return json.dumps([*entries, entry])

    def _change_as_read(
        self,
        columns: dict[str, Any],
        remove: tuple[str, ...],
        witness: Any = None,  # noqa: ARG002, ANN401 - events need none
    ) -> bool:
        values = dict.fromkeys(remove) | columns
        is_locked = self._turn is not None
        condition = self._mine() if is_locked else self._same(_AS_READ)
        write: Insert | Update = update(self._table).where(condition).values(values)
        if self._row is None:
            write = insert(self._table).values(self._whose | columns)
        try:
            return self._write(write, columns, remove)
        except IntegrityError:
            self.read()  # somebody else has made the row
            return False

    def _change_mine(
        self, token: str, columns: dict[str, Any], remove: tuple[str, ...], wanted_up_to: int | None
    ) -> bool:
        condition = and_(self._mine(), self._table.c.claim == token)
        if wanted_up_to is not None:
            wanted = self._table.c.wanted
            condition = and_(condition, or_(wanted.is_(None), wanted <= wanted_up_to))
        values = dict.fromkeys(remove) | columns
        if self._write(update(self._table).where(condition).values(values), columns, remove):
            return True
        if self.cursor.claim != token:
            self.close()
            raise TurnLostError
        return False

    def _write(self, write: Insert | Update, columns: dict[str, Any], remove: tuple[str, ...]) -> bool:
        """Do a write, and commit it with what the turn has done; False where it finds no such row."""
        if self._turn is None:
            with self._connect() as connection, connection.begin():
                is_done = _changes_one(connection, write)
                if not is_done:
                    self._take(self._found(connection))
        else:
            connection, transaction, context = self._turn
            with translated():
                is_done = _changes_one(connection, write)
                if is_done:
                    self._commit(connection, transaction)
                else:
                    self._take(self._found(connection))
            if is_done:
                self._turn = None
                context.__exit__(None, None, None)
        if is_done:
            row = {**self._whose, **(self._row or {}), **columns}
            self._take({name: value for name, value in row.items() if name not in remove})
        return is_done

    def _commit(self, connection: Connection, transaction: RootTransaction) -> None:
        """Commit what the turn has done. Where that fails, all of it is undone.

        Raises:
            StoreRefusedError: A constraint that is checked at the end does not hold.
        """
        try:
            transaction.commit()
        except IntegrityError as error:
            # SQLite leaves the transaction open, which SQLAlchemy takes for ended: the next would commit it.
            connection.connection.rollback()
            self.close()
            # Not to be taken for a row that somebody else has made: the callbacks' work is gone.
            raise StoreRefusedError(_DATABASE, type(error).__name__) from error
        except SQLAlchemyError:
            self.close()
            raise

    def _found(self, connection: Connection) -> Mapping[str, Any] | None:
        row = connection.execute(select(self._table).where(self._mine())).one_or_none()
        return None if row is None else columns_in(self._table, row)

    def _mine(self) -> ColumnElement[bool]:
        mine: ColumnElement[bool] = self._table.c.id == self._whose["id"]
        return mine

    def _same(self, names: tuple[str, ...]) -> ColumnElement[bool]:
        """That these columns are as they were read."""
        row = self._row or {}
        columns = self._table.c
        return and_(self._mine(), *(columns[name].is_not_distinct_from(row.get(name)) for name in names))


def _changes_one(connection: Connection, write: Insert | Update) -> bool:
    """Do a write; whether it changes a row. How many rows an INSERT makes is not told: one, or it raises."""
    result = connection.execute(write)
    return isinstance(write, Insert) or result.rowcount == 1


@contextmanager
def translated() -> Iterator[None]:
    """What the database raises, as an error of this library; but that a key is taken, which is expected."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        kind = type(error).__name__
        if _is_about_a_missing_table(error):
            msg = (
                f"{_DATABASE} has not got their tables; call SqlCursors.create_tables() once, or let "
                "migrations make what is in its metadata"
            )
            raise ConfigurationError(msg) from error
        if is_unavailable(error):
            msg = f"{_DATABASE} is busy or out of reach ({kind})"
            raise ReadModelUnavailableError(msg) from error
        raise StoreRefusedError(_DATABASE, kind) from error


def _is_about_a_missing_table(error: SQLAlchemyError) -> bool:
    orig = getattr(error, "orig", None)
    if orig is None:
        return False
    is_of_mysql = bool(orig.args) and orig.args[0] == _NO_TABLE_NUMBER
    return is_of_mysql or getattr(orig, "sqlstate", None) == _NO_TABLE_STATE or _NO_TABLE_TEXT in str(orig)
