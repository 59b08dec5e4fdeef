"""Sessions: which version of an aggregate a user published last.

A session row lets the `Repository` show users their own writes before the pipeline has
applied them. It lives for a few minutes and is written with the command, in one transaction.

``sk`` is ``{module}#{id}``, and an id does not tell where ``pk`` ends: so rows have the
columns ``itemPk`` and ``itemSk`` besides, and ``publishId``, by which the session is about
that very command and none of the same version in a later life of the aggregate. Rows of the
reference system lack them; there ``pk`` ends with the tenant, which leaves one way to split
the id, rarely more.

Who published much has many sessions, nearly all of what is applied. Then they are not read one and all:
the sessions of the items on a page are, and those of what the user created and is not finished; see
`runtime.pipeline.creations`.
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
from runtime.model.rows import PUBLISH_ID, is_first_of_life
from runtime.pipeline.creations import creation_place, creation_prefix, session_pk
from runtime.store.port import Delete, Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from boto3.dynamodb.conditions import ConditionBase

    from runtime.identity.context import InvokeContext
    from runtime.module_context import ModuleContext
    from runtime.store.values import Row

__all__ = ["Session", "SessionService"]

_ITEM_PK: Final = "itemPk"
_ITEM_SK: Final = "itemSk"
_FEW: Final = 100
"""Sessions that are read one and all. What may be pending of them is looked up in a call or two."""


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
        self._module = context.name
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

    def write_of_new(self, key: DetailKey, command: Row) -> Put | None:
        """The write that notes an item as created by the caller, or None where that is not to be noted.

        Args:
            key: Key of the aggregate.
            command: The command that is published, for the caller.
        """
        if not self.is_enabled or not is_first_of_life(command):
            return None
        place = creation_place(self._module, self._settings, key, command)
        return self._put(place, key, command["version"], command[PUBLISH_ID]) if place else None

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
        prefix = self._prefix_of(pk)
        if prefix is None:
            return []
        return self._read(user_id, tenant_code, Key("sk").begins_with(prefix), pk)

    def few_of_user(self, user_id: str, tenant_code: str, *, pk: str | None = None) -> list[Session] | None:
        """The sessions that `list_by_user` finds; None where a user has more than a few. One call."""
        prefix = self._prefix_of(pk)
        if prefix is None:
            return []
        mine = Key("pk").eq(session_pk(user_id, tenant_code)) & Key("sk").begins_with(prefix)
        page = self._store.query(self._settings.session_table, mine, limit=_FEW)
        return None if page.next else self._sessions(page.rows, tenant_code, pk)

    def created_by_user(self, user_id: str, tenant_code: str, *, pk: str | None = None) -> list[Session]:
        """The last sessions of what a user created, and nobody has finished. Two calls, or more.

        Args:
            user_id: Whose sessions.
            tenant_code: Tenant that the aggregates belong to.
            pk: Only those of this partition. Default: all of the module.
        """
        prefix = creation_prefix(self._module) + ("" if pk is None else f"{pk}{KEY_SEPARATOR}")
        found = self._read(user_id, tenant_code, Key("sk").begins_with(prefix), pk)
        created = {session.item_id: session for session in found}
        # Whoever created it may have changed it since.
        last = self.of_ids(user_id, tenant_code, created)
        return [max(made, last.get(item_id, made), key=_version) for item_id, made in created.items()]

    def of_items(self, user_id: str, keys: Sequence[DetailKey]) -> list[Session]:
        """The sessions of a user and some items of a partition, and those between. One call, rarely more.

        Args:
            user_id: Whose sessions.
            keys: Keys of the items, in the order of the sort key.
        """
        places = [place for key in keys if (place := self._place(user_id, key))]
        if not places:
            return []
        pk = keys[0].pk
        between = Key("sk").between(places[0].sk, places[-1].sk)
        return self._read(user_id, get_tenant_code(pk) or "", between, pk)

    def of_ids(self, user_id: str, tenant_code: str, ids: Iterable[str]) -> dict[str, Session]:
        """The sessions of a user and the items with some ids, by id. One call for 100 of them."""
        pk, table = session_pk(user_id, tenant_code), self._settings.session_table
        places = {
            item_id: Place(table, pk, sk) for item_id in ids if _is_sk(sk := f"{self._prefix}{item_id}")
        }
        rows = self._store.batch_get(places.values()) if places else {}
        found = {item_id: rows.get(place) for item_id, place in places.items()}
        return {
            item_id: session
            for item_id, row in found.items()
            if row is not None and (session := self._session(row, tenant_code))
        }

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

    def _prefix_of(self, pk: str | None) -> str | None:
        """What the sort keys of sessions begin with; None where there can be none."""
        prefix = self._prefix if pk is None else f"{self._prefix}{pk}{KEY_SEPARATOR}"
        return prefix if self.is_enabled and len(prefix.encode()) < MAX_ROW_SK_BYTES else None

    def _read(self, user_id: str, tenant_code: str, sk: ConditionBase, pk: str | None) -> list[Session]:
        mine = Key("pk").eq(session_pk(user_id, tenant_code)) & sk
        found: list[Session] = []
        start: Row | None = None
        while True:
            page = self._store.query(self._settings.session_table, mine, start=start)
            found += self._sessions(page.rows, tenant_code, pk)
            if page.next is None:
                return found
            start = page.next

    def _sessions(self, rows: Iterable[Row], tenant_code: str, pk: str | None) -> list[Session]:
        found = [session for row in rows if (session := self._session(row, tenant_code))]
        if pk is None:
            return found
        # The prefix also finds partitions whose key goes on after `pk#`.
        return [session for session in found if any(key.pk == pk for key in session.keys)]

    def _place(self, user_id: str | None, key: DetailKey) -> Place | None:
        tenant = get_tenant_code(key.pk)
        sk = f"{self._prefix}{generate_id(*key)}"
        if not self.is_enabled or not user_id or not tenant or len(sk.encode()) > MAX_ROW_SK_BYTES:
            return None
        return Place(self._settings.session_table, session_pk(user_id, tenant), sk)

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
        if _ITEM_PK in row and _ITEM_SK in row:
            keys: tuple[DetailKey, ...] = (DetailKey(row[_ITEM_PK], row[_ITEM_SK]),)
            item_id = generate_id(*keys[0])
        else:
            item_id = row["sk"].removeprefix(self._prefix)
            keys = _keys_in(item_id, tenant_code)
        return Session(item_id, int(row["version"]), keys, row.get(PUBLISH_ID))


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_sk(text: str) -> bool:
    """Whether a text can be the sort key of a row: ids come from any store."""
    try:
        return len(text.encode()) <= MAX_ROW_SK_BYTES
    except UnicodeEncodeError:
        return False


def _version(session: Session) -> int:
    return session.version


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
