"""The page `first-module.md`, followed to the letter, and the commands of `local-aws.md` beside it."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from constructs_lib.local import ensure_venv
from constructs_lib.local.environment import without_aws
from constructs_lib.local.program import main
from tests.support.emulator import FOLDER
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-module.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "local-aws.md").read_text(encoding="utf-8")
FILES = re.compile(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
WATCH = "python -m constructs_lib.local watch"
SIGN_IN = 'eval "$(python -m constructs_lib.local token --export)"'
CLIENT = "python client.py"
PROGRAM = "python -m constructs_lib.local "
READY = "Watching for changes."


class Library:
    """The service of the page: its folder, and the first terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "watch.out"
        with self._log.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(  # noqa: S603 - the page's own command
                [sys.executable, *WATCH.split()[1:]],
                cwd=folder,
                env=_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """What was said up to a text, once it was."""

        def is_said() -> bool:
            assert self.process.poll() is None, self.said
            return text in self.said

        try:
            wait_until(is_said, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(self.said) from error
        return self.said

    def __call__(self, command: str, code: int = 0) -> str:
        """What a command of the pages prints in the second terminal."""
        if command.startswith(PROGRAM):
            # Without a process of its own, each of which takes half a second to import the SDK.
            printed = io.StringIO()
            with chdir(self.folder), redirect_stdout(printed), redirect_stderr(printed):
                assert main(shlex.split(command.removeprefix(PROGRAM))) == code, printed.getvalue()
            return printed.getvalue()
        done = subprocess.run(  # noqa: S603 - the page's own command
            ["sh", "-c", command.replace("python ", f"{shlex.quote(sys.executable)} ")],  # noqa: S607 - that of the machine
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def paste(self, line: str) -> httpx.Response:
        """The answer to a curl line."""
        words = iter(shlex.split(line))
        assert next(words) == "curl"
        headers: dict[str, str] = {}
        url, body = "", None
        for word in words:
            if word == "-H":
                header = next(words)
                lines = Path(header[1:]).read_text().splitlines() if header[0] == "@" else [header]
                headers |= dict(text.split(": ", 1) for text in lines)
            elif word == "-d":
                body = next(words)
            else:
                url = word
        return httpx.request("POST" if body else "GET", url, content=body, headers=headers, timeout=30)


def _environment() -> dict[str, str]:
    return {
        **without_aws(os.environ),
        "CDK_VALIDATION": "false",  # slow; the tests of compliance do that
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    }


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The folder after the first three steps, deployed; what step 1 installs is taken from this checkout."""
    folder = tmp_path_factory.mktemp("library")
    for name, content in FILES.findall(PAGE):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    installed = ensure_venv(FOLDER).parents[1]
    (folder / ".local-aws").mkdir()
    (folder / ".local-aws" / installed.name).symlink_to(installed)
    started = Library(folder)
    try:
        started.wait_for(READY, seconds=240)
        yield started
    finally:
        started.process.send_signal(signal.SIGINT)
        assert started.process.wait(timeout=30) == 0
    assert started.said.endswith("stopped\n")
    assert [path.name for path in (folder / ".local-aws").glob("run*")] == ["running.lock"]


def test_the_page_names_the_commands_that_are_followed() -> None:
    assert {WATCH, SIGN_IN, CLIENT, "python -m constructs_lib.local setup"} <= set(COMMANDS)
    pinned = (ROOT / "package.json").read_text(encoding="utf-8")
    (cli,) = [command.rpartition("@")[2] for command in COMMANDS if command.startswith("npm install")]
    assert f'"{cli}"' in pinned


def test_its_last_line_is_what_comes_out(library: Library) -> None:
    said = re.search(r"The last line says `(.*?)`", PAGE)
    assert said
    assert library(f"{SIGN_IN} && {CLIENT}").splitlines()[-1] == said[1]


def test_the_lines_for_curl_work_as_they_are(library: Library) -> None:
    listing, making = re.findall(r"^  (curl .*)$", library.said, re.MULTILINE)
    made = library.paste(making)
    assert made.status_code == 202, made.text
    found = library.paste(listing)
    assert found.status_code == 200, found.text
    assert made.json()["sk"] in [item["sk"] for item in found.json()["items"]]
    (url,) = re.findall(r"^Library answers at (.*)$", library.said, re.MULTILINE)
    (token,) = re.findall(r"^  token +(\S+)$", library.said, re.MULTILINE)
    assert shlex.split(listing)[-1] == f"{url}/books"
    assert httpx.get(f"{url}/books").status_code == 401
    assert httpx.get(f"{url}/books", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert url in library("python -m constructs_lib.local status")


def test_a_change_is_served_at_once_and_a_broken_one_is_not(library: Library) -> None:
    routes = library.folder / "service" / "routes.py"
    before = routes.read_text(encoding="utf-8")
    listing = re.findall(r"^  (curl .*)$", library.said, re.MULTILINE)[0]
    routes.write_text(before + "router = (", encoding="utf-8")
    library.wait_for("routes.py: not served, line 6 of ")
    assert library.paste(listing).status_code == 200
    logged = """
import logging
@router.get("/boom")
def boom():
    logging.getLogger("books").warning("printed as it is")
    raise RuntimeError("boom")
"""
    routes.write_text(before + logged, encoding="utf-8")
    served = library.wait_for("routes.py: served after")
    assert re.search(r"served after [\d.]+ m?s by api, notifier, operator, stream, worker\n", served)
    assert library.paste(listing.replace("/books", "/boom")).status_code == 500
    # The watch shows the log meanwhile.
    shown = library.wait_for("builtins.RuntimeError")
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  api +printed as it is$", shown, re.MULTILINE)
    assert re.search(r"^\S+  api +ERROR +request failed  request_id=\S+$", shown, re.MULTILINE)
    assert re.search(r"^ +routes\.py:11 boom$", shown, re.MULTILINE)
    assert library("python -m constructs_lib.local logs api --level ERROR").count("request failed") == 1
    assert "_aws" in library("python -m constructs_lib.local logs --raw")


def test_the_commands_of_the_reference_work(library: Library) -> None:
    commands = re.findall(r"^\$ (.*)$", REFERENCE, re.MULTILINE)
    assert len(commands) == 9
    for command in commands:
        # What starts and what ends an AWS is followed in tests/local.
        if not command.endswith(("deploy --keep", "down")):
            library(command)
    assert library("python -m constructs_lib.local deploy --keep", code=1).startswith(
        "error: AWS runs here already, and ends with the command that has started it (process"
    )


def test_a_deployment_that_fails_is_shown_and_the_watch_goes_on(library: Library) -> None:
    listing = re.findall(r"^  (curl .*)$", library.said, re.MULTILINE)[0]
    (library.folder / "app.py").write_text("raise SystemExit('Error: no such thing')", encoding="utf-8")
    said = library.wait_for("not deployed: ")
    assert "app.py: deploying\n" in said
    assert "Error: no such thing" in said.partition("app.py: deploying")[2]
    assert library.process.poll() is None
    assert library.paste(listing).status_code == 200
