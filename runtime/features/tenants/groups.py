"""The groups of a tenant's roles, and the order in which settings are looked up in them.

``attributes.setting`` has one entry for each role: ``groups`` in the order in which they came, and
``setting_groups`` in the order of the look-up. They are two lists, and stay two: what sorts one leaves
the other as it is. Nothing here changes what it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import KEY_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["RoleGroups", "customised", "roles_of", "with_group", "without_group"]

Mode = Literal["auto", "customized"]

_ROLE: Final = "tenantRole"
_GROUPS: Final = "groups"
_ORDER: Final = "setting_groups"
_MODE: Final = "setting_groups_mode"
_AUTO: Final = "auto"
_CUSTOMIZED: Final = "customized"


@dataclass(frozen=True, slots=True)
class RoleGroups:
    """A role of a tenant.

    Attributes:
        role: Its name.
        groups: Ids of its groups, in the order in which they came.
        setting_groups: The order in which settings are looked up in them.
        mode: ``auto``, or ``customized`` where somebody has said the order.
    """

    role: str
    groups: tuple[str, ...]
    setting_groups: tuple[str, ...]
    mode: Mode


def roles_of(setting: object) -> tuple[RoleGroups, ...]:
    """The roles that ``attributes.setting`` tells of; what makes no sense in it is none."""
    return tuple(
        RoleGroups(
            role=entry[_ROLE],
            groups=tuple(_texts(entry.get(_GROUPS))),
            setting_groups=tuple(_texts(entry.get(_ORDER))),
            mode=_CUSTOMIZED if _is_customised(entry) else _AUTO,
        )
        for entry in _entries(setting)
        if _is_of_a_role(entry)
    )


def with_group(setting: object, role: str, group: str) -> list[Any] | None:
    """``setting`` with one more group of a role; None where it has it."""
    entries = _entries(setting)
    place = _place_of(entries, role)
    if place is None:
        return [*entries, {_ROLE: role, _GROUPS: [group], _ORDER: [group], _MODE: _AUTO}]
    entry = entries[place]
    groups = _texts(entry.get(_GROUPS))
    if group in groups:
        return None
    order = _texts(entry.get(_ORDER))
    if group not in order:
        order.append(group)
    return _with(entries, place, _next(entry, [*groups, group], order))


def without_group(setting: object, role: str, group: str) -> list[Any] | None:
    """``setting`` without a group of a role, and without the role where that was its last one.

    None where it does not have it.
    """
    entries = _entries(setting)
    place = _place_of(entries, role)
    if place is None:
        return None
    entry = entries[place]
    groups, order = (_texts(entry.get(name)) for name in (_GROUPS, _ORDER))
    if group not in groups:
        return None
    rest = [one for one in groups if one != group]
    if not rest:
        return [*entries[:place], *entries[place + 1 :]]
    return _with(entries, place, _next(entry, rest, [one for one in order if one != group]))


def customised(setting: object, role: str, order: Sequence[str] | None) -> list[Any]:
    """``setting`` with another order of a role's groups; None is the automatic one.

    Groups that the order leaves out stay the role's, and no settings are looked up in them.

    Raises:
        InvalidInputError: There is no such role, or a group is none of it, or there twice.
    """
    entries = _entries(setting)
    place = _place_of(entries, role)
    if place is None:
        raise InvalidInputError([FieldProblem("role", "has no groups in this tenant; add one first")])
    entry = entries[place]
    groups = _texts(entry.get(_GROUPS))
    if order is None:
        return _with(entries, place, {**entry, _ORDER: _sorted(groups), _MODE: _AUTO})
    problems = [
        FieldProblem(f"setting_groups.{number}", message)
        for number, group in enumerate(order)
        if (message := _why_not(group, groups, order[:number])) is not None
    ]
    if problems:
        raise InvalidInputError(problems)
    return _with(entries, place, {**entry, _ORDER: list(order), _MODE: _CUSTOMIZED})


def _why_not(group: str, groups: Sequence[str], before: Sequence[str]) -> str | None:
    if group not in groups:
        return "is no group of this role; add it first"
    return "is there twice" if group in before else None


def _next(entry: dict[str, Any], groups: list[str], order: list[str]) -> dict[str, Any]:
    """The entry with other groups; their order is by hand where it was."""
    is_by_hand = _is_customised(entry)
    mode = _CUSTOMIZED if is_by_hand else _AUTO
    return {**entry, _GROUPS: groups, _ORDER: order if is_by_hand else _sorted(groups), _MODE: mode}


def _sorted(groups: Iterable[str]) -> list[str]:
    """The automatic order: what has more levels first, then by text."""
    return sorted(groups, key=lambda group: (-group.count(KEY_SEPARATOR), group))


def _with(entries: list[Any], place: int, entry: dict[str, Any]) -> list[Any]:
    return [*entries[:place], entry, *entries[place + 1 :]]


def _entries(setting: object) -> list[Any]:
    return list(setting) if isinstance(setting, list | tuple) else []


def _place_of(entries: Sequence[Any], role: str) -> int | None:
    found = (number for number, one in enumerate(entries) if _is_of_a_role(one) and one[_ROLE] == role)
    return next(found, None)


def _is_of_a_role(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get(_ROLE), str)


def _is_customised(entry: dict[str, Any]) -> bool:
    return entry.get(_MODE) == _CUSTOMIZED


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []
