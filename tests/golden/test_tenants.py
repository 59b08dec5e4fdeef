"""Rows of tenants that the other framework shares: read, changed and carried on, and ours beside them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ForbiddenError, InvalidInputError, Tenant, TenantState
from runtime.store.codec import decoded
from runtime.store.port import Put
from tests.features.tenants.support import KINDS, Registry, user
from tests.golden.our_stories import tenants as our_tenants
from tests.golden.test_our_rows import shape

if TYPE_CHECKING:
    from runtime import TenantModule

FLEETING = {
    "createdAt",
    "updatedAt",
    "createdBy",
    "updatedBy",
    "createdIp",
    "updatedIp",
    "requestId",
    "source",
}
#: Columns of ours, by table.
MORE = {
    "command": {"publishId", "lifeId", "appliedTtl", "syncMode", "status", "source"},
    "data": {"lifeId"},
    "history": {"lifeId"},
}


@cache
def golden(kind: str) -> dict[tuple[str, str], Any]:
    content = json.loads((Path(__file__).parent / "tenant-rows.json").read_text())
    return {(row["pk"]["S"], row["sk"]["S"]): row for row in content[f"local-t-tenant-{kind}"]}


@pytest.fixture(autouse=True)
def credentials() -> None:
    """None: all of it is in memory."""


@pytest.fixture
def registry() -> Registry:
    """A registry with their rows."""
    made = Registry(enforce=True)
    for kind in KINDS:
        for row in golden(kind).values():
            made.store.write(Put(table=f"{made.prefix}-tenant-{kind}", row=decoded(row)))
    return made


@pytest.fixture
def theirs(registry: Registry) -> TenantModule:
    return registry.tenants


def found(theirs: TenantModule, code: str) -> Tenant:
    tenant = theirs.get_tenant(code)
    assert tenant is not None
    return tenant


# Theirs, to us


def test_we_read_them(theirs: TenantModule) -> None:
    mbc = found(theirs, "mbc")
    assert (mbc.name, mbc.version, mbc.state, mbc.attributes["plan"]) == ("MBC", 3, TenantState.ACTIVE, "pro")
    assert mbc.roles[0].setting_groups == ("tokyo#sales", "tokyo")
    custom = found(theirs, "custom").roles[0]
    assert (custom.mode, custom.setting_groups) == ("customized", ("b", "a#b", "c"))
    assert [(role.role, role.groups) for role in found(theirs, "roles").roles] == [
        ("clerk", ("x",)),
        ("chief", ("y",)),
    ]
    assert (found(theirs, "back").version, found(theirs, "back").name) == (3, "Again")
    assert found(theirs, "named").attributes == {"plan": "pro", "colour": "red"}
    assert found(theirs, "common").active
    assert theirs.get_tenant("gone") is None
    everyone = {"mbc", "roles", "custom", "common", "back", "named", "nameless"}
    assert {tenant.code for tenant in theirs.iter_tenants()} == everyone


def test_we_serve_them(theirs: TenantModule) -> None:
    theirs.admit("mbc", user("mbc"))
    theirs.set_state("mbc", "suspended", reason="unpaid")
    with pytest.raises(ForbiddenError, match="suspended"):
        theirs.admit("mbc", user("mbc"))


def test_what_is_there_is_not_created_again(theirs: TenantModule) -> None:
    for code in ("mbc", "MBC", "late"):
        with pytest.raises(InvalidInputError, match="code"):
            theirs.create_tenant(code, "other")
    with pytest.raises(InvalidInputError, match="code"):
        theirs.create_common_tenant("other")
    with pytest.raises(InvalidInputError, match="code"):
        theirs.create_tenant_group("east", "mbc", "other")
    back = theirs.create_tenant("gone", "Back")
    assert (back.version, dict(back.attributes)) == (3, {})


def test_we_go_on_with_them(registry: Registry, theirs: TenantModule) -> None:
    changed = theirs.add_tenant_group("mbc", "clerk", "osaka")
    assert changed.roles[0].groups == ("tokyo#sales", "tokyo", "osaka")
    assert changed.roles[0].setting_groups == ("tokyo#sales", "osaka", "tokyo")
    changed = theirs.add_tenant_group("custom", "clerk", "x#y#z")
    assert changed.roles[0].setting_groups == ("b", "a#b", "c", "x#y#z")
    changed = theirs.update_tenant("common", attributes={"x": 1})
    assert changed.version == 2
    row = registry.rows("history")["TENANT#common", "MASTER@1"]
    assert row["name"] == "Common"


def test_a_tenant_that_lost_its_name_is_changed(theirs: TenantModule) -> None:
    """Their update takes the name away where it gives none."""
    assert "name" not in golden("data")["TENANT#nameless", "MASTER"]
    changed = theirs.add_tenant_group("nameless", "clerk", "tokyo")
    assert (changed.version, changed.name) == (3, "")
    assert theirs.update_tenant("nameless", attributes={"x": 1}).version == 4
    assert theirs.update_tenant("nameless", name="Named").name == "Named"
    theirs.delete_tenant("nameless")
    assert theirs.get_tenant("nameless") is None


def test_what_they_have_under_way_comes_first(registry: Registry, theirs: TenantModule) -> None:
    changed = theirs.update_tenant("late", attributes={"colour": "red"})
    assert (changed.version, dict(changed.attributes)) == (2, {"plan": "pro", "colour": "red"})
    assert registry.rows("history")["TENANT#late", "MASTER@1"]["attributes"] == {"plan": "pro"}


# Ours, to them


@pytest.mark.parametrize("kind", KINDS)
def test_ours_have_the_same_columns_types_and_values(kind: str) -> None:
    rows = {
        (row["pk"]["S"], row["sk"]["S"]): row
        for row in our_tenants()[f"local-t-tenant-{kind}"]
        if row["pk"]["S"] != "TENANT#custom"  # whose story is another one: we know the groups of a role first
    }
    assert len(rows) == {"command": 9, "data": 5, "history": 4}[kind]
    for key, row in rows.items():
        # A NULL says what an absent column says: their reader takes both for undefined or null.
        expected = {name: value for name, value in golden(kind)[key].items() if "NULL" not in value}
        if key[0] == "TENANT#common":
            expected["isDeleted"] = {"BOOL": False}  # without it their service overwrites the row (TEN-2)
        if key == ("TENANT#mbc", "MASTER") or key[1] == "MASTER@3":  # their sort changes `groups` as well
            (entry,) = expected["attributes"]["M"]["setting"]["L"]
            groups = {"L": [{"S": "tokyo"}, {"S": "tokyo#sales"}]}
            changed = {"M": {**entry["M"], "groups": groups}}
            attributes = {**expected["attributes"]["M"], "setting": {"L": [changed]}}
            expected["attributes"] = {"M": attributes}
        assert set(expected) <= set(row), key
        assert set(row) - set(expected) <= MORE[kind], key
        for name, value in expected.items():
            assert shape(row[name]) == shape(value), (key, name)
            if name not in FLEETING:
                assert row[name] == value, (key, name)
