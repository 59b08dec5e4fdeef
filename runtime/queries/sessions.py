"""Sessions: which version of an aggregate a user published last.

A session row lets the `Repository` show users their own writes before the pipeline has
applied them. It lives for a few minutes and is written with the command, in one transaction.

``sk`` is ``{module}#{id}``, and an id does not tell where ``pk`` ends: so rows have the
columns ``itemPk`` and ``itemSk`` besides, and ``publishId``, by which the session is about
that very command and none of the same version in a later life of the aggregate. Rows of the
reference system lack them; there ``pk`` ends with the tenant, which leaves one way to split
the id, rarely more.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Key

from runtime import clock
from runtime.identity.user import user_id_of
from runtime.model.keys import (
    KEY_SEPARATOR,
    MAX_ROW_SK_BYTES,
    VERSION_LATEST,
    DetailKey,
    generate_id,
    get_sort_key_version,
    get_tenant_code,
)
from runtime.model.rows import PUBLISH_ID
from runtime.store.port import Delete, Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.identity.context import InvokeContext
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["Session", "SessionService"]

_ITEM_PK: Final = "itemPk"
_ITEM_SK: Final = "itemSk"


@dataclass(frozen=True, slots=True)
class Session:
    """What a user published last of one aggregate.

    Attributes:
        item_id: Id of the aggregate.
        version: The version that the user published.
        keys: Key of the aggregate; more than one where the id can be split in several ways.
        publish_id: Publish id of that command; None in a row of the reference system.
    """

    item_id: str
    version: int
    keys: tuple[DetailKey, ...]
    publish_id: str | None = None

    def is_about(self, command: Row) -> bool:
        """Whether a command of the session's version is the one that the user published.

        An aggregate may have been erased, or have expired, and been created anew since: then
        its versions begin again, and the command of that number is another one.
        """
        return self.publish_id is None or command.get(PUBLISH_ID) == self.publish_id


class SessionService:
    """The sessions of one module. Made by `CommandModule`, as its ``sessions``.

    Without read-your-writes nothing is noted, read or found. Nor is it for an aggregate
    whose key names no tenant, or is too long to be part of a session's.

    Args:
        context: The module. ``RYW_SESSION_TTL_MINUTES`` unset or 0 switches sessions off.
    """

    def __init__(self, context: ModuleContext) -> None:
        self._store = context.store
        self._settings = context.settings
        self._prefix = f"{context.name}{KEY_SEPARATOR}"

    def place(self, invoke_context: InvokeContext | None, key: DetailKey) -> Place | None:
        """Where the caller's session of an aggregate is, or None when there cannot be one."""
        user_id = user_id_of(invoke_context) if invoke_context else None
        return self._place(user_id, key)

    def places_of(self, user_ids: Iterable[str], key: DetailKey) -> list[Place]:
        """Where the sessions of some users and an aggregate are, as far as there can be any."""
        places = (self._place(user_id, key) for user_id in dict.fromkeys(user_ids))
        return [place for place in places if place is not None]

    def write_of(
        self, invoke_context: InvokeContext, key: DetailKey, version: int, publish_id: str
    ) -> Put | None:
        """The write that notes a version as the caller's own, or None where nothing is noted.

        Args:
            invoke_context: Who publishes.
            key: Key of the aggregate.
            version: The version that they publish.
            publish_id: Publish id of its command.
        """
        place = self.place(invoke_context, key)
        return self._put(place, key, version, publish_id) if place else None

    def put(self, user_id: str, key: tuple[str, str], version: int, *, publish_id: str | None = None) -> None:
        """Note ``version`` as what a user published last. A publish does this by itself.

        Args:
            user_id: Whose session.
            key: ``(pk, sk)`` of the aggregate.
            version: The version.
            publish_id: Publish id of its command. Default: whichever command has that version.
        """
        detail = DetailKey(*key)
        place = self._place(user_id, detail)
        if place is not None:
            self._store.write(self._put(place, detail, version, publish_id))

    def get(self, user_id: str, key: tuple[str, str]) -> Session | None:
        """The session of a user and an aggregate, or None when there is none, or it is over."""
        detail = DetailKey(*key)
        place = self._place(user_id, detail)
        return self.session_of(self._store.get(place), detail) if place else None

    def list_by_user(self, user_id: str, tenant_code: str, *, pk: str | None = None) -> list[Session]:
        """The sessions of a user in a tenant that are not over. One call, rarely more.

        Args:
            user_id: Whose sessions.
            tenant_code: Tenant that the aggregates belong to.
            pk: Only those of this partition. Default: all of the module.
        """
        prefix = self._prefix if pk is None else f"{self._prefix}{pk}{KEY_SEPARATOR}"
        if not self.is_enabled or len(prefix.encode()) >= MAX_ROW_SK_BYTES:
            return []
        mine = Key("pk").eq(_partition(user_id, tenant_code)) & Key("sk").begins_with(prefix)
        found: list[Session] = []
        start: Row | None = None
        while True:
            page = self._store.query(self._settings.session_table, mine, start=start)
            found += [session for row in page.rows if (session := self._session(row, tenant_code))]
            if page.next is None:
                break
            start = page.next
        if pk is None:
            return found
        # The prefix also finds partitions whose key goes on after `pk#`.
        return [session for session in found if any(key.pk == pk for key in session.keys)]

    def delete(self, user_id: str, key: tuple[str, str]) -> None:
        """Forget what a user published of an aggregate. DynamoDB does it in time."""
        place = self._place(user_id, DetailKey(*key))
        if place is not None:
            self._store.write(Delete(place=place))

    @property
    def is_enabled(self) -> bool:
        """Whether read-your-writes is on."""
        return self._settings.ryw_session_seconds is not None

    def session_of(self, row: Row | None, key: DetailKey) -> Session | None:
        """The session in a row that was found where `place` says, or None when it is over."""
        session = self._session(row, get_tenant_code(key.pk) or "") if row else None
        return session if session and key in session.keys else None

    def _place(self, user_id: str | None, key: DetailKey) -> Place | None:
        tenant = get_tenant_code(key.pk)
        sk = f"{self._prefix}{generate_id(*key)}"
        if not self.is_enabled or not user_id or not tenant or len(sk.encode()) > MAX_ROW_SK_BYTES:
            return None
        return Place(self._settings.session_table, _partition(user_id, tenant), sk)

    def _put(self, place: Place, key: DetailKey, version: int, publish_id: str | None) -> Put:
        row: Row = {
            "pk": place.pk,
            "sk": place.sk,
            "version": version,
            "ttl": int(clock.seconds()) + (self._settings.ryw_session_seconds or 0),
            _ITEM_PK: key.pk,
            _ITEM_SK: key.sk,
        }
        if publish_id is not None:
            row[PUBLISH_ID] = publish_id
        return Put(table=place.table, row=row)

    def _session(self, row: Row, tenant_code: str) -> Session | None:
        # A row without a number in these columns says nothing; it must not fail a read.
        if not _is_number(row.get("version")) or not _is_number(row.get("ttl")):
            return None
        if row["ttl"] <= clock.seconds():  # DynamoDB deletes expired rows hours or days late
            return None
        item_id = row["sk"].removeprefix(self._prefix)
        if _ITEM_PK in row and _ITEM_SK in row:
            keys: tuple[DetailKey, ...] = (DetailKey(row[_ITEM_PK], row[_ITEM_SK]),)
        else:
            keys = _keys_in(item_id, tenant_code)
        return Session(item_id, int(row["version"]), keys, row.get(PUBLISH_ID))


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


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
