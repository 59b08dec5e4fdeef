from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from examples.demo.errors import DemoError
from examples.demo.watch import Sighting, watch
from tests.faults.scale import COMPLETE
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TRACES = ("own write", "command", "data", "history", "SQL", "notification", "execution")


class Demo:
    """The demo in a process of its own, without a terminal."""

    def __init__(self, output: Path, **variables: str) -> None:
        self._output = output
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "examples.demo"],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                env={name: value for name, value in os.environ.items() if name != "KEEP"} | variables,
            )

    @property
    def text(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str, seconds: float) -> None:
        wait_until(lambda: text in self.text or self.process.poll() is not None, seconds=seconds, every=0.1)
        assert text in self.text, self.end()

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def end(self) -> str:
        """Its last words, once it has ended."""
        _, errors = self.process.communicate(timeout=30)
        return str(errors)


@contextmanager
def demo(folder: Path, **variables: str) -> Iterator[Demo]:
    running = Demo(folder / "output.txt", **variables)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
        running.process.communicate(timeout=30)


def test_the_demo_shows_every_trace_of_every_command_and_can_be_kept(tmp_path: Path) -> None:
    with demo(tmp_path, KEEP="1") as running:
        running.wait_for("is renewed while this runs", seconds=170)
        parts = re.split(r"^(Create|Update|Delete|What happened)\b", running.text, flags=re.MULTILINE)
        chapters = dict(zip(parts[1::2], parts[2::2], strict=True))
        for title in ("Create", "Update", "Delete"):
            seen = re.findall(r"✓  (.{12})", chapters[title])
            assert sorted(label.strip() for label in seen) == sorted(TRACES), title
            assert "Apply → HasHandlers → RunHandlers → RunHandler → Finish" in chapters[title]
            assert "finish:FINISHED" in chapters[title]
        assert "3 executions with 18 state transitions" in chapters["What happened"]
        curl = re.search(r"^  list +(curl .*)$", running.text, re.MULTILINE)
        assert curl
        _, _, headers, url = shlex.split(curl[1])
        lines = Path(headers.removeprefix("@")).read_text().splitlines()
        answer = httpx.get(url, headers=dict(line.split(": ", 1) for line in lines))
        assert answer.status_code == 200
        assert httpx.get(url).status_code == 401
        assert running.interrupt() == 0
        assert running.end() == ""
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
        assert not Path(headers.removeprefix("@")).exists()


def test_the_blogs_demo_shows_what_became_of_every_command(tmp_path: Path) -> None:
    with demo(tmp_path, EXAMPLE="blog") as running:
        running.wait_for("Nothing is left running", seconds=170)
        assert running.end() == ""
        assert running.process.returncode == 0
        parts = re.split(r"^(Register|Write|Archive|Again|What happened)\b", running.text, flags=re.MULTILINE)
    chapters = dict(zip(parts[1::2], parts[2::2], strict=True))
    seen = {title: set(re.findall(r"✓  (\w+)", text)) for title, text in chapters.items()}
    assert seen["Register"] == {"commit", "SQL", "cursor", "reaction"}
    assert seen["Write"] == seen["Archive"] == {"commit", "list", "SQL", "cursor"}
    for title in ("Register", "Write", "Archive"):
        assert re.search(r"200 OK: version \d", chapters[title])
    assert "because of users#ann#acme@1" in re.sub(r"\s+", " ", chapters["Register"])
    assert "422: there is a post with this id" in chapters["Again"]
    assert "3 commands decided" in chapters["What happened"]
    assert "1 refused: nothing was appended" in chapters["What happened"]


@pytest.mark.skipif(not COMPLETE, reason="tests/e2e/test_product.py deploys it and asks more of it")
def test_the_products_demo_numbers_an_order_and_a_shipment(tmp_path: Path) -> None:
    with demo(tmp_path, EXAMPLE="product") as running:
        running.wait_for("Nothing is left running", seconds=170)
        assert running.end() == ""
        assert running.process.returncode == 0
        text = running.text
    assert "active, with what" in text
    parts = re.split(r"^(Refuse|Stock|Order|Set|Ship|What happened)\b", text, flags=re.MULTILINE)
    chapters = dict(zip(parts[1::2], parts[2::2], strict=True))
    seen = {title: set(re.findall(r"✓  (\w+)", chapter)) for title, chapter in chapters.items()}
    assert seen["Refuse"] == seen["Set"] == {"row"}
    assert seen["Stock"] == {"row", "SQL"}
    assert seen["Order"] == {"row", "counter", "number"}
    assert seen["Ship"] == {"row", "counter"}
    assert re.search(r"422: must be a code of the table 'category'", chapters["Refuse"])
    assert re.search(r"201 Created: ORD-\d{4}-000001, total 30", chapters["Order"])
    assert re.search(r"200 OK: MAIN-\d{4}-00001", chapters["Ship"])
    assert "cqrs sequence gaps shows 0" in chapters["What happened"]


def test_ctrl_c_ends_it_without_a_trace(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.wait_for("… cdk bootstrap", seconds=60)
        url = re.search(r"http://127\.0\.0\.1:\d+", running.text)
        assert url
        assert running.interrupt() == 130
        assert running.end() == ""
        assert running.text.endswith("Stopped, and removed. Nothing is left running.\n")
        with pytest.raises(httpx.ConnectError):
            httpx.get(url[0])


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demo(tmp_path, PORT=str(port)) as running:
            errors = running.end()
    assert errors == f"error: port {port} is taken; stop what listens there, or use another: PORT=8000\n"
    assert running.process.returncode == 1


def test_a_missing_node_is_said_in_one_line_before_anything_starts(tmp_path: Path) -> None:
    with demo(tmp_path, PATH=str(tmp_path)) as running:
        errors = running.end()
    assert errors.startswith("error: node was not found on PATH")
    assert errors.count("\n") == 1
    assert running.text == ""
    assert running.process.returncode == 1


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_is_a_number_in_range(tmp_path: Path, port: str) -> None:
    with demo(tmp_path, PORT=port) as running:
        errors = running.end()
    assert errors.splitlines()[-1].endswith(
        f"argument --port: must be a number from 1 to 65535, got '{port}'"
    )
    assert running.process.returncode == 2


def test_what_does_not_show_up_in_time_is_named() -> None:
    sightings = [Sighting("here", lambda: "yes"), Sighting("gone", lambda: None)]
    seen: list[str] = []
    with pytest.raises(DemoError, match="not seen within 0 seconds: gone"):
        watch(
            sightings,
            since=time.monotonic(),
            on_sight=lambda sighting: seen.append(sighting.label),
            deadline_seconds=0,
        )
    assert seen == ["here"]
