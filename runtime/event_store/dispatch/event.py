"""One event, as a service dispatches it: what atomservices calls an `IEvent`."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads it
from datetime import UTC
from typing import Annotated, Any, Generic

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationError
from typing_extensions import TypeVar

from runtime.errors import FieldProblem
from runtime.model.keys import MAX_VERSION

__all__ = ["DomainEvent", "problems_of"]

#: Events do not change, so one that says something special is also one that says something general.
PayloadT_co = TypeVar("PayloadT_co", covariant=True, default=dict[str, Any])

UtcTime = Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))]


class DomainEvent(
    BaseModel,
    Generic[PayloadT_co],
    # Here, and in no ``model_config``: a type checker sees only what stands here.
    frozen=True,
    extra="ignore",
    validate_by_name=True,
    validate_by_alias=True,
    serialize_by_alias=True,
    hide_input_in_errors=True,
):
    """One event, frozen.

    Made by an `EventBuilder`, or of JSON that anybody has written. As JSON it has the names of atomservices:
    ``_id``, ``name``, ``aggregateType``, ``aggregateID``, ``_version``, ``_createdAt``, ``_createdBy``,
    ``payloads`` and ``_metadata``.

    Example:
        >>> DomainEvent[Email].model_validate_json(text).payloads.email
        'ann@example.com'

    Attributes:
        id: Tells this event from every other one: one that is dispatched again is stored once.
        name: What has happened. Handlers are found by it.
        aggregate_type: Kind of the aggregate: the stream.
        aggregate_id: Id of the aggregate within its kind.
        version: Its number among the aggregate's events, from 1: it builds on the one before.
        created_at: When, in UTC.
        created_by: Who caused it; empty where nobody was signed in.
        payloads: What it says. Without a type: a dictionary.
        metadata: What else is to be known of it, such as the id of a trace. Default: nothing.
    """

    id: str = Field(alias="_id", min_length=1)
    name: str = Field(min_length=1)
    aggregate_type: str = Field(alias="aggregateType", min_length=1)
    aggregate_id: str = Field(alias="aggregateID", min_length=1)
    version: int = Field(alias="_version", ge=1, le=MAX_VERSION, strict=True)
    created_at: UtcTime = Field(alias="_createdAt")
    created_by: str = Field(alias="_createdBy")
    payloads: PayloadT_co
    metadata: Mapping[str, str] | None = Field(default=None, alias="_metadata")


def problems_of(error: ValidationError) -> list[FieldProblem]:
    """What a `DomainEvent` has to say, by the Python names of its fields, and nothing of the values."""
    names = {field.alias: name for name, field in DomainEvent.model_fields.items()}
    problems = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        first, *rest = one["loc"] or ("event",)
        problems.append(FieldProblem(".".join(map(str, (names.get(str(first), first), *rest))), one["msg"]))
    return problems
