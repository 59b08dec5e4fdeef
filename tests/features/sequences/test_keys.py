"""Two counters never have one key, whatever their parts are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import ConfigurationError, InvalidInputError, RotateBy, Series
from runtime.features.sequences.counter import Counter

parts = st.one_of(st.sampled_from(["A", "B", "none", "2026", "FY2026", "A#B", "a"]), st.text(max_size=4))
buckets = st.sampled_from(
    [
        (RotateBy.NONE, "none"),
        (RotateBy.YEARLY, "2026"),
        (RotateBy.FISCAL_YEARLY, "FY2026"),
        (RotateBy.MONTHLY, "202601"),
    ]
)
counters = st.tuples(parts, st.lists(parts, max_size=3), buckets, st.sampled_from(["acme", "other"]))


def counter_of(said: Any) -> Counter | None:
    type_code, codes, (by, bucket), tenant = said
    try:
        series = Series(type_code, rotate_by=by, codes=len(codes))
        own = series.check_codes(codes)
    except (ConfigurationError, InvalidInputError):
        return None
    return Counter(series=series, table="t", tenant=tenant, codes=own, bucket=bucket)


@given(one=counters, other=counters, no=st.integers(1, 2**53 - 1))
@settings(max_examples=300, deadline=None)
def test_keys_are_as_different_as_counters(one: Any, other: Any, no: int) -> None:
    first, second = counter_of(one), counter_of(other)
    if first is None or second is None:
        return
    is_same = one == other
    assert (first.place == second.place) == is_same
    assert (first.issue_place(no) == second.issue_place(no)) == is_same
    assert (second.issued_no(first.issue_place(no).sk) == no) == (one[:3] == other[:3])
    keys = [counter.key("k", "key").place for counter in (first, second)]
    assert (keys[0] == keys[1]) == ((one[:2], one[3]) == (other[:2], other[3]))


def test_a_key_fits_into_the_table() -> None:
    series = Series("\U0001f600" * 64, codes=5, issue_log=True)
    with pytest.raises(InvalidInputError, match="900 bytes"):
        series.check_codes(["\U0001f600" * 64] * 5)
    codes = series.check_codes(["\U0001f600" * 64, "\U0001f600" * 64, "a", "b", "c"])
    counter = Counter(series=series, table="t", tenant="acme", codes=codes, bucket="none")
    for place in (counter.issue_place(2**53 - 1), counter.key("k", "key").place):
        assert len(place.sk.encode()) <= 1024
