from __future__ import annotations

import re
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from constructs_lib.local.program import main
from tests.support.emulator import FOLDER

ROOT = Path(__file__).parents[2]
COMMANDS = ("setup", "up", "deploy", "watch", "token", "logs", "status", "env", "down")


def test_setup_says_where_the_environment_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "--folder", str(FOLDER)]) == 0

    assert capsys.readouterr().out.startswith("ready: ")


def test_a_taken_port_is_one_line_and_a_failure(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code = main(["up", "--folder", str(folder), "--port", str(port)])

    assert code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: port {port} is taken; stop what listens there, or choose another with --port"
    ]
    # The folder is free again.
    assert main(["status", "--folder", str(folder)]) == 1
    assert capsys.readouterr().err.startswith("error: nothing runs in ")


@pytest.mark.parametrize("command", ["deploy", "watch"])
def test_what_is_missing_is_one_line_and_a_failure(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 1
    message = f"error: there is no app.py in {tmp_path}; name the app's Python file with --app"
    assert capsys.readouterr().err == f"{message}, or go to its folder\n"

    (tmp_path / "cdk.json").write_text('{"app": "python3 infra/main.py"}')
    assert main([command]) == 1
    assert capsys.readouterr().err == f"{message}; cdk.json says 'python3 infra/main.py'\n"

    (tmp_path / "app.py").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([command]) == 1
    assert capsys.readouterr().err.startswith("error: node was not found on PATH")
    assert not (tmp_path / ".local-aws").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["up", "--port", "0"], "must be a whole number from 1 to 65535, got '0'"),
        (["deploy", "--context", "name"], "must be name=value, got 'name'"),
        (["deploy", "-c", "=value"], "must be name=value, got '=value'"),
        (["deploy", "--role", " "], "must not be empty"),
        (["watch", "--path", "nowhere"], "must be a folder, got 'nowhere'"),
        (["logs", "--since", "10"], "must be a number with s, m, h or d, such as 10m, got '10'"),
        (["logs", "--level", "loud"], "invalid choice: 'LOUD'"),
        (["token", "--ten", "acme"], "unrecognized arguments: --ten acme"),
        (["nothing"], "invalid choice: 'nothing'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_usage_names_what_is_wrong(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_help_and_reference_have_the_same_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "local-aws.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `(\w+)[^`]*` \|", page, re.MULTILINE)) == (
        "setup", "deploy", "watch", "up", "token", "logs", "status", "env", "down",
    )  # fmt: skip
    options = set()
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        options |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"(?<=[ `])--[a-z-]+", page.partition("## From Python")[0])) <= options


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of its own, with the environment that is there already."""
    for installed in FOLDER.glob("venv-*"):
        (tmp_path / installed.name).symlink_to(installed.resolve())
    return tmp_path


def test_windows_is_told_where_it_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("constructs_lib.local.errors.os", SimpleNamespace(name="nt"))
    assert main(["up"]) == 1
    assert "got Windows; run it in WSL" in capsys.readouterr().err
