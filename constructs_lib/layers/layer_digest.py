"""The identity of what a folder holds."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["digest_of"]


def digest_of(folder: Path) -> str | None:
    """Identity of the files below a folder, their names and contents; None where one is a link."""
    digest = hashlib.sha256()
    if folder.is_symlink():
        return None  # where it leads may change
    # Without a `Path` for each of some thousand files, which would take the most of a synthesis's own time.
    for parts, path in sorted(_files(folder, ())):
        if path is None:
            return None
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - see above
            content = file.read()
        name = os.fsencode("/".join(parts))
        # The lengths keep ("ab", "c") apart from ("a", "bc").
        digest.update(b"%d:%d:" % (len(name), len(content)))
        digest.update(name)
        digest.update(content)
    return digest.hexdigest()


def _files(folder: str | Path, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """The files below a folder, each by the parts of its name; a link without the path that it has."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = (*parts, entry.name)
            if entry.is_symlink():
                yield name, None
            elif entry.is_dir():
                yield from _files(entry.path, name)
            else:
                yield name, entry.path
