"""The publish calls of a module: whole states and partial updates, asynchronous and synchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from runtime.backoff import back_off
from runtime.commands.base_version import read_latest
from runtime.commands.command_row import draft_of
from runtime.commands.partial_draft import PartialUpdate
from runtime.commands.publisher import Publisher, Request
from runtime.errors import VersionConflictError
from runtime.generics import AttributesT
from runtime.identity.access import check_tenant
from runtime.identity.context import require_invoke_context
from runtime.model.keys import DetailKey, check_natural_key
from runtime.model.validation import validated_input

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.identity.context import InvokeContext
    from runtime.model.models import CommandInputModel, CommandModel
    from runtime.module import CommandModule

__all__ = ["CommandPublishing"]


class CommandPublishing(Generic[AttributesT]):
    """The part of `CommandService` that publishes.

    "async" in a name means that the command is processed asynchronously; these are plain
    functions, not coroutines.

    Every call takes these keywords:

    - ``invoke_context``: who asks. Default: the HTTP request that is being handled.
    - ``source``: code that publishes, see `get_command_source`.
    - ``request_id``: id to correlate notifications with. Default: the request's own.
    - ``publish_id``: 1 to 255 characters. A publish to the same aggregate that is repeated
      under its id within a day returns what the first one stored, and writes nothing.

    and returns the command as stored, or None when it would change nothing. All raise:

    - `InvalidInputError`: a field is wrong.
    - `InvalidVersionError`: there is no such version.
    - `VersionConflictError`: there is a later version.
    - `ForbiddenError`: the key belongs to another tenant.
    """

    def __init__(self, module: CommandModule[AttributesT]) -> None:
        self._module = module
        self._publisher = Publisher(module)

    def publish_async(
        self,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        *,
        invoke_context: InvokeContext | None = None,
        source: str | None = None,
        request_id: str | None = None,
        publish_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Accept a command; the pipeline applies it in the background.

        Two sequential calls: one consistent read, one conditional write. With
        `VERSION_LATEST` the data row is read first: three. With read-your-writes on, the
        session row is written in the same transaction as the command.

        Args:
            command: The whole next state, and the version that it builds on.
            invoke_context: See above, as for the other keywords.
            source: See above.
            request_id: See above.
            publish_id: See above.
        """
        context = require_invoke_context(invoke_context)
        return self._publish(command, context, source, request_id, publish_id, sync=False)

    def publish_sync(
        self,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        *,
        invoke_context: InvokeContext | None = None,
        source: str | None = None,
        request_id: str | None = None,
        publish_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Apply a command before returning: command, data and history in one transaction.

        Commands that are still pending are applied first. Data sync handlers run in the
        same call; where one fails, or waits for an earlier version, the command stays
        committed and a workflow execution takes the handlers over.

        Args:
            command: The whole next state, and the version that it builds on.
            invoke_context: See above, as for the other keywords.
            source: See above.
            request_id: See above.
            publish_id: See above.

        Raises:
            HandlersPendingError: Committed, but not every handler has seen it yet.
        """
        context = require_invoke_context(invoke_context)
        return self._publish(command, context, source, request_id, publish_id, sync=True)

    def publish_partial_update_async(
        self,
        command: Mapping[str, Any],
        *,
        invoke_context: InvokeContext | None = None,
        source: str | None = None,
        request_id: str | None = None,
        publish_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Accept a change of some fields; the pipeline applies it in the background.

        A field that is not given stays, None sets null, `REMOVE` takes a key of the
        attributes away. Dictionaries in the attributes are merged key by key; everything
        else is replaced. Nothing of the previous command's life is carried over.

        Args:
            command: ``pk``, ``sk``, ``version`` (0 and -1 both mean the latest) and the
                fields to change.
            invoke_context: See above, as for the other keywords.
            source: See above.
            request_id: See above.
            publish_id: See above.

        Raises:
            BadRequestError: There is nothing to update.
        """
        context = require_invoke_context(invoke_context)
        return self._publish_partial(command, context, source, request_id, publish_id, sync=False)

    def publish_partial_update_sync(
        self,
        command: Mapping[str, Any],
        *,
        invoke_context: InvokeContext | None = None,
        source: str | None = None,
        request_id: str | None = None,
        publish_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Apply a change of some fields before returning.

        Merges like `publish_partial_update_async` and applies like `publish_sync`.

        Args:
            command: ``pk``, ``sk``, ``version`` (-1 means the latest) and the fields to
                change.
            invoke_context: See above, as for the other keywords.
            source: See above.
            request_id: See above.
            publish_id: See above.

        Raises:
            BadRequestError: There is nothing to update.
            HandlersPendingError: Committed, but not every handler has seen it yet.
        """
        context = require_invoke_context(invoke_context)
        return self._publish_partial(command, context, source, request_id, publish_id, sync=True)

    def publish_with_retry(
        self,
        key: tuple[str, str],
        change: Callable[[CommandModel[AttributesT] | None], Mapping[str, Any] | None],
        *,
        attempts: int = 5,
        sync: bool = False,
        invoke_context: InvokeContext | None = None,
        source: str | None = None,
        request_id: str | None = None,
    ) -> CommandModel[AttributesT] | None:
        """Decide on the latest state and publish; on a conflict read, decide and publish again.

        Args:
            key: ``(pk, sk)`` of the aggregate; the sort key without a version.
            change: Gets the latest command (None for a new aggregate) and returns the
                whole next state without a version, or None to leave it. May be called
                several times, so it must have no effect of its own.
            attempts: How often to try, 1 or more.
            sync: Publish synchronously.
            invoke_context: See above, as for the other keywords.
            source: See above.
            request_id: See above.

        Raises:
            VersionConflictError: Every attempt met a conflict.
        """
        context = require_invoke_context(invoke_context)
        detail = DetailKey(*key)
        check_natural_key(*detail)
        check_tenant(detail.pk, context, self._module.resources.settings)
        for attempt in range(max(1, attempts)):
            if attempt:
                back_off(attempt, base=0.05, longest=1.0)
            base = read_latest(self._module, detail).base()
            state = change(self._module.rows.command(base.row) if base.row else None)
            if state is None:
                return None
            command = {**state, **detail._asdict(), "version": base.version}
            try:
                return self._publish(command, context, source, request_id, None, sync=sync)
            except VersionConflictError as error:
                conflict = error
        raise conflict

    def _publish(
        self,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        context: InvokeContext,
        source: str | None,
        request_id: str | None,
        publish_id: str | None,
        *,
        sync: bool,
    ) -> CommandModel[AttributesT] | None:
        checked = validated_input(self._module.input_model, command)
        key = DetailKey(checked.pk, checked.sk)
        check_tenant(key.pk, context, self._module.resources.settings)
        draft = draft_of(checked)
        request = Request(key, checked.version, context, sync, source, request_id, publish_id)
        row = self._publisher.publish(request, lambda _base: draft)
        return self._module.rows.command(row) if row else None

    def _publish_partial(
        self,
        command: Mapping[str, Any],
        context: InvokeContext,
        source: str | None,
        request_id: str | None,
        publish_id: str | None,
        *,
        sync: bool,
    ) -> CommandModel[AttributesT] | None:
        update = PartialUpdate(self._module, command, sync=sync)
        check_tenant(update.key.pk, context, self._module.resources.settings)
        request = Request(update.key, update.version, context, sync, source, request_id, publish_id)
        row = self._publisher.publish(request, update.draft)
        return self._module.rows.command(row) if row else None
