"""The emulator of a folder, as one command leaves it and another finds it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from constructs_lib.local import Emulator, ensure_venv
from constructs_lib.local.claim import Claim, Record, is_claimed, read_record
from constructs_lib.local.commands.opened import open_aws
from constructs_lib.local.errors import EmulatorFailedError, StartingError
from constructs_lib.local.program import main
from constructs_lib.local.running import find_running
from tests.support.emulator import FOLDER
from tests.support.functions import Function
from tests.support.polling import wait_until
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local.endpoint import Endpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own that shares the environment which is already made; nothing runs on in it."""
    made = ensure_venv(FOLDER).parents[1]
    (tmp_path / made.name).symlink_to(made)
    yield tmp_path
    main(["down", "--folder", str(tmp_path)])


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("venv-"))


def test_it_outlives_the_command_that_started_it_and_down_ends_all_of_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = f"""
        import os, signal
        from pathlib import Path
        from constructs_lib.local import Emulator
        from constructs_lib.local.claim import Claim
        folder = Path({str(folder)!r})
        Emulator(folder=folder, claim=Claim.take(folder), outlives=True).start()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, check=False)  # noqa: S603 - the text above
    here = ["--folder", str(folder)]

    running = find_running(folder)
    assert running is not None
    assert running.record.kept
    assert Claim.take(folder) is None
    assert Function(running, "def handler(event, context): return event")("hello") == "hello"
    launcher = psutil.Process(running.record.pid)
    group = [launcher, *launcher.children(recursive=True)]
    assert len(group) == 2
    assert main(["status", *here]) == 0
    assert running.endpoint_url in capsys.readouterr().out
    assert main(["env", *here]) == 0
    assert f"export AWS_ENDPOINT_URL={running.endpoint_url}" in capsys.readouterr().out.splitlines()
    assert main(["token", *here]) == 1
    assert "what is deployed has no HTTP API" in capsys.readouterr().err
    assert main(["logs", "worker", *here]) == 1
    assert capsys.readouterr().err == "error: there is no function worker; nothing is deployed\n"
    assert main(["up", *here, "--port", "1"]) == 1
    assert f"AWS runs here already, at port {running.port}" in capsys.readouterr().err

    for name in ("one", "two"):
        make_api(running, name)
    assert main(["token", *here]) == 1
    assert "several stacks take tokens; choose one with --stack: one, two" in capsys.readouterr().err
    assert main(["token", "--stack", "three", *here]) == 1
    assert "the stack three has no HTTP API" in capsys.readouterr().err
    assert main(["token", "--stack", "two", "--tenant", "beta", "--role", "admin", *here]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.strip().split(".")) == 3
    assert "for dev@example.com, tenant beta, roles admin" in printed.err
    (headers,) = running.run_folder.glob("headers-*.txt")
    assert f"authorization: Bearer {printed.out}" in headers.read_text()
    assert headers.stat().st_mode & 0o077 == 0
    assert main(["status", *here]) == 0
    assert capsys.readouterr().out.count("/_aws/execute-api/") == 2

    assert main(["down", *here]) == 0
    assert "ended" in capsys.readouterr().out
    for process in group:
        wait_until(lambda process=process: _is_gone(process))
    assert left_in(folder) == ["running.lock"]
    for command in ("status", "env", "token", "logs"):
        assert main([command, *here]) == 1
        assert capsys.readouterr().err.startswith(f"error: nothing runs in {folder}; start it with ")
    assert main(["down", *here]) == 0
    assert capsys.readouterr().out == f"nothing runs in {folder}\n"


def test_what_a_killed_one_has_left_is_noticed_and_removed(folder: Path) -> None:
    with open_aws(Namespace(folder=folder, port=None, keep=False)) as opened:
        emulator, record = opened.started, read_record(folder)
        assert emulator is not None
        assert emulator.pid
        assert record is not None
        assert (record.pid, record.port, record.starter, record.kept) == (
            emulator.pid, emulator.port, os.getpid(), False,
        )  # fmt: skip
        assert opened.aws.is_there()
        os.killpg(emulator.pid, signal.SIGKILL)
        # Nobody has asked for that, so it is a failure.
        with pytest.raises(EmulatorFailedError, match="ended by itself; the last line of its log: "):
            opened.stay()

        assert not is_claimed(folder)
        assert find_running(folder) is None
        assert left_in(folder) == ["running.lock"]

        # Its number and its port may be those of others by now: another one may be there, too.
        again = Claim.take(folder)
        assert again is not None
    assert Claim.take(folder) is None
    again.end()


def test_the_number_of_a_process_that_is_another_ones_is_not_believed(folder: Path) -> None:
    claim = Claim.take(folder)
    assert claim is not None
    (folder / "run-old").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        claim.hand_over(Record(os.getpid(), port, "run-old", os.getpid(), kept=True, since=0.0))

        assert main(["down", "--folder", str(folder)]) == 0  # and this process is still there

    assert left_in(folder) == ["running.lock"]


def test_one_that_is_being_started_is_waited_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = Claim.take(folder)
    assert claim is not None
    for answering in (True, False):
        with pytest.raises(StartingError, match="another command is starting it"):
            find_running(folder, answering=answering, seconds=0)
    with Emulator(folder=folder, claim=claim) as emulator:
        found = find_running(folder)
        assert found is not None
        assert found.port == emulator.port
        # Ended from elsewhere, it lets its starter go on, and those who follow it.
        ending = threading.Timer(0.2, found.stop)
        ending.start()
        assert main(["logs", "--follow", "--folder", str(folder)]) == 0
        assert capsys.readouterr().out == "AWS has gone.\n"
        emulator.wait()
        ending.join()
        assert not found.is_there()
    assert left_in(folder) == ["running.lock"]


def test_what_another_one_has_left_is_nobodys_once_the_folder_is_claimed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "run-old").mkdir()
    claim = Claim.take(folder)
    assert claim is not None
    claim.hand_over(Record(4242, free_port(), "run-old", 4242, kept=True, since=0.0))

    with ThreadPoolExecutor() as pool:
        removed, looks = shutil.rmtree, []

        def rmtree(path: Path, **options: Any) -> None:
            # As `down` does, of another process, at the worst moment.
            looks.append(pool.submit(find_running, folder, answering=False, seconds=0.5))
            with contextlib.suppress(TimeoutError):
                looks[0].result(timeout=0.2)
            removed(path, **options)

        monkeypatch.setattr(shutil, "rmtree", rmtree)
        again = Claim.take(folder)
        assert again is not None
        (look,) = looks
        with pytest.raises(StartingError):
            look.result()
    again.end()


def test_what_answers_like_no_aws_is_one_line_and_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server asks for
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()
            self.wfile.write(b"no\nXML")

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    claim = Claim.take(tmp_path)
    assert claim is not None
    held = os.dup(claim.descriptor)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        claim.hand_over(Record(4242, server.server_port, "run-it", 4242, kept=True, since=0.0))
        try:
            for command in ("status", "token", "logs"):
                assert main([command, "--folder", str(tmp_path)]) == 1
                (line,) = capsys.readouterr().err.splitlines()
                assert line.startswith("error: AWS on this machine did not answer: ")
        finally:
            server.shutdown()
            os.close(held)


def make_api(aws: Endpoint, stack: str) -> None:
    """A stack with an HTTP API that takes the tokens of its own user pool."""
    issuer = {"Fn::Sub": "https://cognito-idp.${AWS::Region}.amazonaws.com/${Pool}"}
    resources = {
        "Pool": {"Type": "AWS::Cognito::UserPool"},
        "Client": {"Type": "AWS::Cognito::UserPoolClient", "Properties": {"UserPoolId": {"Ref": "Pool"}}},
        "Api": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {"Name": stack, "ProtocolType": "HTTP"},
        },
        "Authorizer": {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "AuthorizerType": "JWT",
                "IdentitySource": ["$request.header.Authorization"],
                "JwtConfiguration": {"Audience": [{"Ref": "Client"}], "Issuer": issuer},
                "Name": "users",
            },
        },
    }
    client = aws.client("cloudformation")
    client.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": resources}))
    client.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


def _is_gone(process: psutil.Process) -> bool:
    try:
        # Nobody collects the exit status of an orphan where the first process is not an init.
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
