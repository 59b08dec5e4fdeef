"""What is too long or out of range in keys, queries, headers and paths, and how long answers get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.security.requests import command_text
from tests.security.target import claims_of

if TYPE_CHECKING:
    from tests.security.target import Target

EMOJI = "%F0%9F%98%80"


# Texts and keys


@pytest.mark.parametrize("sk", ["x" * 1014, "é" * 508, "A@1", "A@" + "9" * 900, "bulk", "a/history"])
def test_a_sort_key_has_a_length_and_no_version(send: Any, sk: str) -> None:
    answer = send("POST", "/notes", command_text(sk=json.dumps(sk)))
    assert (answer.status, answer.fields) == (400, ["sk"])


@pytest.mark.parametrize("tenant", ["x" * 2048, "é" * 1024])
def test_a_partition_key_has_a_length(target: Target, tenant: str) -> None:
    text = command_text().encode()
    answer = target.send("POST", "/notes", claims_of(tenant), content=text)
    assert (answer.status, answer.fields) == (400, ["pk"])
    for path in ("/notes", "/notes/A1", "/notes/A1/history", "/notes/A1/history/1"):
        answer = target.send("GET", path, claims_of(tenant))
        assert (answer.status, answer.fields) == (400, ["pk"]), path


def test_an_item_has_a_size(target: Target) -> None:
    """What the body may hold, 100 KB, always fits; in the attributes bucket if not in the row."""
    for attributes in ('{"x":[' + "0," * 45_000 + "0]}", json.dumps({f"k{n}": 1 for n in range(8000)})):
        text = command_text(attributes, sk=f'"S{len(attributes)}"')
        assert target.send("POST", "/notes", claims_of("kept"), content=text.encode()).status == 202


# Queries


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        (f"limit={'9' * 5000}", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=NaN", "limit"),
        ("order=asc%0a", "order"),
        (f"skPrefix={EMOJI * 300}", "skPrefix"),
        (f"startFromSk={EMOJI * 300}", "startFromSk"),
        ("skPrefix=a&startFromSk=b", "startFromSk"),
        ("includeDeleted=perhaps", "includeDeleted"),
    ],
)
def test_a_page_has_a_size(send: Any, query: str, field: str) -> None:
    answer = send("GET", f"/notes?{query}")
    assert (answer.status, answer.fields) == (400, [field])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=10001", "page"),
        ("pageSize=101", "pageSize"),
        (f"keyword={'x' * 257}", "keyword"),
        ("&".join(["orderBys=x"] * 11), "orderBys"),
    ],
)
def test_a_search_has_a_size(send: Any, query: str, field: str) -> None:
    answer = send("GET", f"/orders/search?{query}")
    assert (answer.status, answer.fields) == (400, [field])


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "99999999999999999", "infinity", "nan"],
)
def test_a_time_at_the_end_of_times(send: Any, moment: str) -> None:
    assert send("GET", f"/notes/L1?asOf={moment}").status in {200, 400, 404}


def test_a_resume_token_is_looked_at(send: Any) -> None:
    tokens = [
        "[" * 50_000,
        '["",""]',
        '["a","' + "x" * 2000 + '"]',
        '["a","\\ud800"]',
        "[1,2]",
        "{}",
        '["a"]',
    ]
    for token in tokens:
        answer = send("PUT", "/orders/resync", json.dumps({"resumeFrom": token}))
        assert (answer.status, answer.fields) == (400, ["resume_from"]), token[:20]


# Headers


@pytest.mark.parametrize(
    "value",
    [
        "x" * 9000,
        "," * 9000,
        '"1",' * 3000,
        '"' * 9000,
        'W/"' + "\xff" * 9000,
        " " * 9000 + "x",
        "a\0b",
        "\ud800",
    ],
    ids=range(8),
)
@pytest.mark.parametrize("header", ["if-match", "if-none-match", "idempotency-key", "x-tenant-code"])
def test_a_header_may_be_anything(send: Any, header: str, value: str) -> None:
    for method, path, text in (
        ("GET", "/notes/L1", ""),
        ("PATCH", "/notes/L1", '{"name":"x","version":7}'),
        ("POST", "/notes", command_text(version="7")),
        ("DELETE", "/notes/L1?version=7", ""),
    ):
        send(method, path, text, **{header: value})


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/notes//",
        "/notes/../orders",
        "/notes/%2e%2e/orders",
        "/notes/%00",
        "/notes/%ff",
        "/notes/%ED%A0%80",
        f"/notes/{'a' * 5000}",
        f"/notes/{EMOJI * 300}",
        f"/notes/{'a/' * 3000}",
        f"/notes/{'history/' * 1200}",
        f"/notes/{'a/history/' * 1000}",
        f"/notes/{'@1' * 500}",
        f"/{'x' * 8000}",
        "/nothing/read",
        "/note%2Fread",
        "/notes;x=1/L1",
    ],
)
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NEW"]
)
def test_a_path_may_be_anything(send: Any, method: str, path: str) -> None:
    text = "{}" if method in {"POST", "PUT", "PATCH"} else ""
    assert send(method, path, text).status in {400, 404, 405, 428}


# Answers


def test_what_was_sent_does_not_come_back_many_times_as_long(send: Any) -> None:
    for method, path, text in (
        ("POST", "/notes", json.dumps({"k" * 90_000: 1})),
        ("POST", "/notes", json.dumps({f"k{n}": 1 for n in range(8000)})),
        ("POST", "/notes/bulk", json.dumps([{"k" * 90_000: 1}])),
        ("POST", "/note/publish", json.dumps({"k" * 90_000: 1})),
        ("PATCH", "/notes/L1", json.dumps({"k" * 90_000: 1})),
        ("PUT", "/orders/resync", json.dumps({"handlers": [1] * 30_000})),
        ("PUT", "/orders/resync", json.dumps({"handlers": ["x"] * 20_000})),
        ("PUT", "/orders/resync", json.dumps({"handlers": ["x" * 90_000]})),
        ("POST", "/notes", f'{{"{"k" * 40_000}":1,"{"k" * 40_000}":2}}'),
    ):
        assert send(method, path, text).status in {207, 400}
