"""What callers give for rows of code tables, checked; and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.models import CommandModel, CqrsModel
from runtime.model.validation import field_problems

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.model.keys import DetailKey

__all__ = ["MAX_BULK", "GivenRow", "RowChanges", "UpsertResult", "checked", "given_rows"]

MAX_BULK: Final = 100
"""Rows, or settings, that one bulk request may have."""

ModelT = TypeVar("ModelT", bound=CqrsModel)

_Seq = Annotated[int, Field(strict=True, ge=-(10**15), le=10**15)]


class GivenRow(CqrsModel):
    """A row as a caller gives it.

    Attributes:
        setting_code: Code of the table.
        code: Code of the row.
        name: Name for people.
        seq: Number that rows are sorted by. Default: of a new row the next one, else what it has.
        attributes: The row's own fields.
        tenant_code: Default: the tenant of the request.
    """

    model_config = ConfigDict(extra="forbid")

    setting_code: str
    code: str | None = None
    name: str
    seq: _Seq | None = None
    attributes: dict[str, Any] | None = None
    tenant_code: str | None = None


class RowChanges(CqrsModel):
    """What of a row is to change; what is not named stays."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    seq: _Seq = 0
    attributes: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What became of a row.

    Attributes:
        outcome: ``created``, ``updated``, ``unchanged``, or ``failed``.
        key: Its key; None where what was given made none.
        command: The command as stored; None where nothing was written.
        stored: Of one that is unchanged: what is there.
        error: Why it failed. Its ``written`` says whether the row is there all the same.
    """

    outcome: Literal["created", "updated", "unchanged", "failed"]
    key: DetailKey | None = None
    command: CommandModel[Any] | None = None
    error: Exception | None = None
    stored: CommandModel[Any] | None = None


def given_rows(rows: Iterable[object]) -> list[GivenRow | InvalidInputError]:
    """The rows of a bulk request; in place of each that makes none, what is wrong with it.

    Raises:
        InvalidInputError: There are too many.
    """
    found = list(rows)
    if len(found) > MAX_BULK:
        message = f"must be {MAX_BULK} rows at most, got {len(found)}; send them in several requests"
        raise InvalidInputError([FieldProblem("items", message)])
    return [_given(row) for row in found]


def _given(row: object) -> GivenRow | InvalidInputError:
    if isinstance(row, GivenRow):
        return row
    if not isinstance(row, Mapping):
        return InvalidInputError([FieldProblem("item", f"must be an object, got {type(row).__name__}")])
    try:
        return checked(GivenRow, row)
    except InvalidInputError as error:
        return error


def checked(model: type[ModelT], values: Mapping[str, Any]) -> ModelT:
    """What a caller gives, as a model.

    Raises:
        InvalidInputError: A field is wrong, or unknown.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InvalidInputError(field_problems(error)) from error
