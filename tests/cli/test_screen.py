from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

from constructs_lib.cli import progress as module
from constructs_lib.cli.context import Listing
from constructs_lib.cli.progress import progress
from constructs_lib.cli.screen import Line, Table, brief, printable, show_parts, write_json

if TYPE_CHECKING:
    import pytest


def test_nothing_is_cut_off_and_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    long = "ORDER#" + "x" * 500
    show_parts([Line("[red]title[/red]"), Table(["pk", "n"], [[long, 7], ["[bold]b :smile:", None]], "T")])
    out = capsys.readouterr().out
    assert "[red]title[/red]" in out
    assert f"{long}   7\n" in out
    assert "[bold]b :smile:" in out
    assert "\x1b" not in out


def test_keys_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[2J\r\nb é") == "a\\x1b[2J\\r\\nb é"
    show_parts([Table(["pk"], [["\x1b]0;owned\x07"]])])
    assert "\\x1b]0;owned\\x07" in capsys.readouterr().out


def test_a_terminal_of_another_encoding_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    show_parts([Line("… and 7 more"), Table(["pk"], [["é"]])])
    stream.seek(0)
    assert stream.read().splitlines()[0].rstrip() == "\\u2026 and 7 more"


def test_an_error_fits_a_cell() -> None:
    assert brief("a\n  b") == "a b"
    assert brief("x" * 161) == "x" * 159 + "…"
    assert brief("") is None
    assert brief(None) is None


def test_json_is_ascii_whatever_the_locale(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"pk": "é\x1b"})
    assert capsys.readouterr().out == '{\n  "pk": "\\u00e9\\u001b"\n}\n'


def test_a_list_keeps_the_first_and_counts_all() -> None:
    listing = Listing(3)
    for number in range(5):
        listing.add([{"n": number}, {"n": number}])
    assert [entry["n"] for entry in listing.entries] == [0, 0, 1]
    assert listing.total == 10
    assert listing.more == "… and 7 more; --list 10 shows them all"
    assert Listing(3).more == ""


def test_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress("reconcile", 300) as shown:
        shown.advance(100, "nothing found")
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(module, "_LINE_SECONDS", 0.0)
        shown.advance(100, "2 found")
    assert capsys.readouterr().err == "reconcile: 200 of about 300 rows, 2 found\n"


def test_neither_the_cdk_nor_boto3_nor_rich_is_imported_to_show_the_help() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "constructs_lib.cli", "reconcile", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "constructs_lib.cli.program" in imported
    tops = {name.split(".")[0] for name in imported}
    assert not tops & {"aws_cdk", "jsii", "constructs", "boto3", "botocore", "rich", "runtime"}
