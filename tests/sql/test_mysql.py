"""What MySQL is sent, and what is made of its answers: there is no server here."""

from __future__ import annotations

import operator
import re
from typing import Any

import pytest
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from runtime.sql import upsert
from runtime.sql.values import column_values, columns_of
from runtime.sql.writes import duplicate_key_upsert
from tests.sql.rows import BookRow, command

GUARD = (
    "book.id = VALUES(id)"
    " AND (book.life_id IS NULL OR VALUES(life_id) IS NULL OR book.life_id = VALUES(life_id))"
    " AND book.version < VALUES(version)"
)


def statement(**values: object) -> str:
    known = columns_of(BookRow)
    row = {known[name]: value for name, value in column_values(BookRow, command(), values).items()}
    return str(duplicate_key_upsert(BookRow, row, operator.lt).compile(dialect=mysql.dialect()))


def test_each_column_is_guarded_and_the_version_is_the_last() -> None:
    text = statement(genre="crime")
    _, _, assignments = text.partition(" ON DUPLICATE KEY UPDATE ")
    pattern = re.compile(rf"(\w+) = IF\({re.escape(GUARD)}, VALUES\((\w+)\), book\.(\w+)\)(?:, |$)")
    found = pattern.findall(assignments)
    assert pattern.sub("", assignments) == ""
    assert all(len(set(names)) == 1 for names in found)
    names = [name for name, _, _ in found]
    assert names[-1] == "version"
    assert "book_genre" in names
    assert not {"id", "created_at", "created_by", "created_ip", "pages"} & set(names)
    assert len(names) == len(set(names)) == 15


def test_the_insert_has_every_column_that_is_given() -> None:
    (columns,) = re.findall(r"^INSERT INTO book \((.*?)\) VALUES \((?:%s, )+%s\) ON", statement(pages=1))
    assert {"id", "cpk", "csk", "version", "created_at", "pages"} <= set(columns.split(", "))
    assert "book_genre" not in columns


@pytest.mark.parametrize("name", ["id", "cpk", "csk", "pk", "sk", "code", "tenant_code"])
def test_a_key_is_compared_letter_by_letter(name: str) -> None:
    ddl = str(CreateTable(BookRow.__table__).compile(dialect=mysql.dialect()))  # type: ignore[arg-type]
    assert re.search(rf"\t{name} VARCHAR\(\d+\) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL", ddl)
    assert "created_at DATETIME(6) NOT NULL" in ddl


def test_every_index_fits_into_innodb() -> None:
    table = BookRow.__table__
    keys = [list(index.columns) for index in table.indexes] + [
        list(constraint.columns) for constraint in table.constraints if list(constraint.columns)
    ]
    assert len(keys) >= 5
    for columns in keys:
        sizes = [
            column.type.dialect_impl(mysql.dialect()).length  # type: ignore[attr-defined]
            for column in columns
            if column.name != "book_genre"
        ]
        assert 4 * sum(sizes) <= 3072, columns


class Result:
    def __init__(self, version: int | None = None, rowcount: int = 0) -> None:
        self.rowcount = rowcount
        self._version = version

    def scalar_one_or_none(self) -> int | None:
        return self._version


class Server:
    """What MySQL answers, with the flag CLIENT_FOUND_ROWS that SQLAlchemy's drivers set."""

    dialect = mysql.dialect()

    def __init__(self, *, between: tuple[str, int] | None = None) -> None:
        self.versions: dict[str, int] = {}
        self.codes: dict[str, str] = {}
        self.sent: list[str] = []
        self._between = between  # what another connection writes after our first read

    def execute(self, statement: Any) -> Result:
        compiled = statement.compile(dialect=self.dialect)
        text = str(compiled)
        self.sent.append(text)
        if text.startswith("SELECT"):
            found = self.versions.get(compiled.params["id_1"])
            if self._between:
                self.versions.update([self._between])
                self._between = None
            return Result(found)
        values = compiled.params
        duplicate = values["id"] if values["id"] in self.versions else self.codes.get(values["code"])
        if duplicate is None:
            self.versions[values["id"]] = values["version"]
            self.codes[values["code"]] = values["id"]
            return Result(rowcount=1)
        if "ON DUPLICATE KEY UPDATE" not in text:
            raise IntegrityError(text, None, Exception("Duplicate entry"))
        older = operator.le if "book.version <= VALUES(version)" in text else operator.lt
        if duplicate != values["id"] or not older(self.versions[duplicate], values["version"]):
            return Result(rowcount=1)
        changed = self.versions[duplicate] != values["version"]
        self.versions[duplicate] = values["version"]
        return Result(rowcount=2 if changed else 1)


def up(server: Server, version: int, **values: Any) -> bool:
    return upsert(server, BookRow, command(version, **values))  # type: ignore[arg-type]


def test_it_tells_whether_it_wrote() -> None:
    server = Server()
    assert [up(server, version) for version in (1, 1, 3, 2, 3, 4)] == [True, False, True, False, False, True]
    assert server.versions == {"BOOK#acme#A1": 4}


def test_a_version_that_is_there_costs_one_read() -> None:
    server = Server()
    up(server, 2)
    server.sent.clear()
    assert up(server, 1) is False
    assert [text.split()[0] for text in server.sent] == ["SELECT"]


@pytest.mark.parametrize(("other", "wrote"), [(1, True), (3, False)])
def test_another_connection_may_be_faster(other: int, *, wrote: bool) -> None:
    server = Server(between=("BOOK#acme#A1", other))
    assert up(server, 2) is wrote
    assert server.versions == {"BOOK#acme#A1": max(2, other)}
    if not wrote:
        assert "FOR UPDATE" in server.sent[-1]


def test_the_row_of_another_aggregate_with_the_same_code_is_left_alone() -> None:
    server = Server()
    up(server, 1)
    with pytest.raises(IntegrityError, match="Duplicate entry"):
        up(server, 2, sk="B1", id="BOOK#acme#B1", code="A1")
    assert server.versions == {"BOOK#acme#A1": 1}
