"""A folder of one's own where built things are kept between runs."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.errors import BundlingError
from constructs_lib.layers.build_environment import is_of_working_directory
from constructs_lib.layers.layer_digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cache_folder", "cached", "is_as_built", "note_built", "own_cache_folder"]


def cache_folder() -> Path:
    """Give the folder of the cache, which may be deleted at any time.

    It is ``CDK_CQRS_CACHE`` where that is set, else ``cdk-cqrs`` in the user's cache folder.
    """
    if chosen := os.environ.get("CDK_CQRS_CACHE"):
        return Path(chosen).expanduser().absolute()
    return own_cache_folder()


def own_cache_folder() -> Path:
    """Give ``cdk-cqrs`` in the user's cache folder."""
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
    renamed. Of two processes that build the same, the one that is later uses the other's. An entry
    that is not as it was built on this machine is built anew.

    Args:
        key: Identity of the contents; a name for a file.
        build: Fills the folder that it is given.

    Raises:
        BundlingError: The cache cannot be written, or ``build`` raised it.

    """
    folder = cache_folder()
    entry = folder / key
    if is_as_built(key, entry):
        return entry
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=folder, ignore_cleanup_errors=True) as name:
            built = Path(name) / key
            build(built)
            note_built(key, built)
            _move(built, entry, aside=Path(name) / "aside")
    except OSError as error:
        msg = f"the cache in {folder} cannot be written ({error}); set CDK_CQRS_CACHE to another folder"
        raise BundlingError(msg) from error
    return entry


def note_built(key: str, folder: Path) -> None:
    """Note what a folder holds that was built just now, in the user's own cache folder.

    Where it cannot be noted, what is built is not used again.
    """
    place, digest = _notes(key), digest_of(folder)
    if place is not None and digest is not None:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            (place / digest).touch()


def is_as_built(key: str, folder: Path) -> bool:
    """Whether a folder holds what was built under this key before.

    It may be where others can write: in a repository, or among what a job in CI keeps. The note of
    what was built is not.
    """
    if not folder.is_dir() or (place := _notes(key)) is None:
        return False
    digest = digest_of(folder)
    return digest is not None and (place / digest).is_file()


def _notes(key: str) -> Path | None:
    """Where it is noted what was built under a key; None where the working directory would say."""
    place = own_cache_folder() / "built" / key
    return None if is_of_working_directory(place) else place


def _move(source: Path, entry: Path, aside: Path) -> None:
    """Put what was built in the place of an entry, unless another process has put the same there."""
    if entry.is_symlink():
        entry.unlink()
    elif entry.exists() and digest_of(entry) != digest_of(source):
        entry.rename(aside)
    try:
        source.rename(entry)
    except OSError:
        if digest_of(entry) != digest_of(source):
            raise
