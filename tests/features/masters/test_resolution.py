"""What a setting comes to, compared with a model of twenty lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import CorruptRowError
from runtime.features.masters.keys import Level
from tests.faults.scale import scaled
from tests.features.masters.support import THEME, WHOLE, Theme, made, put_row

if TYPE_CHECKING:
    from runtime.testing import MemoryApp

FIELDS = {"rows": st.integers(1, 3), "colour": st.sampled_from(["red", "green"]), "pageTitle": st.just("x")}
VALUES = st.fixed_dictionaries({}, optional=FIELDS)
#: A row that may be absent, and may be deleted: which of these, and what it says.
ROWS = st.none() | st.tuples(st.sampled_from([None, False, True]), VALUES)
GROUPS = ["g", "tokyo#sales", "theme"]
ROLES = ["clerk", "boss"]


def model(
    rows: dict[tuple[Level, str], Any],
    order: dict[str, list[str]],
    roles: list[str],
    *,
    merge: bool,
    user: str,
) -> tuple[dict[str, Any], dict[str, Level]]:
    """The value and the level of each field."""
    found = [(Level.USER, user)]
    for role in roles:
        found += [(Level.GROUP, group) for group in order.get(role, [])]
    found += [(Level.TENANT, ""), (Level.COMMON, "")]
    live = [(place, rows[place][1]) for place in found if rows.get(place) and not rows[place][0]]
    if not merge:
        live = live[:1]
    value, levels = (
        Theme().model_dump(by_alias=True),
        dict.fromkeys(Theme().model_dump(by_alias=True), Level.DEFAULT),
    )
    for (level, _owner), given_values in reversed(live):
        for name, one in given_values.items():
            value[name], levels[name] = one, level
    return value, levels


def store(memory: MemoryApp, master: Any, code: str, rows: dict[tuple[Level, str], Any]) -> None:
    for (level, owner), said in rows.items():
        if said is None:
            continue
        pk = "MASTER#common" if level is Level.COMMON else "MASTER#acme"
        middle = {Level.USER: f"USER#{owner}#", Level.GROUP: f"GROUP#{owner}#"}.get(level, "")
        put_row(memory, master.module, pk, f"MASTER_SETTING#{middle}{code}", said[1], isDeleted=said[0])


PLACES = [
    (Level.USER, "ann"),
    *((Level.GROUP, group) for group in GROUPS),
    (Level.TENANT, ""),
    (Level.COMMON, ""),
]


@settings(max_examples=scaled(150, 1000))
@given(
    rows=st.fixed_dictionaries(dict.fromkeys(PLACES, ROWS)),
    order=st.dictionaries(st.sampled_from(ROLES), st.lists(st.sampled_from(GROUPS), max_size=3)),
    roles=st.lists(st.sampled_from(ROLES), unique=True),
    merge=st.booleans(),
    tenant_is_deleted=st.booleans(),
)
def test_a_setting_comes_to_what_the_model_says(
    rows: dict[tuple[Level, str], Any],
    order: dict[str, list[str]],
    roles: list[str],
    merge: bool,  # noqa: FBT001 - Hypothesis
    tenant_is_deleted: bool,  # noqa: FBT001
) -> None:
    setting = THEME if merge else WHOLE
    master, memory = made()
    with memory:
        store(memory, master, setting.code, rows)
        registry = [{"tenantRole": role, "setting_groups": groups} for role, groups in order.items()]
        tenants = memory.app.modules["tenant"]
        put_row(memory, tenants, "TENANT#acme", "MASTER", {"setting": registry}, isDeleted=tenant_is_deleted)
        counting = {} if tenant_is_deleted else order
        value, levels = model(rows, counting, roles, merge=merge, user="ann")

        why = master.settings.explain(setting, user_id="ann", roles=roles, tenant_code="acme")
        found = master.settings.get_setting(setting, user_id="ann", roles=roles, tenant_code="acme")

    assert found.model_dump(by_alias=True) == why.value.model_dump(by_alias=True) == value
    assert {
        ("pageTitle" if name == "page_title" else name): level for name, level in why.field_levels.items()
    } == levels


def test_groups_count_in_the_order_of_the_registry_those_of_the_first_role_first() -> None:
    order = {"clerk": ["theme", "g"], "boss": ["tokyo#sales", "theme"]}
    registry = [{"tenantRole": role, "setting_groups": groups} for role, groups in order.items()]
    expected = {("clerk",): "theme", ("boss",): "tokyo#sales", ("clerk", "boss"): "theme", ("x",): None}
    rows = {(Level.GROUP, group): (False, {"pageTitle": group}) for group in GROUPS}
    for setting in (THEME, WHOLE):
        master, memory = made()
        with memory:
            put_row(memory, memory.app.modules["tenant"], "TENANT#acme", "MASTER", {"setting": registry})
            store(memory, master, setting.code, rows)
            for roles, group in expected.items():
                found = master.settings.get_setting(setting, roles=roles, tenant_code="acme")
                assert found.page_title == (group or "")


@pytest.mark.parametrize(
    "registry", [{"setting": "x"}, {"setting": [1]}, {"setting": [{"setting_groups": 5}]}]
)
def test_a_registry_that_makes_no_sense_is_an_error(registry: Any) -> None:
    master, memory = made()
    with memory:
        put_row(memory, memory.app.modules["tenant"], "TENANT#acme", "MASTER", registry)
        with pytest.raises(CorruptRowError):
            master.settings.get_setting(THEME, roles=["clerk"], tenant_code="acme")
        assert master.settings.get_setting(THEME, tenant_code="acme") == Theme()


@pytest.mark.parametrize("rows", [-1, "many", None])
def test_what_does_not_fit_is_the_default_and_says_so(rows: Any) -> None:
    master, memory = made()
    with memory:
        store(memory, master, "theme", {(Level.TENANT, ""): (None, {"rows": "x" if rows == -1 else rows})})
        why = master.settings.explain(THEME, tenant_code="acme")
        assert why.value == Theme()
        assert why.level is Level.DEFAULT
        assert [problem.field for problem in why.problems] == ["rows"]
        assert [row.level for row in why.rows] == [Level.TENANT]
