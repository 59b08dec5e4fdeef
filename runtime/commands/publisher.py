"""How a checked command gets into the tables: the one way that every publish goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime import metrics
from runtime.commands import publish_record
from runtime.commands.base_version import read_base
from runtime.commands.command_row import PUBLISH_ID, stamped
from runtime.commands.dirty import is_unchanged
from runtime.errors import HandlersPendingError, VersionConflictError
from runtime.model.keys import add_sort_key_version
from runtime.model.rows import version_of
from runtime.pipeline.apply import apply
from runtime.pipeline.finish import finish, finish_applied, run_handlers
from runtime.pipeline.transactions import advance_writes, final_columns, insert_command
from runtime.store.dynamodb import ConditionFailedError, TransactionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.commands.decision import Base
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["Publisher", "Request"]

_SYNC = "SYNC"


@dataclass(frozen=True, slots=True)
class Request:
    """One publish, apart from what is published.

    Attributes:
        key: Key of the aggregate.
        version: Version that the caller builds on.
        context: Who asks.
        sync: Whether to apply the command before returning.
        source: Code that publishes.
        request_id: Id that notifications carry.
        publish_id: Id that makes a repeated publish the same one.
    """

    key: DetailKey
    version: int
    context: InvokeContext
    sync: bool
    source: str | None
    request_id: str | None
    publish_id: str | None


class Publisher:
    """Writes the commands of one module."""

    def __init__(self, module: CommandModule[Any]) -> None:
        self._module = module
        self._resources = module.resources

    def publish(
        self, request: Request, draft: Callable[[Base], Item], *, even_unchanged: bool = False
    ) -> Item | None:
        """Write the next version of an aggregate.

        Args:
            request: Which aggregate, on what, for whom.
            draft: Makes the caller's part of the row, given the version it builds on.
            even_unchanged: Write a version that says the same as the one before.

        Returns:
            The command row, or None when it would change nothing.
        """
        module = self._module
        record = publish_record.read(module.tables, request.key, request.publish_id)
        found = read_base(module, request.key, request.version, record)
        first = self._recorded(request, found.also)
        if first is not None:
            return first
        base = found.base()
        if base.row is not None:
            module.schema.check_base(base.row)
        drafted = draft(base)
        if base.row is not None and not even_unchanged and is_unchanged(base.row, drafted, module.rows.forms):
            return None
        drafted = module.schema.stamp(module.schema.current, base.version + 1) | drafted
        row = stamped(
            drafted, request.key, base.version + 1, request.context, request.source, request.request_id
        )
        if request.sync:
            row |= {"syncMode": {"S": _SYNC}}
        row = self._resources.large_attributes.off_load(module.tables.command, row)
        return self._write(request, row, base.version, found.data)

    def _write(self, request: Request, row: Item, version: int, data: Item | None) -> Item:
        also = publish_record.writes(self._module.tables, request.key, request.publish_id, version + 1)
        if request.sync:
            also += self._advance(request.key, data, row, version)
            # Only now: the `ttl` that comes with the final status is not the data row's.
            row |= final_columns(self._module, request.key.pk, self._module.applied_status)
        else:
            also += self._module.sessions.writes(request.context, request.key, version + 1)
        winner = self._insert(request, row, also)
        if winner is row:
            metrics.count(metrics.COMMANDS_PUBLISHED, self._module.table_name)
        if request.sync and winner is row:
            self._handle(request.key, row, version + 1)
        return winner

    def _advance(self, key: DetailKey, data: Item | None, row: Item, version: int) -> list[dict[str, Any]]:
        """The writes that bring the data row from ``version`` to that of ``row``."""
        module = self._module
        if module.disable_default_handler:
            return []
        if version_of(data) < version:
            # Commands that are still pending come first.
            applied = apply(module, key, version)
            finish_applied(module, applied)
            data = applied.data
        return advance_writes(module, data, row)

    def _insert(self, request: Request, row: Item, also: list[dict[str, Any]]) -> Item:
        """Write the command, and ``also`` with it, unless its version is taken."""
        dynamodb, tables = self._resources.dynamodb, self._module.tables
        try:
            if also:
                dynamodb.transact([insert_command(tables, row), *also])
            else:
                dynamodb.put_new(tables.command, row)
        except ConditionFailedError as failure:
            found = failure.item
        except TransactionFailedError as failure:
            if "ConditionalCheckFailed" not in failure.codes:
                raise
            if request.publish_id and (first := self._recorded(request, failure.items[1])):
                return first
            found = failure.items[0]
        else:
            return row
        # An attempt that succeeded while its answer got lost finds its own row: that is success.
        if found is None or found.get(PUBLISH_ID) != row[PUBLISH_ID]:
            raise VersionConflictError(*request.key, int(row["version"]["N"]) - 1)
        return row

    def _recorded(self, request: Request, record: Item | None) -> Item | None:
        """The command that an earlier publish with the same id made."""
        version = publish_record.version_in(record)
        if version is None:
            return None
        sk = add_sort_key_version(request.key.sk, version)
        return self._resources.dynamodb.get(self._module.tables.command, request.key.pk, sk, consistent=True)

    def _handle(self, key: DetailKey, row: Item, version: int) -> None:
        """Run the data sync handlers, or leave them to an execution, and finish."""
        handled = run_handlers(self._module, key, version, row)
        if handled.pending:
            self._resources.workflow.start(self._module, key, row)
            raise HandlersPendingError(*key, version, handled.pending)
        finish(self._module, row, parked=handled.parked)
