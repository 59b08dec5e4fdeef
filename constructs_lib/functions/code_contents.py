"""What is in the folder, or the zip file, that is deployed as the code."""

from __future__ import annotations

import os
import sys
import zipfile
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Final

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.handler import files_of_handler
from constructs_lib.quotas.package_size import MOST_UNPACKED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["HIDES_RUNTIME", "check_contents", "check_size", "hidden_modules"]

# The code is searched before the layers. A folder without __init__.py hides no package behind it.
HIDES_RUNTIME: Final = ("runtime.py", "runtime/__init__.py")
#: They are no part of what runs in Lambda.
_UNUSED: Final = frozenset({"test", "this", "antigravity", "idlelib", "turtle", "tkinter"})


def check_contents(code: Path, handler: str) -> None:
    """Refuse code in which the functions would not find their app, or not the runtime.

    Args:
        code: A folder, or a zip file.
        handler: What Lambda calls, such as "main.app".

    Raises:
        InvalidPropsError: See above.

    """
    absolute = code.absolute()
    if not code.exists():
        msg = (
            f"code must be a folder, got {str(code)!r}, which is not there ({absolute}); a relative path is "
            "relative to the folder that the app is run in: write Path(__file__).parent / ..."
        )
        raise InvalidPropsError(msg)
    if not code.is_dir() and not zipfile.is_zipfile(code):
        msg = (
            f"code must be a folder or a zip file, got {str(code)!r}, which is a file ({absolute}); "
            "give the folder that the handler's module is in"
        )
        raise InvalidPropsError(msg)
    files = _Files(code)
    for hiding in HIDES_RUNTIME:
        if hiding in files:
            msg = (
                f"code must not have {hiding}, got {str(code)!r} with it ({absolute / hiding}): it hides the "
                "package 'runtime' of the layer, and no function would start; rename it, or move the "
                "service's code into a folder of its own and give that"
            )
            raise InvalidPropsError(msg)
    module, package = files_of_handler(handler)
    if module not in files and package not in files:
        msg = (
            f"handler must be in code, got {handler!r} and neither {module} nor {package} in {str(code)!r} "
            f"({absolute}); give the folder that {module} is in, another handler or, where it is that of a "
            f"layer, code=lambda_.Code.from_asset({str(code)!r}), which is not looked into"
        )
        raise InvalidPropsError(msg)


def check_size(folder: Path, excluded: Sequence[str]) -> None:
    """Refuse more than Lambda unpacks.

    Raises:
        InvalidPropsError: What is in ``folder``, without what is ``excluded``, is too large.

    """
    size = sum(_sizes(folder, excluded))
    if size > MOST_UNPACKED_BYTES:
        msg = (
            f"code must have at most {MOST_UNPACKED_BYTES} bytes, layers included, got {size} in "
            f"{str(folder)!r} ({folder.absolute()}); leave data and packages out, which go into S3 and into "
            "dependencies"
        )
        raise InvalidPropsError(msg)


def hidden_modules(code: Path) -> list[str]:
    """Give what hides a module of Python's own library, such as ``queue.py``."""
    files = _Files(code)
    names = sorted(sys.stdlib_module_names - _UNUSED)
    return [name for module in names for name in (f"{module}.py", f"{module}/__init__.py") if name in files]


class _Files:
    """The files in a folder or a zip file, by their paths with slashes."""

    def __init__(self, code: Path) -> None:
        self._folder = code if code.is_dir() else None
        self._names: frozenset[str] = frozenset()
        if self._folder is None:
            with zipfile.ZipFile(code) as archive:
                self._names = frozenset(archive.namelist())

    def __contains__(self, name: str) -> bool:
        return name in self._names if self._folder is None else (self._folder / name).is_file()


def _sizes(folder: Path, excluded: Sequence[str]) -> Iterator[int]:
    """Sizes of the files that are deployed, as far as names tell."""
    patterns = [pattern.removeprefix("**/") for pattern in excluded]

    def deployed(place: str, names: list[str]) -> list[str]:
        """Of the names in a folder: as CDK matches them, by name or by the way there."""
        return [
            name
            for name in names
            if not any(fnmatch(name, pattern) or f"{place}{name}" == pattern for pattern in patterns)
        ]

    for root, folders, files in os.walk(folder):
        way = os.path.relpath(root, folder).replace(os.sep, "/")
        place = "" if way == "." else f"{way}/"
        folders[:] = deployed(place, folders)
        for name in deployed(place, files):
            yield os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118 - of some ten thousand
