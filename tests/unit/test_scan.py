"""Going over a whole table, page by page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from runtime.errors import InvalidInputError
from runtime.store.memory import MemoryStore
from runtime.store.port import Put
from runtime.store.scan import Scan

# As long as a stored key can be, which is longer than the key of a new aggregate.
LONGEST = "s" * 1024
KEYS = [("P#t", "A@1"), ("P#t", "A@2"), ("P#t", LONGEST), ("Q#t", "ä@12"), ("Q#t", "handler#B")]


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for pk, sk in KEYS:
        store.write(Put(table="t", row={"pk": pk, "sk": sk, "n": len(sk)}))
    return store


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_each_row_is_on_one_page(store: MemoryStore, limit: int) -> None:
    found, token = [], None
    while True:
        page = Scan.checked(limit=limit, resume_from=token).read(store, "t", columns=["pk", "sk"])
        assert page.scanned == len(page.rows) <= limit
        found += page.rows
        token = page.resume_token
        if token is None:
            break
    assert sorted((row["pk"], row["sk"]) for row in found) == sorted(KEYS)


def test_rows_that_do_not_pass_are_counted(store: MemoryStore) -> None:
    page = Scan.checked().read(store, "t", only=Attr("n").gt(100))
    assert [row["sk"] for row in page.rows] == [LONGEST]
    assert (page.scanned, page.resume_token) == (len(KEYS), None)


@pytest.mark.parametrize("key", KEYS)
def test_a_token_works_for_every_stored_key(key: tuple[str, str]) -> None:
    assert Scan.checked(resume_from=json.dumps(key)).start == dict(zip(("pk", "sk"), key, strict=True))


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "[1]",
        "[]",
        '["a", 1]',
        '["a", ""]',
        '["", "a"]',
        '["a", "b", "c"]',
        '{"pk": "a"}',
        '["a", "\\ud800"]',
        json.dumps(["a", "s" * 1025]),
        json.dumps(["p" * 2049, "s"]),
        "[" * 100_000,
    ],
)
def test_what_is_no_token_is_refused(token: Any) -> None:
    with pytest.raises(InvalidInputError, match="resume_from: must be the resume_token"):
        Scan.checked(resume_from=token)
