"""A setting that the service's code knows."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from runtime.errors import ConfigurationError, InvalidInputError
from runtime.features.masters.keys import check_setting_code
from runtime.model.validation import field_problems

__all__ = ["Setting"]

ModelT = TypeVar("ModelT", bound=BaseModel)


class Setting(Generic[ModelT]):
    """A setting: its code, the type of its value, and the value where nothing is stored.

    Example:
        >>> class Theme(CqrsModel):
        ...     rows: int = 20
        >>> theme = Setting("theme", Theme, default=Theme(), merge=True)

    Args:
        code: Its code: text without ``#`` that is not reserved.
        model: Pydantic model of the value.
        default: The value where nothing is stored, and where what is stored does not fit the model.
            Default: the model without arguments, or where it takes some, none: then `get_setting` raises
            `ItemNotFoundError`.
        merge: Merge the fields of all levels, the first level that has a field wins. Default: the first
            level that has the setting wins as a whole.

    Raises:
        ConfigurationError: An argument cannot be what it is for.
    """

    def __init__(
        self, code: str, model: type[ModelT], *, default: ModelT | None = None, merge: bool = False
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

    def __repr__(self) -> str:
        return f"Setting({self.code!r}, {self.model.__name__})"

    def stored(self, value: ModelT | BaseModel | dict[str, Any]) -> dict[str, Any]:
        """What is stored of a value: the fields that were given, and no others.

        A field that was not given is left to the levels below.

        Raises:
            InvalidInputError: The value does not fit the model.
        """
        try:
            made = value if isinstance(value, self.model) else self.model.model_validate(value)
        except ValidationError as error:
            raise InvalidInputError(field_problems(error, prefix="settingValue.")) from error
        return made.model_dump(mode="json", by_alias=True, exclude_unset=self.merge)

    def read(self, values: dict[str, Any]) -> ModelT:
        """The value of what is stored.

        Raises:
            ValidationError: It does not fit the model.
        """
        return self.model.model_validate(values)


def _made(model: type[ModelT]) -> ModelT | None:
    try:
        return model()
    except ValidationError:
        return None
