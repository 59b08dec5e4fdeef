"""What a dispatched event is, and what makes one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from runtime import clock
from runtime.errors import ConfigurationError, InvalidInputError
from runtime.event_store.dispatch.builder import EventBuilder
from runtime.event_store.dispatch.event import DomainEvent
from runtime.event_store.dispatch.reducer import rehydrate


class Email(BaseModel):
    email: str = Field(pattern="@")


build = EventBuilder(Email, event_name="UserCreated", aggregate_type="users")
ANN = Email(email="ann@example.com")
#: As a service in TypeScript writes it.
JSON = """{
  "_id": "1b9d6bcd",
  "name": "UserCreated",
  "aggregateType": "users",
  "aggregateID": "ann",
  "_version": 1,
  "_createdAt": "2026-01-02T03:04:05.678Z",
  "_createdBy": "admin-uuid",
  "payloads": {"email": "ann@example.com"},
  "_metadata": {"traceId": "t-1"}
}"""


def test_json_has_the_names_of_the_seed() -> None:
    event = DomainEvent[Email].model_validate_json(JSON)
    assert event.payloads == ANN
    assert event.id == "1b9d6bcd"
    assert (event.aggregate_type, event.aggregate_id, event.version) == ("users", "ann", 1)
    assert event.created_at == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert event.metadata == {"traceId": "t-1"}
    assert json.loads(event.model_dump_json()) == {
        **json.loads(JSON),
        "_createdAt": "2026-01-02T03:04:05.678000Z",
    }


def test_without_a_type_the_payloads_are_a_dictionary() -> None:
    assert DomainEvent.model_validate_json(JSON).payloads == {"email": "ann@example.com"}


def test_times_become_utc_and_those_without_a_zone_are_refused() -> None:
    plus_two = json.loads(JSON) | {"_createdAt": "2026-01-02T05:04:05+02:00"}
    assert DomainEvent.model_validate(plus_two).created_at.isoformat() == "2026-01-02T03:04:05+00:00"
    with pytest.raises(ValidationError, match="timezone"):
        DomainEvent.model_validate(plus_two | {"_createdAt": "2026-01-02T05:04:05"})


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.5, 10**10])
def test_versions_are_whole_numbers_from_1(version: object) -> None:
    with pytest.raises(ValidationError, match="_version"):
        DomainEvent.model_validate(json.loads(JSON) | {"_version": version})


@pytest.mark.parametrize("name", ["_id", "name", "aggregateType", "aggregateID"])
def test_what_identifies_is_never_empty(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        DomainEvent.model_validate(json.loads(JSON) | {name: ""})


def test_an_event_does_not_change() -> None:
    event = DomainEvent[Email].model_validate_json(JSON)
    with pytest.raises(ValidationError, match="frozen"):
        event.version = 2  # type: ignore[misc]


def test_what_is_wrong_is_told_without_the_values() -> None:
    with pytest.raises(ValidationError) as raised:
        DomainEvent[Email].model_validate(json.loads(JSON) | {"payloads": {"email": "secret"}})
    assert "secret" not in str(raised.value)


def test_a_builder_makes_the_id_and_the_time() -> None:
    before = clock.now()
    event = build(version=1, created_by="admin", payloads=ANN, aggregate_id="ann", metadata={"t": "1"})
    assert before <= event.created_at <= clock.now() + timedelta(seconds=1)
    assert (event.name, event.aggregate_type, event.aggregate_id) == ("UserCreated", "users", "ann")
    assert (event.version, event.created_by, event.metadata) == (1, "admin", {"t": "1"})
    assert type(event) is DomainEvent[Email]


def test_each_call_makes_another_event() -> None:
    first, second = (build(version=1, created_by="admin", payloads=ANN) for _ in range(2))
    assert first.id != second.id
    assert first.aggregate_id != second.aggregate_id


def test_identifiers_can_be_given_and_an_id_that_is_given_wins() -> None:
    numbered = EventBuilder(
        Email,
        event_name="UserCreated",
        aggregate_type="users",
        aggregate_identifier=lambda: "made",
        event_identifier=lambda: "event-1",
    )
    made = numbered(version=1, created_by="admin", payloads=ANN)
    assert (made.id, made.aggregate_id) == ("event-1", "made")
    assert numbered(version=1, created_by="admin", payloads=ANN, aggregate_id="ann").aggregate_id == "ann"


def test_payloads_may_be_dataclasses_or_dictionaries() -> None:
    @dataclass(frozen=True)
    class Moved:
        to: str

    moved = EventBuilder(Moved, event_name="Moved", aggregate_type="users")
    assert moved(version=2, created_by="ann", payloads=Moved("Rome")).payloads == Moved("Rome")
    free = EventBuilder(dict[str, Any], event_name="Noted", aggregate_type="users")
    assert free(version=3, created_by="ann", payloads={"a": [1]}).payloads == {"a": [1]}


def test_a_builder_names_the_fields_as_its_caller_does() -> None:
    with pytest.raises(InvalidInputError) as raised:
        build(version=0, created_by=None, payloads={"email": "nobody"}, aggregate_id="")  # type: ignore[arg-type]
    assert [problem.field for problem in raised.value.problems] == [
        "aggregate_id",
        "version",
        "created_by",
        "payloads.email",
    ]
    assert "nobody" not in str(raised.value)


@pytest.mark.parametrize("payloads", ["Email", 7, type(json)], ids=["text", "number", "module"])
def test_payloads_have_a_json_form(payloads: Any) -> None:
    builder: EventBuilder[Any] = EventBuilder(payloads, event_name="A", aggregate_type="users")
    with pytest.raises(
        ConfigurationError, match=r"the type of the payloads of the event 'A' has .* no JSON form"
    ):
        builder(version=1, created_by="admin", payloads=Email(email="ann@example.com"))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"upcasters": 7}, "upcasters of the event 'A' must be a list of functions, got 7"),
        ({"upcasters": [7]}, "upcasters of the event 'A' must be a list of functions"),
        ({"upcasters": [lambda: {"name": ""}]}, r"an upcaster of the event 'A' is called with \(body\)"),
        (
            {"aggregate_identifier": "a-1"},
            "aggregate_identifier of the event 'A' must be a function, got str",
        ),
        ({"event_identifier": lambda event: event}, r"event_identifier of the event 'A' is called with \(\)"),
    ],
)
def test_what_is_to_be_a_function_of_a_builder_is_one(part: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        EventBuilder(Email, event_name="A", aggregate_type="users", **part)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "users"),
        (None, "users"),
        ("x" * 256, "users"),
        ("\ud800", "users"),
        ("A", "us#ers"),
        ("A", ""),
        ("A", "\ud800"),
    ],
)
def test_a_builder_that_could_make_nothing_is_refused(name: Any, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=r"event_name|aggregate_type of the event"):
        EventBuilder(Email, event_name=name, aggregate_type=kind)


def test_rehydrate_folds_from_the_first_event_on() -> None:
    def reduce(state: tuple[str, ...], event: DomainEvent[Any]) -> tuple[str, ...]:
        return (*state, event.payloads.email) if event.name == "UserCreated" else state

    other = EventBuilder(dict[str, Any], event_name="Noted", aggregate_type="users")
    events = [
        build(version=1, created_by="a", payloads=ANN),
        other(version=2, created_by="a", payloads={}),
        build(version=3, created_by="a", payloads=Email(email="bob@example.com")),
    ]
    assert rehydrate(events, reduce, ()) == ("ann@example.com", "bob@example.com")
    assert rehydrate([], reduce, ("start",)) == ("start",)


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    event = DomainEvent.model_validate(
        json.loads(JSON) | {"_createdAt": datetime(2026, 1, 2, 3, tzinfo=zone)}
    )
    assert json.loads(event.model_dump_json())["_createdAt"] == "2026-01-02T01:00:00Z"
