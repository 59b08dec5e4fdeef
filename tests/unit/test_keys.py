from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidInputError
from runtime.model.keys import (
    MAX_ROW_SK_BYTES,
    MAX_VERSION,
    VERSION_LATEST,
    add_sort_key_version,
    check_natural_key,
    check_new_key,
    generate_id,
    get_sort_key_version,
    get_tenant_code,
    join_key,
    lower_case_tenant,
    remove_sort_key_version,
    sort_key_base_from_id,
)

texts = st.text(min_size=1, max_size=40)
versions = st.integers(min_value=0, max_value=10**9)


def is_natural(pk: str, sk: str) -> bool:
    try:
        check_natural_key(pk, sk)
    except InvalidInputError:
        return False
    return True


@given(sk=texts | st.from_regex(r".{0,5}@[0-9]{0,3}"), version=versions)
def test_a_key_with_any_characters_round_trips_or_is_refused(sk: str, version: int) -> None:
    assume(is_natural("T#a", sk))
    versioned = add_sort_key_version(sk, version)
    assert remove_sort_key_version(versioned) == sk
    assert get_sort_key_version(versioned) == version
    assert get_sort_key_version(sk) == VERSION_LATEST
    assert remove_sort_key_version(sk) == sk


@given(one=texts, other=texts, version=versions)
def test_two_aggregates_never_share_a_command_key(one: str, other: str, version: int) -> None:
    assume(one != other and is_natural("T#a", one) and is_natural("T#a", other))
    assert add_sort_key_version(one, version) != add_sort_key_version(other, version)


@given(pk=texts, sk=texts, version=versions)
def test_an_id_gives_its_sort_key_back(pk: str, sk: str, version: int) -> None:
    assume(is_natural(pk, sk))
    assert sort_key_base_from_id(pk, generate_id(pk, add_sort_key_version(sk, version))) == sk


def test_an_id_of_another_partition_has_no_sort_key() -> None:
    assert sort_key_base_from_id("TODO#acme", "TODO#acmeX#A1") is None


@pytest.mark.parametrize("sk", ["USER#a@x.com", "a@", "@", "a@1b", "a@-1", "a@1 ", "a@\uff11", "a@1\n"])
def test_an_at_sign_that_is_no_version_is_part_of_the_key(sk: str) -> None:
    assert is_natural("T#a", sk)
    assert get_sort_key_version(sk) == VERSION_LATEST


@pytest.mark.parametrize("sk", ["a@1", "@0", "a@b@12", "a@007"])
def test_a_key_that_ends_like_a_version_is_refused(sk: str) -> None:
    with pytest.raises(InvalidInputError, match="sk: must not end in @ and digits"):
        check_natural_key("T#a", sk)


def test_a_versioned_key_still_fits() -> None:
    check_natural_key("p" * 2048, "s" * 1013)
    assert len(add_sort_key_version("s" * 1013, 9_999_999_999)) == 1024
    with pytest.raises(InvalidInputError, match="sk: must be at most 1013 bytes, got 1014"):
        check_natural_key("p", "s" * 1014)


def test_what_is_derived_from_a_new_key_fits() -> None:
    for sk in ("s" * 900, "é" * 450):
        check_new_key("p" * 2048, sk)
        derived = (f"{'H' * 100}#{sk}", add_sort_key_version(sk, MAX_VERSION), f"{sk}@publish#{'0' * 32}")
        assert max(len(key.encode()) for key in derived) <= MAX_ROW_SK_BYTES
    for sk, size in (("s" * 901, 901), ("é" * 451, 902)):
        with pytest.raises(InvalidInputError, match=f"sk: must be at most 900 bytes, got {size}"):
            check_new_key("p", sk)
        check_natural_key("p", sk)  # there may be one of an earlier release


@pytest.mark.parametrize("pk", ["", "p" * 2049, "\ud800"])
def test_a_new_key_is_a_natural_one(pk: str) -> None:
    for check in (check_natural_key, check_new_key):
        with pytest.raises(InvalidInputError, match=r"^pk: "):
            check(pk, "a")
        with pytest.raises(InvalidInputError, match="sk: must not end in @ and digits"):
            check("p", "a@1")


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="pk: must be valid Unicode"):
        check_natural_key("\ud800", "a")


@pytest.mark.parametrize(
    ("pk", "tenant"),
    [("TODO#acme", "acme"), ("A#b#acme", "acme"), ("TODO", None), ("TODO#", None), ("##", None)],
)
def test_the_tenant_is_the_last_segment(pk: str, tenant: str | None) -> None:
    assert get_tenant_code(pk) == tenant


@pytest.mark.parametrize(
    ("tenant", "lower"),
    [
        ("Acme", "acme"),
        ("ÅRE", "åre"),
        ("ΑΣ", "ας"),
        ("\u212aIWI", "\u212aiwi"),
        ("\u212bRE", "\u212bre"),
        ("\u2126", "\u2126"),
        ("\u03f4", "\u03f4"),
    ],
)
def test_a_tenant_is_compared_in_lower_case(tenant: str, lower: str) -> None:
    assert lower_case_tenant(tenant) == lower


segments = st.text(min_size=1, max_size=10) | st.from_regex(r"[a#@ ]{0,3}@?[0-9]{0,2}", fullmatch=True)


def joined(*parts: str) -> str | None:
    try:
        return join_key(*parts)
    except InvalidInputError:
        return None


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # some of these make no key, on purpose
@given(one=st.lists(segments, min_size=1, max_size=3), other=st.lists(segments, min_size=1, max_size=3))
def test_other_segments_make_another_key(one: list[str], other: list[str]) -> None:
    key = joined(*one)
    assume(key is not None)
    assert (key == joined(*other)) == (one == other)
    assert key is not None
    assert key.split("#") == one
    assert get_sort_key_version(key) == VERSION_LATEST
    check_natural_key(key, key)


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        ("", "empty"),
        ("  ", "white space"),
        ("a ", "white space"),
        ("\u3000a", "white space"),
        ("a#b", "next segment"),
        ("#", "next segment"),
        ("a@1", "version"),
        ("@0", "version"),
        ("a\0b", "control"),
        ("a\x7f", "control"),
        ("a\x85b", "control"),
        ("\ud800", "Unicode"),
        (5, "must be text, got int"),
        (None, "must be text, got NoneType"),
    ],
)
def test_a_segment_that_could_be_taken_for_more_is_refused(segment: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why) as caught:
        join_key("PRICE", segment, "x", segment)
    assert [problem.field for problem in caught.value.problems] == ["segments.1", "segments.3"]


def test_a_key_of_no_segments_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="one at least"):
        join_key()
    assert join_key("a@x.com", "b c", "名") == "a@x.com#b c#名"
