"""Keys of the masters: no two rows have one, and each says what its row is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import InvalidInputError
from runtime.features.masters.keys import (
    RESERVED_CODES,
    Level,
    MasterKey,
    RowKind,
    data_key,
    format_key,
    key_of_id,
    parsed_key,
    retention_key,
    setting_key,
)
from runtime.model.keys import generate_id

CODES = st.sampled_from(["GROUP", "USER", "a", "b", "theme", "a-b", "ann@x.com", "日本"])
OWNERS = st.lists(CODES, min_size=1, max_size=3).map("#".join)


@given(tenant=st.sampled_from(["acme", "common"]), code=CODES, owner=OWNERS)
def test_every_key_says_what_its_row_is(tenant: str, code: str, owner: str) -> None:
    setting = RowKind.SETTING
    expected = {
        setting_key(tenant, code): MasterKey(tenant, setting, code),
        setting_key(tenant, code, group_id=owner): MasterKey(tenant, setting, code, "", owner, Level.GROUP),
        setting_key(tenant, code, user_id=owner): MasterKey(tenant, setting, code, "", owner, Level.USER),
        data_key(tenant, "colour", code): MasterKey(tenant, RowKind.DATA, code, "colour"),
        format_key(tenant, code): MasterKey(tenant, RowKind.FORMAT, code),
        retention_key(tenant, code): MasterKey(tenant, RowKind.RETENTION, code),
    }
    assert len(expected) == 6
    for key, said in expected.items():
        assert parsed_key(*key) == said
        assert key_of_id(generate_id(*key)) == key


@pytest.mark.parametrize("code", sorted(RESERVED_CODES))
def test_reserved_codes_are_refused(code: str) -> None:
    for make in (setting_key, lambda tenant, each: data_key(tenant, each, "x")):
        with pytest.raises(InvalidInputError, match="reserved"):
            make("acme", code)


@pytest.mark.parametrize("wrong", ["", " ", "a#b", "a@1", "a\n", "\ud800", None, 3])
def test_codes_that_cannot_be_part_of_a_key_are_refused_by_field(wrong: Any) -> None:
    with pytest.raises(InvalidInputError) as code:
        setting_key("acme", wrong)
    assert {problem.field for problem in code.value.problems} == {"code"}
    with pytest.raises(InvalidInputError) as tenant:
        setting_key(wrong, "theme")
    assert {problem.field for problem in tenant.value.problems} == {"tenantCode"}


@pytest.mark.parametrize("wrong", ["", "a##b", "#a", "a@1", "a#b@1"])
def test_owners_that_cannot_be_part_of_a_key_are_refused_by_field(wrong: str) -> None:
    with pytest.raises(InvalidInputError) as group:
        setting_key("acme", "theme", group_id=wrong)
    assert {problem.field for problem in group.value.problems} == {"groupId"}
    with pytest.raises(InvalidInputError) as user:
        setting_key("acme", "theme", user_id=wrong)
    assert {problem.field for problem in user.value.problems} == {"userId"}


@pytest.mark.parametrize("wrong", ["", "x", "MASTER#acme", "MASTER##x", "TODO#acme#x", "MASTER#acme#x@1"])
def test_other_ids_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidInputError):
        key_of_id(wrong)
