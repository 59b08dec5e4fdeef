"""The console examples of the operators' page about modules of events, run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.entry.operator.scope import Scope
from tests.cli.direct import Direct
from tests.operations.blog import Blog
from tests.operations.conftest import later

if TYPE_CHECKING:
    import pytest

    from tests.support.clock import AdvancedClock

__all__ = ["later"]

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "operations.md"
SECTION = re.compile(r"^## Modules of events\n(.*?)^## ", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What differs from run to run: times, and the id of an append.
VARYING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*\+00:00|^append .*")


def commands() -> list[tuple[str, list[str]]]:
    """The command lines of the section, each with the lines that it prints."""
    found = SECTION.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    lines = [line for block in CONSOLE.finditer(found[1]) for line in block[1].splitlines()]
    made: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            made.append((line.removeprefix("$ "), []))
        else:
            made[-1][1].append(line)
    return made


def plain(lines: list[str]) -> list[str]:
    """Lines without what varies, and without the widths of columns."""
    found = [" ".join(VARYING.sub("*", line).split()) for line in lines]
    return [line for line in found if line.strip("─")]


def test_the_examples_are_what_the_program_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], later: AdvancedClock
) -> None:
    blog = Blog()
    cqrs = Direct(lambda: Scope({}, blog.resources, {"blog": blog.module}), monkeypatch, capsys)
    blog.write("p1", changes=2)
    blog.write("p2")
    blog.feed()
    blog.park("p1", 3, done=2)
    examples = commands()
    assert len(examples) > 8
    for line, printed in examples:
        if line.startswith("sleep"):
            later.advance(float(line.split()[1]))
            continue
        program, *words = shlex.split(line)
        assert program == "cqrs"
        ended = cqrs(*words)
        assert ended.code in {0, 1}, (line, ended.err)
        assert plain([*ended.out.splitlines(), *ended.err.splitlines()]) == plain(printed), line
