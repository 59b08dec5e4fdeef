"""The files that a deployment is made of, among those of a folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["files_in", "folders_below", "is_watched"]

#: What is in these folders is made by tools, or nothing that is deployed. So is what is hidden.
_NOT_WATCHED: Final = {
    "__pycache__", "build", "cdk.out", "dist", "docs", "node_modules", "site-packages", "tests", "venv",
}  # fmt: skip


def is_watched(folder: str) -> bool:
    """Whether a folder of this name may have something that is deployed."""
    return not folder.startswith(".") and folder not in _NOT_WATCHED


def folders_below(root: Path) -> Iterator[Path]:
    """A folder, and those in it that are watched, at any depth."""
    for folder, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if is_watched(name)]
        yield Path(folder)


def files_in(folders: Iterable[Path]) -> Iterator[Path]:
    """The files that are directly in some folders; none of a folder that is gone."""
    for folder in folders:
        with suppress(FileNotFoundError, NotADirectoryError):
            yield from (path for path in folder.iterdir() if path.is_file())
