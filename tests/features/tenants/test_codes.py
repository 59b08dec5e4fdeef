"""What a code of a tenant, and an id of a group, may be."""

from __future__ import annotations

from typing import Any

import pytest

from runtime import InvalidInputError, Settings
from runtime.features.tenants.codes import (
    checked_code,
    checked_group,
    checked_text,
    common_code,
    is_common,
    is_reserved,
)
from tests.security.attacks import look_alikes


@pytest.mark.parametrize(
    ("code", "folded"), [("acme", "acme"), ("ACME", "acme"), ("7-Up", "7-up"), ("a" * 50, "a" * 50)]
)
def test_a_code_is_taken_in_lower_case(code: str, folded: str) -> None:
    assert checked_code(code) == folded


@pytest.mark.parametrize(
    "code",
    [
        *(code for code in look_alikes("kiss").values() if code not in {"kis", "kiss2"}),
        "",
        "-acme",
        "a" * 51,
        "a#b",
        "a@1",
        "a b",
        "a_b",
        "a.b",
        "a/b",
        "\u212a",
        "\u0660",
        "acme\n",
        None,
        7,
        ["acme"],
        b"acme",
    ],
)
def test_what_only_looks_like_one_is_refused_by_field(code: Any) -> None:
    with pytest.raises(InvalidInputError) as refused:
        checked_code(code, "tenantCode")
    assert [problem.field for problem in refused.value.problems] == ["tenantCode"]
    assert not code or str(code) not in refused.value.problems[0].message


def test_what_is_common_is_what_the_deployment_says() -> None:
    assert common_code(Settings()) == "common"
    shared = Settings(common_tenant_codes=("Shared", "other"))
    assert common_code(shared) == "shared"
    codes = ("shared", "other", "common", "acme")
    assert [is_common(code, shared) for code in codes] == [True, True, False, False]
    assert [is_reserved(code, shared) for code in codes] == [True, True, True, False]
    assert common_code(Settings(common_tenant_codes=())) == "common"


@pytest.mark.parametrize("group", ["tokyo", "tokyo#sales", "営業部", "a b", "x@1"])
def test_a_group_may_have_levels(group: str) -> None:
    assert checked_group(group, "group_id") == group


@pytest.mark.parametrize(
    "group",
    ["", " ", "#", "a#", "#a", "a##b", "a #b", "a\n", "a\0b", "\ud800", "a\u2028b", "x" * 257, None, 1],
)
def test_a_level_that_is_none_is_refused(group: Any) -> None:
    with pytest.raises(InvalidInputError, match="group_id"):
        checked_group(group, "group_id")


@pytest.mark.parametrize("text", ["", "\t", "a\x7fb", "a\u2028b", "a\u2029", "x" * 257, None, {}])
def test_a_name_is_a_line_of_text(text: Any) -> None:
    with pytest.raises(InvalidInputError, match="name"):
        checked_text(text, "name")
