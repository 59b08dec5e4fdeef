"""A queue of the service's own: each message makes a note."""

from __future__ import annotations

import json
from typing import Any

from main import note
from runtime import InvokeContext


def take(message: dict[str, Any]) -> None:
    try:
        order = json.loads(message["body"])
    except ValueError:
        problem = f"no order: {message['body']}"
        raise ValueError(problem) from None
    note.commands.publish_sync(
        {
            "pk": "NOTE#acme",
            "sk": order["sk"],
            "code": order["sk"],
            "name": "from the queue",
            "type": "NOTE",
            "version": 0,
        },
        invoke_context=InvokeContext(claims={"sub": "queue", "custom:tenant": "acme"}),
    )
