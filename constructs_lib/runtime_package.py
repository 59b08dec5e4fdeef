"""The package `runtime` has a name that others like, too."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

__all__ = ["check_runtime_package"]


def check_runtime_package() -> None:
    """Explain why imports would fail, where something else is called ``runtime``.

    Raises:
        ImportError: A module or package of the user's, or of another distribution, is found first.

    """
    found = find_spec("runtime")
    origin = found.origin if found else None
    if origin is not None and not Path(origin).with_name("contract.py").is_file():
        msg = (
            f"{origin} hides the package 'runtime', which belongs to constructs_lib; rename it, or move it "
            "out of the folder that the app is run in"
        )
        raise ImportError(msg)
