"""Publishing and reading, for any module and key."""

from __future__ import annotations

from typing import Any, Literal

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from main import memo, note, task
from runtime import (
    CqrsModel,
    ItemNotFoundError,
    current_invoke_context,
    get_user_context,
    module_routes,
)

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


@router.post("/<name>/tour")
def tour(name: Name, body: dict[str, Any]) -> dict[str, Any]:
    """Use everything that a module offers to an API, on one aggregate that is new."""
    module, key = MODULES[name], (body["pk"], body["sk"])
    module.commands.publish_sync(body)
    module.commands.publish_async(body | {"version": 1, "attributes": {"large": "x" * 400_000}})
    found = module.repository.get_item(key)
    empty = key[0].replace("#", "S#")  # other tests spoil rows of the one that all share
    module.repository.list_items_by_pk(empty)
    module.data.get_item(key)
    module.data.list_items_by_pk(empty)
    module.history.get_item(key, 1)
    module.history.list_versions(key)
    module.history.as_of(key, version=1)
    module.commands.get_item((key[0], f"{key[1]}@1"))
    module.commands.get_latest_item(key)
    module.commands.get_next_command((key[0], f"{key[1]}@1"))
    context = current_invoke_context()
    assert context
    user = get_user_context(context)
    module.sessions.get(user.user_id, key)
    module.sessions.list_by_user(user.user_id, user.tenant_code)
    module.sessions.delete(user.user_id, key)
    return {"version": found.version if found else None}


@router.post("/<name>/read")
def read(name: Name, body: Key) -> dict[str, Any]:
    found = MODULES[name].repository.get_item((body.pk, body.sk))
    if found is None:
        message = "no such item"
        raise ItemNotFoundError(message)
    return {"name": found.name, "version": found.version}


@router.post("/crash")
def crash(body: dict[str, Any]) -> None:
    """Fail as code does that quotes what it got."""
    try:
        _ = {}[str(body)]
    except KeyError as error:
        message = f"no such customer: {body}"
        raise ValueError(message) from error
