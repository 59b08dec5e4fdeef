"""Sessions: which version of an aggregate a user published last.

A session row lets the `Repository` show a user his own write before the pipeline has
applied it. It lives for a few minutes and is written with the command, in one transaction.

``sk`` is ``{module}#{id}``, and an id does not tell where ``pk`` ends: so rows have the
columns ``itemPk`` and ``itemSk`` besides. Rows of the reference system lack them; there
``pk`` ends with the tenant, which leaves one way to split the id, rarely more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.identity.context import get_user_context
from runtime.model.keys import (
    KEY_SEPARATOR,
    VERSION_LATEST,
    DetailKey,
    generate_id,
    get_sort_key_version,
    get_tenant_code,
)
from runtime.store.codec import to_wire
from runtime.store.dynamodb import Read, wire_key

if TYPE_CHECKING:
    from runtime.clients.resources import Resources
    from runtime.identity.context import InvokeContext
    from runtime.store.codec import Item

__all__ = ["Session", "SessionService"]

_MAX_SK_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Session:
    """What a user published last of one aggregate.

    Attributes:
        item_id: Id of the aggregate.
        version: The version that the user published.
        keys: Key of the aggregate; more than one where the id can be split in several ways.
    """

    item_id: str
    version: int
    keys: tuple[DetailKey, ...]


class SessionService:
    """The sessions of one module. Made by `CommandModule`, as its ``sessions``.

    Without read-your-writes nothing is noted, read or found. Nor is it for an aggregate
    whose key names no tenant, or is too long to be part of a session's.

    Args:
        resources: Settings; ``RYW_SESSION_TTL_MINUTES`` unset or 0 switches sessions off.
        module: Logical name of the module.
    """

    def __init__(self, resources: Resources, module: str) -> None:
        self._resources = resources
        self._settings = resources.settings
        self._prefix = f"{module}{KEY_SEPARATOR}"

    def read(self, context: InvokeContext | None, key: DetailKey) -> Read | None:
        """Where the caller's session of an aggregate is, or None when there cannot be one."""
        user_id = get_user_context(context).user_id if context else None
        return self._place(user_id, key)

    def writes(self, context: InvokeContext, key: DetailKey, version: int) -> list[dict[str, Any]]:
        """The transaction items that note ``version`` as the caller's own: one, or none."""
        place = self.read(context, key)
        if place is None:
            return []
        return [{"Put": {"TableName": place.table, "Item": self._row(place, key, version)}}]

    def put(self, user_id: str, key: tuple[str, str], version: int) -> None:
        """Note ``version`` as what a user published last. A publish does this by itself."""
        detail = DetailKey(*key)
        place = self._place(user_id, detail)
        if place is not None:
            self._resources.dynamodb.put(place.table, self._row(place, detail, version))

    def get(self, user_id: str, key: tuple[str, str]) -> Session | None:
        """The session of a user and an aggregate, or None when there is none, or it is over."""
        detail = DetailKey(*key)
        place = self._place(user_id, detail)
        if place is None:
            return None
        row = self._resources.dynamodb.get(place.table, place.pk, place.sk, consistent=True)
        return self.session_of(row, detail)

    def list_by_user(self, user_id: str, tenant_code: str, *, pk: str | None = None) -> list[Session]:
        """The sessions of a user in a tenant that are not over. One call, rarely more.

        Args:
            user_id: Whose sessions.
            tenant_code: Tenant that the aggregates belong to.
            pk: Only those of this partition. Default: all of the module.
        """
        if not self.is_enabled:
            return []
        prefix = self._prefix if pk is None else f"{self._prefix}{pk}{KEY_SEPARATOR}"
        request: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
            "ExpressionAttributeValues": {
                ":pk": {"S": _partition(user_id, tenant_code)},
                ":sk": {"S": prefix},
            },
            "ConsistentRead": True,
        }
        found: list[Session] = []
        while True:
            rows, start = self._resources.dynamodb.query(self._settings.session_table, **request)
            found += [session for row in rows if (session := self._session(row, tenant_code))]
            if start is None:
                break
            request["ExclusiveStartKey"] = start
        if pk is None:
            return found
        # The prefix also finds partitions whose key goes on after `pk#`.
        return [session for session in found if any(key.pk == pk for key in session.keys)]

    def delete(self, user_id: str, key: tuple[str, str]) -> None:
        """Forget what a user published of an aggregate. DynamoDB does it in time."""
        place = self._place(user_id, DetailKey(*key))
        if place is not None:
            request = {"TableName": place.table, "Key": wire_key(place.pk, place.sk)}
            self._resources.dynamodb.transact([{"Delete": request}])

    @property
    def is_enabled(self) -> bool:
        """Whether read-your-writes is on."""
        return self._settings.ryw_session_seconds is not None

    def session_of(self, row: Item | None, key: DetailKey) -> Session | None:
        """The session in a row that was found where `read` says, or None when it is over."""
        session = self._session(row, get_tenant_code(key.pk) or "") if row else None
        return session if session and key in session.keys else None

    def _place(self, user_id: str | None, key: DetailKey) -> Read | None:
        tenant = get_tenant_code(key.pk)
        sk = f"{self._prefix}{generate_id(*key)}"
        if not self.is_enabled or not user_id or not tenant or len(sk.encode()) > _MAX_SK_BYTES:
            return None
        return Read(self._settings.session_table, _partition(user_id, tenant), sk)

    def _row(self, place: Read, key: DetailKey, version: int) -> Item:
        seconds = self._settings.ryw_session_seconds or 0
        return to_wire(
            {
                "pk": place.pk,
                "sk": place.sk,
                "version": version,
                "ttl": int(time.time()) + seconds,
                "itemPk": key.pk,
                "itemSk": key.sk,
            }
        )

    def _session(self, row: Item, tenant_code: str) -> Session | None:
        # A row without a number in these columns says nothing; it must not fail a read.
        version, ttl = (row.get(name, {}).get("N") for name in ("version", "ttl"))
        # DynamoDB deletes expired rows hours or days late.
        if version is None or ttl is None or float(ttl) <= time.time():
            return None
        item_id = row["sk"]["S"].removeprefix(self._prefix)
        if "itemPk" in row and "itemSk" in row:
            keys: tuple[DetailKey, ...] = (DetailKey(row["itemPk"]["S"], row["itemSk"]["S"]),)
        else:
            keys = _keys_in(item_id, tenant_code)
        return Session(item_id, int(version), keys)


def _partition(user_id: str, tenant_code: str) -> str:
    return f"{user_id}{KEY_SEPARATOR}{tenant_code}"


def _keys_in(item_id: str, tenant_code: str) -> tuple[DetailKey, ...]:
    """The ways to split an id after its tenant, the shortest ``pk`` first."""
    mark = f"{KEY_SEPARATOR}{tenant_code}{KEY_SEPARATOR}"
    keys: list[DetailKey] = []
    at = item_id.find(mark)
    while at >= 0:
        end = at + len(mark)
        key = DetailKey(item_id[: end - 1], item_id[end:])
        # An id of the caller's own making may end in anything; a natural key does not.
        if key.sk and get_sort_key_version(key.sk) == VERSION_LATEST:
            keys.append(key)
        at = item_id.find(mark, at + 1)
    return tuple(keys)
