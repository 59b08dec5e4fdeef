"""Python values to DynamoDB's wire format and back."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given

from runtime import DataModel
from runtime.entry.http.json_format import dumps, loads
from runtime.errors import InvalidInputError
from runtime.store.codec import from_event, from_wire, to_wire, to_wire_value
from tests.support.everything import Colour, Everything, Size, everything
from tests.support.values import attributes, event_image, json_attributes, values


@given(attributes)
@example({"n": 10**40, "small": Decimal("1E-130"), "big": Decimal("9." + "9" * 37 + "E+125")})
def test_what_is_written_is_read_back(written: dict[str, Any]) -> None:
    assert from_wire(to_wire({"attributes": written}))["attributes"] == written


@given(attributes)
def test_what_was_read_can_be_written_again(written: dict[str, Any]) -> None:
    wire = to_wire({"attributes": written})
    again = to_wire(from_wire(wire))
    assert from_wire(again) == from_wire(wire)


@given(json_attributes)
def test_a_stored_value_comes_back_through_json(written: dict[str, Any]) -> None:
    read = from_wire(to_wire({"attributes": written}))
    again = loads(dumps(read))
    assert again == {"attributes": written}
    assert from_wire(to_wire(again)) == read


@given(everything)
def test_a_model_comes_back_as_it_was(model: Everything) -> None:
    read = from_wire(to_wire({"attributes": model}))["attributes"]
    assert Everything.model_validate(read) == model


@given(everything)
def test_a_row_with_a_model_comes_back_through_json(model: Everything) -> None:
    # Binary values are base64 text in JSON, which only their reader knows.
    model = model.model_copy(update={"blob": b"", "blobs": set(), "free": {}})
    row = {"pk": "P#t", "sk": "A1", "version": 1, "createdAt": model.moment, "attributes": model}
    read = DataModel[Everything].model_validate(from_wire(to_wire(row)))
    assert DataModel[Everything].model_validate(loads(dumps(read))) == read
    assert read.attributes == model


@given(attributes)
def test_a_stream_record_is_read_like_the_row(written: dict[str, Any]) -> None:
    wire = to_wire({"attributes": written})
    assert from_event(event_image(wire)) == wire


@given(values)
def test_types_stay_apart(value: Any) -> None:
    read = from_wire({"v": to_wire_value(value, path="v")})["v"]
    assert isinstance(read, bool) is isinstance(value, bool)
    assert isinstance(read, set) is isinstance(value, set)
    assert isinstance(read, bytes) is isinstance(value, bytes)


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (0.1, {"N": "0.1"}),
        (-0.0, {"N": "0"}),
        (Decimal("0E+500"), {"N": "0"}),
        (Decimal("1.10"), {"N": "1.10"}),
        (10**40, {"N": "1E+40"}),
        (Decimal("1." + "0" * 60), {"N": "1"}),
        (bytearray(b"\x00"), {"B": b"\x00"}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), {"S": "2026-01-02T03:04:05.000+00:00"}),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), {"S": "2026-01-02T03:04:05.000006+00:00"}),
        (datetime(2026, 1, 2, 3, 4, 5), {"S": "2026-01-02T03:04:05.000+00:00"}),  # noqa: DTZ001
        (time(1, 2, 3), {"S": "01:02:03"}),
        (Size.LARGE, {"N": "2"}),
        ({Colour.RED, Colour.BLUE}, {"SS": ["blue", "red"]}),
        ({0.1, Decimal("0.10")}, {"NS": ["0.1"]}),
        ({10, 9, Decimal("-0.5")}, {"NS": ["-0.5", "9", "10"]}),
        ({b"b", b"a"}, {"BS": [b"a", b"b"]}),
        ((), {"L": []}),
    ],
)
def test_examples(value: Any, wire: Any) -> None:
    assert to_wire_value(value, path="v") == wire


def nested(levels: int, innermost: Any) -> Any:
    for level in range(levels):
        innermost = [innermost] if level % 2 else {"n": innermost}
    return innermost


loop: list[Any] = []
loop.append({"again": loop})


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        (10**38 + 1, "a.v", "38 digits"),
        (Decimal("1." + "1" * 38), "a.v", "38 digits"),
        (Decimal("1E+126"), "a.v", r"9\.9E\+125"),
        (Decimal("1E-131"), "a.v", r"1E-130"),
        (1e300, "a.v", r"9\.9E\+125"),
        (10**4000, "a.v", r"9\.9E\+125"),
        (Decimal("NaN"), "a.v", "finite"),
        (Decimal("sNaN"), "a.v", "finite"),
        (float("-inf"), "a.v", "finite"),
        ("half a pair \ud800", "a.v", "surrogate"),
        ({"half \ud800": 1}, "a.v", "surrogate"),
        ({"x": ["half \udfff"]}, "a.v.x[0]", "surrogate"),
        ({1: "one"}, "a.v", "keys must be text"),
        (set(), "a.v", "empty set"),
        ({1, "one"}, "a.v", "of one kind"),
        ({None}, "a.v", "of one kind"),
        ({True}, "a.v", "of one kind"),
        ({(1, 2)}, "a.v", "of one kind"),
        ({frozenset({1})}, "a.v", "of one kind"),
        (timedelta(1), "a.v", "timedelta"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=9))), "a.v", "year 1"),
        (nested(31, "leaf"), "a.v", "32 levels"),
        (loop, "a.v", "32 levels"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_its_path(value: Any, field: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        to_wire_value({"v": value}, path="a")
    assert caught.value.problems[0].field.startswith(field)


def test_as_many_levels_as_dynamodb_takes() -> None:
    deep = nested(31, "leaf")
    assert from_wire(to_wire({"attributes": deep}))["attributes"] == deep


def test_a_row_of_javascript_may_have_smaller_and_larger_numbers() -> None:
    row = {"small": {"N": "1e-130"}, "large": {"N": "9.9e+125"}, "set": {"NS": ["1e-129"]}}
    assert from_wire(row) == {
        "small": Decimal("1E-130"),
        "large": 99 * 10**124,
        "set": {Decimal("1E-129")},
    }
