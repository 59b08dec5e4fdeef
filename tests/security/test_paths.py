"""A sort key that the API takes is reached by its path; one that a path may miss is refused by field."""

from __future__ import annotations

import itertools
import json
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime import CommandModule, CqrsApp, InvalidInputError, module_routes
from runtime.entry.http.path_keys import why_unreachable
from runtime.testing import MemoryApp
from tests.faults.scale import scaled
from tests.support.gateway import gateway_path
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Every key is tried in a tenant of its own.
TENANTS = (f"t{number}" for number in itertools.count())
SYNC = {"mode": "sync"}
STATE = {"name": "n", "attributes": {}}
_BROKEN = re.compile("%(?![0-9A-Fa-f]{2})")


def twice(path: str) -> str | None:
    """What an HTTP API gave a function, and when it answered 400, in captures of July 2026 from AWS.

    ``/a%3Fb`` came as ``/a``, ``/a%25b`` was refused; ``/a%252Fb`` came as ``/a/b``, and
    ``/a%253Fb`` as ``/a?b``.
    The captures: github.com/hotsock/voker, vokerhttp/testdata/ingress-paths.json.
    """
    once = unquote(path).partition("?")[0]
    return None if _BROKEN.search(once) else unquote(once)


#: What stands between a client's path and the one in the event: the captures, what our local AWS does
#: (it leaves `%25`), and the URL of a function.
GATEWAYS: dict[str, Callable[[str], str | None]] = {
    "captures": twice,
    "local AWS": gateway_path,
    "function URL": lambda path: path,
}

#: Characters that mean something in a path, a header, a log or a key, in every place of a key.
MARKS = [
    *map(chr, range(0x20)),
    *map(chr, range(0x21, 0x30)),
    *":;<=>?@[\\]^_`{|}~",
    *map(chr, range(0x7F, 0xA1)),
]
SHAPES = ("{0}", "{0}a", "a{0}", "a{0}b", "a{0}{0}b", "a/{0}/b", "{0}/", "/{0}")
WORDS = [
    ".", "..", "./a", "a/..", "a/../b", "...", "a.b", ".a", "a.", "bulk", "search", "resync", "history",
    "a/history", "a/history/1", "history/x", "bulk/1", "Bulk", "a/histories", "/", "//", "a//b", "a/", "%41",
    "100%", "a%2Fb", "a?", "?", "what?x=1&y=2", "a b+c", "USER#a+b@example.com", "\u6ce8\u6587/\u3042",
    "\U0001f600", "e\u0301", "\u200b", "\u202e", "\ufeff", "\u2028", "\u0085", "line\nfeed", "nul\0", "\x7f",
    "http://example.com/a", "..;/a", "a;b=c", "~a", "C:\\a", "%", "%%", "%zz", "%25", "&amp;", "$default",
]  # fmt: skip


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryApp]:
    thing = CommandModule("thing")
    app = CqrsApp(modules=[thing], routes=module_routes(thing, prefix="/things", type="THING"))
    with MemoryApp(app) as made:
        yield made


class Caller:
    """A user of a tenant that nobody else is in; sends events with paths as they stand in them."""

    def __init__(self, memory: MemoryApp) -> None:
        self.memory = memory
        self.tenant = next(TENANTS)

    def __call__(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, str], Any]:
        claims = {"sub": "ann", "token_use": "id", "custom:tenant": self.tenant}
        answer = self.memory.app(http_event(method, path, claims=claims, **request), None)
        found = answer["body"]
        return answer["statusCode"], answer["headers"], json.loads(found) if found else None

    def publish(self, sk: str) -> None:
        """Write an item as the service's own code may."""
        thing = self.memory.app.modules["thing"]
        item = {"pk": f"THING#{self.tenant}", "sk": sk, "code": "c", "type": "THING", **STATE, "version": 0}
        thing.commands.publish_sync(item, invoke_context=self.memory.user("ann", tenant=self.tenant))

    def listed(self) -> list[str]:
        """The keys in the tenant's list."""
        return [item["sk"] for item in self("GET", "/things")[2]["items"]]


def is_refused(call: Caller, sk: str) -> bool:
    """Whether every way in refuses the key of a new item by field; all of them do, or none."""
    new = {**STATE, "sk": sk, "version": 0}
    written = call("POST", "/things", body=new, query=SYNC)
    replaced = call("PUT", f"/things/{quote(quote(sk, safe=''), safe='')}", body={**STATE, "version": 0})
    (bulk,) = call("POST", "/things/bulk", body=[new])[2]["items"]
    answers = [(written[0], written[2]), (bulk["status"], bulk.get("problem"))]
    if sk != "resync":  # that path is a route's with a body of its own
        answers.append((replaced[0], replaced[2]))
    if written[0] == 400:
        fields = [(status, *(one["field"] for one in problem["errors"])) for status, problem in answers]
        assert (set(fields), call.listed()) == ({(400, "sk")}, []), (sk, answers)
        return True
    # There is one now, so that the others conflict.
    assert [status for status, _ in answers] == [201, 409, 409], (sk, answers)
    return False


def reach(call: Caller, sk: str, path: str) -> None:
    """Every route of one item finds it by the path that an event has."""
    status, headers, item = call("GET", path)
    assert (status, item["sk"]) == (200, sk), (sk, path, status, item)
    for method in ("PUT", "PATCH"):
        tag = headers["ETag"]
        body = {**STATE, "name": f"by {method} after {tag}"}
        status, headers, receipt = call(method, path, body=body, headers={"If-Match": tag}, query=SYNC)
        assert (status, receipt["sk"]) == (200, sk), (method, sk, path, receipt)
    status, _, found = call("GET", f"{path}/history/1")
    assert (status, found["sk"]) == (200, f"{sk}@1"), (sk, path, found)


def take_away(call: Caller, sk: str, path: str) -> None:
    status, headers, _ = call("HEAD", path)
    assert status == 200
    status, _, receipt = call("DELETE", path, headers={"If-Match": headers["ETag"]}, query=SYNC)
    assert (status, receipt["sk"], call.listed()) == (200, sk, [])


def holds(memory: MemoryApp, sk: str) -> bool:
    """The property; whether the key was taken."""
    call = Caller(memory)
    if is_refused(call, sk):
        return False
    paths = {gateway(f"/things/{quote(sk, safe='')}") for gateway in GATEWAYS.values()}
    for path in paths:
        assert path is not None, sk
        reach(call, sk, path)
    take_away(call, sk, min(filter(None, paths)))
    return True


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mark_anywhere_in_a_key_is_reached_or_refused(memory: MemoryApp, shape: str) -> None:
    marks = MARKS[SHAPES.index(shape) :: scaled(4, 1)]
    taken = {mark for mark in marks if holds(memory, shape.format(mark))}
    refused = {mark for mark in marks if unicodedata.category(mark) == "Cc"} | {"?", "%"}
    assert taken | refused | {"."} >= set(marks)
    assert not taken & refused


@pytest.mark.parametrize("sk", WORDS)
def test_a_word_is_reached_or_refused(memory: MemoryApp, sk: str) -> None:
    """Keys that somebody has thought of."""
    assert holds(memory, sk) is (why_unreachable(sk) is None)


def test_every_other_character_that_can_be_seen_is_taken(memory: MemoryApp) -> None:
    letters = [
        chr(code)
        for code in range(0xA1, sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in {"Cs", "Cn", "Co"} and code != 0xFFFD
    ][:: scaled(20, 1)]
    size = 200
    for start in range(0, len(letters), size):
        assert holds(memory, "".join(letters[start : start + size])), start


@pytest.mark.parametrize("escaped", ["%F0%9F", "%FF", "a%C3", "%25FF"])
def test_bytes_that_are_no_text_name_no_item(memory: MemoryApp, escaped: str) -> None:
    """Whatever they are, they would all be read as one and the same character."""
    call = Caller(memory)
    made = {"If-None-Match": "*"}
    status, _, answer = call("PUT", f"/things/{escaped}", body=STATE, headers=made, query=SYNC)
    assert (status, [error["field"] for error in answer["errors"]]) == (400, ["sk"])
    assert call.listed() == []


@settings(max_examples=scaled(20, 3000), deadline=None, database=None, derandomize=True)
@given(sk=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_text_is_reached_or_refused(memory: MemoryApp, sk: str) -> None:
    assume(not re.search(r"@[0-9]+\Z", sk))  # that is where the version goes
    holds(memory, sk)


@pytest.mark.parametrize("sk", ["what?", "100%", "a?b", "50% off?", "line\nfeed", "bulk", "a/../b"])
def test_what_code_has_written_is_reached_by_escaping_twice(memory: MemoryApp, sk: str) -> None:
    """Code may take any key, since its module may have no paths; the routes change what is there."""
    call = Caller(memory)
    call.publish(sk)
    path = f"/things/{quote(quote(sk, safe=''), safe='')}"
    for gateway in GATEWAYS.values():
        reach(call, sk, str(gateway(path)))
    take_away(call, sk, path)


@pytest.mark.parametrize("sk", ["", "A@1", "a" * 901, "\ud800"])
def test_what_no_row_may_have_as_its_key_is_refused_by_code_as_well(memory: MemoryApp, sk: str) -> None:
    with pytest.raises(InvalidInputError, match="sk"):
        Caller(memory).publish(sk)
