"""The write side of one module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from boto3.dynamodb.conditions import Attr
from pydantic import BaseModel

from runtime.backoff import back_off
from runtime.clients.notifications import waited_for
from runtime.commands.base import read_base
from runtime.commands.command_row import Draft, draft_of
from runtime.commands.decide import changed
from runtime.commands.dirty import is_unchanged
from runtime.commands.duplicate import duplicated
from runtime.commands.fingerprint import fingerprint, said_in
from runtime.commands.numbering import NumberedPublish, record_of
from runtime.commands.options import publish_id_of
from runtime.commands.packs import Packed, PackOutcome, PackPublisher
from runtime.commands.partial import PartialUpdate
from runtime.commands.plan import Request
from runtime.commands.publish import Publisher
from runtime.errors import (
    BadRequestError,
    FieldProblem,
    InvalidInputError,
    ItemNotFoundError,
    VersionConflictError,
)
from runtime.generics import AttributesT
from runtime.identity.access import check_every_tenant, check_tenant
from runtime.identity.context import require_invoke_context
from runtime.identity.user import user_id_of
from runtime.imports import FunctionReference, check_done, check_function, name_of
from runtime.model.keys import (
    VERSION_LATEST,
    DetailKey,
    add_sort_key_version,
    check_natural_key,
    get_sort_key_version,
    get_tenant_code,
    remove_sort_key_version,
)
from runtime.model.rows import version_of
from runtime.model.status import FINISHED
from runtime.model.validation import input_model_of, validated_input
from runtime.pipeline import resync
from runtime.pipeline.latest import read_latest
from runtime.store.codec import row_of
from runtime.store.port import ConditionFailedError, Set
from runtime.store.row_reader import UNREAD
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from typing_extensions import Unpack

    from runtime.commands.base import Base
    from runtime.commands.decide import Decision
    from runtime.commands.numbered import NumberSlot
    from runtime.commands.options import PublishOptions
    from runtime.commands.packs import PackItem
    from runtime.commands.state import State
    from runtime.commands.tally import Tally
    from runtime.identity.context import InvokeContext
    from runtime.model.handlers import DataSyncHandler
    from runtime.model.models import CommandInputModel, CommandModel
    from runtime.module_context import ModuleContext
    from runtime.pipeline.resync import Progress
    from runtime.store.values import Row

__all__ = ["CommandService"]

NumberT = TypeVar("NumberT")
PublishedT = TypeVar("PublishedT")

#: What numbered publishes of a request count by: where their ids are recorded, the slot knows.
_NUMBERED: Final = "publish_numbered"


class CommandService(Generic[AttributesT]):
    """The write side of a module: publishing, and its commands. Made by `CommandModule`, as its ``commands``.

    "async" in a name means that the command is processed asynchronously; these are plain
    functions, not coroutines. Every publish call takes `PublishOptions`, returns the command as
    stored, or None when it would change nothing, and raises:

    - `InvalidInputError`: a field is wrong.
    - `InvalidVersionError`: there is no such version.
    - `VersionConflictError`: there is a later version.
    - `ForbiddenError`: the key belongs to another tenant.
    - `PublishIdReusedError`: the publish id belongs to another call.
    - `StoreUnavailableError`: a service is busy or out of reach; nothing was written.
    - `OutcomeUnknownError`: no answer came; repeat the call with the same publish id.

    Every read of a command row is strongly consistent.

    Args:
        context: The module.
        redirect: Lets the whole module use another command table.
    """

    def __init__(self, context: ModuleContext, redirect: Callable[[str], None]) -> None:
        self._context = context
        self._redirect = redirect
        self._publisher = Publisher(context)
        self._input_model: type[CommandInputModel[AttributesT]] = input_model_of(context.attributes)

    def publish_async(
        self,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Accept a command; the pipeline applies it in the background.

        Two sequential calls: one consistent read, one conditional write. With
        `VERSION_LATEST` the data row is read first: three. With read-your-writes on, the
        session row is written in the same transaction as the command.

        Args:
            command: The whole next state, and the version that it builds on.
            **options: See `PublishOptions`.
        """
        return self._publish("publish_async", command, options)

    def publish_sync(
        self,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Apply a command before returning: command, data and history in one transaction.

        Commands that are still pending are applied first. Data sync handlers run in the
        same call; where one fails, or somebody else has its turn for long, the command stays
        committed and a workflow execution takes the handlers over.

        Args:
            command: The whole next state, and the version that it builds on.
            **options: See `PublishOptions`.

        Raises:
            HandlersPendingError: Committed, but not every handler has seen it yet.
        """
        return self._publish("publish_sync", command, options)

    def publish_partial_update_async(
        self, command: Mapping[str, Any], **options: Unpack[PublishOptions]
    ) -> CommandModel[AttributesT] | None:
        """Accept a change of some fields; the pipeline applies it in the background.

        A field that is not given stays, None sets null, `REMOVE` takes a key of the
        attributes away. Dictionaries in the attributes are merged key by key; everything
        else is replaced. Nothing of the previous command's life is carried over.

        Args:
            command: ``pk``, ``sk``, ``version`` (0 and -1 both mean the latest) and the
                fields to change.
            **options: See `PublishOptions`.

        Raises:
            BadRequestError: There is nothing to update.
        """
        return self._publish_partial("publish_partial_update_async", command, options)

    def publish_partial_update_sync(
        self, command: Mapping[str, Any], **options: Unpack[PublishOptions]
    ) -> CommandModel[AttributesT] | None:
        """Apply a change of some fields before returning.

        Merges like `publish_partial_update_async` and applies like `publish_sync`.

        Args:
            command: ``pk``, ``sk``, ``version`` (-1 means the latest) and the fields to
                change.
            **options: See `PublishOptions`.

        Raises:
            BadRequestError: There is nothing to update.
            HandlersPendingError: Committed, but not every handler has seen it yet.
        """
        return self._publish_partial("publish_partial_update_sync", command, options)

    def publish_with_retry(
        self,
        key: tuple[str, str],
        change: Callable[[CommandModel[AttributesT] | None], Mapping[str, Any] | None],
        *,
        attempts: int = 5,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Decide on the latest state and publish; on a conflict read, decide and publish again.

        Args:
            key: ``(pk, sk)`` of the aggregate; the sort key without a version.
            change: Gets the latest command (None for a new aggregate) and returns the
                whole next state, or None to leave it. It builds on the latest command: a version in
                it counts for nothing. May be called several times, so it must have no effect of its own.
            attempts: How often to try, 1 or more.
            sync: Publish synchronously.
            **options: See `PublishOptions`. With a publish id, ``change`` is not called again
                once the first call has published.

        Raises:
            VersionConflictError: Every attempt met a conflict.
            ConfigurationError: ``change`` returned its work instead of doing it.
        """
        detail = DetailKey(*key)
        check_natural_key(*detail)
        operation = "publish_with_retry, sync" if sync else "publish_with_retry"
        request = self._request(operation, detail, VERSION_LATEST, {}, options, sync=sync)
        return self._result(self._with_retry(request, operation, change, options, attempts=attempts))

    def publish_change(
        self,
        key: tuple[str, str],
        change: Callable[[State[AttributesT]], Decision[AttributesT]],
        *,
        version: int = VERSION_LATEST,
        attempts: int = 5,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Publish what a function makes of an item that is there; on a conflict ask it anew.

        Two calls with an explicit version, three without: the state is read once for each attempt.
        What the function does not change stays to the letter, a time to live included.

        Example:
            >>> def pay(invoice: State[Invoice]) -> State[Invoice]:
            ...     return invoice.replace(attributes=invoice.attributes.model_copy(update={"paid": True}))
            >>> invoices.commands.publish_change(key, pay)

        Args:
            key: ``(pk, sk)``; the sort key without a version.
            change: Gets the latest `State`. Returns the next one, made by `State.replace`;
                `FieldProblem` to refuse; None to leave the item as it is. It may be called several
                times, so it must have no effect of its own.
            version: Version to build on: with one, there is one attempt. Default: whatever is the latest.
            attempts: How often to try, 1 or more.
            sync: Publish synchronously.
            **options: See `PublishOptions`. With a publish id, ``change`` is not called again
                once the first call has published; ``content`` tells the call from others.

        Raises:
            ItemNotFoundError: There is no such item, or not any more.
            RuleViolationError: ``change`` refuses.
            RuleFailedError: It raised what is no `CqrsError`, or returned something else.
            VersionConflictError: Every attempt met a conflict.
        """
        detail = DetailKey(*key)
        check_natural_key(*detail)
        if isinstance(version, bool) or not isinstance(version, int) or version < VERSION_LATEST:
            message = f"must be the version to build on, or {VERSION_LATEST} for the latest, got {version!r}"
            raise InvalidInputError([FieldProblem("version", message)])
        if not callable(change):  # an import path, which a client may have sent, is none either
            message = f"must be a function, got {type(change).__name__}"
            raise InvalidInputError([FieldProblem("change", message)])
        reference = FunctionReference.of(change, "a change")
        operation = f"publish_change{', sync' if sync else ''}"
        request = self._request(operation, detail, version, {}, options, sync=sync)

        def attempt() -> CommandModel[AttributesT] | None:
            def draft(base: Base) -> Draft | None:
                return changed(self._context, detail, base, reference)

            return self._result(self._publisher.publish(request, draft))

        return _retried(attempt, attempts if version == VERSION_LATEST else 1)

    def publish_numbered(
        self,
        slot: NumberSlot[NumberT],
        make: Callable[[NumberT], CommandInputModel[AttributesT] | Mapping[str, Any]],
        *,
        sync: bool = False,
        attempts: int = 20,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT]:
        """Publish a command with a number, in one transaction: the number is used up only with it.

        Two calls for a new item (version 0), as in `publish_async`; one more for an item that is there, and
        in a module without data rows. A command is written even where it says nothing new.

        Example:
            >>> def issued(number: SequenceItem) -> dict[str, Any]:
            ...     return {"pk": pk, "sk": number.formatted_no, "version": 0, ...}
            >>> invoices.commands.publish_numbered(sequences.slot("invoice"), issued, publish_id="cart-9")

        Args:
            slot: Where the number is from, such as ``sequences.slot("invoice")``.
            make: Gets the number and returns the whole next state, and the version that it builds on. The
                key may have the number in it. May be called several times, with other numbers, where
                others are at the counter: it must have no effect of its own.
            sync: Publish synchronously; see `publish_sync`.
            attempts: How often to try, 1 or more, with waits of half a second at most between.
            **options: See `PublishOptions`. A publish id is recorded with the number, so it is one for
                the slot, whatever the key of the item; ``make`` is not called again once the first call
                has published. ``content`` tells the call from others. Default of the publish id: that of
                the request's ``Idempotency-Key``, where the slot records ids; further calls in the same
                request have ids of their own. None publishes without one.

        Raises:
            ContentionError: Each attempt met somebody else at the counter. Nothing was written.
            InvalidInputError: A field is wrong, or the slot records no publish ids.
        """
        context = require_invoke_context(options.get("invoke_context"))
        operation = f"publish_numbered{', sync' if sync else ''}"
        said = {"module": self._context.name}
        unnamed: PublishOptions = {**options, "publish_id": None}

        def made(number: NumberT) -> tuple[Request, Draft]:
            command = make(number)
            if not isinstance(command, dict):
                check_done(command, f"the function {name_of(make)}")
            return self._publish_of(operation, command, unnamed, sync=sync, said={})

        with publish_id_of(_NUMBERED, options) as publish_id:
            numbering = slot.numbering(context, publish_id)
            once = None if publish_id is None else record_of(numbering)
            if once is None and options.get("publish_id") is not None:
                message = "is not recorded by this slot; leave it out"
                raise InvalidInputError([FieldProblem("publish_id", message)])
            own: PublishOptions = {**options, "publish_id": publish_id}
            publish = NumberedPublish(
                context=self._context,
                publisher=self._publisher,
                numbering=numbering,
                make=made,
                once=once,
                fingerprint=_fingerprint(operation, context, said, own, _NUMBERED),
                sync=sync,
            )
            return cast("CommandModel[AttributesT]", self._result(publish.run(attempts)))

    def publish_pack(
        self,
        items: Iterable[PackItem[AttributesT]],
        *,
        sync: bool = False,
        notify: bool = True,
        tally: Tally | None = None,
    ) -> list[PackOutcome[AttributesT]]:
        """Publish many commands in few calls, each for itself; what became of them, in their order.

        One read for 100 items (50 with publish ids) and one transaction for 33 updates, 50 creations, or
        less by what else is written. An item that is not the plain case takes what it takes alone. Of
        an aggregate that is there more than once, the commands are published in their order.

        Args:
            items: The publishes. None of them takes another with it: whatever it raises is its outcome.
            sync: Publish synchronously; see `publish_sync`.
            notify: False tells the clients of none that is finished in this call.
            tally: Counters that functions count with: their rows are read and written with the items', in
                the same calls. Not in a module without data rows.
        """
        outcomes: list[Packed | Exception] = []
        for item in items:
            try:
                outcomes.append(self._packed(item, sync=sync, notify=notify))
            except Exception as error:  # noqa: BLE001 - a model's code may raise anything
                outcomes.append(error)
        packed = [each for each in outcomes if isinstance(each, Packed)]
        PackPublisher(self._context, self._publisher, tally).publish(packed)
        return [
            PackOutcome(error=each)
            if isinstance(each, Exception)
            else PackOutcome(self._result(each.done), each.error)
            for each in outcomes
        ]

    def _packed(self, item: PackItem[AttributesT], *, sync: bool, notify: bool) -> Packed:
        command, options = item.command, item.options
        if not callable(command):
            operation = "publish_sync" if sync else "publish_async"
            request, draft = self._publish_of(operation, command, options, sync=sync)
            return Packed(request=replace(request, notify=notify), draft=lambda _base: draft)
        if item.key is None:
            message = "is required with a function: the key of what it is about"
            raise InvalidInputError([FieldProblem("key", message)])
        detail = DetailKey(*item.key)
        check_natural_key(*detail)
        operation = f"publish_with_retry{', sync' if sync else ''}"
        request = self._request(operation, detail, VERSION_LATEST, {}, options, sync=sync)
        request = replace(request, notify=notify)

        def drafted(base: Base) -> Draft | None:
            return self._changed(request, operation, command, base, options)

        return Packed(request=request, draft=drafted)

    def duplicate(
        self, key: tuple[str, str], **options: Unpack[PublishOptions]
    ) -> CommandModel[AttributesT] | None:
        """Publish the state of a command once more, as the version after it.

        The new command is processed like any other: nothing of the old one's life is
        carried over. Its ``source`` is ``duplicated`` unless another one is given.

        Args:
            key: ``(pk, sk)``. A sort key without a version duplicates the latest command.
            **options: See `PublishOptions`.

        Raises:
            BadRequestError: There is no such command.
        """
        context = require_invoke_context(options.get("invoke_context"))
        detail = DetailKey(key[0], remove_sort_key_version(key[1]))
        asked = get_sort_key_version(key[1])
        options = {"source": "duplicated", **options}
        request = self._request("duplicate", detail, asked, {"version": asked}, options)
        if (first := self._publisher.repeated(request)) is not None:
            return self._result(first.draft)
        row = self._command_row(self._checked(key, context))
        if row is None:
            msg = "Invalid input key: item not found"
            raise BadRequestError(msg)
        version = version_of(row)
        copy = duplicated(row, self._context.schema, version + 1)
        request = self._request("duplicate", detail, version, {"version": asked}, options)
        return self._result(self._publisher.publish(request, lambda _base: Draft(copy), even_unchanged=True))

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
        row = self._command_row(self._checked(key, invoke_context))
        return self._context.rows.command(row) if row else None

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
        row = self._latest_row(self._checked(key, invoke_context))
        return self._context.rows.command(row) if row else None

    def get_next_command(
        self, key: tuple[str, str], *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT] | None:
        """The command after the one with this versioned key, or None.

        Raises:
            ForbiddenError: The key belongs to another tenant.
        """
        pk, sk = self._checked(key, invoke_context)
        row = self._row(DetailKey(pk, add_sort_key_version(sk, get_sort_key_version(sk) + 1)))
        return self._context.rows.command(row) if row else None

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
        columns = row_of({"status": status})
        row = self._set(self._checked(key, invoke_context, write=True), columns)
        if notify_id is not None:
            row |= row_of({"requestId": notify_id})
        with waited_for():
            self._context.notifier.command_status(self._context.tables.command, row, status)

    def update_task_token(
        self, key: tuple[str, str], token: str, *, invoke_context: InvokeContext | None = None
    ) -> CommandModel[AttributesT]:
        """Keep a Step Functions task token with a command, for a callback of your own.

        Raises:
            ItemNotFoundError: There is no such command.
            ForbiddenError: The key belongs to another tenant.
        """
        detail = self._checked(key, invoke_context, write=True)
        return self._context.rows.command(self._set(detail, row_of({"taskToken": token})))

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
            StoreUnavailableError: The settings are out of reach; the version before keeps what it has.
        """
        pk, sk = self._checked(key, invoke_context, write=True)
        previous = DetailKey(pk, add_sort_key_version(sk, get_sort_key_version(sk) - 1))
        if get_sort_key_version(previous.sk) < 1:
            return None
        ttl = self._context.retention.calculate_ttl("command", get_tenant_code(pk), must_know=True)
        columns = {} if ttl is None else {"ttl": ttl}
        try:
            row = self._set(previous, columns, remove=() if columns else ("ttl",), status=FINISHED)
        except ItemNotFoundError:
            return None
        return self._context.rows.command(row)

    def is_not_command_dirty(
        self, item: CommandModel[AttributesT], command: CommandInputModel[AttributesT] | Mapping[str, Any]
    ) -> bool:
        """Whether publishing ``command`` over ``item`` would change nothing.

        A field that is absent, one that is null and a flag that is false are the same.
        Versions, authors, times and retention do not count, though a publish that gives another
        ``ttl`` is written.
        """
        checked = validated_input(self._input_model, command)
        rows = self._context.rows
        stored = row_of(item.model_dump(by_alias=True, exclude_none=True, exclude={"attributes"}))
        if (column := rows.written(item.attributes).column) is not None:
            stored["attributes"] = column
        return is_unchanged(stored, draft_of(checked, rows).row, rows.contents)

    def re_sync_data(
        self,
        *,
        handlers: Iterable[str] | None = None,
        segment: int = 0,
        total_segments: int = 1,
        resume_from: str | None = None,
        on_page: Callable[[Progress], None] | None = None,
        unseen_only: bool = False,
        invoke_context: InvokeContext | None = None,
    ) -> int:
        """Feed every data row to the data sync handlers, page by page.

        For a handler that is new, or whose store was lost. It scans the data table, so the
        caller needs the grant for replay. Rows arrive at the handler as the command that
        made them; a handler that is past a row's version is not called. Each handler has its turn
        at an aggregate as in the pipeline: versions under way to it come first, in order, and
        what somebody else is showing it at this moment is left to them. A row that a handler does
        not take is in ``Progress.failed``, and does not stop the others. Three calls for 100 rows,
        and two for each time that a handler is shown one.

        Args:
            handlers: Names of the handlers. Default: all of the module.
            segment: Which part of the table, 0 to ``total_segments`` - 1.
            total_segments: Into how many parts the table is divided, to work on them in
                parallel.
            resume_from: ``Progress.resume_token`` of the last page that was done.
            on_page: Called after each page.
            unseen_only: Leave out what a handler has seen already, as its cursor says: for a handler
                that is new, or a run that broke off. Default: it is shown all.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Returns:
            How many rows were fed.

        Raises:
            InvalidInputError: A handler, segment or token is none of this module's.
            ConfigurationError: ``on_page`` would only begin its work, or takes something else.
            ForbiddenError: The caller has no role that crosses all tenants: the rows are everybody's.
        """
        check_every_tenant(invoke_context, self._context.settings)
        if on_page is not None:
            check_function(on_page, "on_page", ("progress",))
        return resync.run(
            self._context,
            names=handlers,
            segment=segment,
            total_segments=total_segments,
            resume_from=resume_from,
            on_page=on_page,
            unseen_only=unseen_only,
        )

    @property
    def data_sync_handlers(self) -> list[DataSyncHandler]:
        """The module's data sync handlers, in the order they are called."""
        return [reference.handler for reference in self._context.handlers]

    def get_data_sync_handler(self, name: str) -> DataSyncHandler | None:
        """The handler with this class name, or None."""
        found = (reference for reference in self._context.handlers if reference.name == name)
        return next((reference.handler for reference in found), None)

    @property
    def table_name(self) -> str:
        """Physical name of the command table. Setting it redirects the whole module's commands."""
        return self._context.tables.command

    @table_name.setter
    def table_name(self, name: str) -> None:
        self._redirect(name)

    def _publish(
        self,
        operation: str,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        options: PublishOptions,
    ) -> CommandModel[AttributesT] | None:
        sync = operation == "publish_sync"
        request, draft = self._publish_of(operation, command, options, sync=sync)
        return self._result(self._publisher.publish(request, lambda _base: draft))

    def _publish_of(
        self,
        operation: str,
        command: CommandInputModel[AttributesT] | Mapping[str, Any],
        options: PublishOptions,
        *,
        sync: bool,
        said: Mapping[str, Any] | None = None,
    ) -> tuple[Request, Draft]:
        """The publish of a whole state, and what is published."""
        require_invoke_context(options.get("invoke_context"))
        _check_is_command(command, BaseModel, Mapping)
        checked = validated_input(self._input_model, command)
        said = said_in(checked, command) if said is None else said
        key = DetailKey(checked.pk, checked.sk)
        draft = draft_of(checked, self._context.rows)
        self._context.large_attributes.check_text(draft.row.get("attributes"), key)
        return self._request(operation, key, checked.version, said, options, sync=sync), draft

    def _with_retry(
        self,
        request: Request,
        operation: str,
        change: Callable[[CommandModel[AttributesT] | None], Mapping[str, Any] | None],
        options: PublishOptions,
        *,
        attempts: int = 5,
    ) -> Draft | None:
        """Publish what a function makes of the latest state; on a conflict ask it anew."""
        if (first := self._publisher.repeated(request)) is not None:
            return first.draft

        def attempt() -> Draft | None:
            base = read_base(self._context, request.key, VERSION_LATEST).base()
            draft = self._changed(request, operation, change, base, options)
            if draft is None:
                return self._publisher.left(request, base)
            return self._publisher.publish(replace(request, version=base.version), lambda _base: draft)

        return _retried(attempt, attempts)

    def _changed(
        self,
        request: Request,
        operation: str,
        change: Callable[[CommandModel[AttributesT] | None], Mapping[str, Any] | None],
        base: Base,
        options: PublishOptions,
    ) -> Draft | None:
        """What a function makes of the latest state; None where it leaves it."""
        state = change(self._context.rows.command(base.row) if base.row else None)
        if state is None:
            return None
        if not isinstance(state, dict):
            check_done(state, f"the change {name_of(change)}")
        _check_is_about(state, request.key)
        command = {**state, **request.key._asdict(), "version": base.version}
        return self._publish_of(operation, command, options, sync=request.sync, said={})[1]

    def _publish_partial(
        self, operation: str, command: Mapping[str, Any], options: PublishOptions
    ) -> CommandModel[AttributesT] | None:
        require_invoke_context(options.get("invoke_context"))
        _check_is_command(command, Mapping)
        sync = operation == "publish_partial_update_sync"
        update = PartialUpdate(self._context, command, sync=sync)
        request = self._request(operation, update.key, update.version, dict(command), options, sync=sync)
        return self._result(self._publisher.publish(request, update.draft))

    def _result(self, published: Draft | None) -> CommandModel[AttributesT] | None:
        """What a publish returns. It is written: what its model may say now must not fail the call."""
        if published is None:
            return None
        if published.attributes is UNREAD:
            return self._context.rows.any_command(published.row)
        return self._context.rows.command(published.row, published.attributes)

    def _request(
        self,
        operation: str,
        key: DetailKey,
        version: int,
        said: Mapping[str, Any],
        options: PublishOptions,
        *,
        sync: bool = False,
    ) -> Request:
        """The call, when the caller may make it."""
        context = require_invoke_context(options.get("invoke_context"))
        check_tenant(key.pk, context, self._context.settings)
        return Request(
            key=key,
            version=version,
            context=context,
            sync=sync,
            source=options.get("source"),
            request_id=options.get("request_id"),
            publish_id=options.get("publish_id"),
            fingerprint=_fingerprint(operation, context, said, options, (self._context.tables.command, key)),
        )

    def _checked(
        self, key: tuple[str, str], invoke_context: InvokeContext | None, *, write: bool = False
    ) -> DetailKey:
        check_tenant(key[0], invoke_context, self._context.settings, write=write)
        return DetailKey(*key)

    def _place(self, key: DetailKey) -> Place:
        return Place(self._context.tables.command, key.pk, key.sk)

    def _row(self, key: DetailKey) -> Row | None:
        return self._context.store.get(self._place(key))

    def _command_row(self, key: DetailKey) -> Row | None:
        """A command; the latest one where the sort key has no version."""
        is_latest = get_sort_key_version(key.sk) == VERSION_LATEST
        return self._latest_row(key) if is_latest else self._row(key)

    def _latest_row(self, key: DetailKey) -> Row | None:
        latest = read_latest(self._context, DetailKey(key.pk, remove_sort_key_version(key.sk)))
        if latest.command is None and latest.version:
            return self._row(DetailKey(key.pk, add_sort_key_version(key.sk, latest.version)))
        return latest.command

    def _set(
        self, key: DetailKey, columns: Row, *, remove: tuple[str, ...] = (), status: str | None = None
    ) -> Row:
        """Set columns of a row that exists, and take some away; the row after it."""
        condition = Attr("pk").exists() if status is None else Attr("status").eq(status)
        try:
            return self._context.store.update(
                Set(place=self._place(key), columns=columns, remove=remove, condition=condition)
            )
        except ConditionFailedError as error:
            msg = "there is no such command"
            raise ItemNotFoundError(msg) from error


def _fingerprint(
    operation: str, context: InvokeContext, said: Mapping[str, Any], options: PublishOptions, used: Hashable
) -> str:
    """What tells a call from others under its publish id, which it uses; empty without one."""
    publish_id = options.get("publish_id")
    if publish_id is None:
        return ""
    if context.is_own(publish_id):
        context.publish_ids.use(used, publish_id)
    user_id, told = user_id_of(context), options.get("content")
    return fingerprint(operation, user_id, said, publish_id=publish_id, context=context, told=told)


def _check_is_command(command: object, *kinds: type) -> None:
    """Refuse what is no command at all, such as a text that a client has sent.

    Raises:
        InvalidInputError: It is none.
    """
    if not isinstance(command, kinds):
        message = f"must be an object of fields, got {type(command).__name__}"
        raise InvalidInputError([FieldProblem("command", message)])


def _check_is_about(state: Mapping[str, Any], key: DetailKey) -> None:
    """Refuse a next state that says that it is another aggregate's.

    Raises:
        InvalidInputError: It does.
    """
    sk = state.get("sk", key.sk)
    given = {
        "pk": state.get("pk", key.pk),
        "sk": remove_sort_key_version(sk) if isinstance(sk, str) else sk,
    }
    problems = [
        FieldProblem(name, "must be that of the key; leave it out")
        for name, value in key._asdict().items()
        if given[name] != value
    ]
    if problems:
        raise InvalidInputError(problems)


def _retried(attempt: Callable[[], PublishedT], attempts: int) -> PublishedT:
    """What an attempt comes to that meets no conflict; the last conflict where each meets one."""
    for number in range(1, max(1, attempts)):
        try:
            return attempt()
        except VersionConflictError:
            back_off(number, base=0.05, longest=1.0)
    return attempt()
