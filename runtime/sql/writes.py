"""Writes that an older version cannot win."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import and_, func, insert, inspect, literal, or_, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from runtime.errors import ConfigurationError, InvalidInputError
from runtime.sql.fitting import column_problems, for_dialect
from runtime.sql.types import MYSQL
from runtime.sql.values import ORIGIN, column_values, columns_of, id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Column, ColumnElement, Connection, CursorResult, Select, Table
    from sqlalchemy.sql import Executable

    from runtime.model.models import CommandModel
    from runtime.sql.columns import CqrsColumns

    Comparison = Callable[[Any, Any], Any]

__all__ = ["conflict_upsert", "delete", "duplicate_key_upsert", "upsert"]


def upsert(
    database: Session | Connection,
    model: type[CqrsColumns],
    command: CommandModel[Any],
    *,
    same_version: bool = False,
    **columns: Any,  # noqa: ANN401 - of the model
) -> bool:
    """Bring the row of an aggregate to the state after ``command``, unless it is there already.

    One statement, which compares the versions inside of the database: commands that come
    twice, late or at the same time leave the latest state. Where it finds nothing to do, a
    second one looks for the row of an earlier life of the aggregate, which a new row replaces.
    The transaction is the caller's. PostgreSQL has up to two statements more where there is no
    older row: one that inserts, and one for what others have inserted at the same time. On MySQL
    there is a read before it, and one after it where the row may be new.

    Example:
        >>> class ProductReadModel(DataSyncHandler):
        ...     def up(self, command: CommandModel[ProductAttributes]) -> None:
        ...         with engine_from_environment().begin() as connection:
        ...             upsert(connection, ProductRow, command, **command.attributes.model_dump())

    Args:
        database: Where to write: a session or a connection of PostgreSQL, MySQL, MariaDB or
            SQLite.
        model: Declarative model with `CqrsColumns`.
        command: The command; `CqrsColumns` are filled from it. Those of the origin
            (``created_…``) are written once.
        same_version: True also writes over a row of the same version, so that a re-sync
            fills a column that was added since.
        **columns: Values of the model's own columns, by their names in Python. One that is
            left out stays as it is, and is null in a new row.

    Returns:
        Whether it wrote: False when the row is at this version or a later one.

    Raises:
        ConfigurationError: The model has no such column, or the database is another one.
        InvalidInputError: A value of the model's own columns does not fit: it is longer or
            larger than the column, or null where that takes none.
    """
    values = column_values(model, command, columns)
    known = columns_of(model)
    bind = database.get_bind() if isinstance(database, Session) else database
    dialect = bind.dialect.name
    if dialect != "sqlite" and (problems := column_problems(values, known)):
        raise InvalidInputError(problems)
    row = {known[name]: for_dialect(value, known[name], bind.dialect) for name, value in values.items()}
    older = operator.le if same_version else operator.lt

    def is_written() -> bool:
        if dialect in MYSQL:
            return _upsert_on_mysql(database, model, row, older)
        if dialect == "postgresql":
            return _upsert_on_postgresql(database, model, row, older)
        statement = conflict_upsert(model, row, older, dialect)
        return database.execute(statement).first() is not None

    return is_written() or (_end_earlier_life(database, model, command) and is_written())


def delete(database: Session | Connection, model: type[CqrsColumns], command: CommandModel[Any]) -> bool:
    """Take the row of an aggregate away, for ``down`` of a handler.

    Args:
        database: Where to write; the transaction is the caller's.
        model: Declarative model with `CqrsColumns`.
        command: The last command of the aggregate.

    Returns:
        Whether there was one. A row of a later version, or of a later life, stays.
    """
    known, life = columns_of(model), command.life_id
    older = known["version"] <= command.version
    if life is not None:
        of_this_life = known["life_id"].is_(None) | (known["life_id"] == life)
        older = (of_this_life & older) | _is_of_earlier_life(known, command)
    statement = delete_from(_table(model)).where(known["id"] == id_of(command), older)
    return bool(_rowcount(database, statement))


def conflict_upsert(
    model: type[CqrsColumns], row: Mapping[Column[Any], Any], older: Comparison, dialect: str
) -> Any:  # noqa: ANN401 - of either dialect
    """The statement of PostgreSQL and SQLite; it returns the version when it wrote.

    Raises:
        ConfigurationError: The database is another one.
    """
    known = columns_of(model)
    makers: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
    if dialect not in makers:
        msg = f"upsert works on postgresql, mysql, mariadb and sqlite, got {dialect}"
        raise ConfigurationError(msg)
    statement = makers[dialect](_table(model)).values(row)
    new = statement.excluded
    is_same_life = _is_same_life(known["life_id"], new[known["life_id"].key])
    return statement.on_conflict_do_update(
        index_elements=[known["id"]],
        set_={column: new[column.key] for column in _changing(model, row)},
        where=is_same_life & older(known["version"], new[known["version"].key]),
    ).returning(known["version"])


def duplicate_key_upsert(
    model: type[CqrsColumns], row: Mapping[Column[Any], Any], older: Comparison
) -> mysql.Insert:
    """The statement of MySQL.

    It has no WHERE there, so each column decides for itself. They are set from left to
    right, each seeing the ones before it as set already: the version has to be the last.
    A row of another aggregate that has the same unique code is a duplicate, too, which the
    comparison of the ids keeps as it is.
    """
    known = columns_of(model)
    version = known["version"]
    statement = mysql.insert(_table(model)).values(dict(row))
    new = statement.inserted
    is_same_life = _is_same_life(known["life_id"], new[known["life_id"].key])
    wins: ColumnElement[bool] = (
        (known["id"] == new[known["id"].key]) & is_same_life & older(version, new[version.key])
    )
    changing = sorted(_changing(model, row), key=lambda column: column is version)
    return statement.on_duplicate_key_update(
        [(column.key, func.IF(wins, new[column.key], column)) for column in changing]
    )


def _upsert_on_postgresql(
    database: Session | Connection,
    model: type[CqrsColumns],
    row: Mapping[Column[Any], Any],
    older: Comparison,
) -> bool:
    # ON CONFLICT (id) is about the id alone: for who inserts the row while another one does, its other unique
    # keys are taken, and that is an error, or a deadlock. Without a target it is about all of them.
    known = columns_of(model)
    if row[known["version"]] > 1 and _is_changed(database, model, row, older):
        return True
    new = postgresql.insert(_table(model)).values(row).on_conflict_do_nothing().returning(known["version"])
    if database.execute(new).first() is not None:
        return True
    # Now the row is there, or somebody else has what has to be unique, which this tells.
    return database.execute(conflict_upsert(model, row, older, "postgresql")).first() is not None


def _is_changed(
    database: Session | Connection,
    model: type[CqrsColumns],
    row: Mapping[Column[Any], Any],
    older: Comparison,
) -> bool:
    """Whether there was an older row, which is as the new one is now."""
    known = columns_of(model)
    life, version = known["life_id"], known["version"]
    is_same_life = _is_same_life(life, literal(row.get(life), life.type))
    statement = (
        update(_table(model))
        .where(known["id"] == row[known["id"]], is_same_life, older(version, row[version]))
        .values({column: row[column] for column in _changing(model, row)})
    )
    return bool(_rowcount(database, statement))


def _upsert_on_mysql(
    database: Session | Connection,
    model: type[CqrsColumns],
    row: Mapping[Column[Any], Any],
    older: Comparison,
) -> bool:
    # Drivers report one row both for an insert and for a row that stays as it is (the flag
    # CLIENT_FOUND_ROWS), so the row has to be looked at.
    known = columns_of(model)
    version = row[known["version"]]
    stored = select(known["version"]).where(known["id"] == row[known["id"]])
    before = _version(database, stored)
    if before is not None and not older(before, version):
        return False
    if _rowcount(database, duplicate_key_upsert(model, row, older)) > 1:
        return True
    after = _version(database, stored.with_for_update())
    if after is None:
        # The duplicate was another aggregate's row. Have MySQL say which key it is.
        database.execute(insert(_table(model)).values(dict(row)))
        return True
    return before is None and after == version


def _is_same_life(life: Column[Any], new: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row may be of the same life as the one that is written; one that does not tell is of any."""
    return or_(life.is_(None), new.is_(None), life == new)


def _is_of_earlier_life(known: Mapping[str, Column[Any]], command: CommandModel[Any]) -> ColumnElement[bool]:
    return and_(known["life_id"] != command.life_id, known["updated_at"] < command.updated_at)


def _end_earlier_life(
    database: Session | Connection, model: type[CqrsColumns], command: CommandModel[Any]
) -> bool:
    """Take the row of an earlier life away: nobody does when an item expires. Whether there was one."""
    if command.life_id is None:
        return False
    known = columns_of(model)
    statement = delete_from(_table(model)).where(
        known["id"] == id_of(command), _is_of_earlier_life(known, command)
    )
    return bool(_rowcount(database, statement))


def _changing(model: type[CqrsColumns], row: Mapping[Column[Any], Any]) -> list[Column[Any]]:
    known = columns_of(model)
    once = {known[name] for name in ORIGIN}
    return [column for column in row if column not in once]


def _table(model: type[CqrsColumns]) -> Table:
    return cast("Table", inspect(model).local_table)


def _version(database: Session | Connection, statement: Select[int]) -> int | None:
    return database.execute(statement).scalar_one_or_none()


def _rowcount(database: Session | Connection, statement: Executable) -> int:
    return cast("CursorResult[Any]", database.execute(statement)).rowcount
