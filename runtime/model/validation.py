"""Turning what a caller passes into a checked command, or into an error that names the field."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast, get_origin

from pydantic import BaseModel, ValidationError

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import check_natural_key, generate_id, get_tenant_code
from runtime.model.models import CommandInputModel

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["field_problems", "input_model_of", "validated_input"]


@cache
def input_model_of(attributes: Any) -> type[CommandInputModel[Any]]:  # noqa: ANN401 - a type
    """The input model of a module with this type of attributes: a pydantic model, or ``dict[str, Any]``."""
    return cast("type[CommandInputModel[Any]]", CommandInputModel.__class_getitem__(attributes))


def validated_input(
    model: type[CommandInputModel[Any]], command: CommandInputModel[Any] | Mapping[str, Any]
) -> CommandInputModel[Any]:
    """A complete, valid command.

    Args:
        model: The module's input model, with its attributes type.
        command: What the caller passed: a model, or a mapping with either spelling of names.

    Raises:
        InvalidInputError: A field is missing, has the wrong type or contradicts another.
    """
    values = (
        {name: getattr(command, name) for name in command.model_fields_set}
        if isinstance(command, BaseModel)
        else dict(command)
    )
    attributes = values.get("attributes")
    if isinstance(attributes, BaseModel) and not _is_of(attributes, model):
        values["attributes"] = attributes.model_dump(by_alias=True, exclude_unset=True, round_trip=True)
    try:
        checked = model.model_validate(values)
    except ValidationError as error:
        raise InvalidInputError(field_problems(error)) from error
    check_natural_key(checked.pk, checked.sk)
    tenant = get_tenant_code(checked.pk)
    if checked.tenant_code not in {None, tenant}:
        message = "must be the tenant that pk ends with; leave it out, and it is"
        raise InvalidInputError([FieldProblem("tenantCode", message)])
    return checked.model_copy(
        update={"id": checked.id or generate_id(checked.pk, checked.sk), "tenant_code": tenant}
    )


def _is_of(attributes: BaseModel, model: type[CommandInputModel[Any]]) -> bool:
    """Whether a model can be taken for the module's own attributes as it is."""
    (own,) = model.__pydantic_generic_metadata__["args"] or (Any,)
    return not isinstance(own, type) or (get_origin(own) is None and isinstance(attributes, own))


def field_problems(error: ValidationError, *, prefix: str = "") -> list[FieldProblem]:
    """What pydantic found, one problem a field, without echoing the values."""
    return [
        FieldProblem((prefix + ".".join(str(part) for part in found["loc"])).rstrip("."), found["msg"])
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]
