"""The command, data and history tables of one module."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from aws_cdk import Annotations, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import (
    refuse_props_of_brought,
)
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.brought_table import check_index, check_rows, has_ttl
from constructs_lib.tables.cqrs_table_grants import CqrsTableGrants
from constructs_lib.tables.imported_tables import ImportedTables
from constructs_lib.tables.indexes import open_index
from constructs_lib.tables.module_tables import ModuleTables, throttled
from constructs_lib.tables.pk_sk_table import LONGEST_RECOVERY_DAYS
from constructs_lib.tables.processing import Processing
from constructs_lib.tables.table_extras import TableExtras, as_struct, check_replicas
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

__all__ = ["CqrsTable"]


class CqrsTable(ModuleTables):
    """The DynamoDB tables that together hold one module: one kind of aggregate.

    Commands are appended to ``command_table``, whose stream starts their processing, and
    whose index ``open`` holds those that are under way, however many are done. The
    latest state lives in ``data_table``, superseded versions in ``history_table``. A module
    with data sync handlers also has a ``sync_table``, which remembers how far each handler
    is. Each table is on-demand, encrypted and recoverable to any second of the recovery
    period; by default it outlives its stack and cannot be deleted by accident.

    Example:
        >>> orders = CqrsTable(self, "Order")
        >>> orders.connect(report_function, rights=["read"])

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical ids of the tables:
            changing it replaces them.
        module_name: The module that the tables belong to, as the runtime's
            ``CommandModule`` names it. Defaults to ``construct_id`` in lower case.
        table_name_prefix: Start of the physical names: "dev-shop-order" gives
            "dev-shop-order-command" and so on. Defaults to names that CloudFormation makes.
        processing: Who applies commands: a workflow, or the stream function itself. Defaults to
            a workflow.
        data_sync: Whether the module has data sync handlers, which need ``sync_table``.
            Defaults to False.
        command_table: An existing table to use; its key is ``pk`` and ``sk``, both strings,
            and it streams new images. Defaults to a new table.
        command_table_has_open_index: Whether ``command_table`` has an index as a new table
            has one, by which unfinished commands are found: its name ``open``, its partition
            key ``open``, its sort key ``createdAt``, both strings. Defaults to False: then
            only `reconcile`, which scans the table, finds what nobody has finished.
        data_table: An existing table to use. Defaults to a new table.
        history_table: An existing table to use. Defaults to a new table.
        sync_table: An existing table to use; giving it implies ``data_sync``. Defaults
            to a new table where ``data_sync`` is True.
        encryption_key: Customer managed key of the new tables, for a stack whose region is
            known. The grants include its use. Defaults to the key that DynamoDB owns.
        max_write_request_units: Ceiling on writes per second of the new command and data
            tables, in write request units. Defaults to no ceiling.
        point_in_time_recovery_days: How far back the new tables can be restored, in days, from
            1 to 35. Defaults to 35.
        removal_policy: What happens to the new tables when they leave the stack. RETAIN keeps
            them and protects them from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps them without
            protection, so that a first deployment that fails takes them back; DESTROY turns both
            off, for environments that are thrown away. Defaults to RETAIN.
        replicas: Other Regions with copies of the new data and history tables, to read from. Write
            in one Region only: a condition, which every write has, is checked in its own Region, and
            the last of two writers would win. The command table has no copies. CloudFormation adds one
            Region per deployment. Defaults to none.
        replica_key_arns: By Region of ``replicas``, the ARN of the customer managed key there. Needed
            with ``encryption_key``. Defaults to none.
        contributor_insights: Whether CloudWatch shows the most used keys of the new tables; a mode
            of DynamoDB's, to show throttled keys only. Defaults to False.
        kinesis_stream: Stream that gets every change of the new data table. Defaults to none.
        warm_throughput: What the new command and data tables are ready for at once: at least 12000
            reads and 4000 writes per second. Defaults to that.

    Raises:
        InvalidPropsError: A name or number is outside what DynamoDB allows, a property
            configures tables that are all brought along, or describes one that is not, or a table that
            was brought has another key, or is brought twice.

    """

    _SUFFIXES: ClassVar[Mapping[str, str]] = {
        "command": contract.COMMAND_SUFFIX,
        "data": contract.DATA_SUFFIX,
        "history": contract.HISTORY_SUFFIX,
        "sync_table": contract.SYNC_SUFFIX,
    }
    _RIGHTS: ClassVar[tuple[str, ...]] = tuple(n for n in vars(CqrsTableGrants) if not n.startswith("_"))
    _USUAL_RIGHTS: ClassVar[tuple[str, ...]] = ("publish", "read")
    _TWICE: ClassVar[str] = "two services would process each command twice"
    _BROUGHT_BY: ClassVar[str] = "command_table, data_table and history_table"
    _DELETED: ClassVar[str] = "tables and their data are"

    grants: CqrsTableGrants

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        module_name: str | None = None,
        table_name_prefix: str | None = None,
        processing: Processing = Processing.WORKFLOW,
        data_sync: bool = False,
        command_table: dynamodb.ITableV2 | None = None,
        command_table_has_open_index: bool = False,
        data_table: dynamodb.ITableV2 | None = None,
        history_table: dynamodb.ITableV2 | None = None,
        sync_table: dynamodb.ITableV2 | None = None,
        encryption_key: kms.IKey | None = None,
        max_write_request_units: int | None = None,
        point_in_time_recovery_days: int = LONGEST_RECOVERY_DAYS,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        replicas: Sequence[dynamodb.ReplicaTableProps] = (),
        replica_key_arns: Mapping[str, str] | None = None,
        contributor_insights: bool | dynamodb.ContributorInsightsMode = False,
        kinesis_stream: kinesis.IStream | None = None,
        warm_throughput: dynamodb.WarmThroughput | None = None,
    ) -> None:
        super().__init__(scope, construct_id, module_name, table_name_prefix)
        self.processing = Processing(processing)
        warm_throughput = self._check_of_new(
            encryption_key=encryption_key,
            removal_policy=removal_policy,
            recovery_days=point_in_time_recovery_days,
            max_write_request_units=max_write_request_units,
            warm_throughput=warm_throughput,
        )
        replicas = [as_struct(dynamodb.ReplicaTableProps, replica) for replica in replicas]
        check_replicas(self, replicas, encryption_key, replica_key_arns)
        needs_sync = data_sync or sync_table is not None
        brought = [command_table, data_table, history_table, *([sync_table] if needs_sync else [])]
        if command_table is not None and data_table is not None:
            refuse_props_of_brought(
                "command_table and data_table",
                max_write_request_units=max_write_request_units,
                warm_throughput=warm_throughput,
            )
        if data_table is not None:
            refuse_props_of_brought("data_table", kinesis_stream=kinesis_stream)
        if data_table is not None and history_table is not None:
            refuse_props_of_brought("data_table and history_table", replicas=replicas or None)
        if command_table is None and command_table_has_open_index:
            msg = (
                "command_table_has_open_index needs command_table, got True without one; "
                "leave it out: a new table has the index"
            )
            raise InvalidPropsError(msg)
        given = {
            "command_table": command_table,
            "data_table": data_table,
            "history_table": history_table,
            "sync_table": sync_table,
        }
        self._check_brought(given, has_open_index=command_table_has_open_index)
        if all(table is not None for table in brought):
            self._refuse_of_new(
                table_name_prefix=table_name_prefix, contributor_insights=contributor_insights
            )
        self.has_open_index = command_table is None or command_table_has_open_index
        self._warn()
        usual = TableExtras(contributor_insights=contributor_insights)
        copied = replace(usual, replicas=replicas, replica_key_arns=replica_key_arns)
        written = replace(usual, warm_throughput=warm_throughput)
        data = replace(copied, warm_throughput=warm_throughput, kinesis_stream=kinesis_stream)
        limited = dynamodb.Billing.on_demand(max_write_request_units=max_write_request_units)
        self.command_table: dynamodb.ITableV2 = command_table or self._new_command_table(limited, written)
        self.data_table: dynamodb.ITableV2 = data_table or self._new_table(
            "data", data, expires=True, billing=limited
        )
        self.history_table: dynamodb.ITableV2 = history_table or self._new_table(
            "history", copied, expires=True
        )
        self.sync_table: dynamodb.ITableV2 | None = sync_table
        if needs_sync and sync_table is None:
            # A cursor that expired would run its handler again from the start.
            self.sync_table = self._new_table("sync_table", usual, expires=False)
        self.grants = CqrsTableGrants(
            command_table=self.command_table,
            data_table=self.data_table,
            history_table=self.history_table,
            sync_table=self.sync_table,
            has_open_index=self.has_open_index,
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
        command_table_name: str | None = None,
        data_table_name: str | None = None,
        history_table_name: str | None = None,
        sync_table_name: str | None = None,
        processing: Processing = Processing.WORKFLOW,
        data_sync: bool = False,
        command_table_stream_arn: str | None = None,
        command_table_has_open_index: bool = False,
        encryption_key: kms.IKey | None = None,
    ) -> CqrsTable:
        """Use tables that exist: those of another app, or those that a deleted stack has left.

        They must be in the account and Region of the functions that use them. What they are like is
        not known here, and not checked.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            module_name: The module that the tables belong to. Defaults to ``construct_id`` in lower case.
            table_name_prefix: Start of their names: "dev-shop-order" for "dev-shop-order-command" and so
                on. Needed unless every name is given. Defaults to none.
            command_table_name: Its name. Defaults to that by ``table_name_prefix``.
            data_table_name: Its name. Defaults to that by ``table_name_prefix``.
            history_table_name: Its name. Defaults to that by ``table_name_prefix``.
            sync_table_name: Its name; giving it implies ``data_sync``. Defaults to that by
                ``table_name_prefix`` where ``data_sync`` is True.
            processing: Who applies commands. Defaults to a workflow.
            data_sync: Whether the module has data sync handlers. Defaults to False.
            command_table_stream_arn: ARN of the command table's stream, of new images; `StreamProcessing`
                needs it. Defaults to none.
            command_table_has_open_index: Whether the command table has the index ``open``. One that a
                `CqrsTable` has made has it. Defaults to False.
            encryption_key: Customer managed key of the tables; the grants include its use. Defaults to
                none.

        Raises:
            InvalidPropsError: A table has no name, a name or ARN cannot be one, or the stream is that of
                another table.

        """
        of = ImportedTables(
            scope=scope, construct_id=construct_id, prefix=table_name_prefix, encryption_key=encryption_key
        )
        needs_sync = data_sync or sync_table_name is not None
        return cls(
            scope,
            construct_id,
            module_name=module_name,
            processing=processing,
            command_table=of.table(
                contract.COMMAND_SUFFIX, command_table_name, stream_arn=command_table_stream_arn
            ),
            command_table_has_open_index=command_table_has_open_index,
            data_table=of.table(contract.DATA_SUFFIX, data_table_name),
            history_table=of.table(contract.HISTORY_SUFFIX, history_table_name),
            sync_table=of.table(contract.SYNC_SUFFIX, sync_table_name) if needs_sync else None,
        )

    @property
    def module_settings(self) -> dict[str, Any]:
        """What the runtime has to know of the module: how it is processed, its tables' names."""
        settings: dict[str, Any] = {}
        if self.processing is not Processing.WORKFLOW:
            settings["mode"] = self.processing.value
        settings["command"] = self.command_table.table_name
        settings["data"] = self.data_table.table_name
        settings["history"] = self.history_table.table_name
        if self.has_open_index:
            settings["open"] = True
        if self.sync_table is not None:
            settings["sync"] = True
            settings["sync_table"] = self.sync_table.table_name
        return settings

    def module_settings_in(self, *, env_name: str, app_name: str) -> dict[str, Any]:
        """Give `module_settings` without what functions of this environment and app assume.

        The variables of a function are limited to 4 KB in total, so names that follow the
        convention are better left out.

        Args:
            env_name: The functions' NODE_ENV.
            app_name: The functions' APP_NAME.

        """
        settings = self._without_usual_names(env_name=env_name, app_name=app_name)
        if "command" not in settings:
            # A command table of that name is taken to have the index.
            settings.pop("open", None)
            if not self.has_open_index:
                settings["open"] = False
        return settings

    def connect(
        self,
        functions: ServiceFunctions | lambda_.IFunction,
        *,
        rights: Sequence[str] | None = None,
    ) -> None:
        """Let the functions of a service publish, process, read and repair this module.

        A function of your own may publish and read, and is told what the runtime has to know to do
        so: this module, beside those that it is connected to already, and the names of the service
        whose functions this table is connected to. It reaches what all tenants have. One of another
        stack gets all that in its stack, unless the table's is known to depend on that one.

        Args:
            functions: The functions of a service, or one of your own.
            rights: What one of your own may do, by the names of `CqrsTableGrants`, such as "read".
                Defaults to "publish" and "read".

        Raises:
            InvalidPropsError: There is no such right, ``rights`` are for the functions of a service,
                whose rights follow from what each is for, these tables are another service's, or a
                function of your own knows another service, or a module of this name with other tables.

        """
        self._connect(functions, rights)

    def _tables(self) -> Mapping[str, dynamodb.ITableV2 | None]:
        return {
            "command_table": self.command_table,
            "data_table": self.data_table,
            "history_table": self.history_table,
            "sync_table": self.sync_table,
        }

    def _allow_service(self, functions: ServiceFunctions) -> None:
        if not functions.has_commands:
            msg = (
                f"{self.node.path} keeps commands, and {functions.api.node.path} belongs to functions "
                "without those that process them; give that CqrsFunctions commands=True, or the stack "
                "CqrsModule(..., table=...) among its modules"
            )
            raise InvalidPropsError(msg)
        # A synchronous publish applies the command in the same transaction.
        self.grants.serve(functions.data_access(functions.api).grantee)
        # Also where the stream function applies: executions that began before it did go on.
        self.grants.apply(functions.worker)
        self.grants.operate(functions.operator)
        if self.processing is Processing.INLINE:
            self.grants.apply(functions.stream)
            functions.add_applier(functions.stream)

    def metric_throttled_commands(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the command table that were throttled, summed over ``period`` (5 minutes)."""
        return throttled(self.command_table, "Write", period)

    def metric_throttled_data(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the data table that were throttled, summed over ``period`` (5 minutes)."""
        return throttled(self.data_table, "Write", period)

    def metric_throttled_reads(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Reads of the data table that were throttled, summed over ``period`` (5 minutes)."""
        return throttled(self.data_table, "Read", period)

    def metric_throttled_history(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the history table that were throttled, summed over ``period`` (5 minutes)."""
        return throttled(self.history_table, "Write", period)

    def _warn(self) -> None:
        if not self.has_open_index:
            Annotations.of(self).add_warning_v2(
                "cqrs:noOpenIndex",
                f"what is left unfinished in {self.module_name} is not finished by itself: its command table "
                "was brought along without the index 'open'; add it, and say so with "
                "command_table_has_open_index=True, or run 'cqrs reconcile' every now and then",
            )

    def _check_brought(self, tables: Mapping[str, dynamodb.ITableV2 | None], *, has_open_index: bool) -> None:
        """Refuse tables that cannot hold the rows, and say which ones keep them for ever."""
        check_rows(tables)
        if (commands := tables["command_table"]) is not None and has_open_index:
            check_index(
                "command_table_has_open_index",
                "table",
                commands,
                contract.OPEN_INDEX,
                (contract.OPEN_COLUMN, contract.OPEN_SORT_KEY),
            )
        # Cursors never expire.
        kept = [
            name
            for name, table in tables.items()
            if table is not None and name != "sync_table" and not has_ttl(table)
        ]
        if kept:
            Annotations.of(self).add_warning_v2(
                "cqrs:noTimeToLive",
                f"rows of {self.module_name} are kept for ever, whatever a tenant's settings say: "
                f"{' and '.join(kept)} has no TTL attribute {contract.TTL_ATTRIBUTE!r}; give it one",
            )

    def _new_command_table(self, billing: dynamodb.Billing, extras: TableExtras) -> dynamodb.TableV2:
        # Functions take a table of the conventional name to have the index.
        self._made.add("open")
        return self._new_table(
            "command",
            extras,
            expires=True,
            billing=billing,
            stream=dynamodb.StreamViewType.NEW_IMAGE,
            indexes=[open_index(extras)],
        )
