"""Changes of files, as they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.local.errors import WatchMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["changes_in"]

#: What is in these folders is nothing that is deployed.
_NOT_WATCHED = (".local-aws", ".cache", ".ruff_cache", "cdk.out", "dist", "build", "docs", "tests", "venv")
_NOT_DEPLOYED = {".md", ".rst", ".log", ".txt~"}
_ONE_SAVE_MILLISECONDS = 200
_STEP_MILLISECONDS = 30
_TURN_MILLISECONDS = 1000


def changes_in(roots: Sequence[Path]) -> Iterator[set[Path]]:
    """The files that have changed, some that change together at a time; an empty set each second without.

    Args:
        roots: Folders; all that is in them counts, but for what no deployment is made of.

    Raises:
        WatchMissingError: The package that watches files is not installed.
    """
    try:
        from watchfiles import DefaultFilter, watch  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise WatchMissingError from error
    wanted = DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, *_NOT_WATCHED))
    found = watch(
        *roots,
        watch_filter=lambda change, path: Path(path).suffix not in _NOT_DEPLOYED and wanted(change, path),
        debounce=_ONE_SAVE_MILLISECONDS,
        step=_STEP_MILLISECONDS,
        rust_timeout=_TURN_MILLISECONDS,
        yield_on_timeout=True,
    )
    return ({Path(path) for _, path in changes} for changes in found)
