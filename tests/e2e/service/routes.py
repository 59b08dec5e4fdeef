"""Publishing and reading, for any module and key."""

from __future__ import annotations

from typing import Any, Literal

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from main import memo, note, task
from runtime import CqrsModel, ItemNotFoundError, module_routes

MODULES = {module.table_name: module for module in (note, memo, task)}
router = APIGatewayHttpRouter()
notes = module_routes(note, prefix="/notes", type="NOTE")
Name = Literal["note", "memo", "task"]


class Key(CqrsModel):
    pk: str
    sk: str


@router.post("/<name>/publish")
def publish(name: Name, body: dict[str, Any]) -> dict[str, Any]:
    commands = MODULES[name].commands
    publish = commands.publish_sync if body.pop("sync", False) else commands.publish_async
    command = publish(body)
    return {"version": command.version if command else None}


@router.post("/<name>/read")
def read(name: Name, body: Key) -> dict[str, Any]:
    found = MODULES[name].repository.get_item((body.pk, body.sk))
    if found is None:
        message = "no such item"
        raise ItemNotFoundError(message)
    return {"name": found.name, "version": found.version}
