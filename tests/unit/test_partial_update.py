from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.commands.partial import REMOVE, merged

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
names = st.sampled_from("abcd")
values = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8)
states = st.dictionaries(names, values, max_size=4)
changes = st.dictionaries(names, values | st.just(REMOVE), max_size=4)


@given(state=states)
def test_changing_nothing_changes_nothing(state: dict[str, Any]) -> None:
    assert merged(state, {}) == state


@given(state=states)
def test_a_state_onto_itself_is_itself(state: dict[str, Any]) -> None:
    assert merged(state, state) == state


@given(state=states, change=changes)
def test_a_change_twice_is_a_change_once(state: dict[str, Any], change: dict[str, Any]) -> None:
    once = merged(state, change)
    assert merged(once, change) == once


@given(state=states, change=changes)
def test_what_a_change_does_not_name_stays(state: dict[str, Any], change: dict[str, Any]) -> None:
    after = merged(state, change)
    for name in state.keys() - change.keys():
        assert after[name] == state[name]
    for name, value in change.items():
        assert (name in after) is (value is not REMOVE)


@given(state=states, change=changes)
def test_neither_side_is_touched(state: dict[str, Any], change: dict[str, Any]) -> None:
    before = repr((state, change))
    merged(state, change)
    assert repr((state, change)) == before


@given(state=states, change=states)
def test_no_removal_is_ever_left_behind(state: dict[str, Any], change: dict[str, Any]) -> None:
    after = merged(state, {"x": {"y": REMOVE, "z": change}})
    assert "REMOVE" not in repr(after)


@pytest.mark.parametrize(
    ("base", "change", "after"),
    [
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": [1, 2]}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 2}}, {"a": 1}, {"a": 1}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 2}}, {"a": None}, {"a": None}),
        ({"a": {"b": 2}}, {"a": {}}, {"a": {"b": 2}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": REMOVE}}, {"a": {"c": 2}}),
        ({}, {"a": REMOVE}, {}),
    ],
)
def test_examples(base: dict[str, Any], change: dict[str, Any], after: dict[str, Any]) -> None:
    assert merged(base, change) == after
