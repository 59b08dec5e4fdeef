"""The identity of what a folder holds."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["digest_of"]


def digest_of(folder: Path) -> str | None:
    """Identity of the files below a folder, their names and contents; None where one is a link."""
    digest = hashlib.sha256()
    for path in sorted((folder, *folder.rglob("*"))):
        if path.is_symlink():
            return None  # where it leads may change
        if path.is_dir():
            continue
        name, content = os.fsencode(path.relative_to(folder).as_posix()), path.read_bytes()
        # The lengths keep ("ab", "c") apart from ("a", "bc").
        digest.update(b"%d:%d:" % (len(name), len(content)))
        digest.update(name + content)
    return digest.hexdigest()
