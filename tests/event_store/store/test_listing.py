"""The ids of a tenant's aggregates, by the sparse index of first commits."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import ConfigurationError, InvalidInputError
from tests.event_store.store.lab import KEY, Lab, closing, commit, record

OTHERS = [KEY._replace(tenant="other"), KEY._replace(stream="posts"), KEY._replace(stream="users-2")]


@pytest.fixture
def lab() -> Lab:
    return Lab(aggregates=True)


def ids(lab: Lab, limit: int = 100) -> list[str]:
    found: list[str] = []
    start: str | None = None
    while True:
        page, start = lab.provider.aggregate_ids("users", "acme", start=start, limit=limit)
        assert len(page) <= limit
        found += page
        if start is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_each_aggregate_of_the_stream_and_the_tenant_is_listed_once(lab: Lab, limit: int) -> None:
    names = ["u1", "u#2", "a b", "ä"]
    for name in names:
        key = KEY._replace(aggregate_id=name)
        lab.provider.append([commit(1, key=key)], command=record(key=key))
        lab.append(1, 2, key=key, after=1)
    for key in OTHERS:
        lab.append(1, key=key)
    assert sorted(ids(lab, limit)) == sorted(names)


def test_an_erased_aggregate_is_not_listed(lab: Lab) -> None:
    lab.append(1)
    lab.append(1, key=KEY._replace(aggregate_id="u2"))
    lab.provider.erase(KEY, closing())
    assert ids(lab) == ["u2"]
    lab.provider.erase(KEY._replace(aggregate_id="u3"), closing())  # it was never used
    assert ids(lab) == ["u2"]


@pytest.mark.parametrize("start", ["", "x", "7", '""', "null", "[" * 100_000])
def test_a_token_that_nobody_gave_is_refused(lab: Lab, start: Any) -> None:
    with pytest.raises(InvalidInputError, match="start"):
        lab.provider.aggregate_ids("users", "acme", start=start, limit=9)


def test_without_the_index_nothing_is_listed() -> None:
    with pytest.raises(ConfigurationError, match="aggregates_index=True"):
        Lab().provider.aggregate_ids("users", "acme", start=None, limit=9)
