from __future__ import annotations

from typing import Any

import pytest

from constructs_lib.cli.arguments import parse
from constructs_lib.cli.errors import UsageError

MOST = {"status", "show", "redrive", "skip", "drop", "reconcile", "resync", "replay-dlq"}
OF_EVENTS = {
    "events list", "events show PK 7", "events verify", "handlers list", "handlers build posts-model",
    "handlers rebuild posts-model", "handlers switch posts-model", "handlers retire posts-model",
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "COMMAND"),
        ("heal", "'heal'"),
        ("status --jsn", "--jsn"),
        ("status --js", "--js"),
        ("show", "PK"),
        ("redrive --handler", "--handler"),
        ("drop PK SK", "--handler"),
        ("reconcile --segments 0", "--segments: must be a whole number from 1 to 64, got '0'"),
        ("reconcile --segments 1.5", "--segments: must be a whole number"),
        ("reconcile --older-than -1", "--older-than"),
        ("reconcile --page-size 1001", "--page-size: must be a whole number from 1 to 1000"),
        ("status --recent ²", "--recent: must be a whole number"),
        ("replay-dlq --only alarms", "--only"),
        ("status --endpoint-url localhost:4566", "--endpoint-url: must be a URL like http://127.0.0.1:4566"),
        ("skip PK SK --module=", "--module: must not be empty"),
        ("show --dry-run PK SK", "--dry-run"),
    ],
)
def test_what_is_wrong_is_named(line: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(line.split())
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "--help" in str(raised.value)


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(UsageError, match="PK: must not be empty"):
        parse(["show", "", "A1"])


@pytest.mark.parametrize("line", ["--json --stack shop status", "status --stack shop --json"])
def test_what_is_global_stands_before_or_after_the_command(line: str) -> None:
    options = parse(line.split())
    assert (options.json, options.stack, options.debug, options.region) == (True, "shop", False, None)


def test_every_command_has_the_same_defaults() -> None:
    expected: dict[str, Any] = {"module": None, "dry_run": False, "resume": [], "segments": None}
    for command in MOST:
        key = ["PK", "SK"] if command in {"show", "skip", "drop"} else []
        handler = ["--handler", "Names"] if command == "drop" else []
        options = vars(parse([command, *key, *handler]))
        assert {name: options[name] for name in expected} == expected, command


def test_tokens_and_handlers_are_gathered() -> None:
    options = parse(["resync", "--resume", "a", "--resume", "b", "--handler", "Names", "--handler", "Totals"])
    assert (options.resume, options.handler) == (["a", "b"], ["Names", "Totals"])
    assert parse(["resync"]).resume == []


def test_help_has_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in (*MOST, "CQRS_STACK", "CQRS_FUNCTION_NAME", "AWS_ENDPOINT_URL"):
        assert word in text
    codes = [line.split()[0] for line in text.split("exit codes:\n")[1].splitlines()]
    assert codes == ["0", "1", "2", "3", "4", "130"]


@pytest.mark.parametrize("command", sorted(MOST))
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([command, "--help"])
    assert f"usage: cqrs {command}" in capsys.readouterr().out


def test_commands_of_two_words_have_them_as_well() -> None:
    expected: dict[str, Any] = {"module": None, "dry_run": False, "resume": [], "segments": None}
    for line in OF_EVENTS:
        options = vars(parse(line.split()))
        assert {name: options[name] for name in expected} == expected, line
        assert line.startswith(options["command"])
