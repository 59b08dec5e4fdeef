from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from runtime.clients.workflow import execution_name
from runtime.model.keys import DetailKey

texts = st.text(max_size=200)


@given(table=texts, pk=texts, sk=texts, version=st.integers(1, 10**9))
def test_a_name_is_allowed_and_always_the_same(table: str, pk: str, sk: str, version: int) -> None:
    name = execution_name(table, DetailKey(pk, sk), version)
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,80}", name)
    assert name == execution_name(table, DetailKey(pk, sk), version)


def test_a_name_reads_well() -> None:
    name = execution_name("dev-shop-todo-command", DetailKey("TODO#acme", "A1"), 3)
    assert re.fullmatch(r"TODO-acme-A1-v3-[0-9a-f]{20}", name)


def test_keys_that_look_alike_have_names_of_their_own() -> None:
    keys = [("T#a", "b"), ("T#a-b", ""), ("T", "a-b"), ("T.a", "b"), ("T@a", "b")]
    names = {execution_name("t", DetailKey(*key), 1) for key in keys}
    assert len(names) == len(keys)
    assert execution_name("t", DetailKey("T#a", "b"), 1) != execution_name("u", DetailKey("T#a", "b"), 1)
