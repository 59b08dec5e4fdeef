"""An id of an aggregate of events that a command takes is reached by its path, in its own tenant alone."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import InvokeContext
from runtime.entry.http.path_keys import why_unreachable_id
from runtime.identity.context import use_invoke_context
from tests.faults.scale import scaled
from tests.security.posts import STREAM
from tests.security.target import ADMIN, claims_of
from tests.security.test_paths import GATEWAYS, MARKS
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.target import Answer, Target

#: Every id is tried in a tenant of its own.
TENANTS = (f"ids{number}" for number in itertools.count())
SHAPES = ("{0}", "{0}a", "a{0}", "a{0}b", "a{0}{0}b")
WORDS = [
    ".", "..", "...", "a.b", ".a", "a.", "events", "write-post", "posts", "%41", "100%", "what?x=1", "a b+c",
    "a#b", "#", "##", "a#", "#a", "a#acme", "posts#a#acme", "a@1", "0000000001", "command#x", "$handler",
    "\u6ce8\u6587", "\U0001f600", "e\u0301", "\u200b", "\u202e", "\u2028", "line\nfeed", "nul\0", "\x7f",
    "~a", "C:\\a", "%", "%25", "&amp;", "<script>", "a;b=c", "..;",
]  # fmt: skip
TEXT = {"text": "mine"}


class Caller:
    """A user of a tenant that nobody else is in; sends events with paths as they stand in them."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.tenant = next(TENANTS)

    def __call__(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, str], Any]:
        event = http_event(method, path, claims=claims_of(self.tenant, user="ann"), **request)
        answer = self._target.app(event, None)
        return answer["statusCode"], answer["headers"], json.loads(answer["body"] or "null")


def holds(target: Target, aggregate_id: str) -> bool:
    """The property: a new id is refused by field, or every route reaches it; whether it was taken."""
    call = Caller(target)
    escaped = quote(aggregate_id, safe="")
    status, _, answer = call("POST", f"/posts/{quote(escaped, safe='')}/write-post", body=TEXT)
    if status == 400:
        assert [error["field"] for error in answer["errors"]] == ["id"], (aggregate_id, answer)
        assert not any(key[1].endswith(f"#{call.tenant}") for key in target.rows())
        return False
    assert (status, answer) == (200, {"id": aggregate_id, "version": 1}), (aggregate_id, answer)
    for gateway in GATEWAYS.values():
        path = gateway(f"/posts/{escaped}")
        assert path is not None
        status, headers, answer = call("GET", path)
        assert (status, answer["id"], answer["state"]["text"]) == (200, aggregate_id, "mine"), (path, answer)
        status, _, answer = call(
            "POST", f"{path}/write-post", body=TEXT, headers={"If-Match": headers["ETag"]}
        )
        assert (status, answer["id"]) == (200, aggregate_id), (path, answer)
        assert len(call("GET", f"{path}/events")[2]["items"]) == answer["version"]
    return True


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mark_anywhere_in_an_id_is_reached_or_refused(target: Target, shape: str) -> None:
    # A slash divides a path: what is behind it is no part of an id.
    marks = [mark for mark in MARKS if mark != "/"][SHAPES.index(shape) :: scaled(6, 1)]
    for mark in marks:
        aggregate_id = shape.format(mark)
        assert holds(target, aggregate_id) is (why_unreachable_id(aggregate_id) is None), aggregate_id


@pytest.mark.parametrize("aggregate_id", WORDS)
def test_a_word_is_reached_or_refused(target: Target, aggregate_id: str) -> None:
    assert holds(target, aggregate_id) is (why_unreachable_id(aggregate_id) is None)


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="/")


@settings(max_examples=scaled(15, 2000), deadline=None, database=None, derandomize=True)
@given(aggregate_id=st.text(alphabet=CHARACTERS, min_size=1, max_size=40))
def test_any_text_is_reached_or_refused(target: Target, aggregate_id: str) -> None:
    holds(target, aggregate_id)


@pytest.mark.parametrize("aggregate_id", ["what?", "100%", "line\nfeed", "..", "a?b"])
def test_what_code_has_begun_is_reached_by_escaping_twice(target: Target, aggregate_id: str) -> None:
    call = Caller(target)
    owner = InvokeContext(claims=claims_of(call.tenant, ADMIN, user="ann"))
    target.posts.plant(owner, call.tenant, aggregate_id, "x")
    path = f"/posts/{quote(quote(aggregate_id, safe=''), safe='')}"
    for gateway in GATEWAYS.values():
        status, _, answer = call("GET", str(gateway(path)))
        assert (status, answer["id"]) == (200, aggregate_id)
    assert call("POST", f"{path}/clear-post")[2]["id"] == aggregate_id


def test_a_slash_in_an_id_is_no_way_to_another_route(target: Target) -> None:
    call = Caller(target)
    for path in ("/posts/a%2Fb/write-post", "/posts/a%252Fb/write-post", "/posts/a/b/write-post"):
        assert call("POST", path, body=TEXT)[0] == 404
    assert not any(key[1].endswith(f"#{call.tenant}") for key in target.rows())


def test_an_id_that_spells_another_key_is_an_id(target: Target) -> None:
    """The stream has no separator, the tenant is the last segment: whatever is between them is the id."""
    victim, thief = next(TENANTS), next(TENANTS)
    owner = InvokeContext(claims=claims_of(victim, ADMIN, user="owner"))
    target.posts.plant(owner, victim, "p1", "secret")
    for spelled in (f"p1#{victim}", f"p1#{victim}#", f"#p1#{victim}", f"{STREAM}#p1#{victim}", "p1"):
        path = f"/posts/{quote(spelled, safe='')}"
        assert target.send("GET", path, claims_of(thief)).status == 404, spelled
        answer = target.send("POST", f"{path}/write-post", claims_of(thief), body=TEXT)
        assert (answer.status, answer.json) == (200, {"id": spelled, "version": 1})
    mine = {key[1] for key in target.rows() if key[1].endswith(f"#{thief}")}
    assert f"{STREAM}#p1#{victim}#{thief}" in mine
    assert target.send("GET", "/posts/p1", claims_of(victim)).json["version"] == 3


# Sizes


@pytest.fixture
def send(target: Target) -> Callable[..., Answer]:
    claims = claims_of(next(TENANTS))

    def sender(method: str, path: str, **request: Any) -> Answer:
        answer = target.send(method, path, claims, **request)
        assert answer.status < 500, answer.text
        assert len(answer.content) < 20_000
        return answer

    return sender


@pytest.mark.parametrize("aggregate_id", ["x" * 3000, "\u00e9" * 1100, "\U0001f600" * 600])
def test_an_id_has_a_length(send: Any, aggregate_id: str) -> None:
    path = f"/posts/{quote(aggregate_id, safe='')}"
    for method, rest, body in (("GET", "", None), ("GET", "/events", None), ("POST", "/write-post", TEXT)):
        answer = send(method, f"{path}{rest}", body=body)
        assert (answer.status, answer.fields) == (400, ["id"]), (method, rest)


def test_a_tenant_has_a_length(target: Target) -> None:
    for method, path, body in (("GET", "/posts/A1", None), ("POST", "/posts/A1/write-post", TEXT)):
        answer = target.send(method, path, claims_of("x" * 2048), body=body)
        assert answer.status == 400, path
        assert "x" * 100 not in answer.text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        (f"limit={'9' * 5000}", "limit"),
        ("limit=NaN", "limit"),
        ("startFromVersion=-1", "startFromVersion"),
        ("startFromVersion=10000000000", "startFromVersion"),
        ("startFromVersion=1.5", "startFromVersion"),
    ],
)
def test_a_page_of_events_has_a_size(send: Any, query: str, field: str) -> None:
    answer = send("GET", f"/posts/A1/events?{query}")
    assert (answer.status, answer.fields) == (400, [field])


def test_a_page_behind_the_last_possible_version_is_none(send: Any) -> None:
    assert send("POST", "/posts/A1/write-post", body=TEXT).status == 200
    answer = send("GET", "/posts/A1/events?startFromVersion=9999999999&limit=100")
    assert (answer.status, answer.json) == (200, {"items": []})


def test_a_body_has_a_size(send: Any) -> None:
    assert send("POST", "/posts/A1/write-post", body={"text": "x" * 200_000}).status == 413
    answer = send("POST", "/posts/A1/write-post", body={"k" * 90_000: 1})
    assert (answer.status, answer.fields) == (400, ["text"])


def test_a_key_of_one_user_is_no_other_users(target: Target) -> None:
    tenant = next(TENANTS)
    header = {"Idempotency-Key": "shared"}
    versions = []
    for user, text in (("u1", "a"), ("u2", "b"), ("u1", "a"), ("u2", "b")):
        answer = target.send(
            "POST",
            "/posts/A1/write-post",
            claims_of(tenant, user=user),
            headers=header,
            body={"text": text},
        )
        versions.append(answer.json["version"])
    assert versions == [1, 2, 1, 2]
    spelled = {"Idempotency-Key": "u1:shared"}
    stolen = target.send(
        "POST", "/posts/A1/write-post", claims_of(tenant, user="u3"), headers=spelled, body=TEXT
    )
    assert stolen.json["version"] == 3


def test_the_domains_own_tenant_is_nobodys(target: Target) -> None:
    """A domain may have a default tenant for its scripts: no caller without a tenant becomes that one."""
    for method, path, body in (
        ("GET", "/posts/A1", None),
        ("GET", "/posts/A1/events", None),
        ("POST", "/posts/A1/write-post", TEXT),
    ):
        for claims in (claims_of(None), None):
            assert target.send(method, path, claims, body=body).status == 403
    assert not any(key[1].endswith("#nobody") for key in target.rows())


def test_a_caller_is_who_the_request_is_of(target: Target) -> None:
    """Whose context is current says who asks, not what the body says."""
    tenant = next(TENANTS)
    with use_invoke_context(InvokeContext(claims=claims_of("elsewhere", ADMIN))):
        answer = target.send(
            "POST", "/posts/A1/write-post", claims_of(tenant, user="ann"), body={**TEXT, "user_id": "root"}
        )
    assert answer.status == 200
    assert target.send("GET", "/posts/A1", claims_of(tenant)).json["state"]["author"] == "ann"


@pytest.mark.parametrize("escaped", ["%F0%9F", "%FF", "a%C3", "%25FF"])
def test_bytes_that_are_no_text_name_no_aggregate(target: Target, escaped: str) -> None:
    """Whatever they are, they would all be read as one and the same character."""
    call = Caller(target)
    status, _, answer = call("POST", f"/posts/{escaped}/write-post", body=TEXT)
    assert (status, [error["field"] for error in answer["errors"]]) == (400, ["id"])
    assert "UTF-8" in answer["errors"][0]["message"]
    assert call("GET", f"/posts/{escaped}")[0] == 404
