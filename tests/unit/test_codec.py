"""Python values to the columns of a row and back, and rows to DynamoDB's wire format and back."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given

from runtime import DataModel
from runtime.entry.http.json_format import dumps, loads
from runtime.errors import InvalidInputError
from runtime.store.codec import (
    decoded,
    encoded,
    image_row,
    isoformat,
    opened,
    opened_bytes,
    opened_row,
    row_of,
    sealed,
    sealed_bytes,
    to_wire_value,
)
from runtime.store.values import Sealed
from tests.support.everything import Colour, Everything, Size, everything
from tests.support.values import attributes, event_image, json_attributes, values


@given(attributes)
@example({"n": 10**40, "small": Decimal("1E-130"), "big": Decimal("9." + "9" * 37 + "E+125")})
def test_what_is_written_is_read_back(written: dict[str, Any]) -> None:
    assert opened_row(row_of({"attributes": written}))["attributes"] == written


@given(attributes)
def test_what_was_read_can_be_written_again(written: dict[str, Any]) -> None:
    row = row_of({"attributes": written})
    again = row_of(opened_row(row))
    assert opened_row(again) == opened_row(row)


@given(attributes)
def test_a_row_is_passed_on_to_the_letter(written: dict[str, Any]) -> None:
    item = encoded(row_of({"attributes": written, **written}))
    assert encoded(decoded(item)) == item


@given(values)
def test_only_what_has_parts_is_sealed(value: Any) -> None:
    assert isinstance(sealed(value, path="v"), Sealed) is isinstance(value, dict | list | set | bytes)


@given(values)
def test_bytes_are_sealed_and_opened_at_once(value: Any) -> None:
    is_bytes = isinstance(value, bytes)
    assert opened_bytes(sealed(value, path="v")) == (value if is_bytes else None)
    if is_bytes:
        assert sealed_bytes(value) == sealed(value, path="v")


@given(json_attributes)
def test_a_stored_value_comes_back_through_json(written: dict[str, Any]) -> None:
    read = opened_row(row_of({"attributes": written}))
    again = loads(dumps(read))
    assert again == {"attributes": written}
    assert opened_row(row_of(again)) == read


@given(everything)
def test_a_model_comes_back_as_it_was(model: Everything) -> None:
    read = opened_row(row_of({"attributes": model}))["attributes"]
    assert Everything.model_validate(read) == model


@given(everything)
def test_a_row_with_a_model_comes_back_through_json(model: Everything) -> None:
    # Binary values are base64 text in JSON, which only their reader knows.
    model = model.model_copy(update={"blob": b"", "blobs": set(), "free": {}})
    row = {"pk": "P#t", "sk": "A1", "version": 1, "createdAt": model.moment, "attributes": model}
    read = DataModel[Everything].model_validate(opened_row(row_of(row)))
    assert DataModel[Everything].model_validate(loads(dumps(read))) == read
    assert read.attributes == model


@given(attributes)
def test_a_stream_record_is_read_like_the_row(written: dict[str, Any]) -> None:
    row = row_of({"attributes": written, **written})
    assert image_row(event_image(encoded(row))) == row


@given(values)
def test_types_stay_apart(value: Any) -> None:
    read = opened(sealed(value, path="v"))
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
    assert opened(sealed(deep, path="attributes")) == deep


def test_a_row_of_javascript_may_have_smaller_and_larger_numbers() -> None:
    item = {"small": {"N": "1e-130"}, "large": {"N": "9.9e+125"}, "set": {"NS": ["1e-129"]}}
    assert opened_row(decoded(item)) == {
        "small": Decimal("1E-130"),
        "large": 99 * 10**124,
        "set": {Decimal("1E-129")},
    }


@pytest.mark.parametrize("text", ["1E+3", "10", "-7", "1.0"])
def test_a_whole_number_is_an_int(text: str) -> None:
    assert isinstance(opened_row(decoded({"n": {"N": text}}))["n"], int)
    assert isinstance(opened(Sealed({"L": [{"N": text}]}))[0], int)


def test_columns_that_are_null_are_left_out() -> None:
    assert row_of({"a": None, "b": {"c": None}}) == {"b": Sealed({"M": {"c": {"NULL": True}}})}
    assert decoded({"a": {"NULL": True}}) == {"a": None}


def test_a_moment_is_written_in_utc_to_the_millisecond() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert isoformat(datetime(2026, 1, 2, 3, 4, 5, 6789, tokyo)) == "2026-01-01T18:04:05.006+00:00"
