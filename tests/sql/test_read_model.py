"""A module with a read model: what is written, refused at publish, searched and shown over HTTP."""

from __future__ import annotations

import random
import string
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import Numeric, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from runtime import (
    CommandModel,
    CommandModule,
    CqrsApp,
    CqrsModel,
    InvalidInputError,
    ItemList,
    SearchQuery,
    module_routes,
)
from runtime.sql import CqrsColumns, SqlReadModel, search
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class InvoiceRow(CqrsColumns, Base):
    __tablename__ = "invoice"

    customer: Mapped[str] = mapped_column(String(20), index=True)
    issued_on: Mapped[date]
    total: Mapped[Decimal] = mapped_column(Numeric(6, 2))


class InvoiceAttributes(CqrsModel):
    customer: str
    issued_on: date = date(2026, 1, 2)
    total: Decimal = Decimal("12.50")


class InvoiceReadModel(SqlReadModel):
    row = InvoiceRow
    at: ClassVar[Engine]

    def values(self, command: CommandModel[InvoiceAttributes]) -> dict[str, Any]:
        return command.attributes.model_dump() if command.attributes else {}

    def engine(self) -> Engine:
        return self.at


def find(query: SearchQuery) -> ItemList[InvoiceRow]:
    """The whole of it: rows have a JSON form, and a query the arguments of a search."""
    with Session(InvoiceReadModel.at) as session:
        return search(session, InvoiceRow, **query.options)


def made(*, ask_handlers: bool) -> CqrsApp:
    invoice = CommandModule(
        "invoice",
        attributes=InvoiceAttributes,
        data_sync_handlers=[InvoiceReadModel],
        ask_handlers=ask_handlers,
    )
    routes = module_routes(invoice, prefix="/invoices", type="INVOICE", search=find, ttl=["replace"])
    return CqrsApp(modules=[invoice], routes=[routes])


@pytest.fixture
def table(postgres: Engine) -> Iterator[Engine]:
    InvoiceReadModel.at = create_engine(postgres.url)
    Base.metadata.drop_all(InvoiceReadModel.at)
    Base.metadata.create_all(InvoiceReadModel.at)
    yield InvoiceReadModel.at
    InvoiceReadModel.at.dispose()


@pytest.fixture
def memory(table: Engine) -> Iterator[MemoryApp]:
    del table
    with MemoryApp(made(ask_handlers=False)) as memory:
        yield memory


def parked(memory: MemoryApp) -> dict[str, str]:
    return {
        str(row["sk"]).partition("#")[2]: str(row["parkedError"])
        for row in memory.rows("invoice", "sync")
        if "parkedVersion" in row
    }


letters = random.Random(1)  # noqa: S311 - not a secret, and not to be compressed
LONG = "".join(letters.choices(string.ascii_letters, k=9000))
POISON: dict[str, dict[str, Any]] = {
    "long-name": {"name": LONG},
    "nul-name": {"name": "a\0b"},
    "large-seq": {"seq": 2**63},
    "long-code": {"code": LONG},
    "one-code": {"code": "same"},
    "same-code": {"code": "same"},
    "japanese": {"name": "".join(chr(letters.randrange(0x4E00, 0x9F00)) for _ in range(900))},
    "nul-customer": {"attributes": {"customer": "a\0b"}},
    "good": {},
}


def test_no_text_or_number_of_a_command_parks_the_read_model(memory: MemoryApp) -> None:
    client = memory.client(tenant="mallory", user="m")
    commands = [
        {"sk": sk, "version": 0, "code": sk, "name": "n", "attributes": {"customer": "c"}} | values
        for sk, values in POISON.items()
    ]
    answer = client.post("/invoices/bulk", commands)
    assert {item["status"] for item in answer.json()["items"]} <= {201, 202}
    memory.deliver()
    assert parked(memory) == {}
    found = client.get("/invoices/search", params={"orderBys": "code", "pageSize": "50"}).json()
    assert found["total"] == len(POISON)
    assert {item["sk"] for item in found["items"]} == set(POISON)


TOO_MUCH = [
    ({"customer": "c" * 21}, "customer", "must be at most 20 characters, got 21"),
    ({"customer": "c", "total": 10_000}, "total", "must have at most 4 digits before the decimal point"),
]


@pytest.mark.parametrize(("attributes", "field", "message"), TOO_MUCH)
def test_a_module_that_asks_its_handlers_refuses_what_the_table_does_not_take(
    table: Engine, attributes: dict[str, Any], field: str, message: str
) -> None:
    del table
    with MemoryApp(made(ask_handlers=True)) as memory:
        client = memory.client(tenant="acme", user="ann")
        body = {"version": 0, "code": "A1", "name": "n", "attributes": attributes}
        answer = client.put("/invoices/A1", body)
        assert answer.status == 400
        assert [(error["field"], error["message"]) for error in answer.json()["errors"]] == [(field, message)]
        assert memory.rows("invoice", "command") == []
        assert client.put("/invoices/A1", body | {"attributes": {"customer": "c"}}).status < 300
        patched = client.patch("/invoices/A1", {"version": 1, "attributes": attributes})
        assert patched.status == 400
        memory.deliver()
        assert parked(memory) == {}


def test_a_module_that_does_not_ask_says_why_the_handler_is_parked(memory: MemoryApp) -> None:
    client = memory.client(tenant="acme", user="ann")
    client.put(
        "/invoices/A1", {"version": 0, "code": "A1", "name": "n", "attributes": {"customer": "c" * 21}}
    )
    memory.deliver()
    assert parked(memory) == {"A1": "InvalidInputError: customer: must be at most 20 characters, got 21"}


def test_a_search_pages_and_sorts_as_the_route_is_asked(memory: MemoryApp) -> None:
    client = memory.client(tenant="acme", user="ann")
    for number in range(5):
        attributes = {"customer": f"c{number}", "total": f"{number}.50"}
        client.put(
            f"/invoices/A{number}",
            {"version": 0, "code": f"A{number}", "name": "n", "attributes": attributes},
        )
    memory.deliver()
    page = client.get("/invoices/search", params={"page": "2", "pageSize": "2", "orderBys": "-total"}).json()
    assert (page["page"], page["pageSize"], page["total"]) == (2, 2, 5)
    assert [item["total"] for item in page["items"]] == [2.5, 1.5]
    (item,) = client.get("/invoices/search", params={"keyword": "A3"}).json()["items"]
    assert (item["customer"], item["issuedOn"], item["isDeleted"], item["tenantCode"]) == (
        "c3",
        "2026-01-02",
        False,
        "acme",
    )
    refused = client.get("/invoices/search", params={"orderBys": "size"})
    assert refused.status == 400
    assert refused.json()["errors"][0]["field"] == "orderBys"
    assert client.get("/invoices/search").json()["total"] == 5  # and an order of its own


def test_down_takes_the_row_away_and_a_resync_fills_it(memory: MemoryApp) -> None:
    client = memory.client(tenant="acme", user="ann")
    client.put("/invoices/A1", {"version": 0, "code": "A1", "name": "n", "attributes": {"customer": "c"}})
    memory.deliver()
    handler = InvoiceReadModel()
    command = memory.handlers["InvoiceReadModel"].seen[0]
    handler.down(command)
    with Session(handler.engine()) as session:
        assert session.scalars(select(InvoiceRow)).all() == []
    handler.up(command)
    handler.up(command)
    with Session(handler.engine()) as session:
        assert len(session.scalars(select(InvoiceRow)).all()) == 1


@pytest.mark.parametrize("keeps_commands", [True, False])
def test_an_item_that_is_made_anew_after_it_expired_is_shown(
    memory: MemoryApp, *, keeps_commands: bool
) -> None:
    if not keeps_commands:
        memory.app.modules["invoice"].ttl.set_ttl_configuration("command", 1, "acme")
    client = memory.client(tenant="acme", user="ann")
    body = {"code": "A1", "name": "old", "attributes": {"customer": "c"}}
    for version in range(3):
        expires = int(memory.clock.seconds()) + 3600
        old = body | {"version": version, "name": f"old {version}", "ttl": expires}
        assert client.put("/invoices/A1", old).status < 300
        memory.deliver()
    memory.clock.advance(days=2)
    memory.expire()
    assert memory.rows("invoice", "data") == []
    version = len(memory.rows("invoice", "command"))
    assert version == (3 if keeps_commands else 0)
    assert client.put("/invoices/A1", body | {"version": version, "name": "new"}).status < 300
    memory.deliver()
    (item,) = client.get("/invoices/search").json()["items"]
    assert (item["name"], item["version"]) == ("new", version + 1)
    assert item["createdAt"] == item["updatedAt"]
    assert "lifeId" not in item


def test_problems_are_told_without_a_database() -> None:
    command = CommandModel[InvoiceAttributes](
        pk="INVOICE#acme",
        sk="A1@1",
        version=1,
        created_at=NOW,
        updated_at=NOW,
        attributes=InvoiceAttributes(customer="c" * 21),
    )
    assert [problem.field for problem in InvoiceReadModel().problems(command)] == ["customer"]
    with pytest.raises(InvalidInputError):
        raise InvalidInputError(list(InvoiceReadModel().problems(command)))
