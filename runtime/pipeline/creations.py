"""What a user has created, and nobody has finished yet: a row for each, beside the sessions.

A session stays for minutes after its command was finished, so who published much has many of them, and
nothing in them says which still matter. Of an update that can be told by the item itself; of an item that
is not there yet it cannot. So whoever publishes the first version of an item notes that in a row of its
own, and whoever finishes that version takes it away in the same transaction: what is left is pending.

Such a row is only where to look: one that stays behind says of a finished command what a session says. The
name of no module begins with the separator, so that nobody who looks for sessions finds these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.model.keys import KEY_SEPARATOR, MAX_ROW_SK_BYTES, generate_id, get_tenant_code
from runtime.model.rows import is_first_of_life, key_of, life_of
from runtime.store.port import Delete
from runtime.store.values import Place

if TYPE_CHECKING:
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.settings import Settings
    from runtime.store.values import Row

__all__ = ["creation_place", "creation_prefix", "forget_creation", "session_pk"]

_CREATIONS: Final = f"{KEY_SEPARATOR}new{KEY_SEPARATOR}"


def session_pk(user_id: str, tenant_code: str) -> str:
    """Partition key of a user's sessions in a tenant."""
    return f"{user_id}{KEY_SEPARATOR}{tenant_code}"


def creation_prefix(module: str) -> str:
    """What the sort keys of a module's creations begin with."""
    return f"{_CREATIONS}{module}{KEY_SEPARATOR}"


def creation_place(module: str, settings: Settings, key: DetailKey, row: Row) -> Place | None:
    """Where it is noted who created the life of an item that a row belongs to; None where it cannot be.

    Args:
        module: Logical name of the module.
        settings: Where the sessions are.
        key: Key of the aggregate.
        row: Any row of that life.
    """
    user_id, tenant, life = row.get("createdBy"), get_tenant_code(key.pk), life_of(row)
    sk = f"{creation_prefix(module)}{generate_id(*key)}{KEY_SEPARATOR}{life}"
    if not settings.has_sessions or not user_id or not tenant or not life:
        return None
    if len(sk.encode()) > MAX_ROW_SK_BYTES:
        return None
    return Place(settings.session_table, session_pk(user_id, tenant), sk)


def forget_creation(context: ModuleContext, command: Row) -> Delete | None:
    """The write that goes with the final status of a command; None where it created nothing."""
    if not is_first_of_life(command):
        return None
    place = creation_place(context.name, context.settings, key_of(command), command)
    return Delete(place=place) if place else None
