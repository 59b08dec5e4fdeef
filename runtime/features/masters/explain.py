"""What a setting comes to, and where each part of it is from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from pydantic import ValidationError

from runtime.errors import FieldProblem, ItemNotFoundError, SettingDoesNotFitError
from runtime.features.masters.keys import Level
from runtime.features.masters.resolve import SettingRow, merged_rows
from runtime.features.masters.setting import ModelT
from runtime.log import logger
from runtime.model.validation import field_problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.features.masters.setting import Setting

__all__ = ["Origin", "origin_of"]


@dataclass(frozen=True, slots=True)
class Origin(Generic[ModelT]):
    """What a setting comes to, and why.

    Attributes:
        value: The value; a dictionary where the setting is one that the code does not know.
        level: The level that counts first among those that the value is from.
        field_levels: The level that each field is from, by the field's name.
        field_ids: Id of the row that each field is from; a field of the default has none.
        rows: All live rows that there are, from what counts most to what counts least.
        problems: Why what is stored does not fit: then the value is the default.
    """

    value: ModelT
    level: Level
    field_levels: Mapping[str, Level]
    field_ids: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[SettingRow, ...] = ()
    problems: tuple[FieldProblem, ...] = ()


def origin_of(
    setting: Setting[ModelT], rows: Sequence[SettingRow], *, strict: bool = False
) -> Origin[ModelT]:
    """What a setting comes to of its live rows.

    Args:
        setting: The setting.
        rows: Its rows, from what counts most to what counts least.
        strict: Whether what does not fit the model is an error.

    Raises:
        ItemNotFoundError: There is nothing to take: no row that fits, and no default.
        SettingDoesNotFitError: What is stored does not fit, and ``strict``, or there is no default.
    """
    spelled = [SettingRow(row.level, row.owner, row.id, setting.spelled(row.values)) for row in rows]
    default = SettingRow(Level.DEFAULT, "", "", setting.default_values)
    counting = [*spelled, default] if setting.merge else [*spelled[:1]] or [default]
    values, origins = merged_rows(counting)
    if not rows:
        return _of_default(setting, rows)
    try:
        value = setting.read(values)
    except ValidationError as error:
        problems = tuple(field_problems(error))
        if strict or setting.default is None:
            raise SettingDoesNotFitError(setting.code, problems) from error
        shown = [f"{problem.field}: {problem.message}" for problem in problems]
        logger.warning(
            "setting does not fit its model: its default is taken", setting=setting.code, problems=shown
        )
        return _of_default(setting, rows, problems)
    fields = type(value).model_fields
    # A field that the first level that counts has not is made by the model, as in the default.
    named = {setting.name_of(name): row for name, row in origins.items()}
    levels = {name: named[name].level if name in named else Level.DEFAULT for name in {**fields, **named}}
    counts = [row for row in counting if row in named.values()] or counting
    return Origin(value, counts[0].level, levels, _ids(named), tuple(rows))


def _of_default(
    setting: Setting[ModelT], rows: Sequence[SettingRow], problems: tuple[FieldProblem, ...] = ()
) -> Origin[ModelT]:
    if setting.default is None:
        msg = f"setting {setting.code!r} is given nowhere"
        raise ItemNotFoundError(msg)
    levels = dict.fromkeys(type(setting.default).model_fields, Level.DEFAULT)
    # A copy: whoever changes what they were given changes nobody else's default.
    return Origin(setting.default.model_copy(deep=True), Level.DEFAULT, levels, {}, tuple(rows), problems)


def _ids(named: Mapping[str, SettingRow]) -> dict[str, Any]:
    return {name: row.id for name, row in named.items() if row.id}
