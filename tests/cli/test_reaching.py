"""The way to the function, and what is said when there is none."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from constructs_lib.local import Emulator


@pytest.fixture(autouse=True)
def environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "CQRS_STACK", "CQRS_FUNCTION_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)


class Said:
    """Runs a command line here, and keeps what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, line: str) -> tuple[int, str]:
        """The exit code, and the only line on standard error; with --json, the document has it too."""
        code = main([*line.split(), "--json"])
        out, err = self._capsys.readouterr()
        document = json.loads(out)
        if code == 0:
            assert err == ""
            return code, document["function"]
        (told,) = err.splitlines()
        assert told == f"cqrs: error: {document['error']['message']}"
        return code, told


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


def test_the_function_is_found_by_its_stack(
    said: Said, stack: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(f"status --quick --stack {stack}") == (0, function)
    monkeypatch.setenv("CQRS_STACK", stack)
    assert said("status --quick") == (0, function)
    # An argument wins over a variable, and a function over a stack.
    monkeypatch.setenv("CQRS_FUNCTION_NAME", "another")
    assert said(f"status --quick --stack {stack}") == (0, function)
    monkeypatch.setenv("CQRS_STACK", "another")
    monkeypatch.setenv("CQRS_FUNCTION_NAME", function)
    assert said("status --quick") == (0, function)


def test_the_endpoint_and_the_region_may_be_arguments(
    said: Said, emulator: Emulator, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    where = f"--endpoint-url {emulator.endpoint_url} --region us-east-1"
    assert said(f"status --quick --function {function} {where}") == (0, function)
    assert said(f"status --quick --function {function}") == (
        2,
        "cqrs: error: --region: no region that exists is set; give one, or set AWS_REGION",
    )
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
    assert said(f"status --quick --function {function}") == (0, function)


WRONG = """\
2 | status --stack shop --function f | --function: leave out --stack
4 | status --stack nothing | there is no stack 'nothing'; check its name, --region and --profile
4 | status --stack old-shop | stack 'old-shop' has no output OperatorFunctionName; deploy it
4 | status --function nothing | there is no function 'nothing'; check its name, --region and --profile
2 | status --stack shop --profile nobody | --profile: The config profile (nobody) could not be found
2 | status --stack shop --region x_y | --region: no region that exists is set; give one, or set AWS_REGION
4 | status --module nothing | --module: the service has no module 'nothing'; it has order, memo
2 | show order#acme A1 | --module: the service has several; choose one of order, memo
2 | redrive P S --module order | --handler: module 'order' has Names, Totals; name one of them
4 | redrive P S --module order --handler X | handler: must be one of Names, Totals, got 'X'
4 | redrive P crash --module order --handler X | KeyError: 'no such thing'); its log has the details
4 | redrive P none --module order --handler X | is it the operator function?
2 | redrive | PK and SK: name the aggregate, or give --all
2 | redrive P S --all | --all: leave out PK and SK
4 | redrive --all --handler X | --handler: no module that was chosen has the handler 'X'
2 | skip P S --module order --handler X | --yes: a version that is skipped never reaches the handler
4 | resync --module memo | no module that was chosen has a data sync handler
4 | resync --handler X | no module that was chosen has the handler X
2 | reconcile --resume reconcile:x:0/1 | --resume: 'x' is not one of the modules to go over, order, memo
2 | reconcile --segments 2 --resume reconcile:order:0/1 | --segments: leave it out with --resume
4 | replay-dlq --only notifications | no place where notifications that failed are kept
"""


@pytest.mark.parametrize("line", WRONG.splitlines())
@pytest.mark.usefixtures("stack")
def test_one_line_says_what_to_change(
    said: Said, line: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, words, told = line.split(" | ")
    if "--stack" not in words:
        monkeypatch.setenv("CQRS_FUNCTION_NAME", function)
    code, error = said(words)
    assert told in error
    assert code == int(expected)


def test_without_a_name_there_is_no_service(said: Said) -> None:
    code, error = said("status")
    assert code == 2
    assert "--stack: name the service's stack (or set CQRS_STACK), or its operator function" in error


def test_without_credentials_nothing_is_asked(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, error = said("status --function f")
    assert code == 3
    assert "Unable to locate credentials" in error
    assert "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile" in error


def test_an_endpoint_where_nobody_listens(said: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, error = said(
        f"skip P S --module m --handler H --yes --function f --endpoint-url http://127.0.0.1:{port}"
    )
    assert code == 3
    assert "cannot reach AWS" in error
    assert "--endpoint-url (AWS_ENDPOINT_URL)" in error


def test_a_variable_that_is_no_endpoint(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost")
    code, error = said("status --function f")
    assert code == 2
    assert "--endpoint-url (AWS_ENDPOINT_URL): Invalid endpoint: localhost; give one like http" in error


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "AccessDeniedException", "it needs lambda:InvokeFunction on the operator function"),
        (403, "UnrecognizedClientException", "AWS does not know these credentials"),
        (429, "TooManyRequestsException", "is throttled"),
        (502, "KMSAccessDeniedException", "failed (KMSAccessDeniedException: because)"),
    ],
)
def test_what_aws_does_not_allow(said: Said, status: int, code: str, told: str) -> None:
    with refusing(status, code) as (url, calls):
        ended, error = said(f"skip P S --module m --handler H --yes --function f --endpoint-url {url}")
    # Never twice: a skip whose answer was lost would pass over the next version as well.
    assert len(calls) == 1
    assert ended == 3
    assert told in error
    assert "because" in error


@contextmanager
def refusing(status: int, code: str) -> Iterator[tuple[str, list[str]]]:
    """URL of an AWS that refuses everything, and its calls. The emulator allows everybody everything."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"Message": "because", "Type": "User"}).encode()
            self.send_response(status)
            self.send_header("x-amzn-ErrorType", code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", calls
        server.shutdown()
        thread.join()


def test_a_profile_of_the_configuration_files(
    said: Said, function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    keys = "aws_access_key_id = 000000000000\naws_secret_access_key = local\nregion = us-east-1\n"
    config = tmp_path / "config"
    config.write_text(f"[profile ops]\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert said(f"status --quick --function {function} --profile ops") == (0, function)


def test_what_may_be_repeated_is_tried_again(said: Said) -> None:
    with refusing(502, "ServiceException") as (url, calls):
        code, error = said(f"redrive --all --function f --endpoint-url {url}")
    assert code == 3
    assert "function 'f' failed (ServiceException: because)" in error
    assert len(calls) == 4


def test_a_name_that_aws_does_not_take(said: Said) -> None:
    with refusing(400, "ValidationException") as (url, _):
        code, error = said(f"status --function f%% --endpoint-url {url}")
    assert (code, error) == (2, "cqrs: error: function 'f%%' cannot be a name (because)")


def test_the_trace_is_shown_to_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
