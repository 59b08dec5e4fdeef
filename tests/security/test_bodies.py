"""Bodies that are too large, too deep or no JSON, and numbers out of range: refused, and named."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime import CqrsModel
from runtime.entry.http.api import HttpApi
from runtime.model.keys import MAX_VERSION
from tests.security.requests import command_text
from tests.security.target import claims_of
from tests.support.gateway import Gateway

if TYPE_CHECKING:
    from tests.security.target import Target

ANY = {"if-match": "*"}


class Size(CqrsModel):
    size: int


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
    answer = send("POST", "/notes", command_text(), **{"content-type": content_type})
    assert (answer.status, answer.fields) == (400, ["content-type"])


@pytest.mark.parametrize("levels", [33, 90, 120, 500, 900])
@pytest.mark.parametrize(
    ("method", "path", "headers", "wrap"),
    [
        ("POST", "/notes", {}, command_text),
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
    bad = [
        command_text(nested(40)),
        command_text(version=f"1{'0' * 4000}"),
        command_text('{"x":1E126}'),
        command_text(seq="1E9"),
    ]
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
    answer = send("POST", "/notes", command_text(f'{{"x":{{"y":[{number}]}}}}'))
    assert (answer.status, answer.fields) == (400, ["attributes.x.y[0]"])


@pytest.mark.parametrize(
    "number", ["9" * 38, "9.9E125", "1E-130", "1" + "0" * 125, "-9.9E125", "-0.0", "0E9999"]
)
def test_a_number_that_can_be_stored_is_kept(target: Target, number: str) -> None:
    key = f"N{abs(hash(number))}"
    text = command_text(f'{{"x":{number}}}', sk=f'"{key}"')
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
        ("POST", "/notes", command_text(version=number)),
        ("PUT", "/notes/L1", f'{{"name":"n","attributes":{{}},"version":{number}}}'),
        ("PATCH", "/notes/L1", f'{{"name":"n","version":{number}}}'),
        (
            "POST",
            "/note/publish",
            command_text(version=number, pk='"NOTE#limits"', code='"c"', type='"NOTE"'),
        ),
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
    answer = send("POST", "/notes", command_text(**{field: number}))
    assert (answer.status, answer.fields) == (400, [field])


def test_a_short_number_does_not_become_a_long_one() -> None:
    """`1E9999999` is nine bytes, and takes pydantic seconds and megabytes as an integer."""
    router, taken = Router(), []

    @router.post("/sizes")
    def take(body: Size) -> dict[str, Any]:
        taken.append(body.size)
        return {}

    gateway = Gateway(HttpApi([router]).handle, None)
    began = time.process_time()
    for exponent in ("9999999", "-9999999", "999999999999999999999"):
        status, _, content = gateway.send("POST", "/sizes", (), f'{{"size":1E{exponent}}}'.encode())
        assert (status, json.loads(content)["errors"][0]["field"]) == (400, "body")
    assert gateway.send("POST", "/sizes", (), b'{"size":1E3}')[0] == 200
    assert taken == [1000]
    assert time.process_time() - began < 2
