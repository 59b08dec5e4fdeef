"""What a service does with the items of a module, by sort key, in the tenant of the request."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from runtime.commands import publish_record
from runtime.commands.options import publish_id_of
from runtime.commands.packs import PackItem
from runtime.errors import (
    BadRequestError,
    ConfigurationError,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    InvalidVersionError,
    ItemNotFoundError,
    VersionConflictError,
)
from runtime.generics import AttributesT
from runtime.identity.context import get_command_source, require_invoke_context
from runtime.identity.tenant import acting_tenant
from runtime.model.keys import KEY_SEPARATOR, VERSION_FIRST, VERSION_LATEST, DetailKey
from runtime.model.shards import MOST_SHARDS, shard_of, sharded_type
from runtime.store.sort_key import SortKeyCondition

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from contextlib import AbstractContextManager

    from typing_extensions import Unpack

    from runtime.commands.decide import Decision
    from runtime.commands.options import PublishOptions
    from runtime.commands.service import CommandService
    from runtime.commands.state import State
    from runtime.identity.context import InvokeContext
    from runtime.model.models import CommandModel, DataListModel, DataModel
    from runtime.module_context import ModuleContext
    from runtime.queries.paging import Order
    from runtime.queries.repository import Repository

__all__ = ["ModuleService", "not_found"]

_BASE32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class _Module(Protocol[AttributesT]):
    """What of a module it works with: `runtime.CommandModule`."""

    @property
    def context(self) -> ModuleContext: ...
    @property
    def commands(self) -> CommandService[AttributesT]: ...
    @property
    def repository(self) -> Repository[AttributesT]: ...


class ModuleService(Generic[AttributesT]):
    """The items of one type. Made by `CommandModule.service`; what `module_routes` are made of.

    Keys are ``{type}#{tenant}`` and the sort key, and the tenant is that of the request: what
    `acting_tenant` gives. Who asks is the HTTP request that is being handled, or
    ``invoke_context``. Writes take `PublishOptions`; the publish id is made of the request's
    ``Idempotency-Key`` unless another one, or None, is given. Further writes to the same item in
    one request get ids of their own, by their order, so that the whole request may be repeated.
    ``sync`` applies a command before the call returns. They return the command, or None where
    nothing would change, and raise what `CommandService` says, too.

    Example:
        >>> invoices = invoice.service(type="INVOICE")
        >>> invoices.create(Invoice(total=10), sk="2026-001", name="First")
        >>> invoices.change("2026-001", {"attributes": {"total": 12}})
        >>> invoices.get("2026-001").attributes.total

    Args:
        module: The module.
        type: Kind of the items, such as ``INVOICE``.
        name: What commands have as their source; see `get_command_source`.
        shards: Partition keys of one tenant, 1 to 100; see `CommandModule.service`.

    Raises:
        ConfigurationError: The type is empty, or ends with ``#``, or there cannot be so many shards.
    """

    def __init__(
        self,
        module: _Module[AttributesT],
        type: str,  # noqa: A002 - the name of the field of a command
        name: str = "ModuleService",
        shards: int = 1,
    ) -> None:
        if not type or type.endswith(KEY_SEPARATOR):
            msg = f"type must be the kind of the items, such as 'ORDER', got {type!r}"
            raise ConfigurationError(msg)
        if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= MOST_SHARDS:
            msg = f"shards must be 1 to {MOST_SHARDS}, got {shards!r}"
            raise ConfigurationError(msg)
        self._module = module
        self.type = type
        self.name = name
        self.shards = shards

    # Whose items they are

    def tenant(self, *, write: bool = False, invoke_context: InvokeContext | None = None) -> str:
        """The tenant that the request is about.

        Args:
            write: Whether the request is to write: what is common is read by everybody.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ForbiddenError: The caller has none, or may not act in the one that the header names.
        """
        context = require_invoke_context(invoke_context)
        tenant = acting_tenant(context, self._module.context.settings, write=write)
        if tenant is None:
            msg = "your token names no tenant"
            raise ForbiddenError(msg)
        return tenant

    def pk(self, *, write: bool = False, invoke_context: InvokeContext | None = None) -> str:
        """Partition key of the items in the tenant of the request; see `tenant`.

        Raises:
            ConfigurationError: They are in several shards; see `pks`.
        """
        if self.shards > 1:
            msg = (
                f"items of {self.type!r} are in {self.shards} shards; ask for pks, or for the key of an item"
            )
            raise ConfigurationError(msg)
        return self.pks(write=write, invoke_context=invoke_context)[0]

    def pks(self, *, write: bool = False, invoke_context: InvokeContext | None = None) -> tuple[str, ...]:
        """Partition keys of the items in the tenant of the request, one for each shard; see `tenant`."""
        tenant = self.tenant(write=write, invoke_context=invoke_context)
        if self.shards == 1:
            return (f"{self.type}{KEY_SEPARATOR}{tenant}",)
        return tuple(
            f"{sharded_type(self.type, shard)}{KEY_SEPARATOR}{tenant}" for shard in range(self.shards)
        )

    def key(self, sk: str, *, write: bool = False, invoke_context: InvokeContext | None = None) -> DetailKey:
        """Key of an item, for calls that are not here, such as those of ``history``; see `tenant`."""
        pks = self.pks(write=write, invoke_context=invoke_context)
        return DetailKey(pks[shard_of(sk, self.shards)], sk)

    @staticmethod
    def new_sk(publish_id: str | None = None) -> str:
        """A new sort key of 26 characters: one that sorts by time, or always the same for a publish id."""
        if publish_id is None:
            number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
        else:
            number = int.from_bytes(hashlib.sha256(publish_id.encode()).digest()[:16])
        return "".join(_BASE32[number >> 5 * place & 31] for place in range(25, -1, -1))

    # Writing

    def create(
        self,
        attributes: AttributesT | Mapping[str, Any],
        *,
        sk: str | None = None,
        name: str | None = None,
        code: str | None = None,
        seq: int | None = None,
        ttl: int | None = None,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Publish a new item.

        Args:
            attributes: Its own fields.
            sk: Sort key. Default: a new one; see `new_sk`.
            name: Name for people. Default: the sort key.
            code: Business code. Default: the sort key.
            seq: Sequence number.
            ttl: When it may be deleted for good, in seconds since 1970. Default: never.
            sync: Apply the command before returning.
            **options: See `PublishOptions`.

        Raises:
            VersionConflictError: There is, or was, an item with this sort key.
        """
        options = self._options("create", options)

        def put(sk: str) -> CommandModel[AttributesT] | None:
            return self.put(
                sk,
                attributes,
                version=VERSION_FIRST,
                name=name,
                code=code,
                seq=seq,
                ttl=ttl,
                sync=sync,
                **options,
            )

        if sk is not None:
            return put(sk)
        # Each new item of a request has a key of its own, and the same one in a repeat.
        pks = self.pks(write=True, invoke_context=options["invoke_context"])
        with self._publish_id(pks[0], options) as seed:
            return put(self.new_sk(seed))

    def put(
        self,
        sk: str,
        attributes: AttributesT | Mapping[str, Any],
        *,
        version: int,
        name: str | None = None,
        code: str | None = None,
        seq: int | None = None,
        ttl: int | None = None,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Publish the whole next state of an item, new or not. One that was deleted is back after it.

        Args:
            sk: Sort key.
            attributes: Its own fields.
            version: Version to build on: 0 creates, N updates version N, -1 whatever is the latest.
            name: Name for people. Default: the sort key.
            code: Business code. Default: the sort key.
            seq: Sequence number.
            ttl: When it may be deleted for good, in seconds since 1970. Default: never.
            sync: Apply the command before returning.
            **options: See `PublishOptions`.
        """
        commands = self._module.commands
        publish = commands.publish_sync if sync else commands.publish_async
        with self._write("put", sk, options) as (key, own):
            return publish(self._command(key, attributes, version, name, code, seq, ttl), **own)

    def pack_item(
        self,
        sk: str,
        attributes: AttributesT | Mapping[str, Any],
        *,
        version: int,
        name: str | None = None,
        code: str | None = None,
        seq: int | None = None,
        ttl: int | None = None,
        **options: Unpack[PublishOptions],
    ) -> PackItem[AttributesT]:
        """What `put` publishes, for `CommandService.publish_pack`. Nothing is read or written yet.

        The publish id is the one that is given: there is none of the request.
        """
        options = self._options("put", options)
        key = self.key(sk, write=True, invoke_context=options["invoke_context"])
        return PackItem(
            command=self._command(key, attributes, version, name, code, seq, ttl), options=options
        )

    def replace(
        self,
        sk: str,
        attributes: AttributesT | Mapping[str, Any],
        *,
        version: int,
        name: str | None = None,
        code: str | None = None,
        seq: int | None = None,
        ttl: int | None = None,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Publish the whole next state of an item that is there; see `put`.

        Raises:
            ItemNotFoundError: There is no such item, or not any more.
            VersionConflictError: It has a later version.
            InvalidVersionError: It never had this version; or it is 0, which creates.
        """
        if version == VERSION_FIRST:
            raise InvalidVersionError(version)
        with self._write("replace", sk, options) as (key, own):
            self._check_there(key, own)
            return self.put(
                sk, attributes, version=version, name=name, code=code, seq=seq, ttl=ttl, sync=sync, **own
            )

    def change(
        self,
        sk: str,
        change: Mapping[str, Any] | Callable[[State[AttributesT]], Decision[AttributesT]],
        *,
        version: int = VERSION_LATEST,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Publish what is to be other about an item.

        Args:
            sk: Sort key.
            change: The fields to change, as in `CommandService.publish_partial_update_async`, but for
                the key and the version; or a function that makes the next state, as in
                `CommandService.publish_change`.
            version: Version to build on. Default: whatever is the latest.
            sync: Apply the command before returning.
            **options: See `PublishOptions`.

        Raises:
            ItemNotFoundError: There is no such item, or not any more.
            InvalidInputError: A field is wrong, or ``change`` is neither of both.
        """
        if isinstance(change, Mapping):
            _check_fields(change)
        with self._write("change", sk, options) as (key, own):
            if isinstance(change, Mapping):
                self._check_there(key, own)
                return self._partial(key, change, version, sync=sync, options=own)
            try:
                return self._module.commands.publish_change(key, change, version=version, sync=sync, **own)
            except (InvalidVersionError, VersionConflictError):
                if not self.exists(sk, invoke_context=own["invoke_context"]):
                    raise not_found() from None
                raise

    def delete(
        self,
        sk: str,
        *,
        version: int = VERSION_LATEST,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Publish that an item is deleted, softly: its rows stay, with ``isDeleted``.

        Args:
            sk: Sort key.
            version: Version to build on. Default: whatever is the latest.
            sync: Apply the command before returning.
            **options: See `PublishOptions`.

        Raises:
            ItemNotFoundError: There is no such item, or not any more.
        """
        return self.change(
            sk, {"isDeleted": True}, version=version, sync=sync, **self._options("delete", options)
        )

    def restore(
        self,
        sk: str,
        *,
        version: int = VERSION_LATEST,
        sync: bool = False,
        **options: Unpack[PublishOptions],
    ) -> CommandModel[AttributesT] | None:
        """Publish that an item which was deleted softly is back; None where it is there.

        Args:
            sk: Sort key.
            version: Version to build on. Default: whatever is the latest.
            sync: Apply the command before returning.
            **options: See `PublishOptions`.

        Raises:
            ItemNotFoundError: There never was such an item, or it was erased or has expired.
        """
        with self._write("restore", sk, options) as (key, own):
            try:
                return self._partial(key, {"isDeleted": False}, version, sync=sync, options=own)
            except InvalidVersionError:
                if self._module.commands.get_latest_item(key, invoke_context=own["invoke_context"]) is None:
                    raise not_found() from None
                raise
            except BadRequestError as error:
                if type(error) is BadRequestError:  # there is nothing to change
                    raise not_found() from None
                raise

    def check_there(self, sk: str, **options: Unpack[PublishOptions]) -> None:
        """Refuse a change of an item that is not there.

        Raises:
            ItemNotFoundError: There is none, or not any more, and no publish with the same id took it away.
        """
        options = self._options("check_there", options)
        context = require_invoke_context(options["invoke_context"])
        key = self.key(sk, write=True, invoke_context=context)
        if "publish_id" not in options and (own := context.publish_id):
            options["publish_id"] = context.publish_ids.next(self._place(key), own)
        self._check_there(key, options)

    # Reading

    def get(self, sk: str, *, invoke_context: InvokeContext | None = None) -> DataModel[AttributesT]:
        """One item, with what the caller has just published.

        Raises:
            ItemNotFoundError: There is no such item, or not any more.
        """
        context = require_invoke_context(invoke_context)
        key = self.key(sk, invoke_context=context)
        found = self._module.repository.get_item(key, invoke_context=context)
        if found is None or found.is_deleted:
            raise not_found()
        return found

    def exists(self, sk: str, *, invoke_context: InvokeContext | None = None) -> bool:
        """Whether there is an item that is not deleted, with what the caller has just published."""
        context = require_invoke_context(invoke_context)
        key = self.key(sk, invoke_context=context)
        return self._module.repository.exists(key, invoke_context=context)

    def list(
        self,
        *,
        sk_prefix: str | None = None,
        start_from_sk: str | None = None,
        limit: int = 20,
        order: Order = "asc",
        include_deleted: bool = False,
        max_bytes: int | None = None,
        invoke_context: InvokeContext | None = None,
    ) -> DataListModel[AttributesT]:
        """One page of the tenant's items by sort key, with what the caller has just published.

        Args:
            sk_prefix: What sort keys begin with. Default: anything.
            start_from_sk: ``last_sk`` of the page before.
            limit: Rows to read for a page, 1 to 1000; there are fewer where items were deleted.
            order: ``asc`` or ``desc``.
            include_deleted: Softly deleted items, too.
            max_bytes: See `DataService.list_items_by_pk`.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
        """
        context = require_invoke_context(invoke_context)
        page = self._module.repository.list_items_by_pks(
            self.pks(invoke_context=context),
            sk=SortKeyCondition.begins_with(sk_prefix) if sk_prefix else None,
            start_from_sk=start_from_sk,
            limit=limit,
            order=order,
            max_bytes=max_bytes,
            invoke_context=context,
        )
        if not include_deleted:
            page.items = [item for item in page.items if not item.is_deleted]
        return page

    def _command(  # noqa: PLR0917 - the fields of a command
        self,
        key: DetailKey,
        attributes: AttributesT | Mapping[str, Any],
        version: int,
        name: str | None,
        code: str | None,
        seq: int | None,
        ttl: int | None,
    ) -> dict[str, Any]:
        return {
            **key._asdict(),
            "code": key.sk if code is None else code,
            "name": key.sk if name is None else name,
            "type": self.type,
            "version": version,
            "seq": seq,
            "ttl": ttl,
            "attributes": attributes,
        }

    def _options(self, method: str, options: PublishOptions) -> PublishOptions:
        """Options with who asks, and what publishes."""
        context = require_invoke_context(options.get("invoke_context"))
        source = options.get("source") or get_command_source(self._module.context.name, self.name, method)
        return {**options, "invoke_context": context, "source": source}

    @contextmanager
    def _write(
        self, method: str, sk: str, options: PublishOptions
    ) -> Iterator[tuple[DetailKey, PublishOptions]]:
        """The key and all options of the one write to an item that is done in the block."""
        options = self._options(method, options)
        key = self.key(sk, write=True, invoke_context=options["invoke_context"])
        with self._publish_id(key, options) as publish_id:
            yield key, {**options, "publish_id": publish_id}

    def _publish_id(self, of: DetailKey | str, options: PublishOptions) -> AbstractContextManager[str | None]:
        return publish_id_of(self._place(of), options)

    def _place(self, of: DetailKey | str) -> Hashable:
        return self._module.context.tables.command, of

    def _check_there(self, key: DetailKey, options: PublishOptions) -> None:
        if self._module.repository.exists(key, invoke_context=options["invoke_context"]):
            return
        context = self._module.context
        once = publish_record.publish_once(context, key, options.get("publish_id"))
        if publish_record.recorded(once, context.store.get(once.place) if once else None) is None:
            raise not_found()

    def _partial(
        self, key: DetailKey, change: Mapping[str, Any], version: int, *, sync: bool, options: PublishOptions
    ) -> CommandModel[AttributesT] | None:
        if version == VERSION_FIRST:  # to a partial update it is the latest
            raise InvalidVersionError(version)
        commands = self._module.commands
        publish = commands.publish_partial_update_sync if sync else commands.publish_partial_update_async
        return publish({**change, **key._asdict(), "version": version}, **options)


def _check_fields(change: Mapping[str, Any]) -> None:
    """Refuse a change that says which item it is of, and which version it builds on: its caller does.

    Raises:
        InvalidInputError: It does.
    """
    problems = [
        FieldProblem(name, f"is no field to change; it is said beside the change: change(sk, ..., {said})")
        for name, said in {"pk": "invoke_context=", "sk": "...", "version": "version="}.items()
        if name in change
    ]
    if problems:
        raise InvalidInputError(problems)


def not_found() -> ItemNotFoundError:
    """Error for an item that is not there."""
    return ItemNotFoundError("there is no such item")
