"""Publishing commands: the write side of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from runtime.access import check_tenant
from runtime.commands.base_version import read_base
from runtime.commands.command_row import PUBLISH_ID, draft_of, stamped
from runtime.commands.dirty import is_unchanged
from runtime.commands.validation import validated_input
from runtime.context import require_invoke_context
from runtime.errors import HandlersPendingError, VersionConflictError
from runtime.generics import AttributesT
from runtime.keys import DetailKey
from runtime.pipeline.apply import apply
from runtime.pipeline.finish import finish, run_handlers
from runtime.storage.codec import from_wire
from runtime.storage.dynamodb import ConditionFailedError, TransactionFailedError
from runtime.storage.rows import version_of
from runtime.storage.transactions import advance_writes, insert_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.context import InvokeContext
    from runtime.models import CommandInputModel, CommandModel
    from runtime.module import CommandModule
    from runtime.storage.codec import Item

__all__ = ["CommandService"]

_SYNC = "SYNC"


class CommandService(Generic[AttributesT]):
    """The write side of a module. Made by `CommandModule`, as its ``commands``.

    "async" in a name means that the command is processed asynchronously; these are plain
    functions, not coroutines.
    """

    def __init__(self, module: CommandModule[AttributesT]) -> None:
        self._module = module
        self._tables = module.tables
        self._resources = module.resources

    def publish_async(
        self,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        *,
        invoke_context: InvokeContext | None = None,
        source: str | None = None,
        request_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Accept a command; the pipeline applies it in the background.

        Two sequential calls: one consistent read, one conditional write. With
        `VERSION_LATEST` the data row is read first: three. With read-your-writes on, the
        session row is written in the same transaction as the command.

        Args:
            command: The whole next state, and the version that it builds on.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            source: Code that publishes, see `get_command_source`.
            request_id: Id to correlate notifications with. Default: the request's own.

        Returns:
            The command as stored, or None when it would change nothing.

        Raises:
            InvalidInputError: A field is wrong.
            InvalidVersionError: There is no such version.
            VersionConflictError: There is a later version.
            ForbiddenError: The key belongs to another tenant.
        """
        context = require_invoke_context(invoke_context)
        checked = self._checked(command, context)
        key = DetailKey(checked.pk, checked.sk)
        draft = draft_of(checked)
        base, _ = read_base(self._resources.dynamodb, self._tables, key, checked.version)
        if base.row is not None and is_unchanged(base.row, draft):
            return None
        row = stamped(draft, key, base.version + 1, context, source, request_id)
        self._insert(key, row, self._module.sessions.writes(context, key, base.version + 1))
        return self._model(row)

    def publish_sync(
        self,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        *,
        invoke_context: InvokeContext | None = None,
        source: str | None = None,
        request_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Apply a command before returning: command, data and history in one transaction.

        Commands that are still pending are applied first. Data sync handlers run in the
        same call; where one fails, or waits for an earlier version, the command stays
        committed and a workflow execution takes the handlers over.

        Args:
            command: The whole next state, and the version that it builds on.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            source: Code that publishes, see `get_command_source`.
            request_id: Id to correlate notifications with. Default: the request's own.

        Returns:
            The command as stored, or None when it would change nothing.

        Raises:
            InvalidInputError: A field is wrong.
            InvalidVersionError: There is no such version.
            VersionConflictError: There is a later version.
            ForbiddenError: The key belongs to another tenant.
            HandlersPendingError: Committed, but not every handler has seen it yet.
        """
        context = require_invoke_context(invoke_context)
        checked = self._checked(command, context)
        key = DetailKey(checked.pk, checked.sk)
        draft = draft_of(checked)
        base, data = read_base(self._resources.dynamodb, self._tables, key, checked.version)
        if base.row is not None and is_unchanged(base.row, draft):
            return None
        row = stamped(draft, key, base.version + 1, context, source, request_id)
        row["syncMode"] = {"S": _SYNC}
        row["status"] = {"S": self._module.applied_status}
        self._insert(key, row, self._advance(key, data, row, base.version))
        self._handle(key, row, base.version + 1)
        return self._model(row)

    def get_item(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT] | None:
        """The command row with a versioned sort key, or None. Strongly consistent.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = key
        check_tenant(pk, invoke_context, self._resources.settings)
        row = self._resources.dynamodb.get(self._tables.command, pk, sk, consistent=True)
        return self._model(row) if row else None

    def _checked(
        self, command: CommandInputModel[AttributesT] | Mapping[str, Any], context: InvokeContext
    ) -> CommandInputModel[AttributesT]:
        checked = validated_input(self._module.input_model, command)
        check_tenant(checked.pk, context, self._resources.settings)
        return checked

    def _advance(self, key: DetailKey, data: Item | None, row: Item, version: int) -> list[dict[str, Any]]:
        """The writes that bring the data row from ``version`` to that of ``row``."""
        if self._module.disable_default_handler:
            return []
        if version_of(data) < version:
            status = self._module.applied_status
            data = apply(self._resources.dynamodb, self._tables, key, version, status=status).data
        return advance_writes(self._tables, data, row)

    def _insert(self, key: DetailKey, row: Item, also: list[dict[str, Any]]) -> None:
        """Write the command, and ``also`` with it, unless its version is taken."""
        dynamodb = self._resources.dynamodb
        try:
            if also:
                dynamodb.transact([insert_command(self._tables, row), *also])
            else:
                dynamodb.put_new(self._tables.command, row)
        except ConditionFailedError as failure:
            found = failure.item
        except TransactionFailedError as failure:
            if "ConditionalCheckFailed" not in failure.codes:
                raise
            found = failure.items[0]
        else:
            return
        # An attempt that succeeded while its answer got lost finds its own row: that is success.
        if found is None or found.get(PUBLISH_ID) != row[PUBLISH_ID]:
            raise VersionConflictError(*key, int(row["version"]["N"]) - 1)

    def _handle(self, key: DetailKey, row: Item, version: int) -> None:
        """Run the data sync handlers, or leave them to an execution, and finish."""
        handled = run_handlers(self._module, key, version, row)
        if handled.pending:
            self._resources.workflow.start(self._module.table_name, self._tables, key, version)
            raise HandlersPendingError(*key, version, handled.pending)
        finish(self._module, row, parked=handled.parked)

    def _model(self, row: Item) -> CommandModel[AttributesT]:
        return self._module.command_model.model_validate(from_wire(row))
