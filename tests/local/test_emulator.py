from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import boto3
import psutil
import pytest

from constructs_lib.local import (
    CdkMissingError,
    Emulator,
    EmulatorFailedError,
    NodeMissingError,
    PortTakenError,
    SetupFailedError,
    ensure_venv,
)
from constructs_lib.local.cdk import find_cdk
from tests.support.emulator import FOLDER
from tests.support.functions import Function
from tests.support.polling import wait_until

ECHO = "def handler(event, context): return event"


@pytest.fixture
def lock_folder(tmp_path: Path) -> Path:
    """A folder of its own that shares the environment which is already made."""
    made = ensure_venv(FOLDER).parents[1]
    (tmp_path / made.name).symlink_to(made)
    return tmp_path


def test_a_stop_leaves_no_process_and_no_folder(lock_folder: Path) -> None:
    with Emulator(folder=lock_folder) as emulator:
        assert Function(emulator, ECHO)("hello") == "hello"
        run = emulator.run_folder
        group = _group(emulator)
        assert len(group) == 2

    assert not run.exists()
    assert list(lock_folder.glob("run-*")) == []
    for process in group:
        wait_until(lambda process=process: _is_gone(process))
    assert emulator.pid is None


def test_it_ends_with_the_process_that_started_it(lock_folder: Path) -> None:
    script = f"""
        import sys
        from pathlib import Path
        from constructs_lib.local import Emulator
        with Emulator(folder=Path({str(lock_folder)!r})) as emulator:
            print(emulator.pid, emulator.run_folder, flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(  # noqa: S603 - the text above
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as parent:
        assert parent.stdout
        pid, run = parent.stdout.readline().split()
        emulator = psutil.Process(int(pid))
        parent.send_signal(signal.SIGKILL)

    wait_until(lambda: _is_gone(emulator))
    wait_until(lambda: not Path(run).exists())


def test_a_port_that_is_taken_is_said_in_one_line(lock_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"^port {port} is taken; stop what listens there.*$"):
            Emulator(folder=lock_folder, port=port).start()

    assert list(lock_folder.glob("run-*")) == []


def test_a_port_that_is_free_is_used(lock_folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with Emulator(folder=lock_folder, port=port) as emulator:
        assert emulator.endpoint_url == f"http://127.0.0.1:{port}"


def test_a_start_that_takes_too_long_is_given_up_and_cleaned_up(lock_folder: Path) -> None:
    with pytest.raises(EmulatorFailedError, match="did not answer within 0 seconds"):
        Emulator(folder=lock_folder, start_seconds=0).start()

    assert list(lock_folder.glob("run-*")) == []


def test_two_emulators_know_nothing_of_each_other(lock_folder: Path) -> None:
    with Emulator(folder=lock_folder) as one, Emulator(folder=lock_folder) as other:
        one.client("sqs").create_queue(QueueName="only-one")

        assert one.client("sqs").list_queues().get("QueueUrls")
        assert not other.client("sqs").list_queues().get("QueueUrls")


def test_its_environment_overrides_the_account_of_the_user(
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")

    child = emulator.child_environment()

    assert "AWS_PROFILE" not in child
    assert "AWS_ENDPOINT_URL_STS" not in child
    assert child["AWS_ENDPOINT_URL"] == emulator.endpoint_url


def test_a_function_reaches_the_emulator_and_sees_nothing_of_the_project(
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_USER", "secret")
    function = Function(
        emulator,
        """
        import importlib.util
        import os

        import boto3

        def handler(event, context):
            names = ("aws_cdk", "pydantic", "constructs_lib", "runtime", "local_aws_launcher")
            return {
                "account": boto3.client("sts").get_caller_identity()["Account"],
                "found": [name for name in names if importlib.util.find_spec(name)],
                "secret": os.environ.get("A_SECRET_OF_THE_USER"),
            }
        """,
    )

    assert function() == {"account": "000000000000", "found": [], "secret": None}


def test_the_environment_is_made_once(lock_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = ensure_venv(lock_folder)
    monkeypatch.setattr(subprocess, "run", _refuse)

    assert ensure_venv(lock_folder) == python


def test_an_environment_that_cannot_be_made_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")

    with pytest.raises(SetupFailedError, match=r"^could not install the emulator: .*$"):
        ensure_venv(tmp_path / "new")


def test_node_is_asked_for_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NodeMissingError, match=r"install Node\.js"):
        find_cdk(tmp_path)


def test_the_cli_is_asked_for_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CdkMissingError, match="npm ci"):
        find_cdk(tmp_path)


def test_an_sdk_with_its_variables_reaches_it(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)

    assert boto3.client("sts").get_caller_identity()["Account"] == emulator.account


def _group(emulator: Emulator) -> list[psutil.Process]:
    """The emulator and what it started."""
    launcher = psutil.Process(emulator.pid)
    return [launcher, *launcher.children(recursive=True)]


def _is_gone(process: psutil.Process) -> bool:
    try:
        # Nobody collects the exit status of an orphan where the first process is not an init.
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _refuse(*_: object, **__: object) -> None:
    message = "the environment is there already"
    raise AssertionError(message)
