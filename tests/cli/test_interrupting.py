"""Ctrl-C, terminals and pipes: what only a process of its own can show."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.service import PAGES
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from tests.support.program import Program

#: The function takes that long for a page: milliseconds, as the seconds of an age.
SLOW = ["--older-than", "100"]


def pages(document: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[str]:
    return [entry["sk"] for module in document["modules"] for entry in module["found"]]


def test_an_interrupted_run_goes_on_where_it_stopped(cqrs: Program) -> None:
    running = cqrs.start("reconcile", "--json", "--module", "order", "--segments=3", *SLOW)
    assert running.stderr
    wait_until(lambda: walks(running.pid), seconds=20)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
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


def test_ctrl_c_twice_stops_at_once_and_says_how_to_go_on(cqrs: Program) -> None:
    running = cqrs.start("reconcile", "--module", "order", "--segments", "1", "--older-than", "20000")
    assert running.stderr
    wait_until(lambda: walks(running.pid), seconds=20)
    running.send_signal(signal.SIGINT)
    assert running.stderr.readline().startswith("stopping after the pages under way")
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=10)
    assert running.returncode == 130
    assert "Not done: 1 of 1 segments are left." in out
    assert err == "to go on: cqrs reconcile --older-than 20000 --resume reconcile:order:0/1\n"


def walks(pid: int) -> bool:
    """Whether the process has threads of its own: it walks."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1


def test_whoever_stops_reading_is_not_told_of_it(cqrs: Program) -> None:
    for more in ([], ["--json"]):
        read, write = os.pipe()
        os.close(read)
        running = cqrs.start("reconcile", "--older-than", "0", "--dry-run", *more, stdout=write)
        os.close(write)
        _, err = running.communicate(timeout=30)
        assert (running.returncode, err) == (0, "")


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, cqrs: Program, *words: str) -> None:
        self._main, side = pty.openpty()
        self.process = cqrs.start(*words, stdin=side, stdout=side, stderr=side)
        os.close(side)
        self.text = ""

    def read_until(self, text: str) -> None:
        while text not in self.text:
            self.text += os.read(self._main, 1000).decode()

    def write(self, text: str) -> None:
        os.write(self._main, text.encode())

    def end(self) -> int:
        try:
            while part := os.read(self._main, 1000):
                self.text += part.decode()
        except OSError:  # that is how Linux says that the other side has closed
            pass
        os.close(self._main)
        return self.process.wait(timeout=30)


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 4)])
def test_a_skip_is_confirmed_on_a_terminal(cqrs: Program, answer: str, code: int) -> None:
    words = ["P", "S", "--module", "order", "--handler", "Names"]
    terminal = Terminal(cqrs, "skip", *words)
    terminal.read_until("Skip it? [y/N] ")
    assert "Names will never get version 5 of P S." in terminal.text
    # What failed is quoted: it can neither steer the terminal nor be taken for markup.
    assert "It failed there with: ValueError: \\x1b[2J[bold]no name" in terminal.text
    terminal.write(f"{answer}\n")
    assert terminal.end() == code, terminal.text
    assert ("nothing was skipped" in terminal.text) is (code == 4)


def test_a_terminal_shows_a_bar(cqrs: Program) -> None:
    terminal = Terminal(cqrs, "reconcile", "--dry-run", "--older-than", "30")
    assert terminal.end() == 0
    assert "━" in terminal.text
    assert "order: 36 found, 0 failed, memo: 1 found, 0 failed" in terminal.text
    assert "… and 16 more; --list 36 shows them all" in terminal.text
