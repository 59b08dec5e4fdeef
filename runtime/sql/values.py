"""What of a command goes into which column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import inspect

from runtime.errors import ConfigurationError, InvalidInputError
from runtime.model.keys import generate_id, get_tenant_code, remove_sort_key_version
from runtime.sql.columns import CqrsColumns
from runtime.sql.fitting import MAX_INTEGER, column_problems, fitted
from runtime.sql.types import FittedText

if TYPE_CHECKING:
    from sqlalchemy import Column

    from runtime.errors import FieldProblem
    from runtime.model.models import CommandModel

__all__ = ["ORIGIN", "column_values", "columns_of", "id_of", "row_of", "row_problems"]

ModelT = TypeVar("ModelT", bound=CqrsColumns)

#: Who made an aggregate, and when, is what its first version says.
ORIGIN: Final = frozenset({"id", "created_at", "created_by", "created_ip"})

_GUARDED: Final = frozenset({"id", "pk", "sk", "cpk", "csk", "version", "life_id"})


def row_of(
    model: type[ModelT],
    command: CommandModel[Any],
    **columns: Any,  # noqa: ANN401 - of the model
) -> ModelT:
    """The row that `upsert` would write, as an object that belongs to no session.

    For ``transform_command`` of ``repository.list_items``: a pending command as a row.

    Args:
        model: Declarative model with `CqrsColumns`.
        command: The command.
        **columns: Values of the model's own columns.

    Raises:
        ConfigurationError: The model has no such column.
    """
    return model(**column_values(model, command, columns))


def column_values(
    model: type[CqrsColumns], command: CommandModel[Any], columns: dict[str, Any]
) -> dict[str, Any]:
    """Values by attribute of ``model``: those of every read model, and the model's own.

    Raises:
        ConfigurationError: The model has no such column, or it is one that only the command fills.
        InvalidInputError: What goes into a column of JSON has no JSON form.
    """
    known = columns_of(model)
    if wrong := sorted(columns.keys() - (known.keys() - _GUARDED)):
        own = ", ".join(sorted(known.keys() - _GUARDED))
        msg = f"{model.__name__} takes no values for {', '.join(wrong)}; it takes them for {own}"
        raise ConfigurationError(msg)
    sk = remove_sort_key_version(command.sk)
    seq = command.seq
    values = {
        "id": id_of(command),
        "cpk": command.pk,
        "csk": command.sk,
        "pk": command.pk,
        "sk": sk,
        "code": command.code or sk,
        "name": command.name or "",
        "version": command.version,
        "life_id": command.life_id,
        "tenant_code": command.tenant_code or get_tenant_code(command.pk) or "",
        "is_deleted": bool(command.is_deleted),
        "seq": seq if seq is None or -MAX_INTEGER <= seq <= MAX_INTEGER else None,
        "created_at": command.created_at,
        "created_by": command.created_by or "",
        "created_ip": command.created_ip or "",
        "updated_at": command.updated_at,
        "updated_by": command.updated_by or "",
        "updated_ip": command.updated_ip or "",
        **columns,
    }
    # Keys and names get their form from their type, which what is compared with them has as well.
    return {
        name: value if isinstance(known[name].type, FittedText) else fitted(value, known[name])
        for name, value in values.items()
    }


def row_problems(
    model: type[CqrsColumns],
    command: CommandModel[Any],
    **columns: Any,  # noqa: ANN401 - of the model
) -> list[FieldProblem]:
    """What of a row PostgreSQL and MySQL would refuse; empty for a row that can be written.

    Only the model's own columns can have any: the others take whatever a command has.

    Args:
        model: Declarative model with `CqrsColumns`.
        command: The command.
        **columns: Values of the model's own columns.

    Raises:
        ConfigurationError: The model has no such column.
    """
    try:
        values = column_values(model, command, columns)
    except InvalidInputError as error:
        return list(error.problems)
    known = columns_of(model)
    absent = dict.fromkeys(known.keys() - values.keys())
    return column_problems(values | absent, known)


def id_of(command: CommandModel[Any]) -> str:
    """Id of a command's aggregate."""
    return command.id or generate_id(command.pk, command.sk)


def columns_of(model: type[CqrsColumns]) -> dict[str, Column[Any]]:
    """The table's columns, by the model's name of each."""
    mapper = inspect(model)
    return {attribute.key: mapper.columns[attribute.key] for attribute in mapper.column_attrs}
