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
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.charts import CHARTS, draw
from bench.figures import FOLDER
from bench.page import PARTS, page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ROOT: Final = Path(__file__).parents[1]
_DOCS: Final = Path("docs")
_QUICK: Final = FOLDER / "quick"


def main() -> None:
    """Run all of them, or those that are named, and write the page, with the others' figures as they are."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [part.name for part in PARTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"a few turns of each, to see that all of it works; the page is in {_QUICK}",
    )
    options = parser.parse_args()
    chosen = options.parts or names
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(names)}")
    folder = _ROOT / (_QUICK if options.quick else FOLDER)
    for part in PARTS:
        if part.name in chosen:
            _run(part.name, part.quick if options.quick else (), folder / f"{part.name}.json")
    _write(chosen, folder, folder if options.quick else _ROOT / _DOCS)


def _run(name: str, options: Sequence[str], output: Path) -> None:
    """Run a part, which prints its table."""
    _say(f"== bench.{name}")
    began = time.monotonic()
    command = [sys.executable, "-m", f"bench.{name}", *options, "--output", str(output)]
    done = subprocess.run(command, cwd=_ROOT, check=False)  # noqa: S603 - our own
    if done.returncode:
        sys.exit(f"bench.{name} failed")
    _say(f"   {time.monotonic() - began:.0f} s\n")


def _write(chosen: Iterable[str], folder: Path, docs: Path) -> None:
    """Write the page with its charts and figures."""
    beside = docs / "performance"
    kept = beside / "figures.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    known |= {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in chosen}
    figures = {part.name: known[part.name] for part in PARTS if part.name in known}
    if missing := [part.name for part in PARTS if part.name not in figures]:
        _say(f"no page yet: it lacks the figures of {', '.join(missing)}")
        return
    beside.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for chart in CHARTS:
        (beside / f"{chart.name}.svg").write_bytes(draw(chart, figures[chart.part]))
    (docs / "performance.md").write_text(page(figures), encoding="utf-8")
    _say(f"written: {(docs / 'performance.md').relative_to(_ROOT)}, {beside.relative_to(_ROOT)}/")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
