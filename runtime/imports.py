"""Loading what is named by an import path: ``"package.module:name"``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from runtime.errors import ConfigurationError

__all__ = ["check_import_path", "imported"]


def check_import_path(path: str, what: str) -> str:
    """Give the name in an import path, without importing anything.

    Args:
        path: The path.
        what: What it should lead to, for the error: "a data sync handler".

    Raises:
        ConfigurationError: It is not written ``"package.module:name"``.
    """
    module, _, name = path.partition(":")
    if not module or not name.isidentifier():
        msg = f'{what} is written "package.module:name", got {path!r}'
        raise ConfigurationError(msg)
    return name


def imported(path: str, what: str) -> Any:  # noqa: ANN401 - whatever the path leads to
    """Give what an import path leads to.

    Raises:
        ConfigurationError: The path is malformed, or its module has no such name.
        ImportError: The module is not there, or raises this itself.
    """
    name = check_import_path(path, what)
    module = import_module(path.partition(":")[0])
    if not hasattr(module, name):
        msg = f"{path} leads to nothing: {module.__name__} has no {name!r}; {what} is expected there"
        raise ConfigurationError(msg)
    return getattr(module, name)
