"""Which sort keys and ids a path leads to, on whatever way the request comes."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

__all__ = ["decoded_path", "why_unreachable", "why_unreachable_id"]

# What follows the prefix in the paths of other routes.
_TAKEN: Final = re.compile(r"(bulk|search|resync)|(.*/)?history(/[^/]*)?", re.DOTALL)
# What clients, and servers on the way, take out of a path, escaped or not (RFC 3986, 5.2.4).
_DOTS: Final = re.compile(r"(.*/)?\.\.?(/.*)?", re.DOTALL)
# An HTTP API decodes a path twice: `%3F` ends it, so that another item is asked for, and `%25` is
# refused, or becomes part of an escape.
_MISREAD: Final = re.compile("[?%]")
# What bytes that are no UTF-8 become when a path is decoded: whatever they were, they would name one item.
_NO_TEXT: Final = re.compile("\ufffd")
# What no sort key needs, and gateways, proxies and logs treat in ways of their own.
_CONTROL: Final = re.compile(r"[\0-\x1f\x7f-\x9f]")

_REASONS: Final = {
    _TAKEN: "must not be a word that is part of the API's paths: bulk, search, resync, history",
    _DOTS: "must not be . or .., nor have such a part between slashes: clients take it out of a path; "
    "give it another character",
    _MISREAD: "must not have a ? or a % in it: an HTTP API misreads them in paths, escaped or not; "
    "choose another character",
    _CONTROL: "must not have control characters in it",
    _NO_TEXT: "must be UTF-8, and not have the character U+FFFD, which stands for what is not",
}


def why_unreachable(sk: str) -> str | None:
    """Why a client who escapes ``sk`` in a path may reach another item, or none; None if they reach it."""
    if _TAKEN.fullmatch(sk):
        return _REASONS[_TAKEN]
    return why_unreachable_id(sk)


def why_unreachable_id(part: str) -> str | None:
    """The same of an id, behind which the words of the API's paths stand."""
    if _DOTS.fullmatch(part):
        return _REASONS[_DOTS]
    return next(
        (_REASONS[pattern] for pattern in (_MISREAD, _CONTROL, _NO_TEXT) if pattern.search(part)), None
    )


def decoded_path(path: str) -> str:
    """The path that a client means, however much of it has been decoded on the way.

    An HTTP API has decoded it twice, the URL of a function not at all. So that what is escaped twice
    means the same to both, it is decoded twice here; where nothing is left to decode, it stays.
    """
    return unquote(unquote(path))
