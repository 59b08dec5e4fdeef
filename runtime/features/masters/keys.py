"""Keys of the masters' rows, and what a key says of its row.

Every row is in the partition ``MASTER#{tenant}``, what is common to all tenants in ``MASTER#common``:

| row | sort key |
|---|---|
| setting of a tenant, or common | ``MASTER_SETTING#{code}`` |
| setting of a group | ``MASTER_SETTING#GROUP#{group}#{code}``; a group may have ``#`` in it |
| setting of a user | ``MASTER_SETTING#USER#{user}#{code}`` |
| row of a code table | ``{setting code}#{code}`` |
| format of numbers | ``MASTER_DATA#{type code}`` |
| retention | ``TTL#{physical name of the table}`` |

Codes have no ``#``: so the last segment is the code, and no two rows have one key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import KEY_SEPARATOR, DetailKey, generate_id, join_key, lower_case_tenant

__all__ = [
    "MASTER",
    "RESERVED_CODES",
    "SETTING_PREFIX",
    "Level",
    "MasterKey",
    "RowKind",
    "check_code",
    "check_setting_code",
    "check_tenant_code",
    "data_key",
    "data_prefix",
    "format_key",
    "key_of_id",
    "master_pk",
    "parsed_key",
    "retention_key",
    "setting_key",
    "setting_sk",
]

MASTER: Final = "MASTER"
"""Type of all rows, and the first part of their partition keys."""
SETTING_PREFIX: Final = "MASTER_SETTING"
_DATA: Final = "MASTER_DATA"
_TTL: Final = "TTL"
_GROUP: Final = "GROUP"
_USER: Final = "USER"

RESERVED_CODES: Final = frozenset({SETTING_PREFIX, _DATA, "MASTER_COPY", _TTL, "SEQ"})
"""What no setting may be called: rows of other kinds begin with it."""

_SEGMENTS_OF_PK: Final = 2


class Level(StrEnum):
    """Where a setting is given, from what counts most to what counts least."""

    USER = "user"
    GROUP = "group"
    TENANT = "tenant"
    COMMON = "common"
    DEFAULT = "default"
    """By the code: there is no row."""


class RowKind(StrEnum):
    """What a row of the masters is."""

    SETTING = "setting"
    DATA = "data"
    FORMAT = "format"
    RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """What a key says of its row.

    Attributes:
        tenant_code: Tenant that the row belongs to.
        kind: What the row is.
        code: Code of the setting or of the row; type code of a format; physical name of a table.
        setting_code: Of a row of a code table: the code of its setting. Else empty.
        owner: The group or the user that a setting is for; else empty.
        level: ``user``, ``group`` or ``tenant``; a common row is told by its tenant.
    """

    tenant_code: str
    kind: RowKind
    code: str
    setting_code: str = ""
    owner: str = ""
    level: Level = Level.TENANT


def master_pk(tenant_code: str) -> str:
    """Partition key of a tenant's rows.

    Raises:
        InvalidInputError: It is no code of a tenant.
    """
    return f"{MASTER}{KEY_SEPARATOR}{check_tenant_code(tenant_code)}"


def check_tenant_code(tenant_code: object, field: str = "tenantCode") -> str:
    """A tenant's code in lower case.

    Raises:
        InvalidInputError: It cannot be a tenant's code.
    """
    return lower_case_tenant(check_code(tenant_code, field))


def check_code(code: object, field: str = "code") -> str:
    """A code that can be a segment of a key.

    Args:
        code: The code.
        field: What it is called in an error.

    Raises:
        InvalidInputError: It is no text, empty, or has in it what a segment must not have.
    """
    return _checked([code], field)


def check_setting_code(code: object, field: str = "code") -> str:
    """Code of a setting.

    Raises:
        InvalidInputError: It cannot be a segment of a key, or is reserved.
    """
    checked = check_code(code, field)
    if checked in RESERVED_CODES:
        message = f"must be none of {', '.join(sorted(RESERVED_CODES))}: they are reserved for other rows"
        raise InvalidInputError([FieldProblem(field, message)])
    return checked


def setting_key(
    tenant_code: str, code: str, *, group_id: str | None = None, user_id: str | None = None
) -> DetailKey:
    """Key of a setting: of a group or a user where one is given, else of the tenant.

    Raises:
        InvalidInputError: A code or an id cannot be part of a key, or the code is reserved.
    """
    checked = check_setting_code(code)
    if group_id is not None:
        checked_group = _checked(_split(group_id), "groupId")
        return DetailKey(master_pk(tenant_code), setting_sk(checked, Level.GROUP, checked_group))
    if user_id is not None:
        checked_user = _checked(_split(user_id), "userId")
        return DetailKey(master_pk(tenant_code), setting_sk(checked, Level.USER, checked_user))
    return DetailKey(master_pk(tenant_code), setting_sk(checked))


def setting_sk(code: str, level: Level = Level.TENANT, owner: str = "") -> str:
    """Sort key of a setting, for reading: of an owner that cannot have one there is just no row."""
    if level is Level.GROUP:
        return KEY_SEPARATOR.join((SETTING_PREFIX, _GROUP, owner, code))
    if level is Level.USER:
        return KEY_SEPARATOR.join((SETTING_PREFIX, _USER, owner, code))
    return KEY_SEPARATOR.join((SETTING_PREFIX, code))


def data_key(tenant_code: str, setting_code: str, code: str) -> DetailKey:
    """Key of a row of a code table.

    Raises:
        InvalidInputError: A code cannot be part of a key, or that of the setting is reserved.
    """
    return DetailKey(master_pk(tenant_code), data_prefix(setting_code) + check_code(code))


def data_prefix(setting_code: str) -> str:
    """What the sort keys of all rows of a code table begin with, its ``#`` at the end included.

    Raises:
        InvalidInputError: It is no code, or reserved.
    """
    return check_setting_code(setting_code, "settingCode") + KEY_SEPARATOR


def format_key(tenant_code: str, type_code: str) -> DetailKey:
    """Key of the format of numbers.

    Raises:
        InvalidInputError: A code cannot be part of a key.
    """
    return DetailKey(master_pk(tenant_code), f"{_DATA}{KEY_SEPARATOR}{check_code(type_code, 'typeCode')}")


def retention_key(tenant_code: str, table: str) -> DetailKey:
    """Key of the row that says how long rows of a table are kept.

    Raises:
        InvalidInputError: A part cannot be part of a key.
    """
    return DetailKey(master_pk(tenant_code), f"{_TTL}{KEY_SEPARATOR}{check_code(table, 'table')}")


def key_of_id(item_id: str) -> DetailKey:
    """The key in an id, ``MASTER#{tenant}#{sort key}``, with all segments of the sort key.

    >>> key_of_id("MASTER#acme#MASTER_SETTING#GROUP#tokyo#sales#theme").sk
    'MASTER_SETTING#GROUP#tokyo#sales#theme'

    Raises:
        InvalidInputError: It is no id of a master row.
    """
    segments = item_id.split(KEY_SEPARATOR, _SEGMENTS_OF_PK) if isinstance(item_id, str) else []
    if len(segments) <= _SEGMENTS_OF_PK or segments[0] != MASTER or not all(segments):
        raise InvalidInputError([FieldProblem("id", f"must be {MASTER}#{{tenant}}#{{sort key}}")])
    key = DetailKey(KEY_SEPARATOR.join(segments[:_SEGMENTS_OF_PK]), segments[_SEGMENTS_OF_PK])
    if generate_id(*key) != item_id:  # with a version at its end
        raise InvalidInputError([FieldProblem("id", "must have no version at its end")])
    return key


def parsed_key(pk: str, sk: str) -> MasterKey | None:
    """What a key says of its row; None where it is no key of a master row."""
    prefix, _, tenant = pk.partition(KEY_SEPARATOR)
    first, separator, rest = sk.partition(KEY_SEPARATOR)
    if prefix != MASTER or not tenant or KEY_SEPARATOR in tenant or not (first and separator and rest):
        return None
    if first == SETTING_PREFIX:
        return _parsed_setting(tenant, rest)
    if first == _TTL:
        return MasterKey(tenant, RowKind.RETENTION, rest)
    if first == _DATA:
        return MasterKey(tenant, RowKind.FORMAT, rest)
    return None if first in RESERVED_CODES else MasterKey(tenant, RowKind.DATA, rest, setting_code=first)


def _parsed_setting(tenant: str, rest: str) -> MasterKey | None:
    kind, separator, more = rest.partition(KEY_SEPARATOR)
    if not separator:  # also settings that are called GROUP or USER
        return MasterKey(tenant, RowKind.SETTING, rest)
    owner, separator, code = more.rpartition(KEY_SEPARATOR)
    level = {_GROUP: Level.GROUP, _USER: Level.USER}.get(kind)
    if level is None or not (owner and separator and code):
        return None
    return MasterKey(tenant, RowKind.SETTING, code, owner=owner, level=level)


def _split(value: Any) -> list[Any]:  # noqa: ANN401 - checked as a segment
    return [*value.split(KEY_SEPARATOR)] if isinstance(value, str) else [value]


def _checked(segments: list[Any], field: str) -> str:
    try:
        return join_key(*segments)
    except InvalidInputError as error:
        problems = [FieldProblem(field, problem.message) for problem in error.problems]
        raise InvalidInputError(problems) from error
