from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.dialects import oracle
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session

from runtime import CommandModel, ConfigurationError
from runtime.sql import delete, row_of, upsert
from tests.sql.rows import BookRow, command, rows

if TYPE_CHECKING:
    from sqlalchemy import Engine

on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


def up(engine: Engine, *versions: int, **columns: Any) -> list[bool]:
    wrote = []
    for version in versions:
        with engine.begin() as connection:
            wrote.append(upsert(connection, BookRow, command(version), **columns))
    return wrote


def test_a_command_becomes_a_row(engine: Engine) -> None:
    with engine.begin() as connection:
        assert upsert(connection, BookRow, command(seq=7), genre="crime", pages=300, extra={"a": [1]}) is True
    assert rows(engine) == [
        {
            "id": "BOOK#acme#A1",
            "cpk": "BOOK#acme",
            "csk": "A1@1",
            "pk": "BOOK#acme",
            "sk": "A1",
            "code": "A1",
            "name": "name 1",
            "version": 1,
            "life_id": None,
            "tenant_code": "acme",
            "is_deleted": False,
            "seq": 7,
            "created_at": datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC),
            "created_by": "maker 1",
            "created_ip": "192.0.2.1",
            "updated_at": datetime(2026, 2, 1, tzinfo=UTC),
            "updated_by": "editor 1",
            "updated_ip": "198.51.100.1",
            "book_genre": "crime",
            "pages": 300,
            "price": None,
            "extra": {"a": [1]},
        }
    ]


def test_a_later_version_replaces_all_but_the_origin(engine: Engine) -> None:
    up(engine, 1, genre="crime", pages=300)
    with engine.begin() as connection:
        assert upsert(connection, BookRow, command(2, code="B2", seq=9), genre=None) is True
    (row,) = rows(engine)
    assert (row["version"], row["csk"], row["code"], row["name"], row["seq"]) == (
        2,
        "A1@2",
        "B2",
        "name 2",
        9,
    )
    assert (row["updated_at"].day, row["updated_by"], row["updated_ip"]) == (2, "editor 2", "198.51.100.2")
    assert (row["created_at"].day, row["created_by"], row["created_ip"]) == (1, "maker 1", "192.0.2.1")
    assert row["book_genre"] is None
    assert row["pages"] == 300  # not given: not this handler's


@pytest.mark.parametrize("order", sorted(set(itertools.permutations([1, 1, 2, 3, 3], 5)))[::5])
def test_the_latest_version_wins_in_any_order(engine: Engine, order: tuple[int, ...]) -> None:
    wrote, latest = [], 0
    for version in order:
        wrote.append(version > latest)
        latest = max(latest, version)
    found = []
    for version in order:
        found += up(engine, version, pages=version)
    assert found == wrote
    (row,) = rows(engine)
    assert (row["version"], row["name"], row["pages"], row["csk"]) == (3, "name 3", 3, "A1@3")


def test_the_same_version_again_is_written_on_demand_only(engine: Engine) -> None:
    up(engine, 1, 2)
    assert up(engine, 2, pages=5) == [False]
    assert rows(engine)[0]["pages"] is None
    assert up(engine, 2, same_version=True, pages=5) == [True]
    assert up(engine, 1, same_version=True, pages=6) == [False]
    assert rows(engine)[0]["pages"] == 5


def test_a_soft_deletion_is_a_column_and_can_be_undone(engine: Engine) -> None:
    for version, is_deleted in ((1, None), (2, True), (3, None)):
        with engine.begin() as connection:
            upsert(connection, BookRow, command(version, is_deleted=is_deleted))
        (row,) = rows(engine)
        assert row["is_deleted"] is bool(is_deleted)


def test_a_session_will_do_and_the_transaction_is_the_callers(engine: Engine) -> None:
    with Session(engine) as session:
        assert upsert(session, BookRow, command()) is True
        session.rollback()
    assert rows(engine) == []
    with Session(engine) as session, session.begin():
        assert upsert(session, BookRow, command()) is True
    with Session(engine) as session, session.begin():
        book = session.get_one(BookRow, "BOOK#acme#A1")
        assert (book.version, book.created_at.utcoffset()) == (1, timedelta(0))


def test_what_a_command_lacks_is_filled_in(engine: Engine) -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=9)))
    bare = CommandModel[Any](pk="BOOK#acme", sk="A1@1", version=1, created_at=moment, updated_at=moment)
    with engine.begin() as connection:
        upsert(connection, BookRow, bare)
    (row,) = rows(engine)
    assert (row["id"], row["code"], row["name"], row["tenant_code"]) == ("BOOK#acme#A1", "A1", "", "acme")
    assert {row[f"{when}_{what}"] for when in ("created", "updated") for what in ("by", "ip")} == {""}
    assert row["created_at"] == moment
    assert row["created_at"].utcoffset() == timedelta(0)


def test_a_moment_needs_a_time_zone(engine: Engine) -> None:
    with (
        pytest.raises(StatementError, match="must have a time zone"),
        engine.begin() as connection,
    ):
        upsert(connection, BookRow, command(updated_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - that is it


def test_an_unknown_column_is_named(engine: Engine) -> None:
    with (
        engine.begin() as connection,
        pytest.raises(
            ConfigurationError, match=r"BookRow takes no values for size, version; it takes .*genre"
        ),
    ):
        upsert(connection, BookRow, command(), size=1, genre="crime", version=3)
    assert rows(engine) == []


def test_a_code_may_be_given_twice_as_in_dynamodb(engine: Engine) -> None:
    up(engine, 1)
    with engine.begin() as connection:
        assert upsert(connection, BookRow, command(sk="B1", code="A1")) is True
    assert {(row["sk"], row["code"]) for row in rows(engine)} == {("A1", "A1"), ("B1", "A1")}


def test_another_database_is_refused() -> None:
    elsewhere = SimpleNamespace(dialect=oracle.dialect())
    with pytest.raises(ConfigurationError, match="postgresql, mysql, mariadb and sqlite, got oracle"):
        upsert(elsewhere, BookRow, command())  # type: ignore[arg-type]


def test_a_row_that_is_deleted_for_good_is_gone(engine: Engine) -> None:
    up(engine, 1, 2)
    with engine.begin() as connection:
        assert delete(connection, BookRow, command(1)) is False
        assert delete(connection, BookRow, command(2, tenant="globex")) is False
    assert len(rows(engine)) == 1
    with Session(engine) as session, session.begin():
        assert delete(session, BookRow, command(2)) is True
        assert delete(session, BookRow, command(2)) is False
    assert rows(engine) == []


def test_a_pending_command_as_a_row() -> None:
    row = row_of(BookRow, command(2, is_deleted=True), pages=3)
    assert (row.id, row.sk, row.csk, row.version, row.is_deleted) == ("BOOK#acme#A1", "A1", "A1@2", 2, True)
    assert (row.pages, row.genre) == (3, None)
    with pytest.raises(ConfigurationError):
        row_of(BookRow, command(), size=1)


@pytest.mark.parametrize("late", [1, 3])
def test_a_second_connection_waits_and_the_later_version_stays(postgres: Engine, late: int) -> None:
    BookRow.metadata.drop_all(postgres)
    BookRow.metadata.create_all(postgres)
    wrote: list[bool] = []

    def write() -> None:
        with postgres.begin() as connection:
            wrote.append(upsert(connection, BookRow, command(late), pages=late))

    second = threading.Thread(target=write)
    with postgres.begin() as first:
        assert upsert(first, BookRow, command(2), pages=2) is True
        second.start()
        second.join(0.3)
        assert second.is_alive()  # it waits for the transaction that holds the row
    second.join(10)
    assert wrote == [late > 2]
    (row,) = rows(postgres)
    assert (row["version"], row["pages"], row["name"]) == (max(2, late), max(2, late), f"name {max(2, late)}")


def test_many_connections_at_once_leave_the_latest(engine: Engine) -> None:
    versions = [*range(1, 21)] * 2
    failures: list[Exception] = []

    def write(part: list[int]) -> None:
        try:
            for version in part:
                up(engine, version, pages=version)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=write, args=(versions[start::4][::-1],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    (row,) = rows(engine)
    assert (row["version"], row["pages"], row["name"]) == (20, 20, "name 20")


@on_postgresql
def test_rows_that_are_inserted_at_once_are_each_there_once(engine: Engine) -> None:
    """Each is inserted by all at the same time, so that its unique keys are taken by another one."""
    keys, together, failures = [f"S{number}" for number in range(200)], threading.Barrier(4, timeout=60), []

    def write(start: int) -> None:
        for number, sk in enumerate(keys):
            together.wait()
            version = 1 + (start + number) % 4
            try:
                with engine.begin() as connection:
                    upsert(connection, BookRow, command(version, sk=sk), pages=version)
            except SQLAlchemyError as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted((row["sk"], row["version"], row["pages"]) for row in rows(engine)) == [
        (sk, 4, 4) for sk in sorted(keys)
    ]


@on_postgresql
@pytest.mark.parametrize("version", [1, 3])
def test_what_somebody_else_has_of_what_is_unique_is_an_error(engine: Engine, version: int) -> None:
    up(engine, 1)
    other = command(version).model_copy(update={"id": "another"})
    with pytest.raises(IntegrityError, match="uq_book_"), Session(engine) as session:
        upsert(session, BookRow, other)
    (row,) = rows(engine)
    assert row["version"] == 1


@on_postgresql
def test_statements_may_each_be_a_transaction(engine: Engine) -> None:
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        found = [upsert(connection, BookRow, command(version), pages=version) for version in (2, 1, 2, 3)]
    assert found == [True, False, False, True]
    (row,) = rows(engine)
    assert (row["version"], row["pages"]) == (3, 3)


def of_life(life: str, version: int, day: int, **values: Any) -> CommandModel[Any]:
    """A version of one of an aggregate's lives, published on a day of March."""
    return command(version, life_id=life, updated_at=datetime(2026, 3, day, tzinfo=UTC), **values)


def write(engine: Engine, made: CommandModel[Any], **columns: Any) -> bool:
    with engine.begin() as connection:
        return upsert(connection, BookRow, made, **columns)


@pytest.mark.parametrize("first", [1, 2, 7])
def test_a_later_life_replaces_the_row_of_an_earlier_one(engine: Engine, first: int) -> None:
    assert write(engine, of_life("one", 5, 1), genre="crime", pages=300) is True
    assert write(engine, of_life("two", first, 9), genre="poetry") is True
    (row,) = rows(engine)
    assert (row["version"], row["life_id"], row["created_by"]) == (first, "two", f"maker {first}")
    assert (row["book_genre"], row["pages"]) == ("poetry", None)
    # What is late, or comes again, is of either life.
    assert write(engine, of_life("one", 6, 2)) is False
    assert write(engine, of_life("one", 9, 2), genre="late") is False
    assert write(engine, of_life("two", first, 9)) is False
    assert write(engine, of_life("two", first + 1, 9)) is True
    assert rows(engine)[0]["book_genre"] == "poetry"


def test_a_row_that_tells_no_life_is_of_any(engine: Engine) -> None:
    assert up(engine, 2) == [True]
    assert write(engine, of_life("one", 1, 9)) is False
    assert write(engine, of_life("one", 3, 9)) is True
    assert up(engine, 3, 4) == [False, True]


def test_an_erasure_takes_rows_of_its_life_and_of_earlier_ones(engine: Engine) -> None:
    def erase(made: CommandModel[Any]) -> bool:
        with engine.begin() as connection:
            return delete(connection, BookRow, made)

    assert write(engine, of_life("two", 1, 9)) is True
    assert erase(of_life("one", 5, 1)) is False
    assert len(rows(engine)) == 1
    assert erase(of_life("three", 1, 12)) is True
    assert rows(engine) == []
    assert write(engine, of_life("two", 2, 9)) is True
    assert erase(of_life("two", 1, 9)) is False
    assert erase(of_life("two", 2, 9)) is True
