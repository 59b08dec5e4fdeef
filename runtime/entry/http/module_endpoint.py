"""What every route of a module needs: whose items they are, and who may."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from runtime import clock
from runtime.commands import publish_record
from runtime.entry.http.path_keys import why_unreachable
from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError, ItemNotFoundError
from runtime.generics import AttributesT
from runtime.identity.access import check_role
from runtime.identity.context import HEADER_IDEMPOTENCY_KEY, get_command_source, require_invoke_context
from runtime.identity.tenant import acting_tenant
from runtime.model.keys import KEY_SEPARATOR, DetailKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.identity.context import InvokeContext
    from runtime.model.models import DataModel
    from runtime.module import CommandModule

__all__ = ["Mode", "ModuleEndpoint", "ModuleRoute"]

Mode = Literal["async", "sync"]
"""Whether a command is only accepted, or applied before the answer."""

_MAX_IDEMPOTENCY_KEY: Final = 128
_BASE32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class ModuleRoute:
    """One route of a module.

    Attributes:
        name: Name of the operation.
        method: HTTP method.
        path: What follows the module's prefix.
        function: What answers.
        responses: The successful responses, for the OpenAPI document: status to description and model.
        roles: Who may; empty for everybody in the tenant.
    """

    name: str
    method: str
    path: str
    function: Callable[..., Any]
    responses: dict[int, tuple[str, Any]]
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleEndpoint(Generic[AttributesT]):
    """A module as its routes see it.

    Attributes:
        module: The module.
        prefix: First part of the paths.
        type: Kind of the items; the first part of their partition keys.
        ttl: Names of the routes that take a ``ttl``.
        min_ttl: How far ahead it has to be.
    """

    module: CommandModule[AttributesT]
    prefix: str
    type: str
    ttl: frozenset[str] = frozenset()
    min_ttl: timedelta = timedelta(0)

    def check_ttl(self, route: str, ttl: int | None) -> None:
        """Refuse a ``ttl`` where the route takes none, or none so soon: it deletes for good.

        Raises:
            InvalidInputError: It does not.
        """
        if ttl is None:
            return
        least = int(self.min_ttl.total_seconds())
        if route not in self.ttl:
            message = f"is not taken here; leave it out, or let module_routes have ttl=[{route!r}]"
        elif ttl < int(clock.seconds()) + least:
            message = f"must be in seconds since 1970, and at least {least} of them ahead"
        else:
            return
        raise InvalidInputError([FieldProblem("ttl", message)])

    def caller(self) -> InvokeContext:
        """Who asks."""
        return require_invoke_context()

    def check_roles(self, roles: tuple[str, ...]) -> None:
        """Refuse a caller who has none of ``roles``."""
        if roles:
            check_role(*roles, settings=self.module.context.settings)

    def tenant(self, *, write: bool) -> str:
        """The tenant that the request is about.

        Raises:
            ForbiddenError: The caller has none, or may not act in the one that the header names.
        """
        tenant = acting_tenant(self.caller(), self.module.context.settings, write=write)
        if tenant is None:
            msg = "your token names no tenant"
            raise ForbiddenError(msg)
        return tenant

    def pk(self, *, write: bool) -> str:
        """Partition key of the items: made of the type and the tenant, never given by the client."""
        return f"{self.type}{KEY_SEPARATOR}{self.tenant(write=write)}"

    def key(self, sk: str, *, write: bool) -> DetailKey:
        """Key of an item.

        Raises:
            InvalidInputError: It is to be written, there is none yet, and its path would not lead to it.
        """
        key = DetailKey(self.pk(write=write), sk)
        reason = why_unreachable(sk) if write else None
        # What the service's own code has written may be changed and deleted, all the same.
        if reason and not self.module.repository.exists(key, invoke_context=self.caller()):
            raise InvalidInputError([FieldProblem("sk", reason)])
        return key

    def source(self, operation: str) -> str:
        """Where a command comes from."""
        return get_command_source(self.module.table_name, "ModuleRoutes", operation)

    def publish_id(self, index: int | None = None) -> str | None:
        """Id of the publish, from the header Idempotency-Key; ``index`` is a command's of many.

        Raises:
            InvalidInputError: The header is too long, or not printable.
        """
        caller = self.caller()
        given = caller.headers.get(HEADER_IDEMPOTENCY_KEY, "")
        if len(given) > _MAX_IDEMPOTENCY_KEY or not given.isprintable():
            message = f"must have at most {_MAX_IDEMPOTENCY_KEY} printable characters"
            raise InvalidInputError([FieldProblem(HEADER_IDEMPOTENCY_KEY, message)])
        found = caller.publish_id
        return found if found is None or index is None else f"{found}:{index}"

    def new_sk(self, publish_id: str | None) -> str:
        """A new sort key: one that sorts by time, or the same one each time for a publish id."""
        if publish_id is None:
            number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
        else:
            number = int.from_bytes(hashlib.sha256(publish_id.encode()).digest()[:16])
        return "".join(_BASE32[number >> 5 * place & 31] for place in range(25, -1, -1))

    def state(self, key: DetailKey) -> DataModel[AttributesT]:
        """An item as the caller sees it.

        Raises:
            ItemNotFoundError: There is none, or not any more.
        """
        state = self.module.repository.get_item(key, invoke_context=self.caller())
        if state is None or state.is_deleted:
            raise self.not_found()
        return state

    def check_there(self, key: DetailKey, publish_id: str | None) -> None:
        """Refuse a change of an item that is not there.

        Raises:
            ItemNotFoundError: There is none, or not any more, and this is no repetition of
                the request that took it away.
        """
        if self.module.repository.exists(key, invoke_context=self.caller()):
            return
        context = self.module.context
        place = publish_record.record_place(context, key, publish_id)
        if publish_record.recorded(context.store.get(place) if place else None) is None:
            raise self.not_found()

    def not_found(self) -> ItemNotFoundError:
        """Error for an item that is not there."""
        return ItemNotFoundError("there is no such item")
