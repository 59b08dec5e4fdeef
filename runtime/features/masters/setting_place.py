"""Which row a caller means by a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from runtime.errors import FieldProblem, InvalidInputError
from runtime.features.masters.keys import (
    Level,
    RowKind,
    check_setting_code,
    key_of_id,
    master_pk,
    parsed_key,
    setting_key,
)
from runtime.features.masters.setting import Setting
from runtime.model.keys import KEY_SEPARATOR, DetailKey

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from runtime.features.masters.access import MasterAccess
    from runtime.features.masters.keys import MasterKey
    from runtime.identity.context import InvokeContext

    AnySetting = Setting[Any] | tuple[str, str] | str

__all__ = ["Located", "SettingPlace", "located"]

_STORED_LEVELS: Final = (Level.USER, Level.GROUP, Level.TENANT, Level.COMMON)


class SettingPlace(TypedDict, total=False):
    """Where a setting is given.

    Attributes:
        level: Its level. Default: the tenant's.
        group_id: The group, on that level.
        user_id: The user, on that level.
        tenant_code: The tenant. Default: that of the request.
    """

    level: Level
    group_id: str | None
    user_id: str | None
    tenant_code: str | None


class Located(NamedTuple):
    """The row of a setting.

    Attributes:
        key: Its key.
        said: What the key says.
    """

    key: DetailKey
    said: MasterKey


def located(
    access: MasterAccess,
    setting: AnySetting,
    invoke_context: InvokeContext | None,
    *,
    write: bool = True,
    **place: Unpack[SettingPlace],
) -> Located:
    """The row that a caller means.

    Args:
        access: Knows the tenant of a request.
        setting: The setting, or its code; or id or key of its row, which say where it is given.
        invoke_context: Who asks.
        write: Whether it is to be written.
        **place: Where it is given, unless that is said already.

    Raises:
        InvalidInputError: It is none; or where it is given is said twice, or makes no sense.
        ForbiddenError: The request names a tenant that is not the caller's.
    """
    if isinstance(setting, Setting):
        return _of_key(_key(access, setting.code, invoke_context, write, **place))
    if isinstance(setting, tuple) or (isinstance(setting, str) and KEY_SEPARATOR in setting):
        if place:
            message = "is said by the key of the row; leave it out"
            raise InvalidInputError([FieldProblem(name, message) for name in place])
        return _of_key(key_of_id(setting) if isinstance(setting, str) else DetailKey(*setting))
    return _of_key(_key(access, setting, invoke_context, write, **place))


def _key(  # noqa: PLR0917 - named by whoever calls a public method
    access: MasterAccess,
    code: str,
    invoke_context: InvokeContext | None,
    write: bool,  # noqa: FBT001 - as above
    level: Level = Level.TENANT,
    group_id: str | None = None,
    user_id: str | None = None,
    tenant_code: str | None = None,
) -> DetailKey:
    check_setting_code(code)
    wrong = {"groupId": (group_id, Level.GROUP), "userId": (user_id, Level.USER)}
    problems = [
        FieldProblem(field, f"must be given on level {needed}, and on no other; the level is {level}")
        for field, (given, needed) in wrong.items()
        if (given is not None) != (level == needed)
    ]
    if level not in _STORED_LEVELS:
        problems = [
            FieldProblem("level", f"must be one of {', '.join(_STORED_LEVELS)}, got {level!r:.60}"),
            *problems,
        ]
    if problems:
        raise InvalidInputError(problems)
    if level == Level.COMMON:
        return setting_key(access.common_tenant, code)
    tenant = access.tenant(tenant_code, invoke_context, write=write)
    return setting_key(tenant, code, group_id=group_id, user_id=user_id)


def _of_key(key: DetailKey) -> Located:
    said = parsed_key(*key)
    if said is None or said.kind is not RowKind.SETTING:
        raise InvalidInputError([FieldProblem("key", "must be that of a setting")])
    if master_pk(said.tenant_code) != key.pk:
        raise InvalidInputError([FieldProblem("key", "must have the code of the tenant in lower case")])
    return Located(key, said)
