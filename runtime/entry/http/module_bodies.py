"""What the routes of a module take and give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - pydantic reads the annotations

from runtime.entry.http.part_of import PartOf
from runtime.generics import AttributesT
from runtime.model.keys import MAX_VERSION, VERSION_LATEST
from runtime.model.models import CqrsModel, DataModel, UnreadableRow

__all__ = [
    "BulkResult",
    "BulkResults",
    "Change",
    "History",
    "Publish",
    "Receipt",
    "Replace",
    "Resync",
    "ResyncProgress",
    "SearchQuery",
    "SearchResult",
    "change_of",
]

ItemT = TypeVar("ItemT")


class Replace(CqrsModel, Generic[AttributesT]):
    """The whole next state of an item.

    Attributes:
        version: Version to build on: 0 creates, N updates version N, -1 whatever is the latest.
            May be left out where the header If-Match or If-None-Match says it.
        code: Business code. Default: the sort key.
        name: Name for people.
        seq: Sequence number, where the item has one.
        ttl: When the item may be deleted for good, in seconds since 1970. Default: never. Only
            where the service takes one.
        attributes: The item's own fields.
    """

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(default=None, ge=VERSION_LATEST, le=MAX_VERSION, strict=True)
    code: str | None = Field(default=None, min_length=1)
    name: str
    seq: int | None = Field(default=None, strict=True)
    ttl: int | None = Field(default=None, strict=True)
    # A computed field that fails is told of where it is written, not by whoever logs the request.
    attributes: AttributesT = Field(repr=False)


class Publish(Replace[AttributesT], Generic[AttributesT]):
    """The whole next state of an item, and which item that is.

    Attributes:
        sk: Sort key. Default: a new one, that sorts by time.
    """

    sk: str | None = None


class Change(CqrsModel):
    """The fields of an item that are to change. Objects in the attributes are merged key by key.

    Attributes:
        version: Version to build on. May be left out where the header If-Match says it.
        code: Business code.
        name: Name for people.
        seq: Sequence number.
        attributes: Only what changes. A null is stored as null; with the content type
            application/merge-patch+json (RFC 7396) it takes the key away. Null itself takes them all
            away, where the module's model requires none.
    """

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(default=None, ge=1, le=MAX_VERSION, strict=True)
    # Null is no way to leave them out: the command refuses it.
    code: Annotated[str, Field(min_length=1)] | SkipJsonSchema[None] = None
    name: str | SkipJsonSchema[None] = None
    seq: int | None = Field(default=None, strict=True)
    attributes: dict[str, Any] | None = Field(default_factory=dict)


def change_of(attributes: Any) -> type[Change]:  # noqa: ANN401 - a type
    """The body of a change of a module's items: checked as `Change`, and described by the module's model."""
    field = Change.model_fields["attributes"]
    if not (isinstance(attributes, type) and issubclass(attributes, BaseModel)):
        return Change
    part: Any = Annotated[field.annotation, PartOf(attributes)]
    return create_model(
        f"Change_{attributes.__name__}_",
        __base__=Change,
        __doc__=Change.__doc__,
        attributes=(part, field),
    )


class Receipt(CqrsModel):
    """What was published.

    Attributes:
        request_id: Id of the notification that will follow.
    """

    id: str | None
    sk: str
    code: str | None
    version: int
    request_id: str | None


class BulkResult(CqrsModel):
    """What became of one command of a bulk request.

    Attributes:
        index: Its place in the request, from 0.
        status: The status code that it would have had alone.
        sk: Sort key, as far as it is known.
        version: The version that was published; of an item that did not change, the one it has.
        request_id: Id of the notification that will follow.
        problem: Why it was refused (RFC 9457). Of many that were refused, the last ones are told
            without details, so that the answer has a size.
    """

    index: int
    status: int
    sk: str | None = None
    version: int | None = None
    request_id: str | None = None
    problem: dict[str, Any] | None = None


class BulkResults(CqrsModel):
    """What became of the commands of a bulk request, in their order."""

    items: list[BulkResult]


class History(CqrsModel, Generic[AttributesT]):
    """Earlier states of an item.

    Attributes:
        items: The states, oldest first.
        last_version: Pass it as ``startFromVersion`` to get the next page. Absent on the last one.
        unreadable: The states of the page that are not in ``items``, since today's model does not
            accept them. Absent where there are none.
    """

    items: list[DataModel[AttributesT]]
    last_version: int | None = None
    unreadable: list[UnreadableRow] | None = None


class Resync(CqrsModel):
    """Which rows are to be shown to which handlers again.

    Attributes:
        handlers: Names of data sync handlers. Default: all.
        resume_from: ``resumeToken`` of the answer before.
        pages: After how many pages of 100 rows to answer.
    """

    model_config = ConfigDict(extra="forbid")

    handlers: list[str] | None = None
    resume_from: str | None = None
    pages: int = Field(default=10, ge=1, le=100, strict=True)


class ResyncProgress(CqrsModel):
    """How far a re-sync is.

    Attributes:
        rows: How many rows were shown by this request.
        resume_token: Pass it as ``resumeFrom`` to go on. Absent when every row is done.
    """

    rows: int
    resume_token: str | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What a caller of the route ``search`` asks for.

    Attributes:
        tenant_code: The tenant to search in. The caller may read there.
        pk: Partition key of the module's items in that tenant.
        keyword: Words to look for, or None.
        page: Number of the page, from 1.
        page_size: Items on a page.
        order_bys: Names of fields, as the client wrote them; ``-name`` is descending.
    """

    tenant_code: str
    pk: str
    keyword: str | None
    page: int
    page_size: int
    order_bys: tuple[str, ...]

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `runtime.sql.search`: ``search(session, OrderRow, **query.options)``.

        The order is left out where the client named none, so that the search has its own.
        """
        options = {
            "tenant_code": self.tenant_code,
            "keyword": self.keyword,
            "page": self.page,
            "page_size": self.page_size,
        }
        return {**options, "order_bys": self.order_bys} if self.order_bys else options


class SearchResult(CqrsModel, Generic[ItemT]):
    """One page of what a search found.

    Attributes:
        items: The items.
        total: How many there are on all pages, where the search counts them.
        left_out: How many of the page's items do not fit into an answer: ask for smaller pages.
            Absent where all are there.
    """

    items: list[ItemT]
    total: int | None = None
    page: int
    page_size: int
    left_out: int | None = None
