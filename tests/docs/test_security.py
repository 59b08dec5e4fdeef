"""The tests that docs/security.md names are there, so that it cannot rot unseen."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ID = re.compile(r"`(tests/[^`:\s]+\.py)(?:::([^`\s]+))?`")


def functions_of(path: Path) -> set[str]:
    """The test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_it_names_exists() -> None:
    missing = [
        f"{file}::{name}" if name else file
        for file, name in ID.findall(TEXT)
        if not (ROOT / file).is_file() or (name and name not in functions_of(ROOT / file))
    ]
    assert missing == []


def test_every_threat_names_a_test() -> None:
    _, threats, _ = re.split(r"^## (?:Threats|Tenants)$", TEXT, flags=re.MULTILINE)
    rows = [line for line in threats.splitlines() if re.match(r"\| [STRIDE ]+ \|", line)]
    assert len(rows) > 15
    assert [row for row in rows if not ID.search(row.split("|")[4])] == []


def test_every_word_that_looks_like_a_test_is_one_of_them() -> None:
    """An id that is written in another way would not be looked for."""
    assert TEXT.count("tests/") == len(ID.findall(TEXT))
