"""What the OpenAPI document says of a type is what is shown of it, and what a PUT takes back."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ConfigDict, PlainSerializer, TypeAdapter, create_model, json_schema, model_serializer

from runtime import CqrsModel
from runtime.entry.http.json_format import dumps
from runtime.entry.http.openapi_types import as_written
from tests.faults.scale import scaled
from tests.models.generated import attributes, plain_kinds

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode


class Rate(Enum):
    HALF = 0.5
    ALL = "all"


class Grade(IntEnum):
    A = 1


class Otherwise(CqrsModel):
    """Settings and serializers for pydantic's JSON, which is not ours."""

    model_config = ConfigDict(ser_json_timedelta="float", ser_json_bytes="hex")

    took: timedelta = timedelta(seconds=5)
    seal: bytes = b"\xff"


class Whole(CqrsModel):
    price: Decimal = Decimal("1.5")

    @model_serializer(mode="wrap", when_used="json")
    def in_json(self, handler: Any) -> str:
        return str(handler(self))


#: A type, a value, and what is shown of it.
CASES: list[tuple[Any, Any, Any]] = [
    (dict[Rate, int], {Rate.HALF: 1, Rate.ALL: 2}, {"0.5": 1, "all": 2}),
    (dict[Grade, int], {Grade.A: 1}, {"1": 1}),
    (dict[Literal[1, 2], int], {1: 2}, {"1": 2}),
    (dict[date, Decimal], {date(2026, 1, 2): Decimal("1.10")}, {"2026-01-02": 1.1}),
    (list[timedelta], [timedelta(-1, 5), timedelta(400)], ["-PT23H59M55S", "P1Y35D"]),
    (timedelta, timedelta(microseconds=5), "PT0.000005S"),
    (Otherwise, Otherwise(), {"took": "PT5S", "seal": "/w=="}),
    (Whole, Whole(), {"price": 1.5}),
    (Annotated[Decimal, PlainSerializer(str, return_type=str, when_used="json")], Decimal(1), 1),
    (Annotated[Decimal, PlainSerializer(str, return_type=str)], Decimal("1.0"), "1.0"),
    (Annotated[int | None, PlainSerializer(str, return_type=str, when_used="unless-none")], None, None),
    (Annotated[int | None, PlainSerializer(str, return_type=str, when_used="unless-none")], 5, "5"),
    (Annotated[int | None, PlainSerializer(str, return_type=str, when_used="json-unless-none")], 5, 5),
    (
        Annotated[timedelta, PlainSerializer(timedelta.total_seconds, return_type=float)],
        timedelta(1),
        86400.0,
    ),
]


def complaints(model: type[BaseModel], shown: Any, mode: JsonSchemaMode) -> list[str]:
    with as_written():
        schema = TypeAdapter(model).json_schema(mode=mode, schema_generator=json_schema.GenerateJsonSchema)
    Draft202012Validator.check_schema(schema)
    found = [*Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(shown)]
    # Another opinion on formats: this one knows that of durations.
    others = [*jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(shown)]
    return [f"{mode}: {error.message}" for error in [*found, *others]]


def check(model: type[BaseModel], made: BaseModel) -> Any:
    """Hold what is shown of a value against both schemas, of an answer and of a request."""
    shown = json.loads(dumps(made))
    assert [*complaints(model, shown, "serialization"), *complaints(model, shown, "validation")] == [], shown
    return shown


def model_of(kind: Any, **defaults: Any) -> type[BaseModel]:
    return create_model(
        "Made", __base__=CqrsModel, one=(kind, defaults.get("one", ...)), maybe=(kind | None, None)
    )


@pytest.mark.parametrize(("kind", "values"), plain_kinds, ids=[str(kind) for kind, _ in plain_kinds])
def test_every_kind_is_shown_and_taken_as_the_document_says(
    kind: Any, values: st.SearchStrategy[Any]
) -> None:
    model = model_of(kind)

    @settings(max_examples=scaled(5, 200), deadline=None, database=None, derandomize=True)
    @given(values)
    def holds(value: Any) -> None:
        check(model, model.model_construct(one=value, maybe=None))

    holds()


@settings(
    max_examples=scaled(40, 2000),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(attributes())
def test_any_model_is_shown_and_taken_as_the_document_says(made: CqrsModel) -> None:
    check(type(made), made)


@pytest.mark.parametrize(("kind", "value", "shown"), CASES, ids=[str(number) for number in range(len(CASES))])
def test_what_models_say_of_json_alone_does_not_count(kind: Any, value: Any, shown: Any) -> None:
    for model in (model_of(kind), model_of(kind, one=value)):  # a default is shown as values are
        found = check(model, model.model_construct(one=value, maybe=None))
        assert found.get("one") == shown  # a null that is no answer is left out


def test_what_no_annotation_tells_may_be_anything() -> None:
    model = model_of(Annotated[int, PlainSerializer(lambda value: [value])])
    shown = json.loads(dumps(model.model_construct(one=1, maybe=None)))
    assert shown["one"] == [1]
    assert complaints(model, shown, "serialization") == []
