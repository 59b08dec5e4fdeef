"""Types that are text wherever they are written, in a row as in JSON."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath
from typing import Any, Final

__all__ = ["has_plain_text", "key_text", "plain_text"]

#: Modules whose values are text. By name: importing them all would cost every cold start.
_MODULES: Final = frozenset(
    {"ipaddress", "pathlib", "pydantic.networks", "pydantic_core._pydantic_core", "re", "zoneinfo"}
)
_OF_ZONES: Final = frozenset({"zoneinfo"})


def has_plain_text(value: object) -> bool:
    """Whether a value is of a type with one obvious text: a duration, a URL, an IP address, a path."""
    if isinstance(value, timedelta | complex):
        return True
    return _is_from(value, _MODULES)


def plain_text(value: Any) -> Any:  # noqa: ANN401 - any value
    """The text of a value that has one; of any other one what pydantic would write in JSON.

    Raises:
        ValueError: Pydantic does not know either.
    """
    if isinstance(value, PurePath) or _is_from(value, _OF_ZONES):
        return str(value)
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - 4 MB that most functions never need

    return to_jsonable_python(value, by_alias=True, round_trip=True)


def key_text(key: Any) -> str:  # noqa: ANN401 - any key
    """The text of a key of a mapping.

    Raises:
        ValueError: It has none.
    """
    if isinstance(key, str) and type(key) is str:
        return key
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - as above

    (text,) = to_jsonable_python({key: None})
    return str(text)


def _is_from(value: object, modules: frozenset[str]) -> bool:
    """Whether the type of a value, or one that it is made of, is of one of these modules."""
    return any(base.__module__ in modules for base in type(value).__mro__)
