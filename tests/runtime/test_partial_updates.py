from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field

from runtime import REMOVE, BadRequestError, CqrsModel, InvalidInputError, VersionConflictError
from tests.support.checker import check_invariants
from tests.support.service import PK, Service, in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

PARTIAL = ("publish_partial_update_async", "publish_partial_update_sync")
START = {
    "title": "t",
    "count": 1,
    "tags": ["a", "b"],
    "nested": {"keep": 1, "change": 2, "drop": 3},
    "scalar": 5,
}


def update(service: Service, method: str, version: int = 1, **fields: Any) -> Any:
    command = {"pk": PK, "sk": "A1", "version": version, **fields}
    return getattr(service.module.commands, method)(command, invoke_context=service.user("u2"))


@pytest.fixture
def started(service: Service) -> Service:
    """An aggregate at version 1, with the marks that a command's life leaves on its row."""
    service.publish_sync(attributes=START, seq=7)
    service.set("command", "A1@1", taskToken="token")
    service.wire.clear()
    return service


@pytest.mark.parametrize("method", PARTIAL)
class TestBoth:
    def test_what_is_not_given_stays(self, started: Service, method: str) -> None:
        command = update(started, method, name="new")
        assert (command.version, command.name, command.code, command.seq) == (2, "new", "A1", 7)
        assert command.attributes == START

    def test_attributes_are_merged_key_by_key(self, started: Service, method: str) -> None:
        change = {
            "count": None,
            "tags": ["c"],
            "nested": {"change": 9, "drop": REMOVE},
            "scalar": {"now": "an object"},
            "title": REMOVE,
            "extra": True,
        }
        assert update(started, method, attributes=change).attributes == {
            "count": None,
            "tags": ["c"],
            "nested": {"keep": 1, "change": 9},
            "scalar": {"now": "an object"},
            "extra": True,
        }

    def test_null_takes_a_field_of_the_row_away(self, started: Service, method: str) -> None:
        update(started, method, seq=None, attributes=None)
        row = started.row("command", "A1@2") or {}
        assert not {"seq", "attributes"} & set(row)

    def test_nothing_of_the_previous_life_is_carried_over(self, started: Service, method: str) -> None:
        update(started, method, name="new")
        row = started.row("command", "A1@2") or {}
        assert "taskToken" not in row
        if method == "publish_partial_update_async":
            assert not {"status", "syncMode"} & set(row)
        assert row["createdBy"] == "u2"
        before = started.row("command", "A1@1") or {}
        assert row["publishId"] != before["publishId"]

    def test_no_change_is_none(self, started: Service, method: str) -> None:
        assert update(started, method, name="after 0", attributes={"nested": {"keep": 1}}) is None
        assert update(started, method, attributes={"absent": REMOVE}) is None
        assert started.row("command", "A1@2") is None

    def test_latest(self, started: Service, method: str) -> None:
        started.publish(version=1, name="pending")
        command = update(started, method, -1, attributes={"count": 2})
        assert (command.version, command.name) == (3, "pending")
        started.apply(3)
        check_invariants(started)

    def test_a_stale_version_conflicts(self, started: Service, method: str) -> None:
        update(started, method, name="new")
        with pytest.raises(VersionConflictError):
            update(started, method, name="late")

    def test_nothing_to_update_is_a_bad_request(self, service: Service, method: str) -> None:
        with pytest.raises(BadRequestError, match="item not found"):
            update(service, method, -1, name="x")
        with pytest.raises(BadRequestError):
            update(service, method, 3, name="x")
        assert not any(service.everything().values())

    @in_memory
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"nmae": "x"}, "nmae"),
            ({"version": "1"}, "version"),
            ({"version": None}, "version"),
            ({"sk": "A1@1"}, "sk"),
            ({"name": None}, "name"),
            ({"attributes": "x"}, "attributes"),
            ({"attributes": {"deep": {"x": float("inf")}}}, "attributes.deep.x"),
            ({"tenantCode": "globex"}, "tenantCode"),
        ],
    )
    def test_bad_input_names_the_field(
        self, started: Service, method: str, change: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=re.escape(field)) as caught:
            getattr(started.module.commands, method)(
                {"pk": PK, "sk": "A1", "version": 1} | change, invoke_context=started.user()
            )
        assert field in {problem.field for problem in caught.value.problems}
        assert started.row("command", "A1@2") is None

    def test_every_type_that_is_not_touched_survives(self, service: Service, method: str) -> None:
        attributes = {
            "b": b"\x00",
            "s": {"x", "y"},
            "ns": {1, Decimal("2.5")},
            "d": Decimal("1.10"),
            "null": None,
            "deep": {"b": b"1", "list": [{"s": {"z"}}]},
            "when": datetime(2026, 1, 2, tzinfo=UTC),
            "day": date(2026, 1, 2),
        }
        service.publish_sync(attributes=attributes)
        before = service.item("command", "A1@1")["attributes"]["M"]
        update(service, method, attributes={"new": 1})
        after = service.item("command", "A1@2")["attributes"]["M"]
        assert {name: after[name] for name in before} == before


def test_an_asynchronous_update_takes_version_0_for_the_latest(started: Service) -> None:
    assert update(started, "publish_partial_update_async", 0, name="new").version == 2


def test_a_synchronous_update_refuses_version_0(started: Service) -> None:
    with pytest.raises(BadRequestError, match="item not found or version mismatch"):
        update(started, "publish_partial_update_sync", 0, name="new")


@on_dynamodb
def test_an_explicit_version_takes_two_calls_and_the_latest_three(started: Service) -> None:
    update(started, "publish_partial_update_async", 1, name="new")
    assert started.wire.names() == ["dynamodb:BatchGetItem", "dynamodb:TransactWriteItems"]
    started.wire.clear()
    update(started, "publish_partial_update_async", -1, name="newer")
    assert len(started.wire.names()) == 3
    started.wire.clear()
    update(started, "publish_partial_update_sync", 3, name="newest")
    # Two commands were pending: two reads to find them, and one transaction each.
    assert started.wire.names().count("dynamodb:BatchGetItem") == 1 + 2
    assert started.wire.names().count("dynamodb:TransactWriteItems") == 2 + 1


class Part(CqrsModel):
    unit_price: Decimal = Decimal(0)
    labels: set[str] = Field(default_factory=set)


class Product(CqrsModel):
    title: str
    main_part: Part | None = None


@pytest.mark.parametrize("method", PARTIAL)
def test_typed_attributes(make_service: Callable[..., Service], method: str) -> None:
    service = make_service(attributes=Product)
    service.publish_sync(attributes={"title": "t", "mainPart": {"unitPrice": 1, "labels": ["a"]}})
    raw = service.item("data", "A1")["attributes"]["M"]
    raw["later"] = {"S": "a field of a newer version of the model"}
    for table, sk in (("data", "A1"), ("command", "A1@1")):
        row = service.item(table, sk) | {"attributes": {"M": raw}}
        service.client.put_item(TableName=getattr(service.tables, table), Item=row)
    command = update(service, method, attributes={"main_part": {"unit_price": "2.50"}})
    assert command.attributes == Product(title="t", main_part=Part(unit_price=Decimal("2.5"), labels={"a"}))
    stored = service.item("command", "A1@2")["attributes"]["M"]
    assert stored["later"] == raw["later"]
    assert stored["mainPart"] == {"M": {"unitPrice": {"N": "2.5"}, "labels": {"SS": ["a"]}}}
    with pytest.raises(InvalidInputError, match=r"attributes\.title"):
        update(service, method, 2, attributes={"title": REMOVE})
