"""The examples of the guide, run as they stand: the code blocks of a page, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
GUIDE_PAGES = {
    "commands",
    "handlers",
    "history",
    "http",
    "large-attributes",
    "modules",
    "monitoring",
    "notifications",
    "operations",
    "reads",
    "retention",
    "schema-evolution",
    "sql",
    "tenants",
}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_there_are_pages() -> None:
    assert {page.stem for page in PAGES} >= GUIDE_PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.usefixtures("deployed")
def test_the_examples_hold(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": page.stem}
    blocks = list(BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        # Empty lines in front, so that a failure shows the page's own line.
        code = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(code, str(page), "exec", dont_inherit=True), names)  # noqa: S102 - that is what it is for
