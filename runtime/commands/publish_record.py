"""The record of a publish id: a publish that is repeated under its id finds what it did.

A row of the command table, written in the same transaction as the command:
``sk`` = ``{sort key}@publish#{digest of the id}``, the ``version`` and ``publishId`` of the
command, a fingerprint of the ``call``, and a ``ttl`` of a day. It is marked as synchronous, which
every stream filter leaves out. A publish that changed nothing leaves a record as well, marked as
``unchanged``, with the version that it left as it was and the ``lifeId``.

The record belongs to the command that it tells of. Where that is gone, erased or of an earlier
life of the aggregate, the record says nothing any more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.errors import FieldProblem, InvalidInputError, PublishIdReusedError
from runtime.model.keys import MAX_ROW_SK_BYTES, VER_SEPARATOR
from runtime.model.rows import LIFE, PUBLISH_ID, life_of, version_of
from runtime.store.port import Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["LABEL", "PREFIX", "PublishRecord", "record_place", "record_write", "recorded", "unchanged_write"]

LABEL: Final = "publish record"
PREFIX: Final = f"{VER_SEPARATOR}publish#"
"""Stands between the sort key of an aggregate and the digest of the id."""

_SECONDS_KEPT: Final = 24 * 60 * 60
_MAX_ID: Final = 255
#: Earlier releases have written fingerprints of another kind, as `fingerprint`: those tell nothing.
_CALL: Final = "call"
_UNCHANGED: Final = "unchanged"


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """What an earlier publish under an id has done.

    Attributes:
        version: Version that it made, or left as it was.
        fingerprint: Of the call; None in a record of an earlier release.
        is_unchanged: Whether it left the version as it was.
        command_id: Publish id of the command that it made; None in a record of an earlier release.
        life: The life that it left as it was.
    """

    version: int
    fingerprint: str | None
    is_unchanged: bool
    command_id: str | None
    life: str | None

    def is_about(self, command: Row) -> bool:
        """Whether the command of its version, as it stands there now, is the one that it tells of."""
        if self.is_unchanged:
            return life_of(command) == self.life
        return self.command_id in {None, command.get(PUBLISH_ID)}

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


def record_write(place: Place, own: str, command: Row, stale: Row | None) -> Put:
    """The write that records a publish.

    Args:
        place: Where the record is.
        own: Fingerprint of the call.
        command: The command that it makes.
        stale: The record that stands there, and says nothing any more.
    """
    return _write(place, own, command, {PUBLISH_ID: command[PUBLISH_ID]}, stale)


def unchanged_write(place: Place, own: str, base: Row, stale: Row | None) -> Put:
    """The write that records a publish that has changed nothing.

    Args:
        place: Where the record is.
        own: Fingerprint of the call.
        base: The command or data row that it leaves as it is.
        stale: The record that stands there, and says nothing any more.
    """
    life = life_of(base)
    return _write(place, own, base, {_UNCHANGED: True} | ({} if life is None else {LIFE: life}), stale)


def _write(place: Place, own: str, row: Row, outcome: Row, stale: Row | None) -> Put:
    now = int(clock.seconds())
    # DynamoDB deletes expired rows hours or days late.
    free = Attr("pk").not_exists() | Attr("ttl").lt(now)
    for name in (PUBLISH_ID, LIFE):
        if stale is not None and name in stale:
            free = free | Attr(name).eq(stale[name])
    return Put(
        table=place.table,
        row={
            "pk": place.pk,
            "sk": place.sk,
            "version": row["version"],
            **outcome,
            _CALL: own,
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
    return PublishRecord(
        version=version_of(row),
        fingerprint=row.get(_CALL),
        is_unchanged=_UNCHANGED in row,
        command_id=row.get(PUBLISH_ID),
        life=life_of(row),
    )
