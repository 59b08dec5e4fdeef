"""AppSync's answer to a subscription: the handler of the realtime API, run by Node.js."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from constructs_lib.messaging.realtime_handler import subscribe_handler

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["may_subscribe", "subscription"]

_HARNESS = """
import { readFileSync } from 'node:fs'
import { onSubscribe } from './handler.mjs'
const answers = JSON.parse(readFileSync(0)).map((ctx) => {
  try { return onSubscribe(ctx) === null } catch (error) { return false }
})
console.log(JSON.stringify(answers))
"""


def subscription(
    channel: str, *, tenant: Any = None, roles: Any = None, claims: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What AppSync hands to the handler for a subscription."""
    named = {"sub": "u1", "custom:tenant": tenant, "custom:roles": roles}
    found = {name: value for name, value in named.items() if value is not None}
    return {
        "identity": {"claims": found if claims is None else claims},
        "info": {"channel": {"path": channel, "segments": channel.strip("/").split("/")}},
    }


def may_subscribe(folder: Path, contexts: Iterable[dict[str, Any]], code: str | None = None) -> list[bool]:
    """Whether each subscription is allowed; AppSync refuses one whose handler fails, too."""
    package = folder / "node_modules" / "@aws-appsync" / "utils"
    package.mkdir(parents=True, exist_ok=True)
    (package / "package.json").write_text('{"type": "module", "main": "index.js"}', encoding="utf-8")
    (package / "index.js").write_text(
        "export const util = { unauthorized() { throw new Error('Unauthorized') } }\n", encoding="utf-8"
    )
    (folder / "handler.mjs").write_text(code or subscribe_handler(["system_admin"]), encoding="utf-8")
    (folder / "harness.mjs").write_text(_HARNESS, encoding="utf-8")
    done = subprocess.run(
        ["node", "harness.mjs"],  # noqa: S607 - the CDK needs it on the path as well
        cwd=folder,
        input=json.dumps(list(contexts)),
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[bool] = json.loads(done.stdout)
    return answers
