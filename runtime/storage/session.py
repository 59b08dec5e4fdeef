"""Sessions: which version of an aggregate a user published last.

A session row lets the `Repository` show a user his own write before the pipeline has
applied it. It lives for a few minutes and is written with the command, in one transaction.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runtime.context import get_user_context
from runtime.keys import KEY_SEPARATOR, generate_id, get_tenant_code
from runtime.storage.codec import to_wire
from runtime.storage.dynamodb import Read

if TYPE_CHECKING:
    from runtime.context import InvokeContext
    from runtime.keys import DetailKey
    from runtime.resources import Resources
    from runtime.storage.codec import Item

__all__ = ["SessionService", "is_live"]


class SessionService:
    """The sessions of one module.

    Args:
        resources: Settings; ``RYW_SESSION_TTL_MINUTES`` unset or 0 switches sessions off.
        module: Logical name of the module.
    """

    def __init__(self, resources: Resources, module: str) -> None:
        self._settings = resources.settings
        self._module = module

    def read(self, context: InvokeContext | None, key: DetailKey) -> Read | None:
        """Where the caller's session of an aggregate is, or None when there cannot be one."""
        user_id = get_user_context(context).user_id if context else None
        tenant = get_tenant_code(key.pk)
        if self._settings.ryw_session_seconds is None or not user_id or not tenant:
            return None
        return Read(
            self._settings.session_table,
            f"{user_id}{KEY_SEPARATOR}{tenant}",
            f"{self._module}{KEY_SEPARATOR}{generate_id(*key)}",
        )

    def writes(self, context: InvokeContext, key: DetailKey, version: int) -> list[dict[str, Any]]:
        """The transaction items that note ``version`` as the caller's own: one, or none."""
        read = self.read(context, key)
        if read is None:
            return []
        seconds = self._settings.ryw_session_seconds or 0
        item = to_wire({"pk": read.pk, "sk": read.sk, "version": version, "ttl": int(time.time()) + seconds})
        return [{"Put": {"TableName": read.table, "Item": item}}]


def is_live(session: Item) -> bool:
    """Whether a session still counts. DynamoDB deletes expired rows hours or days late."""
    return int(session.get("ttl", {}).get("N", 0)) > time.time()
