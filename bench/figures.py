"""What every benchmark gives: a table on the screen, and all of it in a JSON file."""

from __future__ import annotations

import json
import platform
import sys
from argparse import ArgumentParser, RawTextHelpFormatter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["FOLDER", "finish", "machine", "parser_of"]

FOLDER: Final = Path("build/bench")
_DIGITS: Final = 4


def parser_of(name: str, description: str | None) -> ArgumentParser:
    """The command line of a benchmark: ``--output`` is its file, by default one with its name."""
    parser = ArgumentParser(
        prog=f"python -m bench.{name}", description=description, formatter_class=RawTextHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER / f"{name}.json",
        help="where the figures go (default: %(default)s)",
    )
    return parser


def finish(
    parser: ArgumentParser,
    options: Namespace,
    figures: Mapping[str, Any],
    table: Callable[[Mapping[str, Any]], Iterable[str]],
) -> None:
    """Write the figures, with the command, the machine and the time; print what they come to.

    Args:
        parser: The command line.
        options: What it was given.
        figures: Everything that was measured.
        table: Makes the table of the file's figures, so that it says nothing that the file lacks.
    """
    written = {
        "command": _command(parser, options),
        "machine": machine(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **figures,
    }
    document = json.loads(json.dumps(written), parse_float=lambda text: round(float(text), _DIGITS))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(table(document)) + "\n")


def _command(parser: ArgumentParser, options: Namespace) -> str:
    """What was called, with what is not as by default."""
    words = [parser.prog]
    for name, value in vars(options).items():
        if name != "output" and value != parser.get_default(name):
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [str(value)]
    return " ".join(words)


def machine() -> str:
    """What it ran on, in a line: neither its name nor a path."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    processor = f"{len(names)} x {names[0]}" if names else platform.machine()
    return f"{platform.system()}, {processor}, Python {platform.python_version()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
