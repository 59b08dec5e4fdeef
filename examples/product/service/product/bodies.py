"""What the routes take and give."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from product.attributes import Code, Line, ProductAttributes
from runtime import CqrsModel, DataModel

__all__ = [
    "BulkItem",
    "BulkResult",
    "BulkResults",
    "Changes",
    "History",
    "NewProduct",
    "NextProduct",
    "Receipt",
    "Resync",
]


def _no_path(code: str) -> str:
    """Refuse a code whose product could not be read: its path is another route's."""
    if code in {"bulk", "search", "resync"}:
        msg = "must not be a word of the API's paths: bulk, search, resync"
        raise ValueError(msg)
    return code


class _Body(CqrsModel):
    model_config = ConfigDict(extra="forbid")


class NewProduct(_Body):
    """A product to make. ``code`` defaults to a new one."""

    code: Annotated[Code, AfterValidator(_no_path)] | None = None
    name: Line
    attributes: ProductAttributes = Field(default_factory=ProductAttributes)


class NextProduct(_Body):
    """A product to replace: the version that it was, and all that it is to be."""

    version: int = Field(ge=1, le=9_999_999_999, strict=True)
    name: Line
    attributes: ProductAttributes


class Changes(_Body):
    """What to change: the version that it was, and the fields that change. A null empties a field."""

    version: int = Field(ge=1, le=9_999_999_999, strict=True)
    name: Line | None = None
    attributes: ProductAttributes = Field(default_factory=ProductAttributes)


class BulkItem(NewProduct):
    """One of many products: a new one without a version, or with 0; the next of one with a version."""

    version: int = Field(default=0, ge=0, le=9_999_999_999, strict=True)


class BulkResult(CqrsModel):
    """What became of one item: the status that it would have had alone."""

    index: int
    status: int
    code: str | None = None
    version: int | None = None
    problem: dict[str, Any] | None = None


class BulkResults(CqrsModel):
    """What became of the items of a bulk request, in their order."""

    items: list[BulkResult]


class Receipt(CqrsModel):
    """What was published; ``requestId`` is the id of the notification that will follow."""

    id: str | None
    code: str | None
    version: int
    request_id: str | None


class History(CqrsModel):
    """The states that were replaced, oldest first."""

    items: list[DataModel[ProductAttributes]]


class Resync(CqrsModel):
    """How far a re-sync is: ``resumeToken`` goes on, and is absent when every row is done."""

    rows: int
    resume_token: str | None = None
