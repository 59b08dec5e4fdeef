"""Changes of files, as they are saved."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local.code.tree import files_in, folders_below, is_watched
from constructs_lib.local.errors import WatchMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["changes_in"]

_NOT_DEPLOYED = {".md", ".rst", ".log"}
_ONE_SAVE_MILLISECONDS = 200
_STEP_MILLISECONDS = 30
_TURN_MILLISECONDS = 250


def changes_in(roots: Sequence[Path]) -> Iterator[set[Path]]:
    """The files that have changed, some that change together at a time; an empty set where none has.

    From the first set on, which comes within a moment, nothing is missed, however long it takes
    until the next one is asked for.

    Args:
        roots: Folders; all that is in them counts, but for what no deployment is made of.

    Raises:
        WatchMissingError: The package that watches files is not installed.
    """
    try:
        import watchfiles  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise WatchMissingError from error

    wanted = watchfiles.DefaultFilter(ignore_dirs=())

    def watched(folders: set[Path]) -> Iterator[set[Path]]:
        # One by one: to watch all below takes a moment for each folder of node_modules and the like, and
        # an operating system has only so many watches to give.
        found = watchfiles.watch(
            *folders,
            watch_filter=lambda change, path: Path(path).suffix not in _NOT_DEPLOYED and wanted(change, path),
            debounce=_ONE_SAVE_MILLISECONDS,
            step=_STEP_MILLISECONDS,
            rust_timeout=_TURN_MILLISECONDS,
            yield_on_timeout=True,
            recursive=False,
        )
        return ({Path(path) for _, path in changes} for changes in found)

    def begun() -> tuple[set[Path], Iterator[set[Path]], set[Path]]:
        """The folders, who watches them from here on, and what has changed at once."""
        while True:
            folders = _folders(roots)
            watcher = watched(folders)
            # A folder may go before it is watched.
            with suppress(FileNotFoundError):
                return folders, watcher, next(watcher)

    known, watcher, first = begun()
    yield first
    while True:
        for changed in watcher:
            yield changed
            if any(path.is_dir() and is_watched(path.name) and path not in known for path in changed):
                break
        # Folders are new. The old watcher goes only when another one watches all of them.
        before, old = known, watcher
        known, watcher, first = begun()
        yield first | next(old) | set(files_in(known - before))


def _folders(roots: Sequence[Path]) -> set[Path]:
    return {folder for root in roots for folder in folders_below(root)}
