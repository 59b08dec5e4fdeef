"""Routes that only the tests of what a function may do, and says of a failure, ask for."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from routes import MODULES

from runtime import current_invoke_context, get_user_context

router = APIGatewayHttpRouter()


@router.post("/<name>/tour")
def tour(name: str, body: dict[str, Any]) -> dict[str, Any]:
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


@router.post("/crash")
def crash(body: dict[str, Any]) -> None:
    """Fail as code does that quotes what it got."""
    try:
        _ = {}[str(body)]
    except KeyError as error:
        message = f"no such customer: {body}"
        raise ValueError(message) from error
