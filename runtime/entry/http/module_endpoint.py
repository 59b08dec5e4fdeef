"""What every route of a module needs: whose items they are, and who may."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from runtime import clock
from runtime.entry.http.conditions import refuse_conditions
from runtime.entry.http.path_keys import why_unreachable
from runtime.errors import FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.generics import AttributesT
from runtime.identity.access import check_role
from runtime.identity.context import (
    HEADER_IDEMPOTENCY_KEY,
    HEADER_TENANT_CODE,
    get_command_source,
    require_invoke_context,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.commands.module_service import ModuleService
    from runtime.identity.context import InvokeContext
    from runtime.module import CommandModule

__all__ = [
    "IF_MATCH",
    "IF_NONE_MATCH",
    "KEY_REUSED",
    "OF_CHANGE",
    "OF_MANY",
    "OF_READ",
    "OF_STATE",
    "OF_WRITE",
    "Mode",
    "ModuleEndpoint",
    "ModuleRoute",
]

Mode = Literal["async", "sync"]
"""Whether a command is only accepted, or applied before the answer."""

IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
OF_READ: Final = (IF_NONE_MATCH, HEADER_TENANT_CODE)
"""The request headers of a read of one item."""
OF_MANY: Final = (HEADER_TENANT_CODE,)
"""The request headers of a read of many items."""
OF_WRITE: Final = (HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE)
"""The request headers of a write that heeds no version."""
KEY_REUSED: Final = "The Idempotency-Key was used for another request"
OF_STATE: Final = (IF_MATCH, IF_NONE_MATCH, HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE)
"""The request headers of what may create an item."""
OF_CHANGE: Final = (IF_MATCH, HEADER_IDEMPOTENCY_KEY, HEADER_TENANT_CODE)
"""The request headers of what is done with an item that is there."""


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
        summary: What it does, for the OpenAPI document.
        problems: The refusals that it is worth telling of there: status to description.
        headers: The request headers that it heeds, for the OpenAPI document. A write that heeds no
            If-Match refuses it.
    """

    name: str
    method: str
    path: str
    function: Callable[..., Any]
    responses: dict[int, tuple[str, Any]]
    roles: tuple[str, ...] = ()
    summary: str = ""
    problems: Mapping[int, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()

    @property
    def has_tag(self) -> bool:
        """Whether it is about one version of one item, and answers with its ETag."""
        return IF_MATCH in self.headers or IF_NONE_MATCH in self.headers


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleEndpoint(Generic[AttributesT]):
    """A module as its routes see it.

    Attributes:
        module: The module.
        items: Its items in the tenant of the request.
        prefix: First part of the paths.
        ttl: Names of the routes that take a ``ttl``.
        min_ttl: How far ahead it has to be.
    """

    module: CommandModule[AttributesT]
    items: ModuleService[AttributesT]
    prefix: str
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

    def check_conditions(self, route: ModuleRoute) -> None:
        """Refuse a condition that a write would not heed.

        Raises:
            InvalidInputError: There is one.
        """
        if route.method == "GET" or route.has_tag:
            return
        message = "is about one item, and this request about many; leave it out"
        refuse_conditions(self.caller().headers, message)

    def check_reachable(self, sk: str, publish_id: str | None) -> None:
        """Refuse to write an item that is not there yet, and that its path would not lead to.

        Raises:
            InvalidInputError: It would not.
        """
        reason = why_unreachable(sk)
        if reason is None:
            return
        try:
            # What the service's own code has written may be changed and deleted, all the same.
            self.items.check_there(sk, publish_id=publish_id)
        except ItemNotFoundError:
            raise InvalidInputError([FieldProblem("sk", reason)]) from None

    def source(self, operation: str) -> str:
        """Where a command comes from."""
        return get_command_source(self.module.table_name, "ModuleRoutes", operation)

    def publish_id(self, index: int | None = None) -> str | None:
        """Id of the publish, from the header Idempotency-Key; ``index`` is a command's of many.

        Raises:
            InvalidInputError: The header is too long, or not printable.
        """
        found = self.caller().publish_id
        return found if found is None or index is None else f"{found}:{index}"
