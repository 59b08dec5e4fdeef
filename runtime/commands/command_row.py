"""From a checked command to the row that is stored."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from runtime import clock
from runtime.contract import OPEN_COLUMN, OPEN_SLICES
from runtime.identity.user import user_id_of
from runtime.model.keys import add_sort_key_version
from runtime.model.rows import DATA_TTL, LIFE, PUBLISH_ID
from runtime.store.codec import isoformat, row_of, sealed
from runtime.store.row_reader import UNREAD

if TYPE_CHECKING:
    from runtime.commands.base import Base
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandInputModel
    from runtime.store.row_reader import RowReader
    from runtime.store.values import Row

__all__ = ["Draft", "columns_of", "draft_of", "open_slice", "stamped"]


@dataclass(frozen=True, slots=True)
class Draft:
    """The part of a command's row that is the caller's.

    Attributes:
        row: Its columns.
        attributes: The attributes in them as they will be read, or `UNREAD`.
        says_ttl: Whether it is a change where the row has no time to live, and the item has one.
    """

    row: Row
    attributes: Any = UNREAD
    says_ttl: bool = False


def draft_of(checked: CommandInputModel[Any], rows: RowReader[Any]) -> Draft:
    """The draft of a command, once it is sure that it can be read again.

    Raises:
        InvalidInputError: A value cannot be stored, or not so that the model reads it as it is.
    """
    written = rows.written(checked.attributes)
    columns = columns_of(checked)
    if written.column is not None:
        columns["attributes"] = written.column
    return Draft(columns, written.attributes)


def columns_of(checked: CommandInputModel[Any]) -> Row:
    """The columns of a command, without its attributes.

    Raises:
        InvalidInputError: A value cannot be stored.
    """
    values = checked.model_dump(
        by_alias=True, exclude={"sk", "version", "ttl", "attributes"}, exclude_none=True
    )
    # Not named `ttl`: a command must not expire before it is applied.
    ttl = {} if checked.ttl is None else {DATA_TTL: sealed(checked.ttl, path="ttl")}
    return row_of(values) | ttl


def stamped(
    draft: Row,
    key: DetailKey,
    base: Base,
    context: InvokeContext,
    *,
    source: str | None,
    request_id: str | None,
) -> Row:
    """``draft`` as the version after ``base``, with who published it, when and from where."""
    now = isoformat(clock.now())
    user_id = user_id_of(context)
    publish_id = uuid4().hex
    version = base.version + 1
    return draft | row_of(
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
            PUBLISH_ID: publish_id,
            # With its first version a life of the aggregate begins, and with the first after it has expired.
            LIFE: publish_id if base.row is None else base.life,
        }
    )


def open_slice(key: DetailKey) -> dict[str, str]:
    """The column that puts a command into the index of what is under way."""
    return {OPEN_COLUMN: str(zlib.crc32(f"{key.pk}\0{key.sk}".encode()) % OPEN_SLICES)}
