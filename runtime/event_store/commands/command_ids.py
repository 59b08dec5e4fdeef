"""Ids that make a repeated command one command: what is recorded of it, and how it is told from others."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from runtime.errors import CommandReusedError, FieldProblem, InvalidInputError
from runtime.event_store.commits.commit import CommandRecord
from runtime.event_store.metadata import keeps_command_ids
from runtime.model.plain import plain

if TYPE_CHECKING:
    from runtime.event_store.address import Key

__all__ = ["check_command_id", "check_same", "fingerprint", "record_of"]


def check_command_id(command_id: object) -> None:
    """Refuse what can be no id of a command.

    Raises:
        InvalidInputError: It is neither None nor a text, or empty.
    """
    if command_id is None:
        return
    if not isinstance(command_id, str) or not command_id:
        message = f"must be text and not empty, got {command_id!r}"
        raise InvalidInputError([FieldProblem("command_id", message)])
    try:
        command_id.encode()
    except UnicodeEncodeError:
        message = "must be valid Unicode text, got a lone surrogate"
        raise InvalidInputError([FieldProblem("command_id", message)]) from None


def fingerprint(command_id: str, kind: str, content: Any) -> str:  # noqa: ANN401 - whatever a command says
    """What tells a command from every other under its id. Nobody who does not know the id can guess from it.

    Args:
        command_id: The id.
        kind: What is done: the name of the command's class.
        content: What the command says.

    Raises:
        InvalidInputError: It holds itself, so what it says has no end.
    """
    try:
        text = json.dumps([kind, plain(content)], separators=(",", ":"))
    except RecursionError:
        message = "holds itself, or is nested too deep, so it can have no command id"
        raise InvalidInputError([FieldProblem("command", message)]) from None
    return hmac.new(command_id.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def record_of(key: Key, command_id: str, digest: str, first: int, last: int) -> CommandRecord:
    """What is recorded with the events of a command."""
    return CommandRecord(
        key=key,
        command_id=command_id,
        fingerprint=digest,
        first=first,
        last=last,
        is_kept=keeps_command_ids(),
    )


def check_same(record: CommandRecord, digest: str) -> None:
    """Refuse an id under which something else was done.

    Raises:
        CommandReusedError: It was.
    """
    if not hmac.compare_digest(record.fingerprint, digest):
        raise CommandReusedError(record.key.pk)
