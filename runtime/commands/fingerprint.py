"""What tells one call from every other under its publish id: what was said, not what was made of it.

What a default makes, an id or the time, is another at each call, and so it is when a deployment has
added a field. So models count as the fields that were set, those with secrets and those that are
excluded from what is written among them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, SecretBytes, SecretStr

from runtime.model.models import CommandInputModel

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext

__all__ = ["fingerprint", "said_in"]

#: As many digits as DynamoDB has; the default context of decimals rounds to 28.
_EVERY_DIGIT: Final = Context(prec=38, traps=[])


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
    text = json.dumps([operation, user_id, _plain(said)], separators=(",", ":"))
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


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a call may say
    """A value as JSON that is the same for equal values, and for no others."""
    found: Any
    if value is None or isinstance(value, bool):
        found = value
    elif isinstance(value, str):
        found = str(value)
    elif isinstance(value, int | float | Decimal):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        found = ["number", str(number.normalize(_EVERY_DIGIT))]
    elif isinstance(value, SecretStr | SecretBytes):
        found = ["secret", _plain(value.get_secret_value())]
    elif isinstance(value, AbstractSet):
        found = ["set", sorted(json.dumps(_plain(inner)) for inner in value)]
    elif isinstance(value, list | tuple):
        found = ["list", *(_plain(inner) for inner in value)]
    elif (inside := _fields(value)) is not None:
        pairs = [[_plain(name), _plain(inner)] for name, inner in inside.items()]
        found = ["object", *sorted(pairs, key=lambda pair: json.dumps(pair[0]))]
    else:
        found = ["other", repr(value)]
    return found


def _fields(value: Any) -> Mapping[Any, Any] | None:  # noqa: ANN401 - see `_plain`
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        # What was taken though no field is known by its name is in the set of fields, too.
        return {name: getattr(value, name) for name in value.model_fields_set}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None
