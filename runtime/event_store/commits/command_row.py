"""The record of a command's id as a row of the events table, and back.

``pk`` is the aggregate's, ``sk`` is ``command#`` and a digest of the id, which sorts behind all commits:

- ``firstVersion``, ``lastVersion``: the events that the command has made. No column is called ``last``, as a
  commit's is: the stream's filter goes by that, and a record must not ring.
- ``hash``: digest of the command; ``ttl``: when it is forgotten, in seconds since 1970, unless it is kept.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime import clock
from runtime.errors import CorruptRowError, FieldProblem, InvalidInputError
from runtime.event_store.commits.commit import CommandRecord
from runtime.store.port import Put

if TYPE_CHECKING:
    from runtime.event_store.address import Key
    from runtime.store.values import Row

__all__ = ["COMMAND_PREFIX", "command_in", "command_place_key", "command_put", "forgotten_columns"]

COMMAND_PREFIX: Final = "command#"
_SECONDS_KEPT: Final = 24 * 60 * 60
_MAX_ID: Final = 2300  # a reaction's has a handler, a partition key and a version in it
_DIGITS: Final = 32


def command_place_key(command_id: str) -> str:
    """Sort key of the record of a command's id.

    Raises:
        InvalidInputError: It cannot be one.
    """
    if not isinstance(command_id, str) or not 1 <= len(command_id) <= _MAX_ID:
        got = f"{len(command_id)} of them" if isinstance(command_id, str) else repr(command_id)
        message = f"must be text of 1 to {_MAX_ID} characters, got {got}"
        raise InvalidInputError([FieldProblem("command_id", message)])
    try:
        content = command_id.encode()
    except UnicodeEncodeError:
        message = "must be valid Unicode text, got a lone surrogate"
        raise InvalidInputError([FieldProblem("command_id", message)]) from None
    return f"{COMMAND_PREFIX}{hashlib.sha256(content).hexdigest()[:_DIGITS]}"


def command_put(table: str, record: CommandRecord, label: str) -> Put:
    """What writes a record, unless there is one that still counts."""
    now = int(clock.seconds())
    row: Row = {
        "pk": record.key.pk,
        "sk": command_place_key(record.command_id),
        "firstVersion": record.first,
        "lastVersion": record.last,
        "hash": record.fingerprint,
    }
    if not record.is_kept:
        row["ttl"] = now + _SECONDS_KEPT
    # DynamoDB deletes expired rows hours or days late.
    free = Attr("pk").not_exists() | Attr("ttl").lt(now)
    return Put(table=table, row=row, condition=free, label=label)


def command_in(row: Row | None, key: Key, command_id: str) -> CommandRecord | None:
    """The record in a row; None without one, or when its day is over.

    Raises:
        CorruptRowError: It makes no sense.
    """
    if row is None or row.get("ttl", clock.seconds()) < int(clock.seconds()):
        return None
    try:
        return CommandRecord(
            key=key,
            command_id=command_id,
            fingerprint=row["hash"],
            first=row["firstVersion"],
            last=row["lastVersion"],
            is_kept="ttl" not in row,
        )
    except KeyError as error:
        msg = f"the record of a command {row['pk']} {row['sk']} has no column {error}; delete the row"
        raise CorruptRowError(msg) from None


def forgotten_columns() -> tuple[Row, tuple[str, ...]]:
    """What the columns of a record become that is to be forgotten: those to set, and those to remove.

    DynamoDB deletes the row some time later: no right to delete is needed, which would be one to delete
    commits, too.
    """
    return {"ttl": int(clock.seconds()) - 1}, ("hash",)
