"""The record of a publish id: a publish that is repeated under its id finds what it did.

A row of the command table, written in the same transaction as the command:
``sk`` = ``{sort key}@publish#{digest of the id}``, the ``version`` and ``publishId`` of the
command, a ``fingerprint`` of the call, and a ``ttl`` of a day. It is marked as synchronous, which
every stream filter leaves out.

The record belongs to the command that it tells of. Where that is gone, erased or of an earlier
life of the aggregate, the record says nothing any more.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.errors import FieldProblem, InvalidInputError, PublishIdReusedError
from runtime.model.keys import MAX_ROW_SK_BYTES, VER_SEPARATOR
from runtime.model.rows import PUBLISH_ID, version_of
from runtime.store.codec import opened_row
from runtime.store.port import Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["LABEL", "PREFIX", "PublishRecord", "fingerprint", "record_place", "record_write", "recorded"]

LABEL: Final = "publish record"
PREFIX: Final = f"{VER_SEPARATOR}publish#"
"""Stands between the sort key of an aggregate and the digest of the id."""

_SECONDS_KEPT: Final = 24 * 60 * 60
_MAX_ID: Final = 255
#: As many digits as DynamoDB has; the default context of decimals rounds to 28.
_EVERY_DIGIT: Final = Context(prec=38)


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """What an earlier publish under an id has done.

    Attributes:
        version: Version that it made.
        command_id: Publish id of the command that it made; None in a record of an earlier release.
        fingerprint: Of the call; None in a record of an earlier release.
    """

    version: int
    command_id: str | None
    fingerprint: str | None

    def check_same_call(self, own: str) -> None:
        """Refuse a call that is another one than the one that the record tells of.

        Raises:
            PublishIdReusedError: It has another fingerprint.
        """
        if self.fingerprint is not None and self.fingerprint != own:
            raise PublishIdReusedError


def record_place(context: ModuleContext, key: DetailKey, publish_id: str | None) -> Place | None:
    """Where the record of ``publish_id`` is, or None without an id.

    Raises:
        InvalidInputError: The id is empty, or longer than 255 characters; or the sort key, which
            an earlier release accepted, is too long for a record.
    """
    if publish_id is None:
        return None
    if not 1 <= len(publish_id) <= _MAX_ID:
        message = f"must have 1 to {_MAX_ID} characters, got {len(publish_id)}"
        raise InvalidInputError([FieldProblem("publish_id", message)])
    sk = f"{key.sk}{PREFIX}{hashlib.sha256(publish_id.encode()).hexdigest()[:32]}"
    if len(sk.encode()) > MAX_ROW_SK_BYTES:
        message = "is too long for a publish id to be recorded beside it; leave the publish id out"
        raise InvalidInputError([FieldProblem("sk", message)])
    return Place(context.tables.command, key.pk, sk)


def record_write(place: Place, command: Row, own: str, stale: Row | None) -> Put:
    """The write that records the publish of ``command``.

    Args:
        place: Where the record is.
        command: The command.
        own: Fingerprint of the call.
        stale: The record that stands there, and says nothing any more.
    """
    now = int(clock.seconds())
    # DynamoDB deletes expired rows hours or days late.
    free = Attr("pk").not_exists() | Attr("ttl").lt(now)
    if stale is not None and PUBLISH_ID in stale:
        free = free | Attr(PUBLISH_ID).eq(stale[PUBLISH_ID])
    return Put(
        table=place.table,
        row={
            "pk": place.pk,
            "sk": place.sk,
            "version": command["version"],
            PUBLISH_ID: command[PUBLISH_ID],
            "fingerprint": own,
            "syncMode": "SYNC",
            "ttl": now + _SECONDS_KEPT,
        },
        condition=free,
        label=LABEL,
    )


def recorded(row: Row | None) -> PublishRecord | None:
    """What a record says; None without one, or when its day is over."""
    if row is None or row["ttl"] < clock.seconds():
        return None
    return PublishRecord(version_of(row), row.get(PUBLISH_ID), row.get("fingerprint"))


def fingerprint(operation: str, user_id: str | None, content: Mapping[str, Any]) -> str:
    """What tells one call from every other: the operation, the user, and what they publish."""
    text = json.dumps(
        [operation, user_id, opened_row(dict(content))], sort_keys=True, default=_plain, separators=(",", ":")
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON does not know
    if isinstance(value, Decimal):
        return str(value.normalize(_EVERY_DIGIT))
    return sorted(map(repr, value)) if isinstance(value, set | frozenset) else repr(value)
