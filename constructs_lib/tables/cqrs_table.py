"""The command, data and history tables of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Annotations, RemovalPolicy, Token
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import (
    check_range,
    check_removal_policy,
    check_table_key,
    refuse_props_of_brought,
)
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables import naming
from constructs_lib.tables.cqrs_table_grants import CqrsTableGrants
from constructs_lib.tables.pk_sk_table import LONGEST_RECOVERY_DAYS, new_table
from constructs_lib.tables.processing import Processing
from runtime import contract

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_kms as kms

    from constructs_lib.parts import ServiceFunctions

__all__ = ["CqrsTable"]


class CqrsTable(Construct):
    """The DynamoDB tables that together hold one module: one kind of aggregate.

    Commands are appended to ``command_table``, whose stream starts their processing, and
    whose index ``open`` holds those that are under way, however many are done. The
    latest state lives in ``data_table``, superseded versions in ``history_table``. A module
    with data sync handlers also has a ``sync_table``, which remembers how far each handler
    is. Each table is on-demand, encrypted and recoverable to any second of the recovery
    period; by default it outlives its stack and cannot be deleted by accident.

    Example:
        >>> orders = CqrsTable(self, "Order")
        >>> orders.grants.publish(api_function)

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
            them and protects them from deletion; DESTROY turns both off, for environments that
            are thrown away. Defaults to RETAIN.

    Raises:
        InvalidPropsError: A name or number is outside what DynamoDB allows, or a property
            configures tables that are all brought along, or describes one that is not.

    """

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
    ) -> None:
        super().__init__(scope, construct_id)
        self.module_name = _module_name(construct_id, module_name)
        self.processing = Processing(processing)
        naming.check_table_name_prefix(table_name_prefix)
        check_range(
            "max_write_request_units", max_write_request_units, minimum=1, hint="leave it out for no ceiling"
        )
        check_range(
            "point_in_time_recovery_days",
            point_in_time_recovery_days,
            minimum=1,
            maximum=LONGEST_RECOVERY_DAYS,
            hint="DynamoDB keeps at most 35 days",
        )
        check_removal_policy("removal_policy", removal_policy)
        check_table_key(self, encryption_key)
        needs_sync = data_sync or sync_table is not None
        brought = [command_table, data_table, history_table, *([sync_table] if needs_sync else [])]
        if command_table is not None and data_table is not None:
            refuse_props_of_brought(
                "command_table and data_table", max_write_request_units=max_write_request_units
            )
        if command_table is None and command_table_has_open_index:
            msg = (
                "command_table_has_open_index needs command_table, got True without one; "
                "leave it out: a new table has the index"
            )
            raise InvalidPropsError(msg)
        if all(table is not None for table in brought):
            refuse_props_of_brought(
                "command_table, data_table and history_table",
                table_name_prefix=table_name_prefix,
                encryption_key=encryption_key,
                point_in_time_recovery_days=_changed(point_in_time_recovery_days, LONGEST_RECOVERY_DAYS),
                removal_policy=_changed(removal_policy, RemovalPolicy.RETAIN),
            )
        if command_table is not None and not command_table_has_open_index:
            Annotations.of(self).add_warning_v2(
                "cqrs:noOpenIndex",
                f"what is left unfinished in {self.module_name} is not finished by itself: its command table "
                "was brought along without the index 'open'; add it, and say so with "
                "command_table_has_open_index=True, or run 'cqrs reconcile' every now and then",
            )
        if removal_policy is RemovalPolicy.DESTROY:
            Annotations.of(self).add_warning_v2(
                "cqrs:destroyableTables", "tables and their data are deleted with the stack"
            )
        self._prefix = table_name_prefix
        self._made: set[str] = set()
        self._recovery_days = point_in_time_recovery_days
        self._removal_policy = removal_policy
        self._encryption_key = encryption_key
        limited = dynamodb.Billing.on_demand(max_write_request_units=max_write_request_units)
        unlimited = dynamodb.Billing.on_demand()
        self.command_table: dynamodb.ITableV2 = command_table or self._table(
            "Command", limited, stream=dynamodb.StreamViewType.NEW_IMAGE, has_open_index=True
        )
        self.data_table: dynamodb.ITableV2 = data_table or self._table("Data", limited)
        self.history_table: dynamodb.ITableV2 = history_table or self._table("History", unlimited)
        self.has_open_index = command_table is None or command_table_has_open_index
        self.sync_table: dynamodb.ITableV2 | None = sync_table
        if needs_sync and sync_table is None:
            # A cursor that expired would run its handler again from the start: no TTL here.
            self.sync_table = self._table("Sync", unlimited, ttl=False)
        self.grants = CqrsTableGrants(
            command_table=self.command_table,
            data_table=self.data_table,
            history_table=self.history_table,
            sync_table=self.sync_table,
            has_open_index=self.has_open_index,
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
        convention = naming.table_name_prefix(env_name, app_name, self.module_name)
        assumed = self._made if self._prefix == convention else ()
        return {name: value for name, value in self.module_settings.items() if name not in assumed}

    def connect(self, functions: ServiceFunctions) -> None:
        """Let the functions of a service publish, process, read and repair this module."""
        settings = self.module_settings_in(env_name=functions.env_name, app_name=functions.app_name)
        functions.add_module(self.module_name, settings)
        is_inline = self.processing is Processing.INLINE
        # A synchronous publish applies the command in the same transaction.
        self.grants.serve(functions.data_access(functions.api).grantee)
        # The stream function applies inline, and an execution follows for handlers only.
        if self.sync_table or not is_inline:
            self.grants.apply(functions.worker)
        self.grants.operate(functions.operator)
        if is_inline:
            self.grants.apply(functions.stream)
            functions.add_applier(functions.stream)

    def metric_throttled_commands(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the command table that were throttled, summed over ``period`` (5 minutes)."""
        return _throttled(self.command_table, "Write", period)

    def metric_throttled_data(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the data table that were throttled, summed over ``period`` (5 minutes)."""
        return _throttled(self.data_table, "Write", period)

    def metric_throttled_reads(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Reads of the data table that were throttled, summed over ``period`` (5 minutes)."""
        return _throttled(self.data_table, "Read", period)

    def metric_throttled_history(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Writes to the history table that were throttled, summed over ``period`` (5 minutes)."""
        return _throttled(self.history_table, "Write", period)

    def _table(
        self,
        construct_id: str,
        billing: dynamodb.Billing,
        *,
        stream: dynamodb.StreamViewType | None = None,
        ttl: bool = True,
        has_open_index: bool = False,
    ) -> dynamodb.TableV2:
        suffix = construct_id.lower()
        self._made.add("sync_table" if suffix == contract.SYNC_SUFFIX else suffix)
        if has_open_index:
            self._made.add("open")
        return new_table(
            self,
            construct_id,
            table_name=naming.table_name(self._prefix, suffix) if self._prefix else None,
            encryption_key=self._encryption_key,
            removal_policy=self._removal_policy,
            expires=ttl,
            recovery_days=self._recovery_days,
            billing=billing,
            stream=stream,
            has_open_index=has_open_index,
        )


def _throttled(table: dynamodb.ITableV2, kind: str, period: Duration | None) -> cloudwatch.IMetric:
    # One metric for all operations, transactions and batches included. ThrottledRequests is
    # one for each operation, and counts a batch only when all of it is throttled.
    return table.metric(f"{kind}ThrottleEvents", statistic="Sum", period=period)


def _module_name(construct_id: str, module_name: str | None) -> str:
    if module_name is None:
        naming.check_module_name("construct_id in lower case", construct_id.lower())
        return construct_id.lower()
    if Token.is_unresolved(module_name):
        msg = f"module_name must be known at synthesis, got {module_name!r}; write it as a literal"
        raise InvalidPropsError(msg)
    naming.check_module_name("module_name", module_name)
    return module_name


def _changed(value: object, default: object) -> object | None:
    """Give None for a property that has its default: it configures nothing."""
    return None if value == default else value
