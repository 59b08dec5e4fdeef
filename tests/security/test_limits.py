"""What is too large, too deep, too long or no JSON at all gets a problem that names the field."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import CqrsModel
from runtime.http.api import HttpApi
from runtime.keys import MAX_VERSION
from tests.security.target import ADMIN, Answer, Target, claims_of
from tests.support.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLER = claims_of("limits", ADMIN)
#: An answer that is no page has no reason to be longer.
LONGEST = 20_000
EMOJI = "%F0%9F%98%80"
ANY = {"if-match": "*"}


class Size(CqrsModel):
    size: int


@pytest.fixture(scope="module", autouse=True)
def item(target: Target) -> Iterator[None]:
    body = {"sk": "L1", "version": 0, "name": "n", "attributes": {"a": 1}}
    assert target.send("POST", "/notes", CALLER, body=body).status == 202
    yield
    written = {key for key in target.rows() if key[1].endswith("#limits")}
    assert {key[1:] for key in written} == {
        ("NOTE#limits", "L1@1"),
        ("eve#limits", "note#NOTE#limits#L1"),
    }, "a request that was refused wrote something"


@pytest.fixture
def send(target: Target) -> Callable[..., Answer]:
    """Sends a request that is to be refused: soon, shortly, and not with a 5xx."""

    def sender(method: str, path: str, text: str | bytes = b"", **headers: str) -> Answer:
        content = text if isinstance(text, bytes) else text.encode()
        began = time.monotonic()
        answer = target.send(method, path, CALLER, headers=headers, content=content)
        assert time.monotonic() - began < 5
        assert answer.status < 500, answer.text
        assert '"status":5' not in answer.text
        assert len(answer.content) < LONGEST
        assert "Traceback" not in answer.text
        return answer

    return sender


def command(attributes: str = "{}", **more: str) -> str:
    """A command as text; what JSON libraries would not write may be in it."""
    fields = {"sk": '"L2"', "version": "0", "name": '"n"', "attributes": attributes, **more}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


# Bodies


@pytest.mark.parametrize("path", ["/notes", "/notes/bulk", "/note/publish", "/note/read"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 20_000,
        '{"name":NaN}',
        '{"name":Infinity}',
        '{"name":-Infinity}',
        f'{{"name":{"9" * 5000}}}',
        '{"name":1E99999999999999999999}',
        '{"name":1E999999999}',
        '{"name":1E-999999999}',
        '{"name":"a","name":"b"}',
        '{"attributes":{"role":"a","role":"b"}}',
        '{"name":"\\ud800"}',
        '{"\\udfff":1}',
        '\ufeff{"name":"a"}',
        '/**/{"name":"a"}',
        '{"name":"a"}{}',
        "{",
        '"',
        "nul",
        b'{"name":"\xff"}',
        '{"name":"a"}'.encode("utf-16"),
        '{"name":"a"}'.encode("utf-32"),
        b"\0",
    ],
    ids=range(24),
)
def test_what_is_no_good_json_is_refused(send: Any, path: str, text: Any) -> None:
    answer = send("POST", path, text)
    assert (answer.status, answer.fields) == (400, ["body"])


@pytest.mark.parametrize("text", ["1", "true", '"x"', "[]"])
def test_a_body_has_to_be_an_object(send: Any, text: str) -> None:
    for method, path, headers in (("POST", "/notes", {}), ("PATCH", "/notes/L1", ANY)):
        answer = send(method, path, text, **headers)
        assert (answer.status, answer.fields) == (400, ["body"])


@pytest.mark.parametrize("size", [102_401, 10_000_000])
@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_a_body_has_a_size(send: Any, size: int, content_type: str) -> None:
    answer = send("POST", "/notes", b"x" * size, **{"content-type": content_type})
    assert (answer.status, answer.fields) == (413, ["body"])


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "text/json",
        "a" * 8000,
    ],
)
def test_a_body_has_to_say_that_it_is_json(send: Any, content_type: str) -> None:
    answer = send("POST", "/notes", command(), **{"content-type": content_type})
    assert (answer.status, answer.fields) == (400, ["content-type"])


@pytest.mark.parametrize("levels", [33, 90, 120, 500, 900])
@pytest.mark.parametrize(
    ("method", "path", "headers", "wrap"),
    [
        ("POST", "/notes", {}, command),
        ("PUT", "/notes/L1", ANY, '{{"name":"n","attributes":{}}}'.format),
        ("PATCH", "/notes/L1", ANY, '{{"attributes":{}}}'.format),
        (
            "PATCH",
            "/notes/L1",
            ANY | {"content-type": "application/merge-patch+json"},
            '{{"attributes":{}}}'.format,
        ),
    ],
    ids=["post", "put", "patch", "merge patch"],
)
def test_what_is_nested_too_deep_is_named(  # noqa: PLR0917 - the parts of one request
    send: Any, method: str, path: str, headers: Any, wrap: Any, levels: int
) -> None:
    answer = send(method, path, wrap(nested(levels)), **headers)
    assert answer.status == 400
    assert [field.partition(".")[0] for field in answer.fields] == ["attributes"]


def test_an_item_of_many_is_bounded_as_it_would_be_alone(send: Any) -> None:
    """The other commands of a bulk request are not refused with it."""
    bad = [command(nested(40)), command(version=f"1{'0' * 4000}"), command('{"x":1E126}'), command(seq="1E9")]
    answer = send("POST", "/notes/bulk", f"[{','.join(bad)}]")
    fields = [item["problem"]["errors"][0]["field"] for item in answer.json["items"]]
    assert fields == ["attributes.a.a.a", "version", "attributes.x", "seq"]


@pytest.mark.parametrize("count", [0, 101, 5000])
def test_a_bulk_request_has_a_size(send: Any, count: int) -> None:
    answer = send("POST", "/notes/bulk", "[" + ",".join(["{}"] * count) + "]")
    assert (answer.status, answer.fields) == (400, ["body"])


# Numbers


@pytest.mark.parametrize(
    "number",
    ["1" * 39, "1" + "0" * 126, f"1{'0' * 4000}", "1E126", "1E-131", "0." + "1" * 39, "-1E126", "1E399"],
)
def test_a_number_that_cannot_be_stored_is_named(send: Any, number: str) -> None:
    answer = send("POST", "/notes", command(f'{{"x":{{"y":[{number}]}}}}'))
    assert (answer.status, answer.fields) == (400, ["attributes.x.y[0]"])


@pytest.mark.parametrize(
    "number", ["9" * 38, "9.9E125", "1E-130", "1" + "0" * 125, "-9.9E125", "-0.0", "0E9999"]
)
def test_a_number_that_can_be_stored_is_kept(target: Target, number: str) -> None:
    key = f"N{abs(hash(number))}"
    text = command(f'{{"x":{number}}}', sk=f'"{key}"')
    assert target.send("POST", "/notes", claims_of("kept"), content=text.encode()).status == 202
    found = json.loads(
        target.send("GET", f"/notes/{key}", claims_of("kept")).content, parse_float=Decimal, parse_int=Decimal
    )
    assert found["attributes"]["x"] == Decimal(number)


@pytest.mark.parametrize(
    "number", [str(MAX_VERSION + 1), f"1{'0' * 1100}", "-2", "1.0", "1E3", '"1"', "true"]
)
def test_a_version_has_a_range(send: Any, number: str) -> None:
    for method, path, text in (
        ("POST", "/notes", command(version=number)),
        ("PUT", "/notes/L1", f'{{"name":"n","attributes":{{}},"version":{number}}}'),
        ("PATCH", "/notes/L1", f'{{"name":"n","version":{number}}}'),
        ("POST", "/note/publish", command(version=number, pk='"NOTE#limits"', code='"c"', type='"NOTE"')),
    ):
        answer = send(method, path, text)
        assert (answer.status, answer.fields) == (400, ["version"]), path


@pytest.mark.parametrize(
    "number", [str(MAX_VERSION + 1), f"1{'0' * 1100}", "9" * 5000, "-1", "1.5", "1e3", "%00"]
)
def test_a_version_in_the_address_has_a_range(send: Any, number: str) -> None:
    for method, path, field in (
        ("GET", f"/notes/L1/history/{number}", "version"),
        ("DELETE", f"/notes/L1?version={number}", "version"),
        ("GET", f"/notes/L1/history?startFromVersion={number}", "startFromVersion"),
    ):
        answer = send(method, path)
        assert (answer.status, answer.fields) == (400, [field]), path
    assert send("DELETE", "/notes/L1", **{"if-match": f'"{number}"'}).status == 412


@pytest.mark.parametrize("field", ["seq", "ttl"])
@pytest.mark.parametrize("number", ["1" * 39, "1.5", "1E3", '"1"'])
def test_a_whole_number_is_named(send: Any, field: str, number: str) -> None:
    answer = send("POST", "/notes", command(**{field: number}))
    assert (answer.status, answer.fields) == (400, [field])


def test_a_short_number_does_not_become_a_long_one() -> None:
    """`1E9999999` is nine bytes, and takes pydantic seconds and megabytes as an integer."""
    router, taken = Router(), []

    @router.post("/sizes")
    def take(body: Size) -> dict[str, Any]:
        taken.append(body.size)
        return {}

    gateway = Gateway(HttpApi([router]).handle, None)
    began = time.monotonic()
    for exponent in ("9999999", "-9999999", "999999999999999999999"):
        status, _, content = gateway.send("POST", "/sizes", (), f'{{"size":1E{exponent}}}'.encode())
        assert (status, json.loads(content)["errors"][0]["field"]) == (400, "body")
    assert gateway.send("POST", "/sizes", (), b'{"size":1E3}')[0] == 200
    assert taken == [1000]
    assert time.monotonic() - began < 2


# Texts and keys


@pytest.mark.parametrize("sk", ["x" * 1014, "é" * 508, "A@1", "A@" + "9" * 900, "bulk", "a/history"])
def test_a_sort_key_has_a_length_and_no_version(send: Any, sk: str) -> None:
    answer = send("POST", "/notes", command(sk=json.dumps(sk)))
    assert (answer.status, answer.fields) == (400, ["sk"])


@pytest.mark.parametrize("tenant", ["x" * 2048, "é" * 1024])
def test_a_partition_key_has_a_length(target: Target, tenant: str) -> None:
    text = command().encode()
    answer = target.send("POST", "/notes", claims_of(tenant), content=text)
    assert (answer.status, answer.fields) == (400, ["pk"])
    for path in ("/notes", "/notes/A1", "/notes/A1/history", "/notes/A1/history/1"):
        answer = target.send("GET", path, claims_of(tenant))
        assert (answer.status, answer.fields) == (400, ["pk"]), path


def test_an_item_has_a_size(target: Target) -> None:
    """What the body may hold, 100 KB, always fits; in the attributes bucket if not in the row."""
    for attributes in ('{"x":[' + "0," * 45_000 + "0]}", json.dumps({f"k{n}": 1 for n in range(8000)})):
        text = command(attributes, sk=f'"S{len(attributes)}"')
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
        ("POST", "/notes", command(version="7")),
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
