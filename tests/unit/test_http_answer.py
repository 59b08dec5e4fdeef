"""An answer is read as Python's own class reads it, or not at all."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from io import BytesIO

import pytest
from botocore.utils import lowercase_dict
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3._collections import HTTPHeaderDict

from runtime.clients.http_answer import HttpAnswer

NAMES = st.text("abcABC-xyz019", min_size=1, max_size=8).filter(
    lambda name: name.lower() not in {"connection", "content-length", "transfer-encoding"}
)
#: Blanks within, and none at the ends: those are no part of a value.
VALUES = st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_categories=["Cc", "Zs"]), max_size=9
)
HEADERS = st.lists(st.tuples(NAMES, st.lists(VALUES, max_size=3).map(" ".join).map(str.strip)), max_size=5)
STATUSES = st.sampled_from(["200 OK", "200 ", "200", "400 Bad Request", "503 Slow  Down"])
#: No blanks: Python does not know the word "chunked" with one behind it.
MARKS = [b"", b"\r\n", b"\n", b":", b"0", b"Content-Length: 1\r\n", b"\xff", b"chunked"]


class Source(BytesIO):
    """Bytes as a socket that they come from."""

    def makefile(self, _mode: str) -> BytesIO:
        return BytesIO(self.getvalue())


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A whole answer, with a length or in chunks, after as many that say to wait."""
    content = draw(st.binary(max_size=40))
    headers = draw(HEADERS)
    if draw(st.booleans()):
        headers.append(("Content-Length", str(len(content))))
        body = content
    else:
        headers.append(("Transfer-Encoding", draw(st.sampled_from(["chunked", "Chunked"]))))
        cut = draw(st.integers(0, len(content)))
        parts = [part for part in (content[:cut], content[cut:]) if part]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    options = ["close", "Close", "keep-alive", "close, TE", "keep-alive, close"]
    headers += [("Connection", option) for option in draw(st.lists(st.sampled_from(options), max_size=2))]
    ahead = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2))
    lines = [f"HTTP/1.{draw(st.sampled_from('01'))} {draw(STATUSES)}", *(f"{n}: {v}" for n, v in headers)]
    return ahead + "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read(answer: bytes) -> HttpAnswer:
    found = HttpAnswer(Source(answer), method="POST")  # type: ignore[arg-type]
    found.begin()
    return found


def read_by_python(answer: bytes) -> HTTPResponse:
    found = HTTPResponse(Source(answer), method="POST")  # type: ignore[arg-type]
    found.begin()
    return found


def outcome(answer: bytes) -> tuple[int, bytes, dict[str, str]]:
    found = read(answer)
    return found.status, found.content, lowercase_dict(found.headers)


def outcome_by_python(answer: bytes) -> tuple[int, bytes, dict[str, str]]:
    found = read_by_python(answer)
    return found.status, found.read(), lowercase_dict(HTTPHeaderDict(found.getheaders()))


@given(answers())
def test_an_answer_is_what_python_reads(answer: bytes) -> None:
    assert outcome(answer) == outcome_by_python(answer)


@given(answers(), st.data())
def test_a_part_of_an_answer_is_none(answer: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(answer) - 1))
    with pytest.raises(HTTPException):
        read(answer[:cut])


@given(answers(), st.data())
def test_an_answer_that_was_spoiled_is_what_python_reads_or_none(answer: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(answer)))
    end = data.draw(st.integers(begin, min(begin + 6, len(answer))))
    spoiled = answer[:begin] + data.draw(st.sampled_from(MARKS)) + answer[end:]
    try:
        found = outcome(spoiled)
    except HTTPException:
        return
    assert found[:2] == outcome_by_python(spoiled)[:2]


@given(answers())
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nconnection: CLOSE\r\n\r\n")
@example(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
def test_a_connection_is_kept_only_where_python_keeps_it(answer: bytes) -> None:
    theirs = read_by_python(answer)
    # Of version 1.0 none is kept, whatever is said. Of two headers Python looks at the first one.
    says_close = "close" in (theirs.getheader("connection") or "").lower()
    assert read(answer).will_close == (theirs.will_close or says_close or theirs.version == 10)


@given(answers())
def test_who_watches_finds_what_python_has(answer: bytes) -> None:
    ours, theirs = read(answer), read_by_python(answer)
    theirs.read()
    for name in ("version", "status", "code", "reason"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.getheader("content-length") == theirs.getheader("Content-Length")
    assert ours.getheader("other", "none") == "none"
    assert HTTPHeaderDict(ours.getheaders()) == HTTPHeaderDict(theirs.getheaders())
    assert ours.read() == theirs.read() == b""
    assert ours.isclosed() == theirs.isclosed() is True


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\nbusy",
        b"HTTP/1.0 500 Error\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
def test_a_body_that_is_none_or_ends_with_the_connection(answer: bytes) -> None:
    assert outcome(answer) == outcome_by_python(answer)
    assert read(answer).will_close == (b"413" in answer or b"50" in answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 503 Busy\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 503 Busy\r\nX: 1",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n more\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\xff: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: 2\rY: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X:" * 32_767 + b"X\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X:" * 32_768 + b"X: x\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 100 + b"Content-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(HTTPException):
        read(answer)


def test_a_head_may_be_as_long_as_python_takes_it() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"X:" * 32_767 + b"\r\n" + b"Y: y\r\n" * 98
    assert outcome(head + b"Content-Length: 2\r\n\r\n{}")[1] == b"{}"


def test_what_follows_an_answer_is_not_read_as_a_part_of_it() -> None:
    assert outcome(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP")[1] == b"{}"
    assert (
        outcome(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\nHTTP")[1]
        == b"{}"
    )
