"""Reading an answer of HTTP/1.1, all of it at once.

`http.client` reads the head of an answer by Python's parser of e-mail, which takes as long as signing the
request. What becomes of an answer is the same, with one exception: one whose end cannot be told from a
connection that broke is none. `http.client` takes a head that was cut off for that of an answer without a
body.
"""

from __future__ import annotations

import re
from http.client import BadStatusLine, HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader
    from socket import socket

__all__ = ["Headers", "HttpAnswer"]

_VERSION: Final = b"HTTP/1.1"
_STATUS_LINE: Final = re.compile(rb"(HTTP/1\.[01]) (\d{3})(?: |$)")
_HEADER: Final = re.compile(rb"([\w!#$%&'*+.^`|~-]+):([^\r]*)")
_MORE_TO_COME: Final = range(100, 200)
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
#: As http.client has them.
_LONGEST_LINE: Final = 65_536
_MOST_HEADERS: Final = 100
_SHOWN: Final = 100


class Headers(dict[str, str]):
    """The headers of an answer by their names, in any case; there, in lower case.

    Args:
        headers: Names and values. Where a name comes twice, its values are joined by commas.
    """

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in headers:
            lower = name.lower()
            self[lower] = f"{super().__getitem__(lower)}, {value}" if lower in self else value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as any mapping's
        """The value of one."""
        return super().get(name.lower(), default)


class HttpAnswer:
    """An answer to a POST, in the place of `http.client.HTTPResponse`: a connection's `response_class`.

    Args:
        sock: Where it comes from.
        method: That of the request.

    Attributes:
        status: Its status.
        headers: Its headers.
        content: Its body.
        will_close: Whether the connection ends with it.
    """

    status: int
    headers: Headers
    content: bytes
    will_close: bool

    def __init__(self, sock: socket, method: str | None = None) -> None:  # noqa: ARG002 - as http.client asks
        self._stream = sock.makefile("rb")

    def begin(self) -> None:
        """Read it.

        Raises:
            HTTPException: It is none, or not whole.
            OSError: The connection broke.
        """
        with self._stream as stream:
            version, self.status, self.headers = _head_of(stream)
            while self.status in _MORE_TO_COME:
                version, self.status, self.headers = _head_of(stream)
            self.content = _content_of(stream, self.headers)
        self.will_close = version != _VERSION or self.headers.get("connection", "").lower() == "close"

    def close(self) -> None:
        """Read no more of it."""
        self._stream.close()

    def isclosed(self) -> bool:
        """Whether nothing of it is left to be read."""
        return self._stream.closed


def _head_of(stream: BufferedReader) -> tuple[bytes, int, Headers]:
    line = _line_of(stream)
    found = _STATUS_LINE.match(line)
    if found is None:
        raise BadStatusLine(repr(line[:_SHOWN]))
    return found[1], int(found[2]), Headers(_headers_of(stream))


def _headers_of(stream: BufferedReader) -> Iterator[tuple[str, str]]:
    for _ in range(_MOST_HEADERS + 1):
        line = _line_of(stream)
        if not line:
            return
        found = _HEADER.fullmatch(line)
        if found is None:
            msg = f"the answer has the header {line[:_SHOWN]!r}"
            raise HTTPException(msg)
        yield found[1].decode(), found[2].strip(b" \t").decode("latin-1")
    msg = f"the answer has more than {_MOST_HEADERS} headers"
    raise HTTPException(msg)


def _content_of(stream: BufferedReader, headers: Headers) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(_chunks_of(stream))
    length = headers.get("content-length", "")
    if not length.isdecimal():
        msg = "the answer does not say how long it is: its end cannot be told from a broken connection"
        raise HTTPException(msg)
    return _bytes_of(stream, int(length))


def _chunks_of(stream: BufferedReader) -> Iterator[bytes]:
    while size := _size_in(_line_of(stream)):
        yield _bytes_of(stream, size)
        if stream.read(2) != b"\r\n":
            msg = "a chunk of the answer is longer than it says"
            raise HTTPException(msg)
    for _ in _headers_of(stream):
        pass


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
