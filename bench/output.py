"""What every benchmark gives: a table on the screen, and all of it in a JSON file."""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Mapping

__all__ = ["FOLDER", "add_output", "finish", "machine"]

FOLDER: Final = Path("build/bench")


def add_output(parser: ArgumentParser, name: str) -> None:
    """Add ``--output``, the file; by default one with the name of the benchmark."""
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER / f"{name}.json",
        help="where the figures go (default: %(default)s)",
    )


def finish(table: Iterable[str], figures: Mapping[str, Any], output: Path) -> None:
    """Print the table, and write the figures, with the machine and the time."""
    sys.stdout.write("\n".join(table) + "\n")
    output.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "at": datetime.now(UTC).isoformat(timespec="seconds"), **figures}
    output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def machine() -> str:
    """What it ran on, in a line."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    processor = f"{len(names)} x {names[0]}" if names else platform.machine()
    return f"{platform.system()}, {processor}, Python {platform.python_version()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
