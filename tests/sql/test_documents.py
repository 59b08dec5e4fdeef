"""The OpenAPI document knows the rows of a search by what the function says that it returns."""

from __future__ import annotations

import enum
import functools
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import JSON, DateTime, Enum, ForeignKey, Interval, Numeric, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import UserDefinedType
from typing_extensions import TypedDict

from runtime import CommandModule, CqrsApp, CqrsModel, ItemList, SearchQuery, module_routes
from runtime.sql import CqrsColumns, search
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path as OnlyForChecks

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class State(enum.Enum):
    OPEN = 1
    SHUT = 2


class Odd(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"


class ThingRow(CqrsColumns, Base):
    __tablename__ = "thing"

    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    share: Mapped[float]
    sold_on: Mapped[date | None]
    local_time: Mapped[datetime | None] = mapped_column(DateTime())
    hour: Mapped[time | None]
    took: Mapped[timedelta | None] = mapped_column(Interval())
    ref_id: Mapped[uuid.UUID | None]
    raw_data: Mapped[bytes | None]
    free: Mapped[Any] = mapped_column(JSON)
    state: Mapped[State | None]
    colour: Mapped[str | None] = mapped_column(Enum("red", "blue"))
    odd: Mapped[Any] = mapped_column(Odd, nullable=True)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("thing.id"))


def row(sk: str, **values: Any) -> ThingRow:
    made = {"created_at": NOW, "updated_at": NOW, "created_by": "a", "updated_by": "a"}
    known = {"id": f"THING#acme#{sk}", "cpk": "c", "csk": f"{sk}@1", "pk": "THING#acme", "sk": sk}
    plain = {"code": sk, "name": "n", "version": 1, "tenant_code": "acme", "is_deleted": False}
    return ThingRow(**made, **known, **plain, created_ip="", updated_ip="", share=0.5, **values)


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as opened:
        opened.add(row("1", free=None))
        full: dict[str, Any] = {
            "price": Decimal("1.50"), "sold_on": date(2026, 1, 1), "local_time": datetime(2026, 1, 1),  # noqa: DTZ001
            "hour": time(1, 2), "took": timedelta(hours=3), "ref_id": uuid.UUID(int=5), "raw_data": b"\xff",
            "free": [1, {"a": None}], "state": State.SHUT, "colour": "red", "odd": "x", "seq": 5,
        }  # fmt: skip
        opened.add(row("2", **full))
        opened.commit()
        yield opened
    engine.dispose()


def answer_and_schema(find: Callable[..., Any], **options: Any) -> tuple[Any, Any]:
    """What a search is answered, and the schema of one item, after one was held against the other."""
    thing = CommandModule("thing")
    routes = module_routes(thing, prefix="/things", type="THING", search=find, **options)
    with MemoryApp(CqrsApp(modules=[thing], routes=routes)) as memory:
        client = memory.client(tenant="acme")
        document, answer = client.get("/openapi.json").json(), client.get("/things/search").json()
    content = document["paths"]["/things/search"]["get"]["responses"]["200"]["content"]["application/json"]
    whole = {**content["schema"], "components": document["components"]}
    errors = Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(answer)
    assert [error.message for error in errors] == []
    page = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    item = page["properties"]["items"]["items"]
    if "$ref" in item:
        item = document["components"]["schemas"][item["$ref"].rpartition("/")[2]]
    return answer, item


def test_the_columns_of_a_row_are_in_the_document(session: Session) -> None:
    def find(query: SearchQuery) -> ItemList[ThingRow]:
        return search(session, ThingRow, **query.options)

    answer, item = answer_and_schema(find)
    assert {shown["sk"] for shown in answer["items"]} == {"1", "2"}
    assert item["properties"]["price"] == {"type": "number"}
    assert item["properties"]["soldOn"] == {"type": "string", "format": "date"}
    assert item["properties"]["createdAt"]["format"] == "date-time"
    assert item["properties"]["colour"]["enum"] == ["red", "blue"]
    assert {"id", "tenantCode", "createdAt", "share"} <= set(item["required"])
    assert not {"price", "seq", "parentId"} & set(item["required"])
    assert "lifeId" not in item["properties"]
    assert set(answer["items"][0]) | set(answer["items"][1]) <= set(item["properties"])


class Found(CqrsModel):
    sort_key: str
    total: Decimal


@dataclass
class Listed:
    sort_key: str


class Typed(TypedDict):
    sort_key: str


def test_models_dataclasses_and_typed_dicts_are_too() -> None:
    def models(_: SearchQuery) -> ItemList[Found]:
        return ItemList([Found(sort_key="a", total=Decimal("1.5"))], 1)

    def listed(_: SearchQuery) -> ItemList[Listed]:
        return ItemList([Listed("a")], 1)

    def typed(_: SearchQuery) -> ItemList[Typed]:
        return ItemList([{"sort_key": "a"}], None)

    answer, item = answer_and_schema(models)
    assert (answer["items"], set(item["properties"])) == (
        [{"sortKey": "a", "total": 1.5}],
        {"sortKey", "total"},
    )
    assert answer_and_schema(listed)[1]["required"] == ["sortKey"]
    assert answer_and_schema(typed)[1]["required"] == ["sortKey"]


def test_what_is_given_counts_before_what_is_said() -> None:
    def find(_: SearchQuery) -> ItemList[Typed]:
        return ItemList([{"sort_key": "a"}], 1)

    answer, item = answer_and_schema(find, search_item=dict[str, str])
    assert (answer["items"], item.get("required")) == ([{"sort_key": "a"}], None)


def test_where_nothing_is_said_anything_may_be_found() -> None:
    def silent(_):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return {"items": [{"a": 1}]}

    def other(_: SearchQuery) -> dict[str, Any]:
        return {"items": [{"a": 1}]}

    def bare(_: SearchQuery) -> ItemList:  # type: ignore[type-arg]
        return ItemList([{"a": 1}], 1)

    def not_there(_: SearchQuery) -> ItemList[OnlyForChecks]:
        return ItemList([{"a": 1}], 1)  # type: ignore[list-item]

    def unknown(_: SearchQuery) -> ItemList[Odd]:
        return ItemList([{"a": 1}], 1)  # type: ignore[list-item]

    for find in (silent, other, bare, not_there, unknown, functools.partial(other), f"{__name__}:found"):
        answer, item = answer_and_schema(find)
        assert (answer["items"], item) == ([{"a": 1}], {})


def found(_: SearchQuery) -> ItemList[Any]:
    """Imported at the first search, so nothing is known of it before."""
    return ItemList([{"a": 1}], 1)
