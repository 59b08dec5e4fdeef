"""Requests reach the other side as botocore sends them, and their outcome is told as botocore tells it."""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from io import DEFAULT_BUFFER_SIZE, BytesIO
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import trustme
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import lowercase_dict

from runtime import Resources, Settings
from runtime.clients.http_session import HttpSession, send_sparingly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.enable_socket

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
ITEM = b'{"Item":{"pk":{"S":"p"},"sk":{"S":"s"}}}'
CONFIG = Config(connect_timeout=60, read_timeout=60, max_pool_connections=2)


def answer_of(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    head = (f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers)
    return "\r\n".join((*head, "", "")).encode() + body


class Server:
    """Answers each request with what `answer` says, and keeps what it was sent.

    Attributes:
        requests: What was sent, head and body, each with the number of its connection.
        answer: Makes an answer of how many requests there were; None for none at all, and the end.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> None:
        self.requests: list[tuple[int, bytes, bytes]] = []
        self.answer: Callable[[int], bytes | None] = lambda _: answer_of(ITEM)
        self.ends_after_answer = False
        self._tls = tls
        address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._socket = socket.create_server((address, 0), family=family)
        self.port = self._socket.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def connections(self) -> list[int]:
        """The connection of each request."""
        return [number for number, _, _ in self.requests]

    def hang_up(self) -> None:
        """End all connections."""
        for connection in self._connections:
            with suppress(OSError):  # it has ended
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()  # there are no more connections
        self.hang_up()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                thread = threading.Thread(target=self._serve, args=(connection, len(self._threads)))
                self._threads.append(thread)
                thread.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        with (
            suppress(OSError),  # whoever asked may be gone
            plain,
            self._secured(plain) as connection,
            connection.makefile("rb") as stream,
        ):
            self._connections.append(connection)
            while head := b"".join(takewhile(b"\r\n".__ne__, iter(stream.readline, b""))):
                lengths = [
                    int(line.partition(b":")[2])
                    for line in head.splitlines()
                    if line.lower().startswith(b"content-length:")
                ]
                self.requests.append((number, head, stream.read(sum(lengths))))
                answer = self.answer(len(self.requests))
                if answer is not None:
                    connection.sendall(answer)
                if answer is None or self.ends_after_answer:
                    return

    def _secured(self, plain: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(plain, server_side=True) if self._tls else plain


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def client_of(url: str, **config: Any) -> Any:
    """A client as botocore makes it, which tries once."""
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",  # noqa: S106
        config=CONFIG.merge(Config(**{"retries": {"total_max_attempts": 1}, **config})),
    )


def sparing(url: str, **config: Any) -> Any:
    client = client_of(url, **config)
    send_sparingly(client)
    assert isinstance(session_of(client), HttpSession)
    return client


def session_of(client: Any) -> Any:
    return client._endpoint.http_session  # noqa: SLF001


def request_of(url: str, **given: Any) -> Any:
    headers = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "User-Agent": "x"} | given.pop("headers", {})
    extra: dict[str, Any] = {name: given.pop(name) for name in ("stream_output", "context") if name in given}
    request = AWSRequest(
        **{"method": "POST", "url": url, "data": b"{}", "headers": headers} | given
    ).prepare()
    vars(request).update(extra)
    return request


def headers_in(head: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b": ") for line in head.splitlines()[1:])
    return {name.lower(): value for name, _, value in lines}


def get(client: Any) -> Any:
    return client.get_item(TableName="t", Key=KEY)["Item"]


def test_a_client_of_the_library_sends_by_it() -> None:
    for service, expected in (("dynamodb", HttpSession), ("s3", URLLib3Session)):
        settings = Settings(regions={"DYNAMODB": "us-east-1", "S3": "us-east-1"})
        assert type(session_of(Resources(settings).client(service))) is expected


def test_a_second_time_changes_nothing() -> None:
    client = sparing("http://localhost:1")
    session = session_of(client)
    send_sparingly(client)
    assert session_of(client) is session


@pytest.mark.parametrize("path", ["", "/", "/a%20b/c", "/?x=1&y=%2F", "/a?x="])
@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST"])
def test_what_is_sent_is_what_botocore_sends(server: Server, host: str, path: str) -> None:
    url = f"http://{host}:{server.port}{path}"
    whole = URLLib3Session(timeout=60)
    ours = HttpSession(whole, CONFIG, verify=True)
    bodies = [b"{}", b"", "ü".encode() * 200_000, b"{}"]
    some = {"X-A": "b", "Content-Type": "c"}
    for body, headers in zip(
        bodies, (some, some, some, {"host": "other", "Accept-Encoding": "x"}), strict=True
    ):
        for session in (whole, ours):
            assert session.send(request_of(url, data=body, headers=headers)).content == ITEM
    sent = [
        (head.splitlines()[0], sorted(headers_in(head).items()), len(head.splitlines()), body)
        for _, head, body in server.requests
    ]
    assert sent[::2] == sent[1::2]
    assert [body for *_, body in sent[::2]] == bodies


def test_a_place_of_ip_version_6_is_reached() -> None:
    try:
        server = Server(family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IP version 6")
    for make in (client_of, sparing):
        get(make(f"http://[::1]:{server.port}"))
    hosts = [headers_in(head)[b"host"] for _, head, _ in server.requests]
    assert hosts == [f"[::1]:{server.port}".encode()] * 2
    server.close()


def test_an_answer_is_what_botocore_reads(server: Server) -> None:
    error = b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Message":"no"}'
    headers = ("x-amzn-RequestId: 1", "X-Twice: a", "x-twice: b", "Content-Type: application/x-amz-json-1.0")
    for answer in (answer_of(ITEM, *headers), answer_of(error, *headers, status="400 Bad Request")):
        server.answer = lambda _, answer=answer: answer  # type: ignore[misc]
        url = f"http://127.0.0.1:{server.port}"
        whole = URLLib3Session(timeout=60)
        found = [
            session.send(request_of(url)) for session in (whole, HttpSession(whole, CONFIG, verify=True))
        ]
        theirs, ours = (
            (one.url, one.status_code, lowercase_dict(one.headers), one.content, one.text) for one in found
        )
        assert theirs == ours
        for headers_of in (one.headers for one in found):
            assert "X-AMZN-REQUESTID" in headers_of
            assert headers_of["X-AMZN-REQUESTID"] == headers_of.get("X-Amzn-RequestID") == "1"
            headers_of["X-Amzn-RequestId"] = "2"  # as a handler may
            assert headers_of["x-amzn-requestid"] == "2"
            assert "other" not in headers_of
            assert headers_of.get("other", 2) == 2
        assert found[1].raw.read() == ours[3]


def test_a_connection_is_used_again_by_whoever_is_next(server: Server) -> None:
    client = sparing(f"http://127.0.0.1:{server.port}")
    for _ in range(3):
        assert get(client) == KEY
    assert server.connections == [1, 1, 1]


def test_requests_at_once_have_a_connection_each_and_no_more_are_kept_than_may_be(server: Server) -> None:
    together = threading.Barrier(4)

    def answer(_: int) -> bytes:
        together.wait(60)
        return answer_of(ITEM)

    server.answer = answer
    client = sparing(f"http://127.0.0.1:{server.port}")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: get(client), range(4))) == [KEY] * 4
        assert sorted(server.connections) == [1, 2, 3, 4]
        assert list(pool.map(lambda _: get(client), range(4))) == [KEY] * 4
    assert sorted(set(server.connections)) == [1, 2, 3, 4, 5, 6]


def test_a_connection_that_was_ended_while_it_was_idle_is_not_used(server: Server) -> None:
    client = sparing(f"http://127.0.0.1:{server.port}")
    get(client)
    server.hang_up()
    assert get(client) == KEY
    assert server.connections == [1, 2]


def test_a_connection_is_not_used_again_where_the_answer_says_so(server: Server) -> None:
    server.answer = lambda _: answer_of(ITEM, "Connection: close")
    client = sparing(f"http://127.0.0.1:{server.port}")
    assert [get(client), get(client)] == [KEY, KEY]
    assert server.connections == [1, 2]


def test_an_answer_in_chunks_is_read(server: Server) -> None:
    chunk = f"{len(ITEM):x}\r\n".encode() + ITEM
    server.answer = lambda _: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"\r\n0\r\n\r\n"
    )
    client = sparing(f"http://127.0.0.1:{server.port}")
    assert [get(client), get(client)] == [KEY, KEY]
    assert server.connections == [1, 1]


@pytest.mark.parametrize(
    "broken",
    [
        None,
        answer_of(ITEM, length=len(ITEM) + 1),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"what is this\r\n\r\n",
    ],
    ids=["nothing", "a part of the body", "a part of the head", "a part of the chunks", "no HTTP"],
)
def test_an_answer_that_is_not_whole_is_none(server: Server, broken: bytes | None) -> None:
    server.ends_after_answer = True
    server.answer = lambda _: broken
    client = sparing(f"http://127.0.0.1:{server.port}")
    with pytest.raises(ConnectionClosedError):
        get(client)
    server.ends_after_answer = False
    server.answer = lambda _: answer_of(ITEM)
    assert get(client) == KEY
    assert server.connections == [1, 2]


def test_botocore_tries_again_what_was_not_answered(server: Server) -> None:
    server.answer = lambda count: None if count == 1 else answer_of(ITEM)
    client = client_of(
        f"http://127.0.0.1:{server.port}", retries={"mode": "standard", "total_max_attempts": 2}
    )
    send_sparingly(client)
    answer = client.get_item(TableName="t", Key=KEY)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert server.connections == [1, 2]


def test_an_answer_that_comes_too_late_is_nobodys(server: Server) -> None:
    late = threading.Event()

    def answer(count: int) -> bytes:
        if count == 1:
            late.wait(60)
            return answer_of(b'{"Item":{"pk":{"S":"of the first"}}}')
        return answer_of(ITEM)

    server.answer = answer
    client = sparing(f"http://127.0.0.1:{server.port}", read_timeout=0.3)
    with pytest.raises(ReadTimeoutError):
        get(client)
    late.set()
    assert get(client) == KEY
    assert server.connections == [1, 2]


def test_who_is_interrupted_leaves_no_answer_for_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sparing(f"http://127.0.0.1:{server.port}")
    with monkeypatch.context() as patched:
        patched.setattr(
            "runtime.clients.http_answer._content_of", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            get(client)
    assert get(client) == KEY
    assert server.connections == [1, 2]


def test_nobody_there_is_told_as_nothing_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(EndpointConnectionError):
        get(sparing(f"http://127.0.0.1:{port}"))
    with pytest.raises(EndpointConnectionError):
        get(sparing("http://nobody.invalid"))
    with pytest.raises(EndpointConnectionError):  # a name that nobody can have
        HttpSession(URLLib3Session(), CONFIG, verify=True).send(request_of("http://a..b/"))


def test_a_connection_that_takes_too_long_is_told_as_nothing_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        others = [socket.socket() for _ in range(4)]
        for other in others:  # nobody accepts them, and there is no place for more
            other.settimeout(0)
            other.connect_ex(full.getsockname())
        with pytest.raises(ConnectTimeoutError):
            get(sparing(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2))
        for other in others:
            other.close()


def test_a_request_that_cannot_be_sent_is_told_by_botocores_error(server: Server) -> None:
    session = HttpSession(URLLib3Session(), CONFIG, verify=True)
    with pytest.raises(HTTPClientError, match="Invalid header value"):
        session.send(request_of(f"http://127.0.0.1:{server.port}", headers={"X-A": "b\r\nc: d"}))
    assert not server.requests


def test_a_refusal_without_a_length_is_one(server: Server) -> None:
    server.ends_after_answer = True
    server.answer = lambda _: b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n"
    client = client_of(
        f"http://127.0.0.1:{server.port}", retries={"mode": "standard", "total_max_attempts": 3}
    )
    send_sparingly(client)
    with pytest.raises(ClientError, match="413"):
        get(client)
    assert server.connections == [1]


@pytest.mark.parametrize("make", [client_of, sparing])
def test_an_answer_that_comes_before_all_was_sent_is_heard(make: Callable[[str], Any]) -> None:
    def refuse() -> None:
        with suppress(OSError):  # no more of them come
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(answer_of(b"{}", status="413 Too Large"))
                    connection.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse)
        thread.start()
        try:
            client = make(f"http://127.0.0.1:{listener.getsockname()[1]}")
            with pytest.raises(ClientError, match="413"):
                client.put_item(TableName="t", Item=KEY | {"large": {"S": "x" * 30_000_000}})
            idle = getattr(session_of(client), "_idle", {})
            assert not any(idle.values())  # the other side waits for the rest
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_who_watches_http_client_sees_the_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, seen = HTTPConnection.getresponse, []

    def watched(connection: HTTPConnection) -> Any:
        answer = plain(connection)
        seen.append((answer.status, answer.reason, answer.version, answer.getheader("content-length")))
        return answer

    monkeypatch.setattr(HTTPConnection, "getresponse", watched)
    get(sparing(f"http://127.0.0.1:{server.port}"))
    assert seen == [(200, "OK", 11, str(len(ITEM)))]


def test_http_client_may_print_what_it_does(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(HTTPConnection, "debuglevel", 1)
    get(sparing(f"http://127.0.0.1:{server.port}"))
    assert "send: b'POST / HTTP/1.1" in capsys.readouterr().out


def test_what_is_closed_keeps_nothing_that_comes_back(server: Server) -> None:
    asked, closed = threading.Event(), threading.Event()

    def answer(_: int) -> bytes:
        asked.set()
        closed.wait(60)
        return answer_of(ITEM)

    server.answer = answer
    client = sparing(f"http://127.0.0.1:{server.port}")
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(get, client)
        asked.wait(60)
        client.close()
        closed.set()
        assert found.result() == KEY
    assert not session_of(client)._idle  # noqa: SLF001
    assert get(client) == KEY
    assert server.connections == [1, 2]


def test_closing_ends_what_is_idle(server: Server) -> None:
    client = sparing(f"http://127.0.0.1:{server.port}")
    get(client)
    client.close()
    get(client)
    assert server.connections == [1, 2]


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    return made


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = Server(context)
    yield server
    server.close()


def test_the_other_side_proves_who_it_is(
    secure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    client = sparing(f"https://localhost:{secure.port}")
    assert [get(client), get(client)] == [KEY, KEY]
    assert secure.connections == [1, 1]


def test_a_file_of_authorities_may_be_in_ones_home(
    secure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CA_BUNDLE", "~/authority.pem")
    assert get(sparing(f"https://localhost:{secure.port}")) == KEY


@pytest.mark.parametrize("make", [client_of, sparing])
def test_a_file_of_authorities_that_is_not_there_is_named(
    secure: Server, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Any]
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(SSLError, match="No such file"):
        get(make(f"https://localhost:{secure.port}"))


def test_nothing_behind_an_answer_is_taken_for_the_next_one(
    secure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    head = len(answer_of(ITEM, "X: "))
    first = answer_of(ITEM, "X: " + "x" * (DEFAULT_BUFFER_SIZE - head))  # what Python reads at once
    unasked = answer_of(b'{"Item":{"pk":{"S":"of nobody"}}}')
    server = secure
    server.answer = lambda count: first + unasked if count == 1 else answer_of(ITEM)
    client = sparing(f"https://localhost:{secure.port}")
    assert [get(client), get(client)] == [KEY, KEY]
    assert secure.connections == [1, 2]


@pytest.mark.parametrize("make", [client_of, sparing])
def test_who_is_somebody_else_gets_nothing(
    secure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Any]
) -> None:
    url = f"https://localhost:{secure.port}"
    with pytest.raises(SSLError):  # of an authority that nobody knows
        get(make(url))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with pytest.raises(SSLError):  # of another name
        get(make(f"https://127.0.0.1:{secure.port}"))
    assert not secure.requests


@pytest.mark.parametrize(
    ("variables", "config"),
    [
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, {}),
        ({}, {"proxies": {"http": "http://127.0.0.1:9"}}),
        ({}, {"client_cert": "file.pem"}),
        ({}, {"tcp_keepalive": True}),
        ({"AWS_CONFIG_FILE": str(Path(__file__).with_name("tcp_keepalive.ini"))}, {}),
    ],
    ids=["a proxy of all", "a proxy", "a certificate", "signs of life", "signs of life by profile"],
)
def test_what_is_more_stays_with_botocore(
    variables: dict[str, str], config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it has read the profile
    client = client_of("http://dynamodb.example.com", **config)
    send_sparingly(client)
    assert type(session_of(client)) is URLLib3Session


def test_a_place_that_no_proxy_is_for_is_reached_by_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    sparing("http://dynamodb.example.com")


def test_a_session_of_somebody_elses_stays() -> None:
    class Theirs(URLLib3Session):
        pass

    client = client_of("http://localhost:1")
    options: Any = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    theirs = client._endpoint.http_session = Theirs(socket_options=options)  # noqa: SLF001
    send_sparingly(client)
    assert session_of(client) is theirs


def test_without_a_check_of_certificates_botocore_sends() -> None:
    client = boto3.client("dynamodb", region_name="us-east-1", verify=False)
    send_sparingly(client)
    assert type(session_of(client)) is URLLib3Session


@pytest.mark.parametrize(
    "given",
    [
        {"data": BytesIO(b"{}")},
        {"data": "{}"},
        {"method": "PUT"},
        {"url": "http://u:p@127.0.0.1:{port}/"},
        {"url": "http://127.0.0.1:{port}/a b"},
        {"url": "http://127.0.0.1:{port}/ü"},
        {"stream_output": True},
        {"context": {"read_timeout": 5}},
        {"headers": {"Expect": "100-continue"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
    ],
    ids=[
        "a file",
        "a text",
        "another method",
        "a user",
        "a blank",
        "a letter",
        "a stream",
        "a time of its own",
        "Expect",
        "chunks",
    ],
)
def test_a_request_that_is_more_goes_by_botocore(given: dict[str, Any], server: Server) -> None:
    class Whole(URLLib3Session):
        def send(self, request: Any) -> AWSResponse:
            sent.append(request)
            return super().send(request)

    sent: list[Any] = []
    url = given.pop("url", "http://127.0.0.1:{port}").format(port=server.port)
    request = request_of(url, **given)
    assert HttpSession(Whole(timeout=60), CONFIG, verify=True).send(request).content == ITEM
    assert sent == [request]


def test_a_request_without_a_context_is_sent(server: Server) -> None:
    session = HttpSession(URLLib3Session(), CONFIG, verify=True)
    assert session.send(request_of(f"http://127.0.0.1:{server.port}", context=None)).content == ITEM


def test_nothing_is_sent_by_a_scheme_that_nobody_knows(server: Server) -> None:
    with pytest.raises(HTTPClientError, match="htps"):
        get(sparing(f"htps://127.0.0.1:{server.port}"))
    assert not server.requests


def test_who_answers_in_the_place_of_the_service_is_heard(server: Server) -> None:
    client = sparing(f"http://127.0.0.1:{server.port}")
    client.meta.events.register(
        "before-send", lambda request, **_: AWSResponse(request.url, 200, HTTPHeaders(), _Stream(ITEM))
    )
    assert get(client) == KEY
    assert not server.requests


class _Stream(BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()
