"""The page `first-module.md`, followed to the letter: its files, its commands, its last line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-module.md").read_text(encoding="utf-8")
FILES = re.compile(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
DEPLOY = "python -m constructs_lib.local deploy"
CLIENT = "python client.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder after the first three steps; what step 1 installs is taken from this checkout."""
    for name, content in FILES.findall(PAGE):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for installed in ("node_modules", ".local-aws"):
        (tmp_path / installed).symlink_to(ROOT / installed)
    return tmp_path


@pytest.fixture
def deployed(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of the second terminal, once the deployment is there."""
    log = folder / "deploy.log"
    environment = {**os.environ, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    command = [sys.executable, *DEPLOY.split()[1:]]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - the page's own command
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return "Ctrl-C stops it." in log.read_text(encoding="utf-8")

    try:
        wait_until(ready, seconds=120)
        exports = re.findall(r"^ *export (\w+)=(\S+)$", log.read_text(encoding="utf-8"), re.MULTILINE)
        yield {**os.environ, **dict(exports)}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def test_the_page_names_the_commands_that_are_followed() -> None:
    assert {DEPLOY, CLIENT, "python -m constructs_lib.local setup"} <= set(COMMANDS)
    pinned = (ROOT / "package.json").read_text(encoding="utf-8")
    (cli,) = [command.rpartition("@")[2] for command in COMMANDS if command.startswith("npm install")]
    assert f'"{cli}"' in pinned


def test_its_last_line_is_what_comes_out(folder: Path, deployed: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - the page's own command
        [sys.executable, *CLIENT.split()[1:]],
        cwd=folder,
        env=deployed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = re.search(r"The last line says `(.*?)`", PAGE)
    assert said
    assert done.stdout.splitlines()[-1] == said[1]
