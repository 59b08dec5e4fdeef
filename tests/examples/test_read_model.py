from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from runtime import CommandModel, ConfigurationError
from todo.attributes import Priority, TodoAttributes
from todo.database import TodoRow, create_tables, engine
from todo.read_model import TodoReadModel

if TYPE_CHECKING:
    from constructs_lib.local import Postgres


pytestmark = pytest.mark.usefixtures("deployed")


def command(tenant: str, version: int, **values: Any) -> CommandModel[TodoAttributes]:
    attributes = {"title": f"title {version}", "done": version > 2, "due_date": date(2026, 12, version)}
    return CommandModel[TodoAttributes](
        **{
            "pk": f"TODO#{tenant}",
            "sk": f"A1@{version}",
            "id": f"TODO#{tenant}#A1",
            "code": "A1",
            "name": f"title {version}",
            "version": version,
            "tenant_code": tenant,
            "type": "TODO",
            "created_at": datetime(2026, 1, version, tzinfo=UTC),
            "created_by": f"user {version}",
            "updated_at": datetime(2026, 1, version, tzinfo=UTC),
            "updated_by": f"user {version}",
            "attributes": attributes,
        }
        | values
    )


def rows(tenant: str) -> list[dict[str, Any]]:
    with engine().connect() as connection:
        found = connection.execute(select(TodoRow.__table__).where(TodoRow.tenant_code == tenant))
        return [dict(row) for row in found.mappings()]


def test_a_version_becomes_a_row(tenant: str) -> None:
    TodoReadModel().up(command(tenant, 1))
    assert rows(tenant) == [
        {
            "id": f"TODO#{tenant}#A1",
            "cpk": f"TODO#{tenant}",
            "csk": "A1@1",
            "pk": f"TODO#{tenant}",
            "sk": "A1",
            "code": "A1",
            "name": "title 1",
            "version": 1,
            "tenant_code": tenant,
            "is_deleted": False,
            "seq": None,
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "created_by": "user 1",
            "created_ip": "",
            "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
            "updated_by": "user 1",
            "updated_ip": "",
            "life_id": None,
            "title": "title 1",
            "done": False,
            "due_date": date(2026, 12, 1),
            "priority": Priority.NORMAL,
        }
    ]


def test_a_later_version_replaces_everything_but_the_origin(tenant: str) -> None:
    for version in (1, 2, 3):
        TodoReadModel().up(command(tenant, version))
    (row,) = rows(tenant)
    assert (row["version"], row["title"], row["done"], row["due_date"]) == (
        3,
        "title 3",
        True,
        date(2026, 12, 3),
    )
    assert (row["created_by"], row["updated_by"]) == ("user 1", "user 3")
    assert (row["created_at"].day, row["updated_at"].day) == (1, 3)


@pytest.mark.parametrize("order", [(1, 2, 2), (1, 2, 1), (2, 1), (1, 3, 2, 1, 3)])
def test_a_version_that_comes_again_or_late_changes_nothing(tenant: str, order: tuple[int, ...]) -> None:
    for version in order:
        TodoReadModel().up(command(tenant, version))
    (row,) = rows(tenant)
    assert row["version"] == max(order)
    assert row["title"] == f"title {max(order)}"


def test_the_same_version_twice_keeps_what_was_written_first(tenant: str) -> None:
    TodoReadModel().up(command(tenant, 1))
    TodoReadModel().up(command(tenant, 1, name="another"))
    assert rows(tenant)[0]["name"] == "title 1"


def test_a_deleted_todo_keeps_its_row(tenant: str) -> None:
    TodoReadModel().up(command(tenant, 1))
    TodoReadModel().up(command(tenant, 2, is_deleted=True))
    (row,) = rows(tenant)
    assert row["is_deleted"] is True
    assert row["version"] == 2
    TodoReadModel().up(command(tenant, 3))
    assert rows(tenant)[0]["is_deleted"] is False


def test_a_field_that_goes_away_is_null(tenant: str) -> None:
    TodoReadModel().up(command(tenant, 1))
    TodoReadModel().up(command(tenant, 2, attributes={"title": "b"}))
    assert rows(tenant)[0]["due_date"] is None


def test_tables_may_be_created_twice(postgres: Postgres) -> None:
    create_tables(postgres.uri())


def test_a_database_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not set"):
        engine()


def test_a_todo_that_is_deleted_for_good_has_no_row(tenant: str) -> None:
    TodoReadModel().up(command(tenant, 1))
    TodoReadModel().down(command(tenant, 1))
    TodoReadModel().down(command(tenant, 1))
    assert rows(tenant) == []
