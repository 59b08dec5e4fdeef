"""A folder of one's own where built things are kept between runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.errors import BundlingError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cache_folder", "cached"]


def cache_folder() -> Path:
    """Give the folder of the cache, which may be deleted at any time.

    It is ``CDK_CQRS_CACHE`` where that is set, else ``cdk-cqrs`` in the user's cache folder.
    """
    if chosen := os.environ.get("CDK_CQRS_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cdk-cqrs"


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """Give the folder that ``build`` fills, from the cache where it is there already.

    An entry appears whole or not at all: it is built beside the cache's entries and then
    renamed. Of two processes that build the same, the one that is later uses the other's.

    Args:
        key: Identity of the contents; a name for a file.
        build: Fills the folder that it is given.

    Raises:
        BundlingError: The cache cannot be written, or ``build`` raised it.

    """
    folder = cache_folder()
    entry = folder / key
    if entry.is_dir():
        return entry
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=folder, ignore_cleanup_errors=True) as name:
            build(Path(name) / key)
            _move(Path(name) / key, entry)
    except OSError as error:
        msg = f"the cache in {folder} cannot be written ({error}); set CDK_CQRS_CACHE to another folder"
        raise BundlingError(msg) from error
    return entry


def _move(source: Path, entry: Path) -> None:
    try:
        source.rename(entry)
    except OSError:
        # Another process was faster; both have built the same.
        if not entry.is_dir():
            raise
        shutil.rmtree(source, ignore_errors=True)
