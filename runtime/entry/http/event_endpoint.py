"""What every route of an aggregate's commands and events needs: whose it is, and under which names."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.entry.http.path_keys import why_unreachable_id
from runtime.errors import FieldProblem, ForbiddenError, InvalidInputError, ItemNotFoundError
from runtime.identity.access import check_role
from runtime.identity.context import require_invoke_context
from runtime.identity.tenant import acting_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.event_store.aggregates.loaded import Loaded
    from runtime.event_store.aggregates.repository import AggregateRepository
    from runtime.event_store.commands.commands import Commands
    from runtime.identity.context import InvokeContext

__all__ = ["EventEndpoint", "named_as_sent", "not_found", "tenant_of_request"]

_NO_NAME: Final = re.compile(r"[^\w-]+")

#: Arguments of the library as they are called in paths.
_IN_PATHS: Final = {"aggregate_id": "id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEndpoint:
    """An aggregate as its routes see it.

    Attributes:
        commands: What can be done with it.
        prefix: First part of the paths.
    """

    commands: Commands[Any, Any]
    prefix: str

    @property
    def repository(self) -> AggregateRepository[Any, Any]:
        """The aggregates."""
        return self.commands.repository

    @property
    def owner(self) -> str:
        """What the routes are called by in the OpenAPI document: the stream."""
        return _NO_NAME.sub("_", self.repository.aggregate.stream)

    def caller(self) -> InvokeContext:
        """Who asks."""
        return require_invoke_context()

    def check_roles(self, roles: tuple[str, ...]) -> None:
        """Refuse a caller who has none of ``roles``."""
        if roles:
            check_role(*roles)

    def load(self, aggregate_id: str, *, write: bool = False) -> Loaded[Any]:
        """The aggregate in the tenant of the request.

        Raises:
            ItemNotFoundError: Nothing was ever appended to it.
        """
        loaded = self.repository.get_aggregate(aggregate_id, tenant=tenant_of_request(write=write))
        if not loaded.exists:
            raise not_found()
        return loaded

    def check_reachable(self, aggregate_id: str) -> None:
        """Refuse to begin an aggregate that its path would not lead to.

        Raises:
            InvalidInputError: It would not.
        """
        reason = why_unreachable_id(aggregate_id)
        if reason is None:
            return
        try:
            # What the service's own code has begun may go on, all the same.
            self.load(aggregate_id, write=True)
        except ItemNotFoundError:
            raise InvalidInputError([FieldProblem("id", reason)]) from None


def tenant_of_request(*, write: bool = False) -> str:
    """The tenant that the request is about: never the domain's default one.

    Args:
        write: Whether the request is to write: what is common is read by everybody.

    Raises:
        ForbiddenError: The caller has none, or may not act in the one that the header names.
    """
    tenant = acting_tenant(write=write)
    if tenant is None:
        msg = "your token names no tenant"
        raise ForbiddenError(msg)
    return tenant


def not_found() -> ItemNotFoundError:
    """Error for an aggregate that is not there."""
    return ItemNotFoundError("there is no such aggregate")


@contextmanager
def named_as_sent(names: Mapping[str, str] = _IN_PATHS) -> Iterator[None]:
    """Name the arguments in errors as the client wrote them.

    Args:
        names: What the client calls them, by the name of an argument, or of what it has in it. Default: as
            in paths. What has no name of its own goes by that of its argument: ``groups.0``.
    """
    try:
        yield
    except InvalidInputError as error:
        problems = []
        for found in error.problems:
            name, dot, rest = found.field.partition(".")
            sent = names.get(found.field) or f"{names.get(name, name)}{dot}{rest}"
            problems.append(FieldProblem(sent, found.message))
        if problems == list(error.problems):
            raise
        raise InvalidInputError(problems) from error
