"""The examples of the guide, run as they stand: the code blocks of a page, one after the other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from sqlalchemy import Engine

from tests.constructs.conftest import SKIP_BUNDLING

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
GUIDE_PAGES = {
    "commands",
    "dispatch",
    "features",
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
    "sequences",
    "sql",
    "states-or-events",
    "tenants",
    "your-account",
}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_there_are_pages() -> None:
    assert {page.stem for page in PAGES} >= GUIDE_PAGES


def test_the_versions_are_those_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (oldest,) = (line for line in declared["dependencies"] if line.startswith("aws-cdk-lib>="))
    pythons = [line.rpartition(" ")[2] for line in declared["classifiers"] if " :: Python :: 3." in line]
    cdk_lib = oldest.removeprefix("aws-cdk-lib>=").partition(",")[0]
    text = (GUIDE / "your-account.md").read_text(encoding="utf-8")
    assert f"Python {pythons[0]} to {pythons[-1]}, Node 20 or newer, `aws-cdk-lib` {cdk_lib} or newer" in text


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[cdk.App]:
    """The apps that a page makes, in an empty folder; no layer is built for them."""
    made: list[cdk.App] = []
    app = cdk.App

    def remembered() -> cdk.App:
        made.append(app(context=SKIP_BUNDLING, builtin_cloud_formation_validation=False))
        return made[-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cdk, "App", remembered)
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.usefixtures("deployed")
def test_the_examples_hold(page: Path, apps: list[cdk.App]) -> None:
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": page.stem}
    blocks = list(BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        # Empty lines in front, so that a failure shows the page's own line.
        code = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(code, str(page), "exec", dont_inherit=True), names)  # noqa: S102 - that is what it is for
    for value in names.values():
        if isinstance(value, Engine):
            value.dispose()
    for app in apps:
        errors = [
            f"{message.id}: {message.entry.data}"
            for stack in app.synth().stacks_recursively
            for message in stack.messages
            if message.level is cdk.cx_api.SynthesisMessageLevel.ERROR
        ]
        assert errors == []
