"""Commands and rows as Python objects.

Names are snake_case in Python and camelCase in DynamoDB and over HTTP; both are accepted
as input. ``attributes`` is the module's own model where it has one, else a dictionary. What is
published with a model always has them. Only a row of another writer's, or of an earlier release, may
lack them: then they are what the model makes of nothing, and None where it requires something.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Generic

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - pydantic reads the annotations

from runtime.errors import FieldProblem  # noqa: TC001 - pydantic reads the annotations
from runtime.generics import AttributesT
from runtime.model.keys import MAX_VERSION, VERSION_LATEST, DetailKey

__all__ = [
    "CommandInputModel",
    "CommandModel",
    "CqrsModel",
    "DataListModel",
    "DataModel",
    "UnreadableRow",
]


class CqrsModel(BaseModel):
    """Base of the models: camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, arbitrary_types_allowed=True, extra="ignore"
    )


class CommandInputModel(CqrsModel, Generic[AttributesT]):
    """What a caller publishes: the whole next state of one aggregate.

    Attributes:
        pk: Partition key, by convention ``TYPE#tenant``.
        sk: Sort key of the aggregate, without a version.
        id: Default: ``pk#sk``.
        code: Business code.
        name: Name for people.
        version: Version to build on: 0 (`VERSION_FIRST`) creates, N updates version N,
            -1 (`VERSION_LATEST`) updates whatever is the latest.
        tenant_code: Default: the tenant of ``pk``. Must agree with it.
        type: Kind of aggregate.
        is_deleted: True deletes the aggregate softly.
        seq: Sequence number, where the aggregate has one.
        ttl: When DynamoDB may delete the data row, in seconds since 1970. Default: never.
        attributes: The aggregate's own fields. Required where the module's model requires any.
    """

    model_config = ConfigDict(extra="forbid")

    pk: str
    sk: str
    id: str | None = None
    code: str
    name: str
    version: int = Field(ge=VERSION_LATEST, le=MAX_VERSION, strict=True)
    tenant_code: str | None = None
    type: str
    is_deleted: bool | None = None
    seq: int | None = None
    ttl: int | None = None
    if TYPE_CHECKING:  # whoever has a command need not look whether it has attributes
        attributes: AttributesT = None  # type: ignore[assignment]
    else:
        attributes: AttributesT | None = None


class _StoredModel(CqrsModel, Generic[AttributesT]):
    """The fields that command rows and data rows share."""

    pk: str
    sk: str
    id: str | None = None
    code: str | None = None
    name: str | None = None
    version: int
    tenant_code: str | None = None
    type: str | None = None
    is_deleted: bool | None = None
    seq: int | None = None
    ttl: int | None = None
    if TYPE_CHECKING:  # whoever has a command need not look whether it has attributes
        attributes: AttributesT = None  # type: ignore[assignment]
    else:
        attributes: AttributesT | None = None
    request_id: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    created_ip: str | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None
    updated_ip: str | None = None

    @property
    def key(self) -> DetailKey:
        """Key of the row."""
        return DetailKey(self.pk, self.sk)


class CommandModel(_StoredModel[AttributesT], Generic[AttributesT]):
    """A command row. ``sk`` carries the version.

    Attributes:
        status: ``{step}:{state}``; None until the pipeline has seen the command.
        source: Code that published it, see `get_command_source`.
        sync_mode: ``SYNC`` when it was published synchronously.
        life_id: Tells the lives of an aggregate apart: one that was erased or has expired, and is
            published anew, begins again at version 1 with another id. A store that compares versions
            has to compare this first. None for rows of other writers. Not part of an answer.
    """

    status: str | None = None
    source: str | None = None
    sync_mode: str | None = None
    life_id: SkipJsonSchema[str | None] = Field(default=None, exclude=True)


class DataModel(_StoredModel[AttributesT], Generic[AttributesT]):
    """A data or history row.

    Attributes:
        cpk: Partition key of the command that it is the state after.
        csk: Sort key of that command.
    """

    cpk: str | None = None
    csk: str | None = None


class UnreadableRow(CqrsModel):
    """A stored row that the module's model does not accept today.

    It can be deleted and erased, and changed where the change mends it; ``cqrs show --raw`` shows it.

    Attributes:
        pk: Partition key.
        sk: Sort key.
        version: Its version, where it has one.
        problems: What the model has to say, by field.
    """

    pk: str
    sk: str
    version: int | None = None
    problems: list[FieldProblem]


class DataListModel(CqrsModel, Generic[AttributesT]):
    """One page of data rows.

    Attributes:
        items: The rows.
        last_sk: Pass it as ``start_from_sk`` to get the next page. None on the last page.
        total: How many there are in all, where the source knows.
        unreadable: The rows of the page that are not in ``items``, since today's model does not
            accept them. None where there are none.
        too_large: Sort keys of items that have their place on the page, and do not fit into an
            answer. None where there are none.
    """

    items: list[DataModel[AttributesT]]
    last_sk: str | None = None
    total: int | None = None
    unreadable: list[UnreadableRow] | None = None
    too_large: list[str] | None = None
