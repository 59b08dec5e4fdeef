"""The folder that a run of the emulator writes to."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from constructs_lib.local.errors import NoSpaceError, is_disk_full

__all__ = ["make_run_folder", "read_decisions"]


def make_run_folder(folder: Path) -> Path:
    """Make a folder for one run.

    Raises:
        NoSpaceError: The disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    except OSError as error:
        if is_disk_full(error):
            raise NoSpaceError(folder) from error
        raise


def read_decisions(run_folder: Path) -> list[dict[str, Any]]:
    """What the enforcement of IAM has decided so far; a line that is being written is left out."""
    try:
        text = (run_folder / "iam.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
