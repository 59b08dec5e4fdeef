from __future__ import annotations

import signal
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from constructs_lib.local.__main__ import main
from tests.support.emulator import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    before = {ending: signal.getsignal(ending) for ending in ENDINGS}
    yield
    for ending, handler in before.items():
        signal.signal(ending, handler)


def test_setup_says_where_the_environment_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "--folder", str(FOLDER)]) == 0

    assert capsys.readouterr().out.startswith("ready: ")


def test_a_taken_port_is_one_line_and_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code = main(["up", "--folder", str(FOLDER), "--port", str(port)])

    assert code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: port {port} is taken; stop what listens there, or choose another with --port"
    ]


def test_missing_node_is_one_line_and_a_failure(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["deploy", "--folder", str(FOLDER)]) == 1
    assert capsys.readouterr().err.startswith("error: node was not found on PATH")


def test_windows_is_told_where_it_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("constructs_lib.local.errors.os", SimpleNamespace(name="nt"))
    assert main(["up"]) == 1
    assert "got Windows; run it in WSL" in capsys.readouterr().err
