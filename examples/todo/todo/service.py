"""What can be done with todos, apart from HTTP."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Literal

from ulid import ULID

from runtime import (
    VERSION_FIRST,
    CommandInputModel,
    DetailKey,
    ForbiddenError,
    InvalidVersionError,
    ItemNotFoundError,
    VersionConflictError,
    get_command_source,
    get_user_context,
    require_invoke_context,
)
from todo.attributes import TodoAttributes
from todo.module import todo

if TYPE_CHECKING:
    from runtime import CommandModel, DataListModel, DataModel

__all__ = ["Mode", "create", "delete", "find", "get", "update"]

Mode = Literal["async", "sync"]
"""Whether a command is only accepted, or applied before the call returns."""

_TYPE = "TODO"


def create(
    attributes: TodoAttributes, *, code: str | None, mode: Mode
) -> CommandModel[TodoAttributes] | None:
    """Publish a new todo, under ``code`` or a new ULID.

    Raises:
        VersionConflictError: There is, or was, a todo with this code.
    """
    return _publish("create", code or _new_code(), VERSION_FIRST, attributes, mode)


def update(
    code: str, version: int, attributes: TodoAttributes, *, mode: Mode
) -> CommandModel[TodoAttributes] | None:
    """Publish the next version of a todo; None when nothing would change.

    A todo that was deleted is back after it.

    Raises:
        ItemNotFoundError: There is no such todo.
        InvalidVersionError: It has no such version.
        VersionConflictError: It has a later version.
    """
    try:
        return _publish("update", code, version, attributes, mode)
    except InvalidVersionError:
        if todo.repository.get_item(_key(code)) is None:
            raise _not_found() from None
        raise


def delete(code: str, version: int, *, mode: Mode) -> CommandModel[TodoAttributes] | None:
    """Publish that a todo is deleted. Its rows stay, with ``isDeleted``.

    Raises:
        ItemNotFoundError: There is no such todo, or not any more.
        VersionConflictError: Its latest version is another one.
    """
    state = get(code)
    if state.version != version:
        raise VersionConflictError(state.pk, state.sk, version)
    return _publish("delete", code, version, state.attributes, mode, is_deleted=True)


def get(code: str) -> DataModel[TodoAttributes]:
    """One todo, with what the callers themselves have just published.

    Raises:
        ItemNotFoundError: There is no such todo, or not any more.
    """
    state = todo.repository.get_item(_key(code))
    if state is None or state.is_deleted:
        raise _not_found()
    return state


def find(*, limit: int, start_from_sk: str | None) -> DataListModel[TodoAttributes]:
    """One page of the tenant's todos, by code. A page is shorter where todos were deleted."""
    page = todo.data.list_items_by_pk(_key("").pk, limit=limit, start_from_sk=start_from_sk)
    page.items = [item for item in page.items if not item.is_deleted]
    return page


def _publish(  # noqa: PLR0917 - the parts of one command
    method: str,
    code: str,
    version: int,
    attributes: TodoAttributes | None,
    mode: Mode,
    is_deleted: bool | None = None,  # noqa: FBT001
) -> CommandModel[TodoAttributes] | None:
    pk, sk = _key(code)
    command = CommandInputModel[TodoAttributes](
        pk=pk,
        sk=sk,
        code=code,
        name=attributes.title if attributes else code,
        version=version,
        type=_TYPE,
        is_deleted=is_deleted,
        attributes=attributes,
    )
    publish = todo.commands.publish_sync if mode == "sync" else todo.commands.publish_async
    return publish(
        command,
        source=get_command_source(todo.table_name, "TodoService", method),
        publish_id=require_invoke_context().publish_id,
    )


def _new_code() -> str:
    """A code that sorts by time; for a request with an Idempotency-Key always the same one."""
    publish_id = require_invoke_context().publish_id
    if publish_id is None:
        return str(ULID())
    return base64.b32encode(hashlib.sha256(publish_id.encode()).digest()).decode()[:26]


def _key(code: str) -> DetailKey:
    tenant = get_user_context(require_invoke_context()).tenant_code
    if tenant is None:
        msg = "your token names no tenant"
        raise ForbiddenError(msg)
    return DetailKey(f"{_TYPE}#{tenant}", code)


def _not_found() -> ItemNotFoundError:
    return ItemNotFoundError("there is no todo with this code")
