"""From a checked command to the row that is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from runtime.identity.context import get_user_context
from runtime.model.keys import add_sort_key_version
from runtime.model.rows import DATA_TTL
from runtime.store.codec import isoformat, to_wire, to_wire_value

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandInputModel
    from runtime.store.codec import Item

__all__ = ["PUBLISH_ID", "draft_of", "stamped"]

PUBLISH_ID = "publishId"
"""Attribute that tells a publish from every other, so that a retry recognises its own row."""


def draft_of(checked: CommandInputModel[Any]) -> Item:
    """The part of the row that is the caller's.

    Raises:
        InvalidInputError: A value cannot be stored.
    """
    values = checked.model_dump(
        by_alias=True, exclude={"sk", "version", "ttl", "attributes"}, exclude_none=True
    )
    # Attributes keep their nulls: a null says something else than an absent field.
    values["attributes"] = checked.attributes
    # Not named `ttl`: a command must not expire before it is applied.
    ttl = {} if checked.ttl is None else {DATA_TTL: to_wire_value(checked.ttl, path="ttl")}
    return to_wire(values) | ttl


def stamped(  # noqa: PLR0917 - the parts of one row
    draft: Item,
    key: DetailKey,
    version: int,
    context: InvokeContext,
    source: str | None,
    request_id: str | None,
) -> Item:
    """``draft`` as version ``version``, with who published it, when and from where."""
    now = isoformat(datetime.now(UTC))
    user_id = get_user_context(context).user_id
    return draft | to_wire(
        {
            "sk": add_sort_key_version(key.sk, version),
            "version": version,
            "source": source,
            "requestId": request_id or context.request_id,
            "createdAt": now,
            "createdBy": user_id,
            "createdIp": context.source_ip,
            "updatedAt": now,
            "updatedBy": user_id,
            "updatedIp": context.source_ip,
            PUBLISH_ID: uuid4().hex,
        }
    )
