"""Reading an answer of HTTP/1.1, all of it at once.

`http.client` reads the head of an answer by Python's parser of e-mail, which takes as long as signing the
request. What becomes of an answer is the same, with one exception: a success whose end cannot be told from a
connection that broke is none. `http.client` takes a head that was cut off for that of an answer without a
body.
"""

from __future__ import annotations

import re
from http.client import BadStatusLine, HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any, Final

from urllib3._collections import HTTPHeaderDict  # where the urllib3 of Lambda has it, too

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = ["HttpAnswer"]

_VERSIONS: Final = {b"0": 10, b"1": 11}  # as http.client says them
_VERSION: Final = 11
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) (\d{3})( .*)?")
_HEADER: Final = re.compile(rb"([\w!#$%&'*+.^`|~-]+):([^\r]*)")
_MORE_TO_COME: Final = range(100, 200)
_SUCCESSES: Final = range(200, 300)
_WITHOUT_CONTENT: Final = frozenset((204, 304))
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
#: As http.client has them.
_LONGEST_LINE: Final = 65_536
_MOST_HEADERS: Final = 100
_SHOWN: Final = 100


class HttpAnswer(HTTPResponse):
    """An answer to a POST, in the place of `http.client`'s own: a connection's `response_class`.

    What watches `http.client`, as tracing does, finds in it what it finds in the other one.

    Attributes:
        headers: Its headers.
        content: Its body.
    """

    headers: Any
    content: bytes
    version: int
    status: int
    reason: str
    will_close: bool

    def begin(self) -> None:
        """Read it.

        Raises:
            HTTPException: It is none, or not whole.
            OSError: The connection broke.
        """
        stream: Any = self.fp
        self.version, self.status, self.reason = _status_of(stream)
        self.headers = _headers_of(stream)
        while self.status in _MORE_TO_COME:
            self.version, self.status, self.reason = _status_of(stream)
            self.headers = _headers_of(stream)
        self.code, self.msg = self.status, self.headers
        is_the_last = "close" in self.headers.get("connection", "").lower()
        self.will_close = is_the_last or self.version < _VERSION
        content = _content_of(stream, self.status, self.headers)
        if content is None:
            self.will_close = True
            content = stream.read()
        self.content = content
        self.close()  # the connection may be used again


def _status_of(stream: BufferedReader) -> tuple[int, int, str]:
    line = _line_of(stream)
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise BadStatusLine(repr(line[:_SHOWN]))
    version, status, reason = found.groups()
    return _VERSIONS[version], int(status), (reason or b"").strip().decode("latin-1")


def _headers_of(stream: BufferedReader) -> HTTPHeaderDict:
    headers = HTTPHeaderDict()
    for _ in range(_MOST_HEADERS + 1):
        line = _line_of(stream)
        if not line:
            return headers
        found = _HEADER.fullmatch(line)
        if found is None:
            msg = f"the answer has the header {line[:_SHOWN]!r}"
            raise HTTPException(msg)
        headers.add(found[1].decode(), found[2].strip(b" \t").decode("latin-1"))
    msg = f"the answer has more than {_MOST_HEADERS} headers"
    raise HTTPException(msg)


def _content_of(stream: BufferedReader, status: int, headers: HTTPHeaderDict) -> bytes | None:
    """The body; None where it is whatever comes until the connection ends."""
    if status in _WITHOUT_CONTENT:
        return b""
    encodings, lengths = (headers.getlist(name) for name in ("transfer-encoding", "content-length"))
    if {encoding.lower() for encoding in encodings} == {"chunked"}:
        return b"".join(_chunks_of(stream))
    if not encodings and len(set(lengths)) == 1 and lengths[0].isdecimal():
        return _bytes_of(stream, int(lengths[0]))
    if not encodings and not lengths and status not in _SUCCESSES:
        return None  # it says no more than the status does
    msg = "the answer does not say how long it is: its end cannot be told from a broken connection"
    raise HTTPException(msg)


def _chunks_of(stream: BufferedReader) -> Iterator[bytes]:
    while size := _size_in(_line_of(stream)):
        yield _bytes_of(stream, size)
        if stream.read(2) != b"\r\n":
            msg = "a chunk of the answer is longer than it says"
            raise HTTPException(msg)
    _headers_of(stream)


def _size_in(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not _SIZE.fullmatch(size):
        msg = f"a chunk of the answer has the size {line[:_SHOWN]!r}"
        raise HTTPException(msg)
    return int(size, 16)


def _bytes_of(stream: BufferedReader, size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise IncompleteRead(found, size - len(found))
    return found


def _line_of(stream: BufferedReader) -> bytes:
    """A line, without its end."""
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        msg = f"the answer ends, or has more than {_LONGEST_LINE} bytes, within the line {line[:_SHOWN]!r}"
        raise HTTPException(msg)
    return line.removesuffix(b"\n").removesuffix(b"\r")
