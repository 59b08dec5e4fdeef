"""The write side of one module."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime.commands.base_version import read_latest
from runtime.commands.command_row import draft_of
from runtime.commands.dirty import is_unchanged
from runtime.commands.duplicate import duplicated
from runtime.commands.publisher import Request
from runtime.commands.publishing import CommandPublishing
from runtime.errors import BadRequestError, ItemNotFoundError
from runtime.generics import AttributesT
from runtime.identity.access import check_every_tenant, check_tenant
from runtime.identity.context import require_invoke_context
from runtime.model.keys import (
    VERSION_LATEST,
    DetailKey,
    add_sort_key_version,
    get_sort_key_version,
    get_tenant_code,
    remove_sort_key_version,
)
from runtime.model.status import FINISHED
from runtime.model.validation import validated_input
from runtime.pipeline import resync
from runtime.store.codec import to_wire
from runtime.store.dynamodb import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runtime.identity.context import InvokeContext
    from runtime.model.handlers import DataSyncHandler
    from runtime.model.models import CommandInputModel, CommandModel
    from runtime.pipeline.resync import Progress
    from runtime.store.codec import Item

__all__ = ["CommandService"]


class CommandService(CommandPublishing[AttributesT]):
    """The write side of a module: publishing, see `CommandPublishing`, and its commands.

    Made by `CommandModule`, as its ``commands``. Every read of a command row is strongly
    consistent.
    """

    def get_item(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT] | None:
        """One command, or None.

        Args:
            key: ``(pk, sk)``. A sort key without a version gives the latest command.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        detail = self._checked(key, invoke_context)
        if get_sort_key_version(detail.sk) == VERSION_LATEST:
            return self.get_latest_item(key, invoke_context=invoke_context)
        row = self._row(detail)
        return self._module.rows.command(row) if row else None

    def get_latest_item(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT] | None:
        """The latest command of an aggregate, or None when there is none (any more).

        Two calls, or three where the command is applied already; however many versions
        there are, and however many have expired.

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = self._checked(key, invoke_context)
        detail = DetailKey(pk, remove_sort_key_version(sk))
        found = read_latest(self._module, detail)
        row = found.commands.get(found.version)
        if row is None and found.version:
            row = self._row(DetailKey(pk, add_sort_key_version(sk, found.version)))
        return self._module.rows.command(row) if row else None

    def get_next_command(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT] | None:
        """The command after the one with this versioned key, or None.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = self._checked(key, invoke_context)
        row = self._row(DetailKey(pk, add_sort_key_version(sk, get_sort_key_version(sk) + 1)))
        return self._module.rows.command(row) if row else None

    def duplicate(
        self,
        key: tuple[str, str],
        *,
        invoke_context: InvokeContext | None = None,
        request_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Publish the state of a command once more, as the version after it.

        The new command is processed like any other: nothing of the old one's life is
        carried over. Its ``source`` is ``duplicated``.

        Args:
            key: ``(pk, sk)``. A sort key without a version duplicates the latest command.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            request_id: Id to correlate notifications with. Default: the request's own.

        Raises:
            BadRequestError: There is no such command.
            VersionConflictError: There is a later version.
            ForbiddenError: The key belongs to another tenant.
        """
        context = require_invoke_context(invoke_context)
        self._checked(key, context, write=True)
        command = self.get_item(key, invoke_context=context)
        if command is None:
            msg = "Invalid input key: item not found"
            raise BadRequestError(msg)
        row = self._row(command.key) or {}
        detail = DetailKey(command.pk, remove_sort_key_version(command.sk))
        request = Request(detail, command.version, context, False, "duplicated", request_id, None)  # noqa: FBT003
        copy = duplicated(row, self._module.schema, command.version + 1)
        written = self._publisher.publish(request, lambda _base: copy, even_unchanged=True)
        return self._module.rows.command(written) if written else None

    def update_status(
        self,
        key: tuple[str, str],
        status: str,
        *,
        notify_id: str | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> None:
        """Set the status of a command and notify its clients.

        Args:
            key: ``(pk, sk)`` with a version.
            status: ``{step}:{state}``.
            notify_id: Id of the notification. Default: the command's request id.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ItemNotFoundError: There is no such command.
            ForbiddenError: The key belongs to another tenant.
        """
        row = self._set(self._checked(key, invoke_context, write=True), {"status": status})
        if notify_id is not None:
            row |= to_wire({"requestId": notify_id})
        self._module.resources.notifier.command_status(self._module.tables.command, row, status)

    def update_task_token(
        self, key: tuple[str, str], token: str, *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT]:
        """Keep a Step Functions task token with a command, for a callback of your own.

        Raises:
            ItemNotFoundError: There is no such command.
            ForbiddenError: The key belongs to another tenant.
        """
        detail = self._checked(key, invoke_context, write=True)
        return self._module.rows.command(self._set(detail, {"taskToken": token}))

    def update_ttl(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT] | None:
        """Let the retention of the version before this one begin, as it is configured now.

        The pipeline does this by itself when a command is finished; call it after the
        configuration was changed. A command that is not finished is left alone.

        Args:
            key: ``(pk, sk)`` with a version.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            The version before, or None when there is none, or it is not finished.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = self._checked(key, invoke_context, write=True)
        previous = DetailKey(pk, add_sort_key_version(sk, get_sort_key_version(sk) - 1))
        if get_sort_key_version(previous.sk) < 1:
            return None
        ttl = self._module.ttl.calculate_ttl("command", get_tenant_code(pk))
        try:
            row = self._set(previous, {"ttl": ttl}, only_with={"status": FINISHED})
        except ItemNotFoundError:
            return None
        return self._module.rows.command(row)

    def is_not_command_dirty(
        self, item: CommandModel[AttributesT], command: CommandInputModel[AttributesT] | Mapping[str, Any]
    ) -> bool:
        """Whether publishing ``command`` over ``item`` would change nothing.

        A field that is absent, one that is null and a flag that is false are the same.
        Versions, authors, times and retention do not count.
        """
        checked = validated_input(self._module.input_model, command)
        stored = to_wire(item.model_dump(by_alias=True, exclude_none=True, exclude={"attributes"}))
        if item.attributes is not None:
            stored |= to_wire({"attributes": item.attributes})
        return is_unchanged(stored, draft_of(checked), lambda row: [row])

    def re_sync_data(
        self,
        *,
        handlers: Iterable[str] | None = None,
        segment: int = 0,
        total_segments: int = 1,
        resume_from: str | None = None,
        on_page: Callable[[Progress], None] | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> int:
        """Feed every data row to the data sync handlers, page by page.

        For a handler that is new, or whose store was lost. It scans the data table, so the
        caller needs the grant for replay. Rows arrive at the handler as the command that
        made them; a handler that is past a row's version is not called.

        Args:
            handlers: Names of the handlers. Default: all of the module.
            segment: Which part of the table, 0 to ``total_segments`` - 1.
            total_segments: Into how many parts the table is divided, to work on them in
                parallel.
            resume_from: ``Progress.resume_token`` of the last page that was done.
            on_page: Called after each page.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            How many rows were fed.

        Raises:
            InvalidInputError: A handler, segment or token is none of this module's.
            ForbiddenError: The caller has no role that crosses all tenants: the rows are everybody's.
        """
        check_every_tenant(invoke_context, self._module.resources.settings)
        return resync.run(
            self._module,
            names=handlers,
            segment=segment,
            total_segments=total_segments,
            resume_from=resume_from,
            on_page=on_page,
        )

    @property
    def data_sync_handlers(self) -> list[DataSyncHandler]:
        """The module's data sync handlers, in the order they are called."""
        return [reference.handler for reference in self._module.handlers]

    def get_data_sync_handler(self, name: str) -> DataSyncHandler | None:
        """The handler with this class name, or None."""
        found = (reference for reference in self._module.handlers if reference.name == name)
        return next((reference.handler for reference in found), None)

    @property
    def table_name(self) -> str:
        """Physical name of the command table. Setting it redirects this module's commands."""
        return self._module.tables.command

    @table_name.setter
    def table_name(self, name: str) -> None:
        self._module.tables = replace(self._module.tables, command=name)

    def _checked(
        self, key: tuple[str, str], invoke_context: InvokeContext | None, *, write: bool = False
    ) -> DetailKey:
        check_tenant(key[0], invoke_context, self._module.resources.settings, write=write)
        return DetailKey(*key)

    def _row(self, key: DetailKey) -> Item | None:
        return self._module.resources.dynamodb.get(self._module.tables.command, *key, consistent=True)

    def _set(
        self,
        key: DetailKey,
        columns: Mapping[str, Any],
        *,
        only_with: Mapping[str, str] | None = None,
    ) -> Item:
        """Set columns of a row that exists, None takes one away; the row after it."""
        try:
            return self._module.resources.dynamodb.set_columns(
                self._module.tables.command, key, columns, only_with=only_with or {}
            )
        except ConditionFailedError as error:
            msg = "there is no such command"
            raise ItemNotFoundError(msg) from error
