"""Ctrl-C, terminals and pipes: what only a process of its own can show."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.service import PAGES
from tests.support.polling import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Program

#: The function takes that long for a page: milliseconds, as the seconds of an age.
SLOW = ["--older-than", "100"]


class Asked:
    """The pages that the function is asked for from now on."""

    def __init__(self, trace: Path) -> None:
        trace.write_text("")
        self._trace = trace

    def at_least(self, pages: int) -> None:
        wait_until(lambda: self._trace.read_text().count("asked") >= pages, seconds=60)


@pytest.fixture
def asked(function: str, trace: Path) -> Asked:  # noqa: ARG001 - the function is there, and has no call left
    return Asked(trace)


def pages(document: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[str]:
    return [entry["sk"] for module in document["modules"] for entry in module["found"]]


def test_an_interrupted_run_goes_on_where_it_stopped(cqrs: Program, asked: Asked) -> None:
    with cqrs.start("reconcile", "--json", "--module", "order", "--segments=3", *SLOW) as running:
        # Each of the three segments has one page under way at most: a fourth one means that one is through.
        asked.at_least(4)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    stopping, going_on = err.splitlines()
    assert stopping == "stopping after the pages under way; Ctrl-C again stops at once"
    first = json.loads(out)
    assert first["interrupted"]
    assert len(first["resume"]) == 3
    assert 0 < len(pages(first)) < 3 * PAGES

    begin = "to go on: cqrs reconcile --json --older-than 100 --resume reconcile:order:"
    assert going_on.startswith(begin)
    _, *again = shlex.split(going_on.removeprefix("to go on: "))
    second = cqrs(*again).document
    assert (second["interrupted"], second["resume"]) == (False, [])
    expected = [f"{segment}/3-{page}" for segment in range(3) for page in range(PAGES)]
    assert sorted(pages(first) + pages(second)) == sorted(expected)


def test_ctrl_c_twice_stops_at_once_and_says_how_to_go_on(cqrs: Program, asked: Asked) -> None:
    words = ["--module", "order", "--segments", "1", "--older-than", "60000"]
    with cqrs.start("reconcile", *words) as running:
        assert running.stderr
        asked.at_least(1)
        running.send_signal(signal.SIGINT)
        assert running.stderr.readline().startswith("stopping after the pages under way")
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Not done: 1 of 1 segments are left." in out
    assert err == "to go on: cqrs reconcile --older-than 60000 --resume reconcile:order:0/1\n"


def test_whoever_stops_reading_is_not_told_of_it(cqrs: Program) -> None:
    read, write = os.pipe()
    os.close(read)
    with cqrs.start("reconcile", "--older-than", "0", "--dry-run", stdout=write) as running:
        os.close(write)
        _, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, "")


def test_whoever_closes_standard_error_is_not_told_of_it_either(cqrs: Program) -> None:
    read, write = os.pipe()
    os.close(read)
    with cqrs.start("reconcile", "--segments", "0", stderr=write) as running:
        os.close(write)
        out, _ = running.communicate(timeout=60)
        assert (running.returncode, out) == (2, "")


class Terminal:
    """A terminal of the program's own, and what it shows."""

    def __init__(self, main: int) -> None:
        self._main = main
        self.text = ""

    def read(self, until: str | None = None) -> str:
        """What is shown up to a text, or to the end."""
        while until is None or until not in self.text:
            try:
                part = os.read(self._main, 1000)
            except OSError:  # that is how Linux says that the other side has closed
                break
            self.text += part.decode()
        return self.text

    def write(self, text: str) -> None:
        os.write(self._main, text.encode())


@contextmanager
def on_terminal(cqrs: Program, *words: str) -> Iterator[tuple[subprocess.Popen[str], Terminal]]:
    main, side = pty.openpty()
    try:
        with cqrs.start(*words, stdin=side, stdout=side, stderr=side) as process:
            os.close(side)
            yield process, Terminal(main)
    finally:
        os.close(main)


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 4)])
def test_a_skip_is_confirmed_on_a_terminal(cqrs: Program, answer: str, code: int) -> None:
    words = ["P", "S", "--module", "order", "--handler", "Names"]
    with on_terminal(cqrs, "skip", *words) as (process, terminal):
        asked = terminal.read("Skip it? [y/N] ")
        assert "Names will never get version 5 of P S." in asked
        # What failed is quoted: it can neither steer the terminal nor be taken for markup.
        assert "It failed there with: ValueError: \\x1b[2J[bold]no name" in asked
        terminal.write(f"{answer}\n")
        text = terminal.read()
        assert process.wait(timeout=30) == code, text
    assert ("nothing was skipped" in text) is (code == 4)


def test_a_terminal_shows_a_bar(cqrs: Program) -> None:
    with on_terminal(cqrs, "reconcile", "--dry-run", "--older-than", "30") as (process, terminal):
        text = terminal.read()
        assert process.wait(timeout=30) == 0
    assert "━" in text
    assert "order: 36 found" in text
    assert "… and 16 more; --list 36 shows them all" in text
