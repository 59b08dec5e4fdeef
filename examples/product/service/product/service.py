"""What can be done with products, apart from HTTP."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Literal

from ulid import ULID

from product.attributes import ProductAttributes
from product.module import product
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

if TYPE_CHECKING:
    from runtime import CommandModel, DataListModel, DataModel

__all__ = ["Mode", "create", "delete", "find", "get", "history", "patch", "tenant", "update"]

Mode = Literal["async", "sync"]
"""Whether a command is only accepted, or applied before the call returns."""

_TYPE = "PRODUCT"


def create(
    name: str, attributes: ProductAttributes, *, code: str | None, mode: Mode, publish_id: str | None
) -> CommandModel[ProductAttributes] | None:
    """Publish a new product, under ``code`` or a new one that sorts by time.

    Raises:
        VersionConflictError: There is, or was, a product with this code.
    """
    state = {"name": name, "attributes": attributes}
    return _publish("create", code or _new_code(publish_id), VERSION_FIRST, state, mode, publish_id)


def update(
    code: str, version: int, name: str, attributes: ProductAttributes, *, mode: Mode, publish_id: str | None
) -> CommandModel[ProductAttributes] | None:
    """Publish the next version of a product; None when nothing would change.

    A product that was deleted is back after it.

    Raises:
        ItemNotFoundError: There is no such product.
        InvalidVersionError: It has no such version.
        VersionConflictError: It has a later version.
    """
    state = {"name": name, "attributes": attributes}
    try:
        return _publish("update", code, version, state, mode, publish_id)
    except InvalidVersionError:
        if product.repository.get_item(_key(code)) is None:
            raise _not_found() from None
        raise


def patch(
    code: str, version: int, changes: dict[str, Any], *, mode: Mode
) -> CommandModel[ProductAttributes] | None:
    """Publish a version that differs in some fields; None when nothing would change.

    Args:
        code: Which product.
        version: The version that it was.
        changes: ``name``, ``attributes``, or both. What is not in it stays, also inside of
            the attributes and of the specification.
        mode: Whether to wait until it is applied.

    Raises:
        ItemNotFoundError: There is no such product, or not any more.
        InvalidVersionError: It has no such version.
        VersionConflictError: It has a later version.
    """
    get(code)
    publish = (
        product.commands.publish_partial_update_sync
        if mode == "sync"
        else product.commands.publish_partial_update_async
    )
    return publish(
        {**_key(code)._asdict(), "version": version, **changes},
        source=_source("patch"),
        publish_id=require_invoke_context().publish_id,
    )


def delete(code: str, version: int, *, mode: Mode) -> CommandModel[ProductAttributes] | None:
    """Publish that a product is deleted. Its rows stay, with ``isDeleted``.

    Raises:
        ItemNotFoundError: There is no such product, or not any more.
        VersionConflictError: Its latest version is another one.
    """
    found = get(code)
    if found.version != version:
        raise VersionConflictError(found.pk, found.sk, version)
    state = {"name": found.name or code, "attributes": found.attributes, "is_deleted": True}
    return _publish("delete", code, version, state, mode, require_invoke_context().publish_id)


def get(code: str) -> DataModel[ProductAttributes]:
    """One product, with what the callers themselves have just published.

    Raises:
        ItemNotFoundError: There is no such product, or not any more.
    """
    found = product.repository.get_item(_key(code))
    if found is None or found.is_deleted:
        raise _not_found()
    return found


def find(*, limit: int, start_from_sk: str | None) -> DataListModel[ProductAttributes]:
    """One page of the tenant's products, by code, the caller's own pending ones included."""
    pk = _key("").pk
    page = product.repository.list_items_by_pk(pk, limit=limit, start_from_sk=start_from_sk)
    page.items = [item for item in page.items if not item.is_deleted]
    return page


def history(code: str) -> list[DataModel[ProductAttributes]]:
    """The states of a product that were replaced, oldest first. Empty for an unknown one."""
    return product.history.list_versions(_key(code))


def tenant() -> str:
    """Tenant of the caller.

    Raises:
        ForbiddenError: His token names none.
    """
    code = get_user_context(require_invoke_context()).tenant_code
    if code is None:
        msg = "your token names no tenant"
        raise ForbiddenError(msg)
    return code


def _publish(  # noqa: PLR0917 - the parts of one command
    method: str, code: str, version: int, state: dict[str, Any], mode: Mode, publish_id: str | None
) -> CommandModel[ProductAttributes] | None:
    command = CommandInputModel[ProductAttributes](
        **_key(code)._asdict(), code=code, version=version, type=_TYPE, **state
    )
    publish = product.commands.publish_sync if mode == "sync" else product.commands.publish_async
    return publish(command, source=_source(method), publish_id=publish_id)


def _source(method: str) -> str:
    return get_command_source(product.table_name, "ProductService", method)


def _new_code(publish_id: str | None) -> str:
    """A code that sorts by time; for a request with an Idempotency-Key always the same one."""
    if publish_id is None:
        return str(ULID())
    return base64.b32encode(hashlib.sha256(publish_id.encode()).digest()).decode()[:26]


def _key(code: str) -> DetailKey:
    return DetailKey(f"{_TYPE}#{tenant()}", code)


def _not_found() -> ItemNotFoundError:
    return ItemNotFoundError("there is no product with this code")
