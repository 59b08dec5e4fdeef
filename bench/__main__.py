"""Every figure of docs/performance.md: tables on the screen, JSON files, charts, and the page itself.

    make bench

Each part is a command of its own, and takes its turn, so that nothing but the machine disturbs it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.charts import CHARTS, draw
from bench.output import FOLDER, machine
from bench.page import PARTS, page

_ROOT: Final = Path(__file__).parents[1]
_PAGE: Final = _ROOT / "docs" / "performance.md"
_CHARTS: Final = _ROOT / "docs" / "performance"


def main() -> None:
    """Run all of them, or those that are named, and write the page where all were run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [part.name for part in PARTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)} (default: all)")
    chosen = parser.parse_args().parts or names
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(names)}")
    tables: dict[str, str] = {}
    for part in PARTS:
        if part.name not in chosen:
            continue
        _say(f"== {part.title}: {part.command}")
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-m", *part.command.split()[2:]],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{part.command} failed")
        tables[part.name] = done.stdout.strip()
        _say(f"{tables[part.name]}\n   {time.monotonic() - began:.0f} s\n")
    if len(tables) < len(PARTS):
        return
    _CHARTS.mkdir(exist_ok=True)
    for chart in CHARTS:
        figures = json.loads((FOLDER / f"{chart.part}.json").read_text(encoding="utf-8"))
        (_CHARTS / f"{chart.name}.svg").write_bytes(draw(chart, figures))
    _PAGE.write_text(page(tables, machine(), f"{datetime.now(UTC):%Y-%m-%d}"), encoding="utf-8")
    _say(f"written: {_PAGE.relative_to(_ROOT)}, {FOLDER}/*.json")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
