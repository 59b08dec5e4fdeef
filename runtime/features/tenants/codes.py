"""Codes of tenants, and what else their rows are named by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import KEY_SEPARATOR, DetailKey, lower_case_tenant

if TYPE_CHECKING:
    from runtime.settings import Settings

__all__ = [
    "SK",
    "TYPE",
    "checked_code",
    "checked_group",
    "checked_text",
    "common_code",
    "is_common",
    "is_reserved",
    "key_of",
]

TYPE: Final = "TENANT"
SK: Final = "MASTER"
"""Sort key of a tenant's row, and what its column ``code`` says."""

_COMMON: Final = "common"
#: What a channel of realtime notifications takes as well.
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
#: Control characters, what else ends a line, and halves of characters.
_NO_TEXT: Final = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MAX_TEXT: Final = 256
_RULE: Final = (
    "must begin with a letter or digit, and have at most 50 of the letters a to z, digits and '-'; upper "
    "case is taken as lower case"
)


def checked_code(code: object, field: str = "code") -> str:
    """A code in lower case: one tenant has one code, however it is written.

    Raises:
        InvalidInputError: It is none. Letters that look like others are not taken for them.
    """
    folded = lower_case_tenant(code) if isinstance(code, str) else ""
    if not _CODE.fullmatch(folded):
        raise InvalidInputError([FieldProblem(field, _RULE)])
    return folded


def is_common(code: str, settings: Settings) -> bool:
    """Whether a code is one of a common tenant of this deployment."""
    return code in map(lower_case_tenant, settings.common_tenant_codes)


def is_reserved(code: str, settings: Settings) -> bool:
    """Whether a code is one of a common tenant, here or wherever nothing else is said."""
    return code == _COMMON or is_common(code, settings)


def common_code(settings: Settings) -> str:
    """The code of the common tenant: the first one that the deployment names."""
    return next((lower_case_tenant(code) for code in settings.common_tenant_codes), _COMMON)


def key_of(code: str, sk: str = SK) -> DetailKey:
    """The key of a row."""
    return DetailKey(f"{TYPE}{KEY_SEPARATOR}{code}", sk)


def checked_text(value: object, field: str, *, most: int = _MAX_TEXT) -> str:
    """A text of one line.

    Raises:
        InvalidInputError: It is none, is empty, too long, or has control characters in it.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > most or _NO_TEXT.search(value):
        message = f"must be a text of 1 to {most} characters, without control characters and ends of lines"
        raise InvalidInputError([FieldProblem(field, message)])
    return value


def checked_group(value: object, field: str) -> str:
    """The id of a group, which may have several levels: ``tokyo#sales``.

    Raises:
        InvalidInputError: It is none, or one of its levels is empty or ends in a blank.
    """
    text = checked_text(value, field)
    if any(not level or level != level.strip() for level in text.split(KEY_SEPARATOR)):
        message = f"must have levels that are not empty, and no blanks around {KEY_SEPARATOR}"
        raise InvalidInputError([FieldProblem(field, message)])
    return text
