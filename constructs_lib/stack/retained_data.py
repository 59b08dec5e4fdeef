"""What a former stack of the service has left, so that a new one can take it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.imported_names import (
    check_bucket_name,
    check_key_arn,
    check_stream_arn,
    check_table_name,
    check_user_pool_id,
)
from constructs_lib.props.lookups import is_known
from constructs_lib.props.strict_props import strict_dataclass
from constructs_lib.props.tokens import is_unresolved
from constructs_lib.stack.cqrs_module import CqrsModule
from constructs_lib.stack.event_module import EventModule
from constructs_lib.tables.module_tables import ModuleTables
from constructs_lib.tables.table_options import TableOptions
from runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import Stack

__all__ = ["RetainedData"]


#: What names tables by their streams, and how those are called.
_STREAMS: Final = {
    "command_table_streams": contract.COMMAND_SUFFIX,
    "events_table_streams": contract.EVENTS_SUFFIX,
}
#: What a sync table may have.
_OF_SYNC_TABLE: Final = ("point_in_time_recovery_days", "contributor_insights")


@strict_dataclass
@dataclass(frozen=True, kw_only=True)
class RetainedData:
    """What ``cdk destroy`` has left of a `CqrsStack`, for the next one to use instead of new ones.

    What is taken back belongs to no stack: it is read and written as before, and stays when the new
    stack is destroyed, too, whatever its ``removal_policy``. What is left out is made anew.

    Example:
        >>> table = "arn:aws:dynamodb:eu-west-1:111122223333:table/dev-shop-order-command"
        >>> retained = RetainedData(
        ...     command_table_streams={"order": f"{table}/stream/2026-01-31T10:11:12.345"},
        ...     session_table_name="dev-shop-session",
        ...     attributes_bucket_name="shop-attributesbucket656950e7-1a2b3c4d5e6f",
        ...     user_pool_id="eu-west-1_AbCdEfGhI",
        ... )

    Attributes:
        command_table_streams: The ARN of the stream of each module's command table, by module. A
            table keeps its stream, and nobody but AWS knows the name of it (``aws dynamodb
            describe-table``, ``LatestStreamArn``). The other tables of the module are those whose
            names begin as that of its command table. Defaults to none.
        events_table_streams: The same of modules of events: the ARN of the stream of each one's events table.
            Defaults to none.
        without_sync_table: Those of the modules of commands that had no data sync handlers and now have:
            their sync tables are new. Defaults to none.
        session_table_name: Name of the session table, the former stack's output ``SessionTableName``.
            Defaults to a new table.
        master_data_table_name: Name of the table with settings by tenant, its output
            ``MasterDataTableName``. Defaults to a new table, where there is one.
        sequences_table_name: Name of the table that numbers are counted in, its output
            ``SequencesTableName``. Defaults to a new table, where there is one: it counts from the start.
        attributes_bucket_name: Name of the bucket with large attributes, its output
            ``AttributesBucketName``. Rows refer to objects in it, so it goes with the tables, unless the
            stack is given its ``attributes_bucket``. Defaults to a new bucket.
        failed_records_bucket_name: Name of the bucket of `FailedRecords`. Defaults to a new bucket.
        user_pool_id: Id of the user pool, its output ``UserPoolId``. Its client went with the stack: a
            new one is made. Defaults to a new pool.
        encryption_key_arn: Customer managed key of the tables and the buckets above, where it is another
            one than the ``encryption_key`` of the stack. Defaults to that one, or to none where the
            stack has none.

    Raises:
        InvalidPropsError: A name, id or ARN is not one, or there is a key and nothing that it is of.

    """

    command_table_streams: Mapping[str, str] = field(default_factory=dict)
    events_table_streams: Mapping[str, str] = field(default_factory=dict)
    without_sync_table: Sequence[str] = ()
    session_table_name: str | None = None
    master_data_table_name: str | None = None
    sequences_table_name: str | None = None
    attributes_bucket_name: str | None = None
    failed_records_bucket_name: str | None = None
    user_pool_id: str | None = None
    encryption_key_arn: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be the name of anything."""
        for prop, suffix in _STREAMS.items():
            for module, arn in getattr(self, prop).items():
                name = f"{prop}[{module!r}]"
                if not is_known(arn):
                    msg = f"{name} must be known at synthesis, got {arn}; write it as a literal"
                    raise InvalidPropsError(msg)
                check_stream_arn(name, arn, suffix=f"-{suffix}")
        for module in self.without_sync_table:
            if module not in self.command_table_streams:
                msg = (
                    f"without_sync_table must name modules of command_table_streams, got {module!r}; "
                    "leave it out: a module whose tables are new has all of them"
                )
                raise InvalidPropsError(msg)
        for table in ("session_table_name", "master_data_table_name", "sequences_table_name"):
            check_table_name(table, getattr(self, table), hint="it is an output of the former stack")
        for bucket in ("attributes_bucket_name", "failed_records_bucket_name"):
            check_bucket_name(bucket, getattr(self, bucket))
        check_user_pool_id("user_pool_id", self.user_pool_id)
        check_key_arn("encryption_key_arn", self.encryption_key_arn)
        encrypted = (
            self.command_table_streams,
            self.events_table_streams,
            self.session_table_name,
            self.master_data_table_name,
            self.sequences_table_name,
            self.attributes_bucket_name,
            self.failed_records_bucket_name,
        )
        if self.encryption_key_arn is not None and not any(encrypted):
            msg = (
                f"encryption_key_arn needs a table or a bucket that the key is of, got "
                f"{self.encryption_key_arn!r} without one; leave it out: for what is new there is the "
                "stack's encryption_key"
            )
            raise InvalidPropsError(msg)

    def check(
        self,
        stack: Stack,
        modules: Sequence[CqrsModule | EventModule],
        **made: object,
    ) -> None:
        """Refuse what the stack has no use for, or cannot reach.

        Args:
            stack: The stack that takes it back.
            modules: The service's modules.
            made: What the stack would make itself in place of each of the properties, false where it
                makes none.

        Raises:
            InvalidPropsError: Something is given for a part that the stack does not make, or takes
                back, or is of
                another region or account, or tables are given without their bucket.

        """
        self._check_streams(stack, "command_table_streams", modules, CqrsModule)
        self._check_streams(stack, "events_table_streams", modules, EventModule)
        if (key := self.encryption_key_arn) is not None and not is_unresolved(key):
            hint = "a key serves the tables and buckets"
            self._check_place(stack, "encryption_key_arn", key, hint, account_may_differ=True)
        has_no_bucket = self.attributes_bucket_name is None and made["attributes_bucket_name"]
        streams = next((prop for prop in _STREAMS if getattr(self, prop)), None)
        if streams is not None and has_no_bucket:
            msg = (
                f"attributes_bucket_name must be given with {streams}, got None; rows refer to "
                "objects in that bucket, and answer 500 without it: give its name, or the bucket as "
                "attributes_bucket of the stack"
            )
            raise InvalidPropsError(msg)
        for prop, is_made in made.items():
            value = getattr(self, prop)
            if value is not None and not is_made:
                msg = (
                    f"{prop} has no effect on a stack that makes no such part itself, got {value!r}; "
                    f"leave {prop} out, or what stands in its place"
                )
                raise InvalidPropsError(msg)

    def _check_streams(
        self,
        stack: Stack,
        prop: str,
        modules: Sequence[CqrsModule | EventModule],
        kind: type[CqrsModule | EventModule],
    ) -> None:
        """Refuse tables of modules that the stack has not, or has as another kind, or that are brought."""
        known = {module.name: module for module in modules if isinstance(module, kind)}
        for name, arn in getattr(self, prop).items():
            if name not in known:
                has = f"it has {', '.join(known)}" if known else f"it has no {kind.__name__}"
                msg = f"{prop} must name modules of the stack, got {name!r}; {has}"
                raise InvalidPropsError(msg)
            if isinstance(known[name].table, ModuleTables):
                msg = f"{prop} has {name!r}, which {kind.__name__}(table=...) brings; give one"
                raise InvalidPropsError(msg)
            self._check_options(known[name])
            self._check_place(stack, f"{prop}[{name!r}]", arn, "a table serves the functions")

    def _check_options(self, module: CqrsModule | EventModule) -> None:
        """Refuse options of tables that are there already; a sync table may be new and have its own."""
        given = module.table.given() if isinstance(module.table, TableOptions) else {}
        has_new = (
            isinstance(module, CqrsModule) and module.data_sync and module.name in self.without_sync_table
        )
        of_new = _OF_SYNC_TABLE if has_new else ()
        if useless := [name for name in given if name not in of_new]:
            msg = (
                f"retained takes the tables of {module.name!r} back, for which TableOptions have no effect, "
                f"got {', '.join(useless)}; leave them out, and change these tables by hand"
            )
            raise InvalidPropsError(msg)

    @staticmethod
    def _check_place(
        stack: Stack, name: str, arn: str, hint: str, *, account_may_differ: bool = False
    ) -> None:
        _, _, _, region, account, _ = arn.split(":", 5)
        for what, theirs, ours in (("region", region, stack.region), ("account", account, stack.account)):
            if account_may_differ and what == "account":
                continue
            if not is_unresolved(ours) and theirs != ours:
                msg = f"{name} must be of the {what} {ours}, got one of {theirs}; {hint} of its own {what}"
                raise InvalidPropsError(msg)
