"""A function beside the service: it is no `CqrsApp` that Lambda calls, and reads what one has written."""

from __future__ import annotations

from typing import Any

from runtime import CommandModule, CqrsApp, InvokeContext

note = CommandModule("note")
CqrsApp(modules=[note])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    user = InvokeContext(claims={"sub": "report", "custom:tenant": event["tenant"]})
    found = note.data.get_item((event["pk"], event["sk"]), invoke_context=user)
    return {"name": found.name if found else None}
