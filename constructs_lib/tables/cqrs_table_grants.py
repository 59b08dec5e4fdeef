"""Permissions on the tables of a `CqrsTable`, by intent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.props.grants import allow_reads, allow_writes, combined

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam

    from constructs_lib.tables.cqrs_table import CqrsTable

__all__ = ["CqrsTableGrants"]

_LOOK_UP = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
_READ = (*_LOOK_UP, "dynamodb:Query")


class CqrsTableGrants:
    """Least-privilege permissions on the tables of a `CqrsTable`, by intent.

    Each permission includes the use of a table's customer managed key, where it has one.
    Only those for operators allow a scan: `replay`, `inspect` and `reconcile`. A transaction
    needs no permission of its own: DynamoDB checks each item in it as a single read or write.
    """

    def __init__(self, tables: CqrsTable) -> None:
        self._tables = tables

    def publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` append commands and look up the state that they build on.

        This is enough for asynchronous publishing. A synchronous publish also processes
        the command: give `apply` as well.
        """
        tables = self._tables
        return combined(
            allow_writes(grantee, tables.command_table, *_LOOK_UP, "dynamodb:PutItem"),
            allow_reads(grantee, tables.data_table, *_LOOK_UP),
            *self._read_cursors(grantee),
        )

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` read commands, the latest state and former versions by key."""
        tables = self._tables
        return combined(
            allow_reads(grantee, tables.command_table, *_READ),
            allow_reads(grantee, tables.data_table, *_READ),
            allow_reads(grantee, tables.history_table, *_READ),
            *self._read_cursors(grantee),
        )

    def apply(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` process commands: write data and history, keep status and cursors."""
        tables = self._tables
        return combined(
            allow_writes(grantee, tables.command_table, *_LOOK_UP, "dynamodb:UpdateItem"),
            allow_writes(grantee, tables.data_table, *_LOOK_UP, "dynamodb:PutItem"),
            allow_writes(grantee, tables.history_table, "dynamodb:PutItem"),
            *self._move_cursors(grantee),
        )

    def replay(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` feed every row to the data sync handlers again: scan data, keep cursors.

        The commands that no handler is behind any more get their final status.
        """
        tables = self._tables
        return combined(
            allow_reads(grantee, tables.data_table, "dynamodb:Scan"),
            allow_writes(grantee, tables.command_table, "dynamodb:BatchGetItem", "dynamodb:UpdateItem"),
            *self._move_cursors(grantee),
        )

    def inspect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look, as operators do: versions, state and cursors of any aggregate."""
        tables = self._tables
        cursors = tables.sync_table
        return combined(
            allow_reads(grantee, tables.command_table, "dynamodb:Query", "dynamodb:DescribeTable"),
            allow_reads(grantee, tables.data_table, "dynamodb:GetItem"),
            allow_reads(grantee, tables.history_table, "dynamodb:Query"),
            *([allow_reads(grantee, cursors, "dynamodb:BatchGetItem", "dynamodb:Scan")] if cursors else []),
        )

    def repair(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` run a parked handler again, or pass a version over."""
        tables = self._tables
        check = "dynamodb:ConditionCheckItem"
        cursors = tables.sync_table
        return combined(
            allow_writes(grantee, tables.command_table, *_LOOK_UP, "dynamodb:UpdateItem", check),
            allow_reads(grantee, tables.data_table, "dynamodb:GetItem", check),
            *([allow_writes(grantee, cursors, *_LOOK_UP, "dynamodb:UpdateItem")] if cursors else []),
        )

    def reconcile(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` find commands that nobody has finished, and finish them."""
        tables = self._tables
        return combined(
            allow_writes(
                grantee,
                tables.command_table,
                "dynamodb:Scan",
                "dynamodb:BatchGetItem",
                "dynamodb:UpdateItem",
            ),
            allow_writes(grantee, tables.data_table, "dynamodb:BatchGetItem", "dynamodb:PutItem"),
            allow_writes(grantee, tables.history_table, "dynamodb:PutItem"),
            *self._move_cursors(grantee),
        )

    def erase(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` delete aggregates for good. No function of the service has this.

        Large attributes take `AttributesBucket.grants.collect` as well.
        """
        tables = self._tables
        delete = "dynamodb:DeleteItem"
        cursors = tables.sync_table
        return combined(
            allow_writes(grantee, tables.command_table, "dynamodb:Query", "dynamodb:GetItem", delete),
            allow_writes(grantee, tables.data_table, "dynamodb:GetItem", delete),
            allow_writes(grantee, tables.history_table, "dynamodb:Query", delete),
            *([allow_writes(grantee, cursors, "dynamodb:BatchGetItem", delete)] if cursors else []),
        )

    def _read_cursors(self, grantee: iam.IGrantable) -> list[iam.Grant]:
        """Let ``grantee`` see how far a module is that keeps no data rows, where only cursors say so."""
        cursors = self._tables.sync_table
        return [allow_reads(grantee, cursors, "dynamodb:BatchGetItem")] if cursors else []

    def _move_cursors(self, grantee: iam.IGrantable) -> list[iam.Grant]:
        cursors = self._tables.sync_table
        actions = ("dynamodb:BatchGetItem", "dynamodb:UpdateItem")
        return [allow_writes(grantee, cursors, *actions)] if cursors else []
