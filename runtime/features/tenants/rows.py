"""The rows of tenants: published synchronously, each on the state that it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.commands.options import publish_id_of
from runtime.errors import (
    ContentionError,
    FieldProblem,
    InvalidInputError,
    ItemNotFoundError,
    VersionConflictError,
)
from runtime.features.tenants.codes import key_of
from runtime.features.tenants.tenant import SETTING, Tenant, TenantState, state_in
from runtime.identity.context import get_command_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.commands.options import PublishOptions
    from runtime.features.tenants.access import Access
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel, DataModel
    from runtime.module import CommandModule

    Row = CommandModel[Any] | DataModel[Any]
    Change = Callable[[Any], Mapping[str, Any] | None]

__all__ = ["TenantRows"]

#: Every writer that meets others gets through: with a hundred of them, each waits for some of the others.
_ATTEMPTS: Final = 100


class TenantRows:
    """Writes the rows of tenants.

    Args:
        module: The module that has them.
        changed: Called after each write, also after one whose outcome is not known.
    """

    def __init__(self, module: CommandModule[Any], changed: Callable[[], None]) -> None:
        self._module = module
        self._changed = changed

    def create(
        self, method: str, writer: InvokeContext, key: DetailKey, state: Mapping[str, Any], message: str
    ) -> CommandModel[Any]:
        """Publish what must not be there; what is there and was deleted is replaced.

        What is there in the very same state, and still being created, is taken for it.
        """
        found: CommandModel[Any] | None = None

        def next_state(row: CommandModel[Any] | None) -> Mapping[str, Any] | None:
            nonlocal found
            found = row
            if row is None or row.is_deleted:
                return {**state, **key._asdict()}
            if self._is_begun(row, key, state):
                return None
            raise InvalidInputError([FieldProblem("code", message)]) from None

        def at_once(options: PublishOptions) -> CommandModel[Any] | None:
            return self._module.commands.publish_sync({**state, **key._asdict(), "version": 0}, **options)

        published = self._publish(method, key, next_state, at_once, {"invoke_context": writer})
        return published or found or self._latest(key)

    def change(
        self,
        method: str,
        access: Access,
        code: str,
        change: Change,
        *,
        closed_too: bool = False,
        publish_id: str | None = None,
    ) -> Tenant:
        """Publish what a function makes of a tenant's row, and give the tenant as it then is.

        Three calls: the row is read, and published upon. Where somebody else was faster, or a command
        of another service's is still under way, what it is built on is found at each attempt: four.

        Args:
            method: What was called.
            access: Who asks.
            code: Code of the tenant.
            change: Gets the row and returns the columns to set; None to leave it as it is.
            closed_too: Whether it is done with a closed tenant as well.
            publish_id: Id of the write. Default: the next one of the request.
        """
        key, seen = key_of(code), None

        def next_state(row: Row | None) -> Mapping[str, Any] | None:
            nonlocal seen
            if row is None or row.is_deleted:
                msg = f"there is no tenant {code!r}"
                raise ItemNotFoundError(msg)
            if not closed_too and state_in(row.attributes or {}) is TenantState.CLOSED:
                raise InvalidInputError([FieldProblem("code", "is that of a tenant that is closed")])
            seen = row
            fields = change(row)
            if fields is None:
                return None
            kept = {"code": row.code, "name": row.name, "type": row.type, "seq": row.seq}
            state = {**kept, **key._asdict(), "isDeleted": False, "attributes": row.attributes, **fields}
            # MBC CQRS Serverless takes the name away where a change gives none.
            return {**state, "name": state["name"] or ""}

        options: PublishOptions = {"invoke_context": access.writer(code)}
        if publish_id is not None:
            options["publish_id"] = publish_id
        published = self._publish(
            method, key, next_state, lambda own: self._publish_upon(key, next_state, own), options
        )
        row = published or seen or self._latest(key)
        return Tenant.of(code, name=row.name, attributes=row.attributes, version=row.version)

    def _publish(
        self,
        method: str,
        key: DetailKey,
        next_state: Change,
        at_once: Callable[[PublishOptions], CommandModel[Any] | None],
        options: PublishOptions,
    ) -> CommandModel[Any] | None:
        """Publish in the few calls that mostly do, else with as many attempts as it takes.

        Under a publish id what the first call has done is looked up before anything is decided.

        Raises:
            ContentionError: Others were faster each time. Nothing was written.
        """
        commands = self._module.commands
        source = get_command_source(self._module.table_name, "TenantModule", method)
        try:
            with publish_id_of((commands.table_name, key), options) as publish_id:
                own: PublishOptions = {**options, "source": source, "publish_id": publish_id}
                if publish_id is None:
                    try:
                        return at_once(own)
                    except VersionConflictError:
                        pass
                return commands.publish_with_retry(key, next_state, sync=True, attempts=_ATTEMPTS, **own)
        except VersionConflictError as conflict:
            # The caller has named no version that could be out of date: the same call may be made again.
            msg = "others changed this tenant for as long as this call tried; try again"
            raise ContentionError(msg) from conflict
        finally:
            self._changed()

    def _latest(self, key: DetailKey) -> CommandModel[Any]:
        """The row as it is now: of a repeat, where the first call has left it as it was."""
        row = self._module.commands.get_latest_item(key)
        if row is None:
            msg = "there is no such tenant any more"
            raise ItemNotFoundError(msg)
        return row

    def _is_begun(self, row: CommandModel[Any], key: DetailKey, state: Mapping[str, Any]) -> bool:
        """Whether a row is what the same call has left on its way, but for groups of ``on_create``."""
        attributes = row.attributes or {}
        if state_in(attributes) is not TenantState.CREATING:
            return False
        groups = {SETTING: attributes[SETTING]} if SETTING in attributes else {}
        own = {
            **state,
            **key._asdict(),
            "version": row.version,
            "attributes": {**state["attributes"], **groups},
        }
        return self._module.commands.is_not_command_dirty(row, own)

    def _publish_upon(
        self, key: DetailKey, next_state: Change, options: PublishOptions
    ) -> CommandModel[Any] | None:
        """Publish upon the data row.

        Raises:
            VersionConflictError: There is a later version, or none is applied yet.
        """
        row = self._module.data.get_item(key, consistent=True, invoke_context=options["invoke_context"])
        if row is None:
            raise VersionConflictError(*key, 0)
        state = next_state(row)
        if state is None:
            return None
        command = {**state, "version": row.version}
        return self._module.commands.publish_sync(command, **options)
