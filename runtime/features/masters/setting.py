"""A setting that the service's code knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from runtime.commands.change import merged, spelled
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.features.masters.keys import check_setting_code
from runtime.model.attributes_type import attributes_type
from runtime.model.validation import field_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ModelT", "Setting"]

ModelT = TypeVar("ModelT", bound=BaseModel)


class Setting(Generic[ModelT]):
    """A setting: its code, the type of its value, and the value where nothing is stored.

    Example:
        >>> class Theme(CqrsModel):
        ...     rows: int = 20
        >>> theme = Setting("theme", Theme, default=Theme(), merge=True, user_writable=True)

    Args:
        code: Its code: text without ``#`` that is not reserved.
        model: Pydantic model of the value.
        default: The value where nothing is stored, and where what is stored does not fit the model.
            Default: the model without arguments, or where it takes some, none: then `get_setting` raises
            `ItemNotFoundError`.
        merge: Merge the fields of all levels: of each field, the first level that has it wins. Default: the
            first level that has the setting wins as a whole.
        user_writable: Let users write it for themselves, to any value that fits the model. Default: on the
            level of users, too, it takes a role of masters.

    Raises:
        ConfigurationError: An argument cannot be what it is for.
    """

    def __init__(
        self,
        code: str,
        model: type[ModelT],
        *,
        default: ModelT | None = None,
        merge: bool = False,
        user_writable: bool = False,
    ) -> None:
        try:
            self.code = check_setting_code(code)
        except InvalidInputError as error:
            msg = f"the code of a setting {error.problems[0].message}, got {code!r}"
            raise ConfigurationError(msg) from error
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            msg = f"the model of setting {code!r} must be a class of pydantic's BaseModel, got {model!r}"
            raise ConfigurationError(msg)
        if default is not None and not isinstance(default, model):
            msg = f"the default of setting {code!r} must be a {model.__name__}, got {default!r}"
            raise ConfigurationError(msg)
        self.model = model
        self.default = _made(model) if default is None else default
        self.merge = merge
        self.user_writable = user_writable
        self._stored_names = {
            name: field.serialization_alias or field.alias or name
            for name, field in model.model_fields.items()
        }
        self._names = {stored: name for name, stored in self._stored_names.items()}

    def __repr__(self) -> str:
        return f"Setting({self.code!r}, {self.model.__name__})"

    @property
    def default_values(self) -> dict[str, Any]:
        """What would be stored of the default; empty without one."""
        return {} if self.default is None else self.default.model_dump(mode="json", by_alias=True)

    def name_of(self, stored: str) -> str:
        """What the code calls a field that is stored under this name."""
        return self._names.get(stored, stored)

    def spelled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values under the names that they are stored with."""
        return {self._stored_names.get(name, name): value for name, value in values.items()}

    def read(self, values: Mapping[str, Any]) -> ModelT:
        """The value of what is stored.

        Raises:
            ValidationError: It does not fit the model.
        """
        return self.model.model_validate(dict(values))

    def stored(self, value: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        """What is stored of a value. Where levels are merged: the fields that it gives, and no others.

        Raises:
            InvalidInputError: The value does not fit the model, or has a field that the model has not.
        """
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json", by_alias=True, exclude_unset=self.merge, round_trip=True)
        return self.changed({}, value)

    def changed(self, stored: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
        """What is stored after a change; what it does not name stays.

        Args:
            stored: What is stored.
            change: Fields to set, merged key by key; `REMOVE` takes one away. At any depth, a field may have
                the name that the code gives it, or that it is stored under.

        Raises:
            InvalidInputError: What it comes to does not fit the model, or it names a field that the model has
                not.
        """
        try:
            found = spelled(attributes_type(self.model).shape, dict(change), dict(stored))
        except InvalidInputError as error:
            problems = [
                FieldProblem("settingValue" + problem.field.removeprefix("attributes"), problem.message)
                for problem in error.problems
            ]
            raise InvalidInputError(problems) from error
        given = self.spelled(merged(found.base, found.change))
        try:
            made = self.read({**self.default_values, **given} if self.merge else given)
        except ValidationError as error:
            raise InvalidInputError(field_problems(error, prefix="settingValue.")) from error
        whole = made.model_dump(mode="json", by_alias=True, round_trip=True)
        return {name: one for name, one in whole.items() if name in given} if self.merge else whole


def _made(model: type[ModelT]) -> ModelT | None:
    try:
        return model()
    except ValidationError:
        return None
