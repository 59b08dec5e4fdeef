"""What tells one call from every other under its publish id: what was said, not what was made of it.

What a default makes, an id or the time, is another at each call, and so it is when a deployment has
added a field. So models count as the fields that were set, those with secrets and those that are
excluded from what is written among them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from runtime.model.models import CommandInputModel
from runtime.model.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.identity.context import InvokeContext

__all__ = ["fingerprint", "said_in"]


def fingerprint(
    operation: str,
    user_id: str | None,
    content: Mapping[str, Any],
    *,
    publish_id: str,
    context: InvokeContext,
    told: Mapping[str, Any] | None,
) -> str:
    """Fingerprint of a call.

    Args:
        operation: What was called.
        user_id: Who has called.
        content: What was said to it.
        publish_id: Id of the publish. Nobody who does not know it can guess what was said.
        context: The request. Where the id is made of its ``Idempotency-Key``, the call counts as
            what the client has sent, whatever the service makes of it.
        told: What tells the call instead of either, as its caller says.
    """
    said: Any = content
    if told is not None:
        said = told
    elif context.sent is not None and context.is_own(publish_id):
        said = context.sent.digest
    text = json.dumps([operation, user_id, plain(said)], separators=(",", ":"))
    return hmac.new(publish_id.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def said_in(
    checked: CommandInputModel[Any], command: CommandInputModel[Any] | Mapping[str, Any]
) -> dict[str, Any]:
    """What a caller has said with a command.

    Args:
        checked: The command as it was checked, with the names of its fields.
        command: The command as it was given. Of attributes that are no models nothing else tells
            what was set in them.
    """
    names = checked.model_fields_set if isinstance(command, BaseModel) else _names(command)
    said = {name: getattr(checked, name) for name in names}
    if "attributes" in said:
        said["attributes"] = command.attributes if isinstance(command, BaseModel) else command["attributes"]
    return {name: value for name, value in said.items() if value is not None}


def _names(command: Mapping[str, Any]) -> set[str]:
    known = CommandInputModel.model_fields
    return {name for name, field in known.items() if name in command or field.alias in command}
