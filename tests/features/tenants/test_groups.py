"""Groups of roles and their order: two lists, neither of which is the other."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import InvalidInputError
from runtime.features.tenants.groups import RoleGroups, customised, roles_of, with_group, without_group

GROUPS = ["tokyo", "tokyo#sales", "osaka", "osaka#sales#north", "Zed", "a#b"]


def added(*groups: str, to: Any = None) -> list[Any]:
    setting = to
    for group in groups:
        setting = with_group(setting, "clerk", group) or setting
    return setting  # type: ignore[no-any-return]


def test_a_first_group_makes_the_role() -> None:
    assert with_group(None, "clerk", "tokyo") == [
        {
            "tenantRole": "clerk",
            "groups": ["tokyo"],
            "setting_groups": ["tokyo"],
            "setting_groups_mode": "auto",
        }
    ]


def test_more_levels_come_first_and_then_text() -> None:
    (role,) = roles_of(added("b", "a", "x#y", "a#b#c", "a#z"))
    assert role.groups == ("b", "a", "x#y", "a#b#c", "a#z")
    assert role.setting_groups == ("a#b#c", "a#z", "x#y", "a", "b")


def test_the_lists_are_never_one() -> None:
    (entry,) = added("tokyo")
    assert entry["groups"] is not entry["setting_groups"]
    (entry,) = customised(added("a", "b"), "clerk", None)
    assert entry["groups"] is not entry["setting_groups"]


def test_what_is_there_is_not_added_again() -> None:
    assert with_group(added("a", "b"), "clerk", "a") is None


def test_a_customised_order_survives_what_is_added_and_removed() -> None:
    setting = customised(added("a", "b#c", "d"), "clerk", ["d", "a", "b#c"])
    (role,) = roles_of(added("x#y#z", to=setting))
    assert role == RoleGroups(
        role="clerk",
        groups=("a", "b#c", "d", "x#y#z"),
        setting_groups=("d", "a", "b#c", "x#y#z"),
        mode="customized",
    )
    (role,) = roles_of(without_group(setting, "clerk", "a"))
    assert (role.groups, role.setting_groups) == (("b#c", "d"), ("d", "b#c"))


def test_none_is_the_automatic_order_again() -> None:
    setting = customised(added("a", "b#c"), "clerk", ["a"])
    (role,) = roles_of(customised(setting, "clerk", None))
    assert (role.groups, role.setting_groups, role.mode) == (("a", "b#c"), ("b#c", "a"), "auto")


@pytest.mark.parametrize(
    ("role", "order", "field"),
    [
        ("manager", ["a"], "role"),
        ("manager", None, "role"),
        ("clerk", ["a", "x"], "setting_groups.1"),
        ("clerk", ["a", "a"], "setting_groups.1"),
    ],
)
def test_an_order_of_what_is_not_there_is_refused(role: str, order: Any, field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        customised(added("a", "b"), role, order)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_a_role_goes_with_its_last_group() -> None:
    setting = with_group(added("a"), "manager", "m")
    assert [role.role for role in roles_of(without_group(setting, "clerk", "a"))] == ["manager"]
    assert without_group(setting, "clerk", "x") is None
    assert without_group(setting, "nobody", "a") is None


@pytest.mark.parametrize("odd", [None, {}, "text", [1, None, {"tenantRole": 3}, {"groups": ["a"]}]])
def test_what_makes_no_sense_is_no_role_and_stays(odd: Any) -> None:
    assert roles_of(odd) == ()
    setting = added("a", to=odd)
    assert [role.groups for role in roles_of(setting)] == [("a",)]
    if isinstance(odd, list):
        assert setting[: len(odd)] == odd


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "custom", "auto"]), st.sampled_from(GROUPS))))
def test_nothing_is_lost_whatever_comes_in_which_order(steps: list[tuple[str, str]]) -> None:
    setting: Any = None
    members: list[str] = []
    for action, group in steps:
        before = copy.deepcopy(setting)
        given_setting = setting
        if action == "add":
            setting = with_group(setting, "clerk", group) or setting
            members += [group] if group not in members else []
        elif action == "remove":
            found = without_group(setting, "clerk", group)
            setting = setting if found is None else found
            members = [one for one in members if one != group]
        elif members:
            setting = customised(setting, "clerk", members[::-1] if action == "custom" else None)
        assert given_setting == before  # nothing was changed in place
        roles = roles_of(setting)
        assert [role.groups for role in roles] == ([tuple(members)] if members else [])
        if roles:
            assert sorted(roles[0].setting_groups) == sorted(members)
        if roles and roles[0].mode == "auto":
            assert list(roles[0].setting_groups) == sorted(members, key=lambda one: (-one.count("#"), one))
