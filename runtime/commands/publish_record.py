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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import MAX_ROW_SK_BYTES, VER_SEPARATOR
from runtime.model.rows import LIFE, PUBLISH_ID, life_of, version_of
from runtime.store.once import Once, digest_of
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.once import Done
    from runtime.store.values import Row

__all__ = ["LABEL", "PREFIX", "PublishRecord", "outcome_of", "publish_once", "recorded", "unchanged_outcome"]

LABEL: Final = "publish record"
PREFIX: Final = f"{VER_SEPARATOR}publish#"
"""Stands between the sort key of an aggregate and the digest of the id."""

_DIGITS: Final = 32
_UNCHANGED: Final = "unchanged"


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """What an earlier publish under an id has done.

    Attributes:
        done: The record.
        version: Version that it made, or left as it was.
        is_unchanged: Whether it left the version as it was.
        command_id: Publish id of the command that it made; None in a record of an earlier release.
        life: The life that it left as it was.
    """

    done: Done
    version: int
    is_unchanged: bool
    command_id: str | None
    life: str | None

    def is_about(self, command: Row) -> bool:
        """Whether the command of its version, as it stands there now, is the one that it tells of."""
        if self.is_unchanged:
            return life_of(command) == self.life
        return self.command_id in {None, command.get(PUBLISH_ID)}


def publish_once(context: ModuleContext, key: DetailKey, publish_id: str | None) -> Once | None:
    """The record of ``publish_id``, or None without an id.

    Raises:
        InvalidInputError: The id cannot be one; or the sort key, which an earlier release accepted, is
            too long for a record.
    """
    if publish_id is None:
        return None
    sk = f"{key.sk}{PREFIX}{digest_of(publish_id, 'publish_id')[:_DIGITS]}"
    if len(sk.encode()) > MAX_ROW_SK_BYTES:
        message = "is too long for a publish id to be recorded beside it; leave the publish id out"
        raise InvalidInputError([FieldProblem("sk", message)])
    return Once(
        place=Place(context.tables.command, key.pk, sk),
        label=LABEL,
        columns={"syncMode": "SYNC"},
        told_by=(PUBLISH_ID, LIFE),
    )


def outcome_of(command: Row) -> Row:
    """What the record of a publish says of the command that it makes."""
    return {"version": command["version"], PUBLISH_ID: command[PUBLISH_ID]}


def unchanged_outcome(base: Row) -> Row:
    """What the record says of a publish that leaves a command or data row as it is."""
    life = life_of(base)
    return {"version": base["version"], _UNCHANGED: True} | ({} if life is None else {LIFE: life})


def recorded(once: Once | None, row: Row | None) -> PublishRecord | None:
    """What a record says; None without one, or when its day is over."""
    done = once.done(row) if once else None
    if done is None:
        return None
    return PublishRecord(
        done=done,
        version=version_of(done.row),
        is_unchanged=_UNCHANGED in done.row,
        command_id=done.row.get(PUBLISH_ID),
        life=life_of(done.row),
    )
