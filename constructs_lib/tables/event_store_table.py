"""The tables of one module of events: the events themselves, and how far each handler is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from aws_cdk import Annotations, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import (
    refuse_props_of_brought,
)
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.brought_table import check_index, check_rows, has_ttl
from constructs_lib.tables.event_store_table_grants import EventStoreTableGrants
from constructs_lib.tables.imported_tables import ImportedTables
from constructs_lib.tables.indexes import aggregates_index, feed_index
from constructs_lib.tables.module_tables import ModuleTables, throttled
from constructs_lib.tables.pk_sk_table import LONGEST_RECOVERY_DAYS
from constructs_lib.tables.table_extras import TableExtras
from runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import Duration
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_kinesis as kinesis
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

    from constructs_lib.parts import ServiceFunctions

__all__ = ["EventStoreTable"]


class EventStoreTable(ModuleTables):
    """The DynamoDB tables that together hold one module of events.

    Events are appended to ``events_table``, one row for all that a command says, and nothing ever deletes
    them; its stream feeds the module's event handlers. ``sync_table`` remembers how far each handler is.
    Both are on-demand, encrypted and recoverable to any second of the recovery period; by default they
    outlive their stack and cannot be deleted by accident.

    Example:
        >>> blog = EventStoreTable(self, "Blog", handlers=True)
        >>> blog.connect(report_function, rights=["read"])

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical ids of the tables:
            changing it replaces them.
        module_name: The module that the tables belong to, as the runtime's ``EventModule`` and
            ``DynamoProvider`` name it. Defaults to ``construct_id`` in lower case.
        table_name_prefix: Start of the physical names: "dev-shop-blog" gives "dev-shop-blog-events" and
            "dev-shop-blog-sync". Defaults to names that CloudFormation makes.
        handlers: Whether the module has event handlers that the service runs, for which it needs the
            function ``projector``. Defaults to False.
        pull_index: Whether the events table has an index by which processes outside of Lambda are told what
            is new. Each append costs one write unit more. Of ``events_table`` it says that it has the
            index: its name ``feed``, its partition key ``feed``, its sort key ``feedAt``, both strings.
            Defaults to False.
        aggregates_index: Whether the events table has an index of the aggregates by tenant, to list them.
            Each new aggregate costs one write unit more. Of ``events_table`` it says that it has the index:
            its name and its partition key ``aggregates``, its sort key ``pk``, both strings. Defaults to
            False.
        events_table: An existing table to use; its key is ``pk`` and ``sk``, both strings, and it streams
            new images where the module has handlers. Defaults to a new table.
        sync_table: An existing table to use, with the same key. Defaults to a new table.
        encryption_key: Customer managed key of the new tables, for a stack whose region is
            known. The grants include its use. Defaults to the key that DynamoDB owns.
        max_write_request_units: Ceiling on writes per second of the new events table, in write request
            units. Defaults to no ceiling.
        point_in_time_recovery_days: How far back the new tables can be restored, in days, from
            1 to 35. Defaults to 35.
        removal_policy: What happens to the new tables when they leave the stack. RETAIN keeps
            them and protects them from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps them without
            protection, so that a first deployment that fails takes them back; DESTROY turns both
            off, for environments that are thrown away. Defaults to RETAIN.
        contributor_insights: Whether CloudWatch shows the most used keys of the new tables; a mode
            of DynamoDB's, to show throttled keys only. Defaults to False.
        kinesis_stream: Stream that gets every append to the new events table. Defaults to none.
        warm_throughput: What the new events table is ready for at once: at least 12000
            reads and 4000 writes per second. Defaults to that.

    Raises:
        InvalidPropsError: A name or number is outside what DynamoDB allows, a property
            configures tables that are all brought along, or a table that was brought has another key,
            lacks an index that it is said to have, is brought twice, or is of another module.

    """

    _SUFFIXES: ClassVar[Mapping[str, str]] = {
        "events": contract.EVENTS_SUFFIX,
        "sync_table": contract.SYNC_SUFFIX,
    }
    _RIGHTS: ClassVar[tuple[str, ...]] = tuple(
        n for n in vars(EventStoreTableGrants) if not n.startswith("_")
    )
    _USUAL_RIGHTS: ClassVar[tuple[str, ...]] = ("append", "read")
    _TWICE: ClassVar[str] = "two services would handle each event twice"
    _BROUGHT_BY: ClassVar[str] = "events_table and sync_table"
    _DELETED: ClassVar[str] = "tables and their events are"

    grants: EventStoreTableGrants

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        module_name: str | None = None,
        table_name_prefix: str | None = None,
        handlers: bool = False,
        pull_index: bool = False,
        aggregates_index: bool = False,
        events_table: dynamodb.ITableV2 | None = None,
        sync_table: dynamodb.ITableV2 | None = None,
        encryption_key: kms.IKey | None = None,
        max_write_request_units: int | None = None,
        point_in_time_recovery_days: int = LONGEST_RECOVERY_DAYS,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        contributor_insights: bool | dynamodb.ContributorInsightsMode = False,
        kinesis_stream: kinesis.IStream | None = None,
        warm_throughput: dynamodb.WarmThroughput | None = None,
    ) -> None:
        super().__init__(scope, construct_id, module_name, table_name_prefix)
        self.has_handlers = handlers
        self.has_pull_index = pull_index
        self.has_aggregates_index = aggregates_index
        self.is_exclusive = False
        """Whether handlers claim their turns, as several calls may be about one aggregate at a time."""
        warm_throughput = self._check_of_new(
            encryption_key=encryption_key,
            removal_policy=removal_policy,
            recovery_days=point_in_time_recovery_days,
            max_write_request_units=max_write_request_units,
            warm_throughput=warm_throughput,
        )
        if events_table is not None:
            refuse_props_of_brought(
                "events_table",
                max_write_request_units=max_write_request_units,
                warm_throughput=warm_throughput,
                kinesis_stream=kinesis_stream,
            )
        if events_table is not None and sync_table is not None:
            self._refuse_of_new(
                table_name_prefix=table_name_prefix, contributor_insights=contributor_insights
            )
        self._check_brought(events_table, sync_table)
        self.events_table: dynamodb.ITableV2 = events_table or self._new_events_table(
            dynamodb.Billing.on_demand(max_write_request_units=max_write_request_units),
            TableExtras(
                contributor_insights=contributor_insights,
                kinesis_stream=kinesis_stream,
                warm_throughput=warm_throughput,
            ),
        )
        # A cursor that expired would run its handler again from the start.
        self.sync_table: dynamodb.ITableV2 = sync_table or self._new_table(
            "sync_table", TableExtras(contributor_insights=contributor_insights), expires=False
        )
        self.grants = EventStoreTableGrants(
            events_table=self.events_table,
            sync_table=self.sync_table,
            has_pull_index=pull_index,
            has_aggregates_index=aggregates_index,
        )
        self._take_tables()

    @classmethod
    @strict_props
    def from_table_names(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        module_name: str | None = None,
        table_name_prefix: str | None = None,
        events_table_name: str | None = None,
        sync_table_name: str | None = None,
        handlers: bool = False,
        pull_index: bool = False,
        aggregates_index: bool = False,
        events_table_stream_arn: str | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> EventStoreTable:
        """Use tables that exist: those of another app, or those that a deleted stack has left.

        They must be in the account and Region of the functions that use them. What they are like is
        not known here, and not checked.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            module_name: The module that the tables belong to. Defaults to ``construct_id`` in lower case.
            table_name_prefix: Start of their names: "dev-shop-blog" for "dev-shop-blog-events" and
                "dev-shop-blog-sync". Needed unless both names are given. Defaults to none.
            events_table_name: Its name. Defaults to that by ``table_name_prefix``.
            sync_table_name: Its name. Defaults to that by ``table_name_prefix``.
            handlers: Whether the module has event handlers that the service runs. Defaults to False.
            pull_index: Whether the events table has the index ``feed``. Defaults to False.
            aggregates_index: Whether the events table has the index ``aggregates``. Defaults to False.
            events_table_stream_arn: ARN of the events table's stream, of new images; `EventProcessing`
                needs it. Defaults to none.
            encryption_key: Customer managed key of the tables; the grants include its use. Defaults to
                none.

        Raises:
            InvalidPropsError: A table has no name, a name or ARN cannot be one, or the stream is that of
                another table.

        """
        of = ImportedTables(
            scope=scope, construct_id=construct_id, prefix=table_name_prefix, encryption_key=encryption_key
        )
        return cls(
            scope,
            construct_id,
            module_name=module_name,
            handlers=handlers,
            pull_index=pull_index,
            aggregates_index=aggregates_index,
            events_table=of.table(
                contract.EVENTS_SUFFIX, events_table_name, stream_arn=events_table_stream_arn
            ),
            sync_table=of.table(contract.SYNC_SUFFIX, sync_table_name),
        )

    @property
    def module_settings(self) -> dict[str, Any]:
        """What the runtime has to know of the module: what it has, its tables' names."""
        flags = {
            "handlers": self.has_handlers,
            "feed": self.has_pull_index,
            "aggregates": self.has_aggregates_index,
            "exclusive": self.is_exclusive,
        }
        return {
            "kind": contract.KIND_EVENTS,
            "events": self.events_table.table_name,
            "sync_table": self.sync_table.table_name,
            **{name: True for name, value in flags.items() if value},
        }

    def module_settings_in(self, *, env_name: str, app_name: str) -> dict[str, Any]:
        """Give `module_settings` without what functions of this environment and app assume.

        The variables of a function are limited to 4 KB in total, so names that follow the
        convention are better left out.

        Args:
            env_name: The functions' NODE_ENV.
            app_name: The functions' APP_NAME.

        """
        return self._without_usual_names(env_name=env_name, app_name=app_name)

    def connect(
        self,
        functions: ServiceFunctions | lambda_.IFunction,
        *,
        rights: Sequence[str] | None = None,
    ) -> None:
        """Let the functions of a service append to, read, handle and repair this module.

        A function of your own may append and read, and is told what the runtime has to know to do
        so: this module, beside those that it is connected to already, and the names of the service
        whose functions this table is connected to. It reaches what all tenants have. One of another
        stack gets all that in its stack, unless the table's is known to depend on that one.

        Args:
            functions: The functions of a service, or one of your own.
            rights: What one of your own may do, by the names of `EventStoreTableGrants`, such as "read".
                Defaults to "append" and "read".

        Raises:
            InvalidPropsError: There is no such right, ``rights`` are for the functions of a service,
                whose rights follow from what each is for, these tables are another service's, the module
                has handlers and the service no projector, or a function of your own knows another service,
                or a module of this name with other tables.

        """
        self._connect(functions, rights)

    def claim_turns(self) -> None:
        """Have the handlers claim their turns: several calls at a time may be about one aggregate.

        `EventProcessing` does it where its ``parallelization_factor`` is above 1. A claim costs one write
        unit for each aggregate of a batch.
        """
        if self.is_exclusive:
            return
        self.is_exclusive = True
        if self._service is not None:
            self._tell_module(self._service)
        for own in self._own:
            self._tell_own(own)

    def metric_throttled_appends(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the events table that were throttled, summed over ``period`` (5 minutes)."""
        return throttled(self.events_table, "Write", period)

    def metric_throttled_reads(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Reads of the events table that were throttled, summed over ``period`` (5 minutes)."""
        return throttled(self.events_table, "Read", period)

    def metric_throttled_cursors(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the sync table that were throttled, summed over ``period`` (5 minutes)."""
        return throttled(self.sync_table, "Write", period)

    def _tables(self) -> Mapping[str, dynamodb.ITableV2 | None]:
        return {"events_table": self.events_table, "sync_table": self.sync_table}

    def _allow_service(self, functions: ServiceFunctions) -> None:
        if self.has_handlers and functions.projector is None:
            msg = (
                f"{self.node.path} has handlers, and {functions.api.node.path} belongs to functions without "
                "a projector to run them; give these functions projector=FunctionOptions(), or the tables in "
                "tables=[...]"
            )
            raise InvalidPropsError(msg)
        api = functions.data_access(functions.api)
        self.grants.serve(api.grantee, handlers=self.has_handlers)
        self.grants.operate(functions.operator, handlers=self.has_handlers)
        if functions.projector is not None:
            # Also without handlers of its own: a reaction of another module may execute its commands.
            if self.has_handlers:
                self.grants.project(functions.projector)
            else:
                self.grants.serve(functions.projector)

    def _check_brought(self, events: dynamodb.ITableV2 | None, sync: dynamodb.ITableV2 | None) -> None:
        """Refuse tables that cannot hold the rows, and say what is kept for ever that need not be."""
        check_rows({"events_table": events, "sync_table": sync})
        if events is None:
            return
        if self.has_pull_index:
            check_index(
                "pull_index",
                "events_table",
                events,
                contract.FEED_INDEX,
                (contract.FEED_COLUMN, contract.FEED_SORT_KEY),
            )
        if self.has_aggregates_index:
            check_index(
                "aggregates_index",
                "events_table",
                events,
                contract.AGGREGATES_INDEX,
                (contract.AGGREGATES_COLUMN, contract.PARTITION_KEY),
            )
        if not has_ttl(events):
            Annotations.of(self).add_warning_v2(
                "cqrs:noTimeToLive",
                f"ids of commands of {self.module_name} are kept for ever: events_table has no TTL attribute "
                f"{contract.TTL_ATTRIBUTE!r}; give it one, by which they are forgotten after a day",
            )

    def _new_events_table(self, billing: dynamodb.Billing, extras: TableExtras) -> dynamodb.TableV2:
        return self._new_table(
            "events",
            extras,
            # The records of commands' ids expire. A commit has no such column.
            expires=True,
            billing=billing,
            stream=dynamodb.StreamViewType.NEW_IMAGE,
            indexes=[
                *([feed_index(extras)] if self.has_pull_index else []),
                *([aggregates_index(extras)] if self.has_aggregates_index else []),
            ],
        )
