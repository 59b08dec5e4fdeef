"""Typing is part of the product: what is right is no error, what is wrong is one, in mypy and in pyright."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
CASES: Final = Path(__file__).parent / "typed"
FILES: Final = tuple(sorted(path.relative_to(ROOT).as_posix() for path in CASES.glob("*.py")))
MARK: Final = "  # error"


def errors_of_mypy() -> set[tuple[str, int]]:
    # A cache of its own: that of `make types`, which runs beside this, has other options.
    cache = ROOT / ".mypy_cache" / "typed"
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(cache),
        "--output",
        "json",
        *FILES,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(one["file"], one["line"]) for one in found if one["severity"] == "error"}


def errors_of_pyright() -> set[tuple[str, int]]:
    node = shutil.which("node")
    assert node is not None
    pyright = str(ROOT / "node_modules" / "pyright" / "index.js")
    command = [node, pyright, "--project", str(CASES), "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == len(FILES)
    return {
        (Path(one["file"]).relative_to(ROOT).as_posix(), one["range"]["start"]["line"] + 1)
        for one in told["generalDiagnostics"]
        if one["severity"] == "error"
    }


@pytest.mark.parametrize("errors_of", [errors_of_mypy, errors_of_pyright], ids=["mypy", "pyright"])
def test_what_is_wrong_is_an_error_and_what_is_right_is_none(errors_of: object) -> None:
    assert callable(errors_of)
    marked = {
        (name, number)
        for name in FILES
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith(MARK)
    }
    assert len(marked) > 20
    found = errors_of()
    assert sorted(found - marked) == [], "errors that are not marked"
    assert sorted(marked - found) == [], "marked lines without an error"
