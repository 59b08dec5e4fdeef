"""Sending a client's requests over connections of Python's own `http.client`.

botocore sends by urllib3, which asks anew for each request what is the same for all: where it goes and by
what proxy, how often to try again (never, as botocore does that), how long to wait, and what has become of
the answer's encoding. It is a third of what a call takes. Here a connection that is idle takes the next
request. botocore has signed it, and makes of the outcome what it always does: what is answered and what is
raised are the same.

What is more than sending bytes and reading an answer goes by botocore's own session: streams, bodies that
are files, ``Expect``; and all that a client does, where it has a proxy or a certificate of its own.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections import defaultdict, deque
from contextlib import suppress
from functools import cached_property, lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from weakref import finalize

from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.util import wait_for_read

from runtime.clients.http_answer import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest

__all__ = ["HttpSession", "send_sparingly"]

_TLS: Final = "https"
_SCHEMES: Final = frozenset((_TLS, "http"))
_PROTOCOLS: Final = ["http/1.1"]
_MOST_URLS: Final = 64
#: Others, such as those with a user in them, botocore takes apart.
_PLACE: Final = re.compile(r"[\w.-]+(:\d+)?|\[[0-9a-f:]+\](:\d+)?", re.ASCII)
_TARGET: Final = re.compile(r"[!-~]+")
#: What http.client sets, too.
_SOCKET_OPTIONS: Final = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


_Origin = tuple[str, str]
"""A scheme, and a host with its port."""


def send_sparingly(client: Any) -> None:  # noqa: ANN401 - boto3 clients are made at run time
    """Let a client send by `HttpSession`, where it has no proxy and no certificate. Once is as good as twice.

    Args:
        client: A boto3 client.
    """
    config = client.meta.config
    endpoint: Any = getattr(client, "_endpoint", None)  # none of these has a public name
    session = getattr(endpoint, "http_session", None)
    verify, options = (getattr(session, name, None) for name in ("_verify", "_socket_options"))
    if (
        type(session) is URLLib3Session
        and (verify is True or isinstance(verify, str))
        and options == _SOCKET_OPTIONS
        and not (config.proxies or config.client_cert)
        and not get_environ_proxies(client.meta.endpoint_url)
    ):
        endpoint.http_session = HttpSession(session, config, verify)


class HttpSession:
    """Connections to the endpoints of one client. Threads may share it.

    Args:
        whole: botocore's session, for whatever this one does not send.
        config: botocore's `Config`, with the timeouts, and how many connections are kept.
        verify: What botocore checks certificates by: True for the authorities that it knows, or a file.
    """

    def __init__(self, whole: URLLib3Session, config: Any, verify: Any) -> None:  # noqa: ANN401 - botocore's
        self._whole = whole
        self._connect_seconds: float = config.connect_timeout
        self._read_seconds: float = config.read_timeout
        self._verify = verify
        self._most_idle: int = config.max_pool_connections
        self._idle: dict[_Origin, deque[_Connection]] = defaultdict(deque)
        finalize(self, _close, self._idle)

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send a request, and read all of its answer.

        Raises:
            EndpointConnectionError: There is no connection. Nothing was sent.
            ConnectTimeoutError: The same, in the time for it.
            SSLError: The other side is not who it should be, or speaks another TLS.
            ReadTimeoutError: No answer, or not all of it, in the time for it.
            ConnectionClosedError: The connection broke before all of the answer was there.
            HTTPClientError: The request cannot be sent as it is.
        """
        found = _parts_of(request.url)
        body = request.body
        if found is None or not isinstance(body, bytes) or not _is_plain(request):
            return self._whole.send(request)
        origin, target = found
        idle = self._idle[origin]
        connection = _living(idle) or self._connected(origin, request.url)
        try:
            answer, is_the_last = _exchanged(connection, request, target, body)
        except BaseException as error:
            connection.close()  # what is left of the answer is not the next one's
            if isinstance(error, Exception):
                raise _of_botocore(error, request) from error
            raise
        is_kept = self._idle.get(origin) is idle and len(idle) < self._most_idle
        if is_the_last or not is_kept or _has_more(connection):
            connection.close()
        else:
            idle.append(connection)
        return answer

    def close(self) -> None:
        """Close what is idle."""
        _close(self._idle)
        self._whole.close()

    def _connected(self, origin: _Origin, url: str) -> _Connection:
        scheme, place = origin
        connection: _Connection
        try:
            if scheme == _TLS:
                connection = _SecureConnection(place, timeout=self._connect_seconds, context=self._tls)
            else:
                connection = _Connection(place, timeout=self._connect_seconds)
            connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=url, error=error) from error
        except (OSError, HTTPException, UnicodeError) as error:
            raise EndpointConnectionError(endpoint_url=url, error=error) from error
        connection.sock.settimeout(self._read_seconds)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context: ssl.SSLContext = create_urllib3_context()
        context.check_hostname = True
        context.set_alpn_protocols(_PROTOCOLS)
        file: Any = Path(get_cert_path(self._verify) or "").expanduser()
        try:
            context.load_verify_locations(file)
        except OSError as error:
            msg = f"the certificates in {file} cannot be read: {error}"
            raise ssl.SSLError(msg) from error
        return context


class _Connection(HTTPConnection):
    response_class = HttpAnswer


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Content(BytesIO):
    """A body that was read, as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        """All of it."""
        yield self.getvalue()


def _exchanged(
    connection: _Connection, request: AWSPreparedRequest, target: str, body: bytes
) -> tuple[AWSResponse, bool]:
    """The answer to a request, and whether the other side ends the connection after it."""
    headers = request.headers
    connection.putrequest(
        request.method,
        target,
        skip_host="Host" in headers,
        skip_accept_encoding="Accept-Encoding" in headers,
    )
    for name, value in headers.items():
        connection.putheader(name, value)
    is_broken = False
    try:
        connection.endheaders(body)
    except (BrokenPipeError, ConnectionResetError):
        is_broken = True  # by somebody who may have answered before all of it was sent
    read: Any = connection.getresponse()
    nothing: Any = {}
    answer = AWSResponse(request.url, read.status, nothing, _Content(read.content))
    answer.headers = read.headers  # not copied into botocore's own, which takes long
    return answer, read.will_close or is_broken


def _of_botocore(error: Exception, request: AWSPreparedRequest) -> Exception:
    """The error by which botocore tells what became of a request that had a connection."""
    where: dict[str, Any] = {"endpoint_url": request.url, "error": error}
    if isinstance(error, TimeoutError):
        return ReadTimeoutError(**where)
    if isinstance(error, ssl.SSLError):
        return SSLError(**where)
    if isinstance(error, OSError | HTTPException):
        return ConnectionClosedError(request=request, **where)
    return HTTPClientError(error=error)


@lru_cache(_MOST_URLS)
def _parts_of(url: str) -> tuple[_Origin, str] | None:
    """Where a request goes and what it asks there; None where botocore has to see what is meant."""
    try:
        scheme, place, path, query, _ = urlsplit(url)
    except ValueError:
        return None
    place = place.lower()  # as it is signed
    target = f"{path or '/'}?{query}" if query else path or "/"
    is_plain = scheme in _SCHEMES and _PLACE.fullmatch(place) and _TARGET.fullmatch(target)
    return ((scheme, place), target) if is_plain else None


def _is_plain(request: AWSPreparedRequest) -> bool:
    return (
        request.method == "POST"
        and not request.stream_output
        and "Expect" not in request.headers
        and "Transfer-Encoding" not in request.headers
        and "read_timeout" not in (getattr(request, "context", None) or {})
    )


def _close(idle: dict[_Origin, deque[_Connection]]) -> None:
    for place in list(idle):
        connections = idle.pop(place)
        with suppress(IndexError):  # other threads may take them
            while True:
                connections.pop().close()


def _has_more(connection: _Connection) -> bool:
    """Whether there is something behind an answer that TLS has read already."""
    sock = connection.sock
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def _living(idle: deque[_Connection]) -> _Connection | None:
    """The connection that was used last, of those that the other side has not closed."""
    while idle:
        try:
            connection = idle.pop()
        except IndexError:  # another thread took it
            return None
        # Nobody was asked anything: what is there to be read can only be the end.
        if not wait_for_read(connection.sock, timeout=0):
            return connection
        connection.close()
    return None
