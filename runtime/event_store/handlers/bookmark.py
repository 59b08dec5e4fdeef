"""What a handler's progress is kept under: a name, or nothing that outlives the handler."""

from __future__ import annotations

import re
from typing import Final

from runtime.errors import ConfigurationError

__all__ = ["MEMORY_BOOKMARK", "MemoryBookmark", "checked_name"]

MEMORY_BOOKMARK: Final = "@@MemoryBookmark"
"""What a handler with a `MemoryBookmark` is called in logs and in `Provider.on_error`."""

#: `#` and `@` divide the keys of rows, `/` and `:` paths and ids of commands.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\- ]{0,98}[A-Za-z0-9_.\-]|[A-Za-z0-9_]")


class MemoryBookmark:
    """Progress that lives as long as the handler: in each process it begins anew.

    Example:
        >>> tail = domain.create_handler(MemoryBookmark(), [post], always_tail_stream=True)
    """

    __slots__ = ()


def checked_name(name: object) -> str:
    """A handler's name, if it can be one.

    Raises:
        ConfigurationError: It cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        msg = (
            "a handler's bookmark must be a MemoryBookmark, or a name of at most 100 letters, digits, "
            f'spaces, "_", "-" and ".", such as "posts-model", got {name!r}'
        )
        raise ConfigurationError(msg)
    return name
