"""Who has made a commit, and why, as columns of its row.

Each append has the same few of them, and whoever reads the commit pays for every byte. So the names are
short, and a UUID, as Cognito makes them for users and API Gateway for requests, is the 16 bytes that it is
instead of 36 characters. Any other text is stored as it stands, also a UUID that is spelled another way: what
is read is what was written, to the letter.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from runtime.event_store.commits.commit_json import metadata_json
from runtime.store.codec import opened_bytes, sealed, sealed_bytes

if TYPE_CHECKING:
    from runtime.event_store.commits.commit import Commit
    from runtime.store.values import Row, Value

__all__ = ["CONTEXT_COLUMNS", "context_columns", "metadata_in", "user_in"]

_BY: Final = "by"
_OTHERS: Final = "meta"
_COLUMNS: Final = {"correlation": "corr", "causation": "cause", "source": "src", "command": "cmd"}
_NAMES: Final = {column: name for name, column in _COLUMNS.items()}
CONTEXT_COLUMNS: Final = (_BY, *_COLUMNS.values(), _OTHERS)
"""All columns that tell of somebody, or of what somebody has asked for."""

_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_UUID_LENGTH: Final = 36
_UUID_BYTES: Final = 16


def context_columns(commit: Commit) -> Row:
    """The columns of a commit's user and metadata.

    Raises:
        InvalidInputError: A text is no Unicode.
    """
    row: Row = {} if commit.user_id is None else {_BY: _user_value(commit.user_id)}
    others = {}
    for name, text in commit.metadata.items():
        if name in _COLUMNS:
            row[_COLUMNS[name]] = _value(text, "metadata")
        else:
            others[name] = text
    if others:
        row[_OTHERS] = metadata_json(others)
    return row


def user_in(row: Row) -> str | None:
    """Who has made the commit in a row; None where that is not known.

    Raises:
        TypeError: It is no text and no UUID.
    """
    by = row.get(_BY)
    return by if by is None or type(by) is str else _user_of(_uuid_bytes(by))


def metadata_in(row: Row) -> dict[str, str]:
    """`Commit.metadata` of the commit in a row.

    Raises:
        TypeError: They are no texts by names.
        ValueError: They are no JSON.
    """
    found: dict[str, str] = {}
    for column in row:
        if column in _NAMES:
            value = row[column]
            found[_NAMES[column]] = value if type(value) is str else _spelled(_uuid_bytes(value))
    return found | _texts(row[_OTHERS]) if _OTHERS in row else found


def _value(text: str, field: str) -> Value:
    if len(text) == _UUID_LENGTH and _UUID(text):
        return sealed_bytes(bytes.fromhex(text.replace("-", "")))
    return text if text.isascii() else sealed(text, path=field)


@lru_cache(maxsize=1000)  # whoever makes one commit makes several
def _user_value(user_id: str) -> Value:
    return _value(user_id, "user_id")


def _uuid_bytes(value: Value) -> bytes:
    content = opened_bytes(value)
    if content is None or len(content) != _UUID_BYTES:
        msg = "a user or an id is no text and no UUID"
        raise TypeError(msg)
    return content


def _spelled(content: bytes) -> str:
    digits = content.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_user_of: Final = lru_cache(maxsize=1000)(_spelled)


def _texts(text: Any) -> dict[str, str]:  # noqa: ANN401 - whatever stands there
    found = from_json(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        msg = "its metadata are no texts by names"
        raise TypeError(msg)
    return found
