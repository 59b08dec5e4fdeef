"""Partition keys, sort keys, ids and the version suffix.

A command or history row has the sort key ``base@N``; a data row has ``base``. The
suffix is an `@` followed by digits at the very end, and nothing else: ``USER#a@x.com``
has none. ``id`` is ``pk#base``, and a tenant is the last `#` segment of ``pk``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from runtime.errors import FieldProblem, InvalidInputError

__all__ = [
    "KEY_SEPARATOR",
    "MAX_ROW_SK_BYTES",
    "MAX_VERSION",
    "VERSION_FIRST",
    "VERSION_LATEST",
    "VER_SEPARATOR",
    "DetailKey",
    "add_sort_key_version",
    "check_natural_key",
    "check_new_key",
    "generate_id",
    "get_sort_key_version",
    "get_tenant_code",
    "join_key",
    "lower_case_tenant",
    "remove_sort_key_version",
    "sort_key_base_from_id",
]

KEY_SEPARATOR: Final = "#"
VER_SEPARATOR: Final = "@"
VERSION_FIRST: Final = 0
"""Version to publish with when the aggregate must not exist yet."""
VERSION_LATEST: Final = -1
"""Version to publish with to build on whatever is the latest."""

MAX_VERSION: Final = 9_999_999_999
"""Versions end here: their suffix has to fit into a sort key."""

_SUFFIX: Final = re.compile(r"@([0-9]+)\Z")
_WRONG_IN_A_SEGMENT: Final = (
    (re.compile(r"\A\Z"), "must not be empty"),
    (re.compile("#"), "must have no # in it: that is where the next segment begins"),
    (re.compile(r"[\0-\x1f\x7f-\x9f]"), "must have no control characters in it"),
    (_SUFFIX, "must not end in @ and digits; that is where the version goes"),
    (re.compile("[\ud800-\udfff]"), "must be valid Unicode text, got a lone surrogate"),
)
_LETTERS: Final = re.compile("[^\u212a\u212b\u2126\u03f4]+")
_MAX_PK_BYTES: Final = 2048
MAX_ROW_SK_BYTES: Final = 1024
"""What DynamoDB takes as a sort key."""

# What earlier releases accepted: only a version suffix had to fit behind it.
_MAX_SK_BYTES: Final = MAX_ROW_SK_BYTES - len(f"@{MAX_VERSION}")
# Every row that is derived from an aggregate has to fit: `{handler}#{sk}`, `{sk}@{version}`
# and `{sk}@publish#{32 hexadecimal digits}`. Names of handlers have at most 100 bytes.
_MAX_NEW_SK_BYTES: Final = 900


class DetailKey(NamedTuple):
    """Key of one row."""

    pk: str
    sk: str


def add_sort_key_version(sk: str, version: int) -> str:
    """``sk`` with the suffix of ``version``, in place of one that it may have.

    >>> add_sort_key_version("A1@1", 2)
    'A1@2'
    """
    return f"{remove_sort_key_version(sk)}{VER_SEPARATOR}{version}"


def get_sort_key_version(sk: str) -> int:
    """Version in the suffix of ``sk``, or `VERSION_LATEST` when it has none.

    >>> get_sort_key_version("A1@12"), get_sort_key_version("USER#a@x.com")
    (12, -1)
    """
    match = _SUFFIX.search(sk)
    return int(match[1]) if match else VERSION_LATEST


def remove_sort_key_version(sk: str) -> str:
    """``sk`` without its version suffix.

    >>> remove_sort_key_version("USER#a@x.com@3")
    'USER#a@x.com'
    """
    return _SUFFIX.sub("", sk)


def generate_id(pk: str, sk: str) -> str:
    """Id of an aggregate: ``pk#sk`` without a version.

    >>> generate_id("TODO#acme", "A1@3")
    'TODO#acme#A1'
    """
    return f"{pk}{KEY_SEPARATOR}{remove_sort_key_version(sk)}"


def join_key(*segments: str) -> str:
    """A part of a key: segments with a ``#`` between, none of which can be taken for two, or for a version.

    Of other segments another key is made. So it is one for what users give: codes, groups, and the like.

    >>> join_key("PRICE", "tokyo", "2026")
    'PRICE#tokyo#2026'

    Raises:
        InvalidInputError: A segment is no text, is empty or blank at an end, has ``#`` or a control
            character in it, or ends in ``@`` and digits. The message names it by its number, from 0.
    """
    problems = [
        FieldProblem(f"segments.{number}", message)
        for number, segment in enumerate(segments)
        if (message := _segment_problem(segment)) is not None
    ]
    if not segments:
        problems.append(FieldProblem("segments", "must be one at least"))
    if problems:
        raise InvalidInputError(problems)
    return KEY_SEPARATOR.join(segments)


def sort_key_base_from_id(pk: str, item_id: str) -> str | None:
    """The sort key in an id of `generate_id`, or None when the id is not one of ``pk``.

    >>> sort_key_base_from_id("TODO#acme", "TODO#acme#A#1")
    'A#1'
    """
    prefix = pk + KEY_SEPARATOR
    return item_id[len(prefix) :] if item_id.startswith(prefix) else None


def get_tenant_code(pk: str) -> str | None:
    """Tenant that a partition key belongs to: its last `#` segment, or None without one.

    An empty segment is none: it must not be the tenant of those who have no tenant.

    >>> get_tenant_code("TODO#acme")
    'acme'
    """
    _, separator, tenant = pk.rpartition(KEY_SEPARATOR)
    return (tenant or None) if separator else None


def lower_case_tenant(tenant: str) -> str:
    """A tenant as it is compared: in lower case.

    The kelvin, angstrom and ohm signs and the capital theta symbol stay: their lower case is
    that of other letters, so a tenant with one of them in its name would become another tenant.

    >>> lower_case_tenant("Acme")
    'acme'
    """
    if tenant.isascii():
        return tenant.lower()
    return _LETTERS.sub(lambda part: part[0].lower(), tenant)


def check_natural_key(pk: str, sk: str) -> None:
    """Refuse a key that cannot be that of an aggregate.

    Raises:
        InvalidInputError: A part is empty or too long, or ``sk`` ends in what would be
            read as a version suffix.
    """
    _check_key(pk, sk, _MAX_SK_BYTES)


def check_new_key(pk: str, sk: str) -> None:
    """Refuse a key that a new aggregate must not have.

    Beside what `check_natural_key` refuses, that is a sort key so long that the rows which the
    library derives from it would not fit into DynamoDB. Earlier releases accepted such keys:
    their aggregates can still be read, changed, repaired and erased.

    Raises:
        InvalidInputError: The key cannot be that of a new aggregate; the message names the part.
    """
    _check_key(pk, sk, _MAX_NEW_SK_BYTES)


def _check_key(pk: str, sk: str, max_sk_bytes: int) -> None:
    if pk.isascii() and sk.isascii():  # most keys: a character is a byte
        are_short = 0 < len(pk) <= _MAX_PK_BYTES and 0 < len(sk) <= max_sk_bytes
        if are_short and (VER_SEPARATOR not in sk or not _SUFFIX.search(sk)):
            return
    problems = [*_length_problems("pk", pk, _MAX_PK_BYTES), *_length_problems("sk", sk, max_sk_bytes)]
    if _SUFFIX.search(sk):
        problems.append(
            FieldProblem(
                "sk",
                "must not end in @ and digits; that is where the version goes: "
                "leave it out, or choose another natural key",
            )
        )
    if problems:
        raise InvalidInputError(problems)


def _segment_problem(segment: object) -> str | None:
    """Why a value cannot be a segment of a key; None where it can."""
    if not isinstance(segment, str):
        return f"must be text, got {type(segment).__name__}"
    if segment != segment.strip():
        return "must not begin or end with white space"
    for wrong, message in _WRONG_IN_A_SEGMENT:
        if wrong.search(segment):
            return message
    return None


def _length_problems(field: str, value: str, limit: int) -> list[FieldProblem]:
    if not value:
        return [FieldProblem(field, "must not be empty")]
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return [FieldProblem(field, "must be valid Unicode text, got a lone surrogate")]
    return [FieldProblem(field, f"must be at most {limit} bytes, got {size}")] if size > limit else []
